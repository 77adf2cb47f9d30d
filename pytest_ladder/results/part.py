"""Whether a run is whole or a part of its suite, and that no part replaces the whole.

Whole is what ran every case on every rung it was to test, for each test of the levels
that were asked for; what an ini file selects is all of its suite. `-k`, node ids,
files, `--lf`, `--ladder-rungs`, `--ladder-cases`, a shard, `-x`, Ctrl-C and a budget
that ran out make a part.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.config.load import find_ladder
from pytest_ladder.core.row import Row
from pytest_ladder.core.shard import Shard
from pytest_ladder.core.why import Why
from pytest_ladder.decide.decision import Part
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.report import has_run
from pytest_ladder.results.ladder_result import Arrived
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.state import not_collected
from pytest_ladder.session.suite import SuiteSize

PART = "part"
"""Folder of the report of a part, in that of the whole."""
_MARKS_A_LEVEL = rb"\bmark\s*\.\s*(cheap|judged|real)\b"


class _RunBefore(msgspec.Struct, frozen=True, kw_only=True):
    mode: str
    tests: dict[str, int] = {}
    shard: Shard | None = None


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What a part needs to know of the report that lies where its own would go."""

    run: _RunBefore


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is about."""

    rung: str
    test: str
    source: str
    case: str = ""
    sample: int = 1
    why: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.rung, self.test, self.source, self.case, self.sample


def part_of(
    session: LadderSession,
    opened: OpenLadder,
    items: Sequence[Arrived],
    folder: Path,
    *,
    stopped: bool,
) -> Part | None:
    """Tell what part of its suite a run is; None: it is all of it.

    `items` are those of the ladder, `folder` is where the report of the whole goes.
    """
    suite = suite_of(session, opened, items)
    own = [item.payload for item in items if not item.payload.extra]
    ran = sum(has_run(row) for payload in own for row in payload.rows)
    skipped = sum(payload.skipped for payload in own)
    if session.settings.mode in ("climb", "litmus"):
        # These choose by themselves what they run of what was selected.
        lacks = stopped or suite.selected < suite.rows
    else:
        lacks = ran + skipped < suite.rows
    before = _run_before(folder)
    # A report of another mode knows other tests.
    known = before.tests if before.mode == session.settings.mode else {}
    elsewhere = dict(_uncollected(session, opened, suite))
    elsewhere |= {
        path: test.partition("::")[0]
        for test in known
        if _is_missing(path := _path(session, test), suite.files)
    }
    shard = session.settings.shard
    if not lacks and not elsewhere and shard is None:
        return None
    # What the report before has of these files tells how much there is.
    counts = dict.fromkeys(elsewhere, 0)
    for test, rows in known.items():
        if (path := _path(session, test)) in counts:
            counts[path] += rows
    return Part(
        items=ran,
        of=suite.rows - skipped + sum(counts.values())
        if all(counts.values())
        else None,
        without=tuple(sorted(elsewhere.values())),
        skipped=skipped,
        shard="" if shard is None else str(shard),
    )


def place(
    folder: Path, part: Part | None, rows: Collection[Row], shard: Shard | None = None
) -> Path:
    """Return where a report goes, that of the whole being in `folder`.

    A part replaces only a report all of whose rows it has anew, but for `shard`, which
    ran to its end: it replaces an earlier report of the same shard, whatever that had.
    """
    if part is None or not (folder / "matrix.json").exists():
        return folder
    if shard is not None and all(map(has_run, rows)):
        earlier = _run_before(folder).shard
        if earlier is not None and earlier.folder == shard.folder:
            return folder
    have = {(row.rung, *row.place) for row in rows if has_run(row)}
    decode = msgspec.json.Decoder(_Item).decode
    try:
        with (folder / "rows.jsonl").open("rb") as lines:
            before = (decode(line) for line in lines if not line.isspace())
            kept = all(item.key in have for item in before if item.why != Why.BUDGET)
    except (OSError, msgspec.DecodeError):
        # What cannot be read may hold anything.
        kept = False
    return folder if kept else folder / PART


def suite_of(
    session: LadderSession, opened: OpenLadder, items: Sequence[Arrived]
) -> SuiteSize:
    """Return what there was to run.

    Where workers on other machines could not hand it over, that of the tests that came.
    """
    suite = session.suites.get(str(opened.ladder.path))
    if suite is not None:
        return suite
    rungs = len(opened.rungs)
    tests = {item.payload.test: rungs * item.payload.expected for item in items}
    files = {str(_path(session, test)) for test in tests}
    return SuiteSize(
        tests=tests,
        files=tuple(sorted(files)),
        selected=sum(tests.values()),
        left_files=False,
    )


def _run_before(folder: Path) -> _RunBefore:
    """Return what a report says of its run; nothing, if there is none to be read."""
    try:
        data = (folder / "matrix.json").read_bytes()
        return msgspec.json.decode(data, type=Before).run
    except (OSError, msgspec.DecodeError):
        return _RunBefore(mode="")


def _path(session: LadderSession, test: str) -> Path:
    return session.config.rootpath / test.partition("::")[0]


def _is_missing(path: Path, files: Collection[str]) -> bool:
    """Whether a file has ladder tests, and none of them was collected."""
    if str(path) in files:
        return False
    try:
        return re.search(_MARKS_A_LEVEL, path.read_bytes()) is not None
    except OSError:
        return False


def _uncollected(
    session: LadderSession, opened: OpenLadder, suite: SuiteSize
) -> Iterator[tuple[Path, str]]:
    """Yield the files of the suite that pytest was not given or could not collect.

    Each with the name that node ids have for it.
    """
    config, root = session.config, session.config.rootpath
    found = {root / nodeid.partition("::")[0] for nodeid in not_collected(config)}
    if suite.left_files or not _covers(config, opened.ladder.folder):
        found.update(_test_files(config, opened.ladder.folder))
    for path in sorted(found):
        if _is_missing(path, suite.files) and _is_of(session, opened, path):
            inside = path.is_relative_to(root)
            yield path, (path.relative_to(root) if inside else path).as_posix()


def _covers(config: pytest.Config, folder: Path) -> bool:
    """Whether pytest was to collect all of a ladder's folder, and not files of it."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return True
    start = config.invocation_params.dir
    given = [
        (start / argument.partition("::")[0]).resolve() for argument in config.args
    ]
    return any(folder.resolve().is_relative_to(path) for path in given)


def _test_files(config: pytest.Config, folder: Path) -> Iterator[Path]:
    """Yield the test files in a ladder's folder, as pytest would look for them."""
    patterns: list[str] = config.getini("python_files")
    spared: list[str] = config.getini("norecursedirs")
    paths = [config.rootpath / name for name in config.getini("testpaths")]
    roots = [path for path in paths if path.is_relative_to(folder)] or [folder]
    for root in roots:
        for place, folders, files in os.walk(root):
            folders[:] = [
                name
                for name in folders
                if not any(fnmatch.fnmatch(name, pattern) for pattern in spared)
                and not Path(place, name, "pyvenv.cfg").exists()
            ]
            for name in files:
                if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                    yield Path(place, name)


def _is_of(session: LadderSession, opened: OpenLadder, path: Path) -> bool:
    """Whether the ladder is the one in reach of a file."""
    if session.settings.config is not None:
        return True
    try:
        return find_ladder(path.parent) == opened.ladder.path
    except ConfigError:
        return False
