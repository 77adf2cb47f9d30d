"""What makes two replies the same: the identity of a model and the key of a reply."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from pytest_ladder.calls import local
from pytest_ladder.calls.lane import Request
from pytest_ladder.core.rung import Model

_KEY_VERSION = 1
# A parameter that changes when a reply comes, never what it says.
_TRANSPORT_PARAMS = frozenset({"timeout"})


def model_identity(model: Model, folder: Path) -> str:
    """Name what answers: the id with `revision`, for local files their digests.

    Never an address, never a name the user may change, never a secret. Two models
    share replies exactly when their identities are equal. `folder` is where the
    ladder's relative paths start. Raises `LocalModelError` for a missing file.
    """
    identity = model.id
    if model.is_local:
        identity = f"local/sha256:{local.weights_digest(model.id, folder)}"
    if model.adapter is not None:
        digest = local.file_digest(folder / model.adapter)
        identity += f"+adapter:sha256:{digest}"
    return f"{identity}@{model.revision}" if model.revision else identity


def reply_key(identity: str, request: Request) -> str:
    """Hash all that decides a reply: identity, messages, parameters and sample."""
    params = {k: v for k, v in request.params.items() if k not in _TRANSPORT_PARAMS}
    content = [_KEY_VERSION, identity, request.messages, params, request.sample]
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
