"""Asks git about the user's repository, and starts no program that it names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# Git sets these for a hook, relative to the repository's root. With `-C` they would be
# read relative to another folder.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_INDEX_FILE")
# Without the first git would start a program that the repository's configuration names;
# without the second names of files would be patterns.
_SAFE_OPTIONS = ("-c", "core.fsmonitor=", "--literal-pathspecs")


def ask(folder: Path, *arguments: str, **variables: str) -> bytes | None:
    """Return what git prints in a folder; None when it fails.

    `variables` are added to the environment. Raises `OSError` where there is no git.
    """
    inherited = {k: v for k, v in os.environ.items() if k not in _OF_A_HOOK}
    command = ["git", "-C", str(folder), *_SAFE_OPTIONS, *arguments]
    done = subprocess.run(
        command, env=inherited | variables, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def head(folder: Path) -> str | None:
    """Return the commit that is checked out; None: no git, repository or commit."""
    try:
        commit = ask(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except OSError:
        return None
    return None if commit is None else commit.decode().strip()


def checkout_of(folder: Path) -> Path | None:
    """Return the root of the checkout that a folder is in; None: it is in none."""
    for root in (folder, *folder.parents):
        if (root / ".git").exists():
            return root
    return None


def place_of(path: Path) -> str:
    """Return a file's path from the root of its checkout; empty: it is in none."""
    root = checkout_of(path.parent)
    return "" if root is None else path.relative_to(root).as_posix()


def tracked(folder: Path, name: str = ".") -> set[str] | None:
    """Return the files of a folder that git tracks, or of it the one called `name`.

    None: there is no such folder, no git, or it is in no repository.
    """
    try:
        listed = ask(folder, "ls-files", "-z", "--", name, **_index(folder))
    except OSError:
        return None
    if listed is None:
        return None
    return set(filter(None, os.fsdecode(listed).split("\0")))


def _index(folder: Path) -> dict[str, str]:
    """Return the variable that names git's index for this commit, if it has its own.

    `git commit FILE` makes an index of its own, and names it to its hooks.
    """
    index = os.environ.get("GIT_INDEX_FILE", "")
    if os.path.isabs(index):
        home = ask(folder, "rev-parse", "--absolute-git-dir")
        if home is not None and Path(os.fsdecode(home).strip()) == Path(index).parent:
            return {"GIT_INDEX_FILE": index}
    return {}
