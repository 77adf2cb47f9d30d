"""The archive of one ladder: its recordings in front of its store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_ladder.calls.identity import model_identity, reply_key
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.recordings import Recording, Recordings
from pytest_ladder.calls.store import Store, StoredReply
from pytest_ladder.words.reply import Reply
from pytest_ladder.words.rung import Model


class Archive:
    """Where the replies of one ladder are looked up and kept."""

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

    def find(
        self, key: str, request: Request, *, since: float | None = None
    ) -> Reply | None:
        """Return a kept reply; with `since` (Unix time) only one stored after it.

        Recordings come first: they are what was reviewed, and what CI sees.
        """
        if since is None:
            recording = self.recordings.get(key)
            if recording is not None:
                return recording.reply.reply_to(request, replayed=True)
        stored = self.store.get(key)
        if stored is None or (since is not None and stored[1] < since):
            return None
        return stored[0].reply_to(request, replayed=True)

    def keep(self, key: str, request: Request, reply: StoredReply) -> None:
        """Store a reply that was just paid for."""
        self.store.put(key, self.identity(request.model), request, reply)

    def record(self, module: str, cases: Mapping[str, str], *, prune: bool) -> None:
        """Write a module's recordings; `cases` maps each reply's key to its case.

        Replies that came out of a recording and are not in the store stay as they
        were recorded.
        """
        asked = self.store.requests(list(cases))
        used = []
        for key, case in cases.items():
            stored = self.store.get(key)
            old = self.recordings.get(key)
            if stored is not None:
                request = asked[key]
                used.append(
                    Recording(
                        case=case,
                        key=key,
                        identity=request["identity"],
                        prompt=str(request["messages"][-1].get("content", "")),
                        reply=stored[0],
                    )
                )
            elif old is not None:
                used.append(old)
        self.recordings.write(module, used, prune=prune)

    def close(self) -> None:
        """Close the store's file."""
        self.store.close()
