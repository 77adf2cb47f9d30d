"""The archive of one ladder: its recordings in front of its store."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.local import servers
from pytest_ladder.calls.one_machine.claims import Claims
from pytest_ladder.calls.store.recordings import Recording, Recordings
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import UNREADABLE, StoredReply, StoreEntry
from pytest_ladder.core.case import Message
from pytest_ladder.core.rung import Model
from pytest_ladder.disk.sqlite import usable
from pytest_ladder.errors import CallError

_KEY_VERSION = 1
# A parameter that changes when a reply comes, never what it says.
_TRANSPORT_PARAMS = frozenset({"timeout"})


class Found(NamedTuple):
    """A kept reply, and how old it is."""

    reply: StoredReply
    stored_at: float
    """Unix time; 0 for a recording: older than every run."""


class Needed(NamedTuple):
    """What is noted of a reply that a test used."""

    case: str
    """The case, or the test without cases."""
    judge: bool
    """Whether it is a judge's."""


class Archive:
    """Where the replies of one ladder are looked up and kept.

    `find`, `key` and `identity` are called from any thread; claims are taken and
    released on the engine's loop only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / ".ladder" / "store.sqlite")
        self.recordings = Recordings(folder / "recordings")
        self._identities: dict[str, str] = {}

    @cached_property
    def claims(self) -> Claims:
        """Which process calls for which reply, among all that use this store."""
        path = self.store.path.with_name("claims.sqlite")
        with usable(path):
            self.store.make_folder()
        return Claims(path)

    def identity(self, model: Model) -> str:
        """Return the model's identity; its files are hashed once."""
        if model.name not in self._identities:
            self._identities[model.name] = model_identity(model, self.folder)
        return self._identities[model.name]

    def key(self, request: Request) -> str:
        """Return the key of the reply to a request."""
        return reply_key(self.identity(request.model), request)

    def find(self, key: str, *, since: float | None = None) -> Found | None:
        """Return a kept reply; with `since` (Unix time) only one stored after it.

        Recordings come first: they are what was reviewed, and what CI sees.
        """
        if since is None:
            recording = self.recordings.get(key)
            if recording is not None:
                return Found(recording.reply, 0.0)
        stored = self.store.get(key)
        if stored is None or (since is not None and stored[1] < since):
            return None
        return Found(*stored)

    def exchange(self, key: str) -> tuple[list[Message], str] | None:
        """Return what a call was sent and what it answered, for people to read.

        A recording keeps the last message only.
        """
        kept = self.store.kept(key)
        if kept is not None:
            return kept.messages, kept.reply.text
        recording = self.recordings.get(key)
        if recording is None:
            return None
        return [{"role": "user", "content": recording.prompt}], recording.reply.text

    def entry(
        self, key: str, request: Request, reply: StoredReply
    ) -> tuple[StoreEntry, StoredReply]:
        """Return the row for a reply that was just paid for, and the reply read back.

        Raises `CallError` where the reply cannot be written or read back.
        """
        try:
            return StoreEntry.of(key, self.identity(request.model), request, reply)
        except UNREADABLE as error:
            problem = str(error)
        # Not tried again: the next answer would be as odd, and cost as much.
        raise CallError(
            f"Model {request.model.name!r} gave an answer that cannot be kept: "
            f"{problem}",
            usage=reply.usage,
            unsure=True,
        )

    def record(
        self,
        module: str,
        needed: Mapping[str, Needed],
        *,
        prune: bool,
        held_back: Collection[str] = (),
        since: float = 0.0,
    ) -> None:
        """Write a module's recordings; `needed` says by key what they were needed for.

        A recorded reply stays as it is recorded, unless the store has one that came
        after `since` (Unix time): the store of another machine may hold another reply
        to the same request, which no test has seen. For `prune` and `held_back` see
        `Recordings.write`. Raises `ConfigError` for a recordings file that is damaged.
        """
        used, renewed = [], {}
        for key, (case, judge) in needed.items():
            kept, old = self.store.kept(key), self.recordings.get(key)
            if old is not None and (kept is None or kept.created < since):
                used.append(msgspec.structs.replace(old, case=case, judge=judge))
            elif kept is not None:
                renewed[key] = kept.reply
                used.append(
                    Recording(
                        case=case,
                        key=key,
                        identity=kept.identity,
                        prompt=str(kept.messages[-1].get("content", "")),
                        reply=kept.reply,
                        judge=judge,
                    )
                )
        self.recordings.write(module, used, prune=prune, held_back=held_back)
        self.recordings.renew(module, renewed)

    def close(self) -> None:
        """Close the files, and release all claims."""
        if "claims" in self.__dict__:
            self.claims.close()
            del self.claims
        self.store.close()


def model_identity(model: Model, folder: Path) -> str:
    """Name what answers: the id with `revision`, for local files their digests.

    It holds no address, no secret, and no name that the user may change. Two models
    share replies exactly when their identities are equal. `folder` is where the
    ladder's relative paths start. Raises `LocalModelError` for a missing file.
    """
    identity = model.id
    if model.is_local:
        identity = f"local/sha256:{servers.weights_digest(model.id, folder)}"
    if model.adapter is not None:
        digest = servers.file_digest(folder / model.adapter)
        identity += f"+adapter:sha256:{digest}"
    return f"{identity}@{model.revision}" if model.revision else identity


def reply_key(identity: str, request: Request) -> str:
    """Hash all that decides a reply: identity, messages, parameters and sample."""
    params = {k: v for k, v in request.params.items() if k not in _TRANSPORT_PARAMS}
    content = [_KEY_VERSION, identity, request.messages, params, request.sample]
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
