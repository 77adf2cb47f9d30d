"""The anchor of a gate: an old baseline, with all that were committed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_ladder.decide.gate.drift import Anchor
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.baseline import read_baseline, shipped_run
from pytest_ladder.reporting.files.committed import (
    GIT,
    Place,
    check_committed,
    commit_of,
    history,
    is_shallow,
    place_of,
    read_committed,
    unknown_commit,
)
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

MOST_BASELINES = 50
"""The newest baselines that are read: each takes as long as a report."""
_DEEPER = "clone all of it (`fetch-depth: 0` in GitHub Actions)"


def read_anchor(name: str, folder: Path, baseline: str) -> Anchor:
    """Read `[gate] anchor` and the baselines committed since.

    `name` is `git:REF`, `git:REF:FOLDER`, or a report's folder or file as seen from
    `folder`, that of the ladder. The history is that of `baseline`, which a change is
    compared with; of one that is a folder, that of the commit that is checked out. What
    cannot be seen is said in the anchor. Raises `ConfigError` for a commit that there
    is none of, and for an anchor that cannot be read.
    """
    in_git = name.startswith(GIT)
    place = place_of(name if in_git else f"{GIT}HEAD", folder)
    latest = place_of(f"{GIT}HEAD:{place.inside}", folder)
    if baseline.startswith(GIT):
        latest = place_of(baseline, folder)
    if not in_git:
        report = read_baseline(str(folder / name), folder)
        return _with_history(name, report, latest, None)
    commit = commit_of(place)
    if commit is None and not is_shallow(folder):
        raise unknown_commit(place)
    if commit is None:
        unseen = (
            f"Drift since {name} was not looked at: this clone is shallow and lacks "
            f"that commit; {_DEEPER}.",
        )
        return Anchor(name=name, run=None, unseen=unseen)
    return _with_history(name, read_committed(place, commit), latest, commit)


def check_anchor(name: str, folder: Path) -> None:
    """Raise `ConfigError` for an anchor that no gate can be held to."""
    if not name.startswith(GIT):
        read_baseline(str(folder / name), folder)
        return
    place = place_of(name, folder)
    commit = commit_of(place)
    if commit is not None:
        check_committed(place, commit)
    elif not is_shallow(folder):
        raise unknown_commit(place)


def _with_history(
    name: str, report: Report, place: Place, commit: str | None
) -> Anchor:
    commits = history(place, commit)
    unseen = []
    if commits is None:
        unseen.append(
            f"Drift since {name} was not looked at: {shown(place.folder)} is in no git "
            "repository with a commit, so there is no history of baselines."
        )
    elif is_shallow(place.folder):
        unseen.append(
            f"This clone is shallow: of the baselines since {name} only "
            f"{count(len(commits), 'commit')} can be seen; {_DEEPER}."
        )
    kept = (commits or [])[-MOST_BASELINES:]
    if commits and len(commits) > len(kept):
        unseen.append(
            f"Of {len(commits):,} baselines since {name} the newest {len(kept)} were "
            "read; move `anchor` in [gate] on."
        )
    later = []
    for each in _reports(place, kept, unseen):
        # Of a file it is not known when it was committed.
        if commit is not None or each.info.started > report.info.started:
            later.append(shipped_run(each))
    return Anchor(name=name, run=shipped_run(report), later=later, unseen=unseen)


def _reports(
    place: Place, commits: Sequence[str], unseen: list[str]
) -> Iterator[Report]:
    """Yield the baselines of some commits; `unseen` takes what cannot be read."""
    for commit in commits:
        of = Place(folder=place.folder, ref=commit[:12], inside=place.inside)
        try:
            yield read_committed(of, commit)
        except ConfigError as error:
            unseen.append(f"A baseline was left out: {error}")
