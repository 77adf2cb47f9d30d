"""Fills the tables of docs/reference.md from the types and tables of the package.

    python -m docs.generate_reference

What stands there between `<!-- generated: NAME -->` and `<!-- end -->` is written by
this file, from docstrings, structs and parsers; all else is written by hand.
tests/test_reference.py holds that the page is up to date and that nothing is missing.
"""

from __future__ import annotations

import argparse
import ast
import enum
import importlib
import inspect
import itertools
import pkgutil
import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

import pytest_ladder
from pytest_ladder import cli
from pytest_ladder.cases.formats import FIELD_OF
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.session import fixtures
from pytest_ladder.session.options import OPTIONS

PAGE = Path(__file__).with_name("reference.md")
Row = tuple[str, ...]

_BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_INTERNAL = ("serve",)
"""Public for other modules, and of no use in a test."""


def filled(page: str) -> str:
    """Return a page with its generated blocks written anew."""
    written = _blocks()
    return _BLOCK.sub(
        lambda block: f"{block[1]}\n{written[block[2]]()}\n\n{block[3]}", page
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _blocks() -> dict[str, Callable[[], str]]:
    """Name the tables of the page, each with what writes it."""
    parts = {field.name: field.type for field in msgspec.structs.fields(Ladder)}
    judge = _struct_in(parts["judge"])
    jury = {field.name: field.type for field in msgspec.structs.fields(judge)}["jury"]
    as_in_model = {field.name for field in msgspec.structs.fields(_struct_in(jury))}
    return {
        "fixtures": _fixtures,
        **{
            f"fixture {function.name}": partial(_members, function.name, cls)
            for function in fixture_functions()
            if (cls := _returned(function)) is not None
        },
        "options": _options,
        "keys of [[model]]": partial(_keys, _struct_in(parts["models"])),
        "keys of [[strategy]]": partial(_keys, _struct_in(parts["strategies"])),
        "keys of [objective]": partial(_keys, _struct_in(parts["objective"])),
        "keys of [judge]": partial(_keys, judge, but=as_in_model),
        "keys of [gate]": partial(_keys, _struct_in(parts["gate"])),
        "fields of a case": _case_fields,
        "public names": _public_names,
        "commands": _commands,
    }


def fixture_functions() -> Iterator[ast.FunctionDef]:
    """Yield the fixtures that tests use, as they are written."""
    for node in _tree(fixtures).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from (node for one in node.decorator_list if _is_fixture(one))


def _is_fixture(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).startswith("pytest.fixture")


def _fixtures() -> str:
    rows = []
    for function in fixture_functions():
        decorated = " ".join(map(ast.unparse, function.decorator_list))
        scope = "session" if "session" in decorated else "function"
        rows.append((f"`{function.name}`", scope, ast.get_docstring(function) or ""))
    return _table(("fixture", "scope", "what it is"), rows)


def _returned(function: ast.FunctionDef) -> type | None:
    """Return the class of what a fixture gives; None: a plain function."""
    name = ast.unparse(function.returns) if function.returns else ""
    for node in ast.walk(_tree(fixtures)):
        named = node.names if isinstance(node, ast.ImportFrom) else []
        if name in (alias.name for alias in named):
            assert isinstance(node, ast.ImportFrom)
            assert node.module is not None
            found: type = getattr(importlib.import_module(node.module), name)
            return found
    return None


def _members(fixture: str, cls: type) -> str:
    """Write what a test may use of an object: calls, fields, properties, methods."""
    rows = []
    if issubclass(cls, msgspec.Struct):
        # A rung's model and strategy are tables of ladder.toml.
        for name, field, told in _fields(cls, nested=fixture != "rung"):
            rows.append((f"`.{name}`", _in_python(field.type), told))
    for name, member in _public_members(cls):
        told = _first(inspect.getdoc(member))
        if isinstance(member, property):
            result = typing.get_type_hints(member.fget)["return"]
            rows.append((f"`.{name}`", _in_python(result), told))
        else:
            rows.append((f"`{_call(fixture, name, member)}`", "call", told))
    return _table(("member", "type", "what it is"), rows)


def _public_members(cls: type) -> Iterator[tuple[str, Any]]:
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        if base is not msgspec.Struct:
            members |= vars(base)
    for name, member in members.items():
        is_public = name == "__call__" or not name.startswith("_")
        is_code = isinstance(member, property) or inspect.isfunction(member)
        if is_public and is_code and name not in _INTERNAL:
            yield name, member


def _call(fixture: str, name: str, function: Any) -> str:
    """Write how a method is called, without types."""
    hints = typing.get_type_hints(function)
    parts = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        options = get_args(hints.get(parameter.name))
        if parameter.kind is parameter.VAR_KEYWORD:
            known = getattr(options[0], "__annotations__", {}) if options else {}
            parts += [f"{option}=…" for option in known] or [f"**{parameter.name}"]
        elif parameter.default is parameter.empty:
            parts.append(parameter.name)
        else:
            parts.append(f"{parameter.name}={parameter.default!r}")
    wait = "await " if inspect.iscoroutinefunction(function) else ""
    called = fixture if name == "__call__" else f"{fixture}.{name}"
    result = getattr(hints.get("return"), "__name__", "Any")
    arrow = "" if result == "Any" else f" -> {result}"
    return f"{wait}{called}({', '.join(parts)}){arrow}"


def _options() -> str:
    rows = []
    for option in OPTIONS:
        value = "|".join(option.choices) or option.metavar
        flag = f"{option.flag}={value}" if value else option.flag
        ini = f"`{option.dest}`" if option.ini else "none"
        told = _sentence(option.help)
        if option.expects:
            told += f" Takes {option.expects}."
        rows.append((f"`{flag}`", ini, f"`{option.environment}`", told))
    return _table(("option", "ini", "environment", "what it does"), rows)


def _keys(struct: type, but: Collection[str] = ()) -> str:
    rows = [
        # In a file nobody writes None.
        (f"`{name}`", _kind(field.type), _default(field), _not_none(told))
        for name, field, told in _fields(struct)
        if name.split(".")[0] not in but
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _not_none(told: str) -> str:
    return re.sub(r"\bNone:", "not set:", told)


def _fields(
    struct: type, before: str = "", *, nested: bool = True
) -> Iterator[tuple[str, Any, str]]:
    """Yield fields with their meaning, each followed by those of its own table."""
    meanings = _meanings(struct)
    fields = msgspec.structs.fields(struct)
    for field in sorted(fields, key=lambda one: not one.required):
        inner = _struct_in(field.type)
        yield before + field.name, field, meanings.get(field.name, "")
        if inner is not None and nested and not issubclass(struct, inner):
            dot = "[]." if get_origin(field.type) is tuple else "."
            yield from _fields(inner, f"{before}{field.name}{dot}")


def _meanings(struct: type) -> dict[str, str]:
    """Return what stands below each field of a struct, those it inherits included."""
    told: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if cls.__module__.startswith("pytest_ladder."):
            body = _class_node(cls).body
            for field, below in itertools.pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    text = ast.literal_eval(below.value)
                    told[ast.unparse(field.target)] = _first(text)
    return told


def _class_node(cls: type) -> ast.ClassDef:
    tree = _tree(importlib.import_module(cls.__module__))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return next(node for node in classes if node.name == cls.__name__)


def _struct_in(kind: Any) -> Any:
    """Return the struct that a type holds, such as `X` of `X | None`; None: no one."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next(filter(None, map(_struct_in, get_args(kind))), None)


def _kind(kind: Any) -> str:
    """Name a type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is Literal:
        return ", ".join(f'`"{value}"`' for value in inner)
    if origin in (UnionType, typing.Union):
        return " or ".join(_kind(one) for one in inner if one is not NoneType)
    if origin in (tuple, list):
        return f"list of {_kind(inner[0])}s"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f'`"{member.value}"`' for member in kind)
    return "anything" if kind is Any else "table"


def _in_python(kind: Any) -> str:
    return _kind(kind).replace("table", "object")


def _default(field: Any) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value in (None, (), {}) or isinstance(value, msgspec.Struct):
        return "not set"
    return f'`"{value}"`' if isinstance(value, str) else f"`{str(value).lower()}`"


def _case_fields() -> str:
    rows = []
    for name, field, told in _fields(Case):
        others = [other for other, meant in FIELD_OF.items() if meant == name != other]
        if name in FIELD_OF:
            also = ", ".join(f"`{other}`" for other in others)
            rows.append((f"`{name}`", also, _kind(field.type), told))
    return _table(("field", "also called", "type", "meaning"), rows)


def _public_names() -> str:
    rows = [
        (f"`{name}`", _first(inspect.getdoc(getattr(pytest_ladder, name))))
        for name in pytest_ladder.__all__
    ]
    return _table(("name", "what it is"), rows)


def _commands() -> str:
    parts = []
    for name, parser in commands().items():
        told = " ".join((parser.description or "").split())
        parts.append(f"### `pytest-ladder {name}`\n\n{told}")
        rows = list(_arguments(parser))
        if rows:
            parts.append(_table(("argument", "meaning"), rows))
    return "\n\n".join(parts)


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands by their names, such as `baseline update`."""
    below = argparse.ArgumentParser(prog="pytest-ladder").add_subparsers()
    for module in pkgutil.iter_modules(cli.__path__):
        command = importlib.import_module(f"{cli.__name__}.{module.name}")
        if hasattr(command, "add_to"):
            command.add_to(below)
    return dict(_parsers(below, ""))


def _parsers(below: Any, before: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    short = {choice.dest: choice.help for choice in below._choices_actions}
    for name, parser in below.choices.items():
        parser.description = parser.description or _sentence(short[name])
        actions = parser._actions
        inner = [one for one in actions if isinstance(one, argparse._SubParsersAction)]
        for action in inner:
            yield from _parsers(action, f"{before}{name} ")
        if not inner:
            yield f"{before}{name}", parser


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Row]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = action.metavar or "|".join(action.choices or ())
        flag = " ".join([*action.option_strings[-1:], str(value)]).strip()
        told = (action.help or "") % {"default": action.default}
        needed = " (required)" if action.option_strings and action.required else ""
        yield f"`{flag or action.dest}`", told + needed


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _first(text: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _tree(module: ModuleType) -> ast.Module:
    assert module.__file__ is not None
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
