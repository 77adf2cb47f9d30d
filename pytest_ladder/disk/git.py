"""Asks git about the user's repository, and starts nothing that a repository names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# What git tells a hook of its repository would be misread from within a folder of it.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_INDEX_FILE")
# Else a program that the repository's configuration names would be started, and names
# of files be patterns.
_PLAINLY = ("-c", "core.fsmonitor=", "--literal-pathspecs")


def ask(folder: Path, *arguments: str, **variables: str) -> bytes | None:
    """Return what git prints in a folder; None when it fails.

    `variables` are added to the environment. Raises `OSError` where there is no git.
    """
    around = {k: v for k, v in os.environ.items() if k not in _OF_A_HOOK} | variables
    command = ["git", "-C", str(folder), *_PLAINLY, *arguments]
    done = subprocess.run(command, env=around, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def head(folder: Path) -> str | None:
    """Return the commit that is checked out; None: no git, repository or commit."""
    try:
        found = ask(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except OSError:
        return None
    return None if found is None else found.decode().strip()


def tracked(folder: Path, name: str = ".") -> set[str] | None:
    """Return what git's index has of a folder, or of one file in it.

    None: there is no such folder, no git, or it is in no repository.
    """
    try:
        listed = ask(folder, "ls-files", "-z", "--", name, **_index(folder))
    except OSError:
        return None
    return (
        None if listed is None else set(filter(None, os.fsdecode(listed).split("\0")))
    )


def _index(folder: Path) -> dict[str, str]:
    """Name the index of a commit of a part of what is staged, if it has its own."""
    index = os.environ.get("GIT_INDEX_FILE", "")
    if os.path.isabs(index):
        home = ask(folder, "rev-parse", "--absolute-git-dir")
        if home is not None and Path(os.fsdecode(home).strip()) == Path(index).parent:
            return {"GIT_INDEX_FILE": index}
    return {}
