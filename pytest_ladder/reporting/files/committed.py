"""Reports that are committed: that of a commit, and those of its history."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from pytest_ladder.disk import git
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.phrases import shown

FOLDER = "ladder-baseline"
"""Where a committed baseline lies, beside `ladder.toml`."""
FILES = ("matrix.json", "rows.jsonl")
INPUTS = "inputs.jsonl"
"""What may be beside them: earlier versions wrote none."""
GIT = "git:"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a committed report lies."""

    folder: Path
    """The folder of the ladder."""
    ref: str
    inside: str
    """The report's folder, from that of the ladder."""

    @property
    def label(self) -> str:
        """The place as people write it."""
        inside = "" if self.inside == FOLDER else f":{self.inside}"
        return f"{GIT}{self.ref}{inside}"


def place_of(name: str, folder: Path) -> Place:
    """Read `git:REF` or `git:REF:FOLDER`; `folder` is that of the ladder.

    Raises `ConfigError` for what is no name of a commit.
    """
    ref, _, inside = name.removeprefix(GIT).partition(":")
    if not ref or ref.startswith("-") or not name.isprintable() or " " in ref:
        raise ConfigError(
            f"{name!r} names no commit; write a branch, a tag or a hash after "
            f"`{GIT}`, such as {GIT}origin/main."
        )
    return Place(folder=folder, ref=ref, inside=inside or FOLDER)


def commit_of(place: Place) -> str | None:
    """Return the commit that a place names; None: git knows none here."""
    commit = _git(
        place.folder, "rev-parse", "--verify", "--quiet", f"{place.ref}^{{commit}}"
    )
    return None if commit is None else commit.decode().strip()


def unknown_commit(place: Place) -> ConfigError:
    """Say that git does not know the commit of a place."""
    return ConfigError(
        f"{place.label}: git knows no commit `{place.ref}` in {shown(place.folder)}; "
        "fetch it first (CI often clones the last commit only), or correct the name."
    )


def check_committed(place: Place, commit: str) -> None:
    """Raise `ConfigError` where a commit has no report in a place; reads none."""
    for file in FILES:
        path = f"{commit}:./{place.inside}/{file}"
        if _git(place.folder, "cat-file", "-e", path) is None:
            raise _missing(place, file)


def _missing(place: Place, file: str) -> ConfigError:
    return ConfigError(
        f"{place.label}: there is no {place.inside}/{file} at `{place.ref}` beside "
        f"{shown(place.folder)}; write one on main with `pytest-ladder baseline update "
        f"DIR --output {place.inside}` and commit it, or name the folder that has it: "
        f"{GIT}{place.ref}:FOLDER."
    )


def read_committed(place: Place, commit: str) -> Report:
    """Read the report that a commit has in a place. Raises `ConfigError`."""
    with tempfile.TemporaryDirectory(prefix="ladder-baseline-") as copy:
        for file in (*FILES, INPUTS):
            # `./` makes the path one from the folder and not from the repository.
            path = f"{commit}:./{place.inside}/{file}"
            content = _git(place.folder, "cat-file", "blob", path)
            if content is None and file == INPUTS:
                continue
            if content is None:
                raise _missing(place, file)
            (Path(copy) / file).write_bytes(content)
        try:
            return read_report(Path(copy))
        except ConfigError as error:
            raise ConfigError(str(error).replace(copy, place.label)) from error


def history(place: Place, since: str | None) -> list[str] | None:
    """Return the commits that changed the report in a place, oldest first.

    Along the first parents, as main has it. `since` leaves out whatever that commit has
    already. None: git does not know the place, or there is no repository.
    """
    tip = commit_of(place)
    if tip is None:
        return None
    reach = tip if since is None else f"{since}..{tip}"
    rows = f"./{place.inside}/{FILES[-1]}"
    command = ("log", "--first-parent", "--reverse", "--format=%H", reach, "--", rows)
    listed = _git(place.folder, *command)
    return None if listed is None else listed.decode().split()


def is_shallow(folder: Path) -> bool:
    """Tell whether git has the end of the history only."""
    told = _git(folder, "rev-parse", "--is-shallow-repository")
    return told is not None and told.strip() == b"true"


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints; None when it fails."""
    try:
        return git.ask(folder, *arguments)
    except OSError as error:
        raise ConfigError(
            f"git could not be started ({error.strerror}); name a folder as the "
            "baseline instead."
        ) from error
