"""Recordings: the replies that tests need, committed beside `ladder.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from pytest_ladder.calls.files import write_atomically
from pytest_ladder.calls.store import StoredReply
from pytest_ladder.errors import ConfigError


class Recording(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a recordings file."""

    case: str
    """The case, or the test without cases, that needs the reply."""
    key: str
    identity: str
    prompt: str
    """The last message of the request, for people who read the diff."""
    reply: StoredReply


class Recordings:
    """The folder `recordings/` of one ladder; read when first asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_key: dict[str, Recording] | None = None

    def get(self, key: str) -> Recording | None:
        """Return the recording of a reply, or None."""
        if self._by_key is None:
            self._by_key = {
                recording.key: recording
                for path in sorted(self.folder.rglob("*.jsonl"))
                for recording in read(path)
            }
        return self._by_key.get(key)

    def write(self, module: str, used: Iterable[Recording], *, prune: bool) -> None:
        """Write the replies that a test module used, sorted by case and key.

        `module` is the module's path relative to the ladder, without suffix.
        `prune` forgets what this run did not use: right only when the module ran
        whole. Without it new replies join those that are there.
        """
        path = self.folder / f"{module}.jsonl"
        kept = [] if prune or not path.exists() else read(path)
        merged = {recording.key: recording for recording in [*kept, *used]}
        if not merged:
            path.unlink(missing_ok=True)
            return
        lines = sorted(merged.values(), key=lambda r: (r.case, r.key))
        encode = msgspec.json.Encoder(order="sorted").encode
        content = b"".join(encode(line) + b"\n" for line in lines)
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def read(path: Path) -> list[Recording]:
    """Read one recordings file; raises `ConfigError` naming a broken line."""
    decoder = msgspec.json.Decoder(Recording)
    recordings = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            recordings.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}:{number}: not a recording ({error}); restore the file from "
                "git, or delete it and record again with --ladder-live."
            ) from error
    return recordings
