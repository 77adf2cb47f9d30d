"""The archive of one ladder: its recordings in front of its store."""

from __future__ import annotations

import hashlib
from collections.abc import (
    Collection,
    Container,
    Iterable,
    Iterator,
    Sequence,
)
from pathlib import Path

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.recordings import Recording, Recordings
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import (
    UNREADABLE,
    StoredReply,
    StoreRow,
    store_row,
)
from pytest_ladder.core.case import Message
from pytest_ladder.core.row import UNUSABLE, Exchange, Row
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError

_KEY_VERSION = 1
# A parameter that changes when a reply comes, never what it says.
TRANSPORT_PARAMS = frozenset({"timeout"})


class Archive:
    """Where the replies of one ladder are looked up and kept.

    `find`, `known`, `key` and `identity` are called from any thread.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / ".ladder" / "store.sqlite")
        self.recordings = Recordings(folder / "recordings")
        self._identities: dict[str, str] = {}

    def identity(self, model: Model) -> str:
        """Return the model's identity; its files are hashed once."""
        if model.name not in self._identities:
            self._identities[model.name] = model_identity(model, self.folder)
        return self._identities[model.name]

    def key(self, request: Request) -> str:
        """Return the key of the reply to a request."""
        return reply_key(self.identity(request.model), request)

    def find(self, key: str) -> StoredReply | None:
        """Return a kept reply, or None.

        Recordings come first: they are what was reviewed, and what CI sees.
        """
        recording = self.recordings.get(key)
        return self.store.get(key) if recording is None else recording.reply

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return which replies are kept; hundreds are looked up at once."""
        recorded = {key for key in keys if self.recordings.get(key) is not None}
        return recorded | self.store.among([k for k in keys if k not in recorded])

    def exchanges(self, keys: Iterable[str]) -> Iterator[Exchange]:
        """Yield what calls were sent and what they answered, for people to read.

        A recording keeps the last message only.
        """
        for key, kept in self.store.kept(keys):
            if kept is not None:
                reply, _, messages = kept
                yield _exchange(key, tuple(messages), reply)
            elif (recording := self.recordings.get(key)) is not None:
                asked: Message = {"role": "user", "content": recording.prompt}
                yield _exchange(key, (asked,), recording.reply)

    def row(
        self, key: str, request: Request, reply: StoredReply
    ) -> tuple[StoreRow, StoredReply]:
        """Return the row for a reply that was just paid for, and the reply read back.

        Raises `CallError` where the reply cannot be written or read back.
        """
        try:
            return store_row(key, self.identity(request.model), request, reply)
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
        rows: Iterable[Row],
        *,
        prune: bool,
        held_back: Collection[str] = (),
        called: Container[str] = (),
    ) -> None:
        """Write a module's recordings: of all replies that its rows used.

        A recorded reply stays as it is recorded, unless this run `called` for it anew:
        the store may hold another reply to the same request, of another machine or
        run, which no test has seen. For `prune` and `held_back` see
        `Recordings.write`. Raises `ConfigError` for a recordings file that is damaged.
        """
        needed, used, renewed = _needed(rows), [], {}
        for key, kept in self.store.kept(needed):
            (case, judge), old = needed[key], self.recordings.get(key)
            if old is not None and (kept is None or key not in called):
                used.append(msgspec.structs.replace(old, case=case, judge=judge))
            elif kept is not None:
                renewed[key], identity, messages = kept
                used.append(
                    Recording(
                        case=case,
                        key=key,
                        identity=identity,
                        prompt=prompt_of(messages[-1]),
                        reply=renewed[key],
                        judge=judge,
                    )
                )
        self.recordings.write(module, used, prune=prune, held_back=held_back)
        self.recordings.renew(module, renewed)

    def close(self) -> None:
        """Close the files."""
        self.store.close()


def _needed(rows: Iterable[Row]) -> dict[str, tuple[str, bool]]:
    """Say by key for which case, or test without, and whether it is a judge's reply.

    Of several cases the first one. A judge's answers that gave no verdict are not
    needed: a later run asks again.
    """
    needed: dict[str, tuple[str, bool]] = {}
    for row in rows:
        for bills, judge in ((row.replies, False), (row.evaluations, True)):
            usable = [bill for bill in bills if bill.flag != UNUSABLE]
            for key in (key for bill in usable for key in bill.calls or (bill.key,)):
                purpose = row.case or row.test, judge
                needed[key] = min(purpose, needed.get(key, purpose))
    return needed


def _exchange(key: str, asked: tuple[Message, ...], reply: StoredReply) -> Exchange:
    return Exchange(
        key=key,
        messages=asked,
        text=reply.shown,
        model=reply.model,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        cost_usd=reply.cost_usd,
        latency_s=None if reply.timing is None else reply.timing.took_s,
    )


def prompt_of(message: Message) -> str:
    """Return what a recording keeps of the last message, for people to read."""
    content = message.get("content", "")
    if not isinstance(content, list):
        return str(content)
    from pytest_ladder.core.attachments import spoken

    return spoken(content)


def model_identity(model: Model, folder: Path) -> str:
    """Name what answers: the id with `revision`, for local files their digests.

    It holds no address, no secret, and no name that the user may change. Two models
    share replies exactly when their identities are equal. `folder` is where the
    ladder's relative paths start. Raises `LocalModelError` for a missing file.
    """
    identity = model.id
    if not model.is_local and model.adapter is None:
        return f"{identity}@{model.revision}" if model.revision else identity
    # What reads and downloads weights is loaded where there are any.
    from pytest_ladder.calls.local import servers

    if model.is_local:
        identity = f"local/sha256:{servers.weights_digest(model.id, folder)}"
    if model.adapter is not None:
        digest = servers.file_digest(folder / model.adapter)
        identity += f"+adapter:sha256:{digest}"
    return f"{identity}@{model.revision}" if model.revision else identity


def reply_key(identity: str, request: Request) -> str:
    """Hash all that decides a reply: identity, messages, parameters, sample, draw."""
    params = {k: v for k, v in request.params.items() if k not in TRANSPORT_PARAMS}
    messages = request.messages if request.keyed is None else request.keyed
    content = [_KEY_VERSION, identity, messages, params, request.sample]
    if request.draw:
        # Absent from all keys of calls that are made once, which so stay as they were.
        content.append({"draw": request.draw})
    if request.embeds:
        content.append({"embeds": True})
    if request.native is not None:
        content.append({"native": request.native})
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
