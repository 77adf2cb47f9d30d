"""Variables from a file (`--ladder-env-file`): keys, and addresses of providers.

The file is named on the command line only. Where a repository could name it, a pull
request could choose where keys go. It is read here and not by python-dotenv: a key is
taken as it stands, where that library would expand `${…}` in it, and pass over a line
that it cannot read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

FLAG = "--ladder-env-file"
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.*)\1\s*(?:#.*)?""")
_COMMENT = re.compile(r"(^|\s)#.*")


def load(config: pytest.Config, name: str, options: Collection[str]) -> None:
    """Set the variables of a file for this run, but none that is set already.

    `options` are the variables that are options, which no file may set. Workers of this
    machine inherit all of it. Raises `pytest.UsageError`, never with a value.
    """
    typed = [
        str(argument).partition("=")[0] for argument in config.invocation_params.args
    ]
    if FLAG not in typed:
        raise pytest.UsageError(
            f"{FLAG} stands in `addopts` or PYTEST_ADDOPTS; type it on the command "
            "line: no file of a repository may choose where keys go."
        )
    path = config.invocation_params.dir / name
    added = {}
    for number, variable, value in _variables(path, name):
        if variable in options:
            raise pytest.UsageError(
                f"{name}:{number}: {variable} is an option, and this file holds "
                "keys and addresses; type the option on the command line."
            )
        if variable not in os.environ or variable in added:
            os.environ[variable] = added[variable] = value

    def take_back() -> None:
        for variable, value in added.items():
            if os.environ.get(variable) == value:
                del os.environ[variable]

    config.add_cleanup(take_back)


def _variables(path: Path, name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and value of each variable; raises `pytest.UsageError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not UTF-8"
        raise pytest.UsageError(
            f"{FLAG}: {name} cannot be read ({problem}); give the path of a file with "
            "a line KEY=VALUE for each variable."
        ) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        value = None if found is None else _value(found[2])
        if found is None or value is None:
            raise pytest.UsageError(
                f"{name}:{number}: the line is not KEY=VALUE; write one variable a "
                "line, its value in quotes where it holds spaces or #."
            )
        yield number, found[1], value


def _value(text: str) -> str | None:
    """Return a value without quotes and comment; None: it cannot be a value."""
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        value = quoted[2]
    elif text[:1] in ("'", '"'):
        return None  # its quote has no end
    else:
        value = _COMMENT.sub("", text).strip()
    return None if "\0" in value else value
