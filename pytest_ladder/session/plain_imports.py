"""Importing this has the modules of the package loaded as they are installed.

pytest rewrites the asserts of every module of a package that brings a plugin, so that a
failed one explains itself. No assert of ours is there to be read. And what is rewritten
is kept as bytecode of pytest's own, which nobody wrote when the package was installed:
where none can be written, as with `PYTHONDONTWRITEBYTECODE` of many containers or in
folders of another user, each run would parse 170 files anew, for as long as everything
else takes.

So a finder of our own stands before pytest's, for the submodules of this package only.
It asks Python's usual finder, and leaves what that does not know to the others, such as
those of an app packed into one file. The package itself and `plugin` stay pytest's:
it warns of a plugin that it could not rewrite. It takes effect when it is imported, so
that it can stand first among imports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_PACKAGE = f"{__name__.partition('.')[0]}."


class _Finder:
    """Finds the modules of this package before anyone else does."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Called by Python for each import that is not in `sys.modules` yet."""
        if not name.startswith(_PACKAGE):
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path.insert(0, _Finder())
