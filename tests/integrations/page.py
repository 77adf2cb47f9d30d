"""The code of docs/integrations.md."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs/integrations.md"


def blocks() -> dict[str, str]:
    """Return the page's blocks of Python by the names of their files."""
    text = _PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL))
