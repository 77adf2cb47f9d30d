"""The floors hold: imports point down, and the public face is what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_ladder

PACKAGE = Path(pytest_ladder.__file__).parent


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def test_hooks_are_short_and_only_in_plugin() -> None:
    for module, path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            if not node.name.startswith("pytest_"):
                continue
            assert module == "plugin", f"{path}:{node.lineno}"
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno or 0
            assert length - body[0].lineno < 10, f"{path}:{node.lineno} is long"


def test_every_exception_lives_in_errors() -> None:
    for module, path in modules():
        if module == "errors":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = " ".join(ast.unparse(base) for base in node.bases)
                assert not re.search(r"(Error|Exception)\b", bases), (
                    f"{path}:{node.lineno} {node.name} belongs in errors.py"
                )


def test_words_are_frozen_and_keyword_only() -> None:
    for path in sorted((PACKAGE / "core").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            if "Enum" in " ".join(ast.unparse(base) for base in node.bases):
                continue
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert given.get("frozen") == "True", f"{path}:{node.lineno}"
            assert given.get("kw_only") == "True", f"{path}:{node.lineno}"


def test_the_public_face_is_sorted_and_complete() -> None:
    assert pytest_ladder.__all__ == sorted(pytest_ladder.__all__)
    for name in pytest_ladder.__all__:
        assert getattr(pytest_ladder, name).__name__ == name
    with pytest.raises(AttributeError, match="Wombat"):
        pytest_ladder.Wombat  # noqa: B018


def test_nothing_is_called_utils() -> None:
    names = {path.stem for _, path in modules()}
    assert not names & {"utils", "util", "helpers", "common", "misc"}
