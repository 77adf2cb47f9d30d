"""Recordings: the replies that tests need, committed beside `ladder.toml`."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_ladder.calls.store.stored_reply import UNREADABLE, StoredReply, read_reply
from pytest_ladder.disk.files import inside, write_atomically
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.text.phrases import shown


class Recording(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a recordings file."""

    case: str
    """The case, or the test without cases, that needs the reply."""
    key: str
    identity: str
    prompt: str
    """The last message of the request, for people who read the diff."""
    reply: StoredReply
    judge: bool = False
    """Whether it is a judge's, and not of the rung under test."""


_CONFLICT = (b"<<<<<<< ", b"=======", b">>>>>>> ")
_DECODER = msgspec.json.Decoder(Recording)


class Recordings:
    """The folder `recordings/` of one ladder; read when first asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_key: dict[str, Recording] | None = None
        self._by_case: defaultdict[str, list[Recording]] | None = None
        """Sorted when first asked, as only a missing reply has somebody ask."""
        self._damaged: ConfigError | None = None
        """What is wrong with a file; None: nothing, or none was read."""
        self._files_of: dict[str, list[Path]] = {}
        """The files that hold a reply, by its key."""

    def get(self, key: str) -> Recording | None:
        """Return the recording of a reply, or None.

        Raises `ConfigError` for each while a file is damaged: what it may hold is not
        to be paid for again.
        """
        return self._all().get(key)

    def of_case(self, case: str, module: str | None = None) -> list[Recording]:
        """Return what is recorded for a case, or for a test without cases.

        `module`: in its file only, for another's cases may have the same ids.
        """
        if self._by_case is None:
            self._by_case = defaultdict(list)
            for each in self._all().values():
                self._by_case[each.case].append(each)
        found = self._by_case.get(case, [])
        if module is None:
            return found
        path = self.folder / f"{module}.jsonl"
        return [each for each in found if path in self._files_of[each.key]]

    def _all(self) -> dict[str, Recording]:
        if self._damaged is not None:
            raise self._damaged.with_traceback(None)
        if self._by_key is None:
            by_key: dict[str, Recording] = {}
            for path in sorted(self.folder.rglob("*.jsonl")):
                try:
                    recordings = read(path)
                except ConfigError as error:
                    error.refused_key = f"recordings {path.name}"
                    self._damaged = error
                    raise
                for recording in recordings:
                    by_key[recording.key] = recording
                    self._files_of.setdefault(recording.key, []).append(path)
            self._by_key = by_key
        return self._by_key

    def write(
        self,
        module: str,
        used: Iterable[Recording],
        *,
        prune: bool,
        held_back: Collection[str] = (),
    ) -> None:
        """Write the replies that a test module used, sorted by case and key.

        `module` is the module's path relative to the ladder, without suffix.
        `prune` removes the replies that this run did not use, which is right only
        where all tests of the module ran; without it new replies join those that are
        there. Judges' replies on the cases `held_back` from them stay also then: this
        run could not use them. Raises `ConfigError` for a damaged file, and for one
        that would lie elsewhere.
        """
        path = inside(self.folder, f"{module}.jsonl")
        kept = read(path) if path.exists() else []
        if prune:
            kept = [old for old in kept if old.judge and old.case in held_back]
        merged = {recording.key: recording for recording in kept}
        for new in used:
            old = merged.get(new.key, new)
            # A run of a part of the tests must not change the case that is named.
            merged[new.key] = msgspec.structs.replace(new, case=min(old.case, new.case))
        _write(path, merged.values())

    def renew(self, module: str, replies: Mapping[str, StoredReply]) -> None:
        """Put replies that were called for again, by key, into other modules' files.

        Otherwise the old reply in one of them could be the one that is replayed.
        """
        own = self.folder / f"{module}.jsonl"
        paths = {
            inside(self.folder, str(path.relative_to(self.folder)))
            for key in replies
            for path in self._files_of.get(key, ())
        }
        for path in sorted(paths - {own}):
            if path.exists():
                renewed = [
                    msgspec.structs.replace(old, reply=replies.get(old.key, old.reply))
                    for old in read(path)
                ]
                _write(path, renewed)


def _write(path: Path, recordings: Iterable[Recording]) -> None:
    """Write a file of recordings, a line each, sorted by case and key."""
    lines = sorted(recordings, key=lambda r: (r.case, r.key))
    encode = msgspec.json.Encoder(order="sorted").encode
    content = b"".join(encode(line) + b"\n" for line in lines)
    try:
        if not lines:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
    except OSError as error:
        raise LadderError(
            f"{shown(path)}: the recordings could not be written "
            f"({error.strerror or error}); make the folder one that takes files, and "
            "run again: what is stored is not paid for again."
        ) from error


class Damaged(NamedTuple):
    """A line of a recordings file that is not a recording; as text, with the fix."""

    path: Path
    line: int
    """The first is 1."""
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}: not a recording ({self.problem}); restore the "
            "file from git, or delete it and record again with --ladder-live."
        )


def read(path: Path) -> list[Recording]:
    """Read one recordings file; raises `ConfigError` naming a broken line."""
    recordings, damaged = scan(path)
    if damaged:
        raise ConfigError(str(damaged[0]))
    return recordings


def scan(path: Path) -> tuple[list[Recording], list[Damaged]]:
    """Read what can be read of a recordings file, and name the other lines.

    Raises `ConfigError` for what cannot be read at all, such as a folder.
    """
    recordings, damaged = [], []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: this should be a file of recordings, and it could not be read "
            f"({error.strerror or error}); rename it, move it away or mend its rights."
        ) from error
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            recordings.append(_recording(line))
        except UNREADABLE as error:
            marked = line.startswith(_CONFLICT)
            what = ": git left a conflict marker here" if marked else ""
            damaged.append(Damaged(path, number, f"{error}{what}"))
    return recordings, damaged


def _recording(line: bytes) -> Recording:
    """Read one line; a field of the reply that has a wrong type counts as absent."""
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError:
        fields = msgspec.json.decode(line)
        if isinstance(fields, dict) and "reply" in fields:
            reply = read_reply(msgspec.json.encode(fields["reply"]))
            fields["reply"] = msgspec.to_builtins(reply)
        return msgspec.convert(fields, Recording)


def forget(path: Path, keys: Collection[str]) -> None:
    """Take recordings out of a file, and leave all other lines as they are.

    A file without any is deleted. Raises `ConfigError` for a broken line.
    """
    left = [recording for recording in read(path) if recording.key not in keys]
    if not left:
        path.unlink()
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [
        line for line in lines if not line.strip() or _recording(line).key not in keys
    ]
    write_atomically(path, b"".join(kept))
