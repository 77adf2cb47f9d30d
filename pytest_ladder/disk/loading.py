"""Loading much at once: a package, or the rows of a large file.

A file of its own, for those who load share nothing else.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep Python from searching what is being loaded for cycles again and again.

    That is a third of the time of an import of litellm, and more than reading what
    users did.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
