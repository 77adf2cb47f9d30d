"""Which ladder.toml a command means: that of the report, or the one in reach."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_ladder.config.load import FILE, find_ladder, load_ladder
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.score import Level
from pytest_ladder.disk import git
from pytest_ladder.text.phrases import listed, shown

_MOST_NAMED = 4


class _Run(msgspec.Struct, frozen=True):
    ladder: str = ""


class _LevelsOf(msgspec.Struct, frozen=True):
    levels: dict[str, msgspec.Raw] = {}


class _Written(msgspec.Struct, frozen=True):
    """What is read of a `matrix.json`."""

    run: _Run = _Run()
    rungs: tuple[_LevelsOf, ...] = ()


def ladder_in_reach(folder: Path) -> Ladder | None:
    """Return the ladder of a report, by its folder.

    That which the report names, else the one in reach of its folder, else of the
    working folder.
    """
    path = _named_by(folder)
    for start in (folder.resolve(), Path.cwd()):
        path = path or find_ladder(start)
    return None if path is None else load_ladder(path)


def labels_in_reach(folder: Path) -> Path | None:
    """Return the file of labels of the ladder in reach, which need not be there."""
    ladder = ladder_in_reach(folder)
    return None if ladder is None else ladder.labels


def is_judged(folder: Path) -> bool:
    """Whether there is a report here that has a judged level."""
    written = _written(folder)
    rungs = () if written is None else written.rungs
    return any(Level.JUDGED in rung.levels for rung in rungs)


def go_where() -> str:
    """Say where in the checkout there is a ladder.toml, for who has none in reach."""
    here = Path.cwd()
    root = git.checkout_of(here)
    tracked = git.tracked(root) if root else None
    places = sorted(path for path in tracked or () if Path(path).name == FILE)
    if root is None or not places:
        return "call this in the folder of your suite"
    named = [shown((root / place).parent) for place in places[:_MOST_NAMED]]
    if len(places) > _MOST_NAMED:
        named.append("others")
    return f"call this where there is one: {listed(named)}"


def _named_by(folder: Path) -> Path | None:
    """Return the ladder.toml that a report says it was made by, if it is here.

    A report may come from anywhere, so it only names a file within the checkout that
    it lies in, or else that of the working folder.
    """
    written = _written(folder)
    if written is None or not written.run.ladder.endswith(".toml"):
        return None
    for start in (folder.resolve(), Path.cwd()):
        root = git.checkout_of(start)
        if root is None:
            continue
        path = (root / written.run.ladder).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            return path
    return None


def _written(folder: Path) -> _Written | None:
    """Read what matters here of a report; None: reading it says what is wrong."""
    try:
        content = (folder / "matrix.json").read_bytes()
        return msgspec.json.decode(content, type=_Written)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
