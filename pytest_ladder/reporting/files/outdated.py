"""A mark on a report that a later run should have replaced, and did not.

A run that ends before its first row, such as by a collection error, leaves the report
before it as it was, and one of a part leaves that of the whole. If such a run failed,
no gate may pass on what lies there.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from pytest_ladder.disk.files import write_atomically

FILE = "outdated.json"


def mark(folder: Path, why: str) -> None:
    """Say beside the report in `folder` why it is out of date, in a sentence."""
    # In a folder that cannot be written nothing can be replaced, either.
    with contextlib.suppress(OSError):
        write_atomically(folder / FILE, f"{json.dumps({'why': why})}\n".encode())


def unmark(folder: Path) -> None:
    """Take the mark away; called when a report was written into `folder`."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def why_outdated(folder: Path) -> str:
    """Return why the report in `folder` is out of date; empty: it is not."""
    try:
        return str(json.loads((folder / FILE).read_bytes())["why"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return "A later run failed, and what it left beside the report is damaged."
