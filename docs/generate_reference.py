"""Fills the tables of docs/reference.md from the types and tables of the package.

    python -m docs.generate_reference

What stands there between `<!-- generated: NAME -->` and `<!-- end -->` is written by
this file, from docstrings, structs and parsers; all else is written by hand.
tests/test_reference.py holds that the page is up to date and that nothing is missing.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import enum
import functools
import importlib
import inspect
import itertools
import pkgutil
import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

import pytest_ladder
from pytest_ladder import checks, cli
from pytest_ladder.cases.attachments import FIELDS as ATTACHED
from pytest_ladder.cases.names import FIELD_OF
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Strategy
from pytest_ladder.core.why import Why
from pytest_ladder.decide.objectives.table import OBJECTIVES
from pytest_ladder.prompting.strategies import STRATEGIES, prompter_class
from pytest_ladder.real.measured import Measured
from pytest_ladder.reporting.schemas import as_text, schemas
from pytest_ladder.session import fixtures
from pytest_ladder.session.options import OPTIONS

PAGE = Path(__file__).with_name("reference.md")
SCHEMAS = Path(cli.__file__).with_name("schemas")
Row = tuple[str, ...]

_BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    datetime.date: "date",
}
_PROPERTIES = (property, functools.cached_property)


def filled(page: str) -> str:
    """Return a page with its generated blocks written anew."""
    written = _blocks()
    return _BLOCK.sub(
        lambda block: f"{block[1]}\n{written[block[2]]()}\n\n{block[3]}", page
    )


def main() -> None:
    """Write the page, and the schemas that are shipped."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (SCHEMAS / name).write_text(as_text(schema), encoding="utf-8")


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
        **{
            f"options of {name}": partial(_keys, used, but=Strategy.__struct_fields__)
            for name in STRATEGIES
            if (used := prompter_class(name, PAGE.parent).options) is not Strategy
        },
        "keys of [objective]": partial(
            _keys, _struct_in(parts["objective"]), choices={"kind": OBJECTIVES}
        ),
        "keys of [judge]": partial(_keys, judge, but=as_in_model),
        "keys of [gate]": partial(_keys, _struct_in(parts["gate"])),
        "keys of [[experiment]]": partial(_keys, _struct_in(parts["experiments"])),
        "keys of [[outcome]]": partial(_keys, _struct_in(parts["outcomes"])),
        "keys of [review]": partial(_keys, _struct_in(parts["review"])),
        "keys of [gateway]": partial(_keys, _struct_in(parts["gateway"])),
        "keys of [store]": partial(_keys, _struct_in(parts["store"])),
        "keys of [report]": partial(_keys, _struct_in(parts["report"])),
        "keys of [log]": partial(_keys, _struct_in(parts["log"])),
        "an outcome": partial(_members, 'outcomes["name"]', Measured),
        "fields of a case": _case_fields,
        "codes of a row": _codes,
        "public names": partial(_names, pytest_ladder),
        "ready checks": partial(_names, checks),
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
        getter = _getter(member)
        if getter is not None:
            result = typing.get_type_hints(getter)["return"]
            rows.append((f"`.{name}`", _in_python(result), told))
        else:
            rows.append((f"`{_call(fixture, name, member)}`", "call", told))
    return _table(("member", "type", "what it is"), rows)


def _getter(member: Any) -> Callable[[Any], Any] | None:
    """Return the function of a property, kept or not; None: it is something else."""
    if isinstance(member, cached_property):
        return member.func
    return member.fget if isinstance(member, property) else None


def _public_members(cls: type) -> Iterator[tuple[str, Any]]:
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        if base is not msgspec.Struct:
            members |= vars(base)
    for name, member in members.items():
        is_public = name == "__call__" or not name.startswith("_")
        is_code = _getter(member) is not None or inspect.isfunction(member)
        if is_public and is_code:
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
        twin = "none" if option.typed else f"`{option.environment}`"
        rows.append((f"`{flag}`", ini, twin, told))
    return _table(("option", "ini", "environment", "what it does"), rows)


def _keys(
    struct: type,
    but: Collection[str] = (),
    choices: Mapping[str, Iterable[str]] | None = None,
) -> str:
    """Write the keys of a table; `choices` are those that no type names."""
    kinds = {name: _quoted(values) for name, values in (choices or {}).items()}
    rows = [
        # In a file nobody writes None.
        (
            f"`{name}`",
            kinds.get(name) or _kind(field.type),
            _default(field),
            _not_none(told),
        )
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
        yield before + field.encode_name, field, meanings.get(field.name, "")
        if inner is not None and nested and not issubclass(struct, inner):
            dot = "[]." if get_origin(field.type) is tuple else "."
            yield from _fields(inner, f"{before}{field.encode_name}{dot}")


def _meanings(struct: type) -> dict[str, str]:
    """Return what stands below each field of a struct, those it inherits included."""
    told: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if cls.__module__.startswith("pytest_ladder."):
            body = _class_node(cls).body
            for field, below in itertools.pairwise(body):
                if not isinstance(below, ast.Expr):
                    continue
                if isinstance(field, ast.AnnAssign | ast.Assign):
                    target = getattr(field, "target", None) or field.targets[0]
                    told[ast.unparse(target)] = _first(ast.literal_eval(below.value))
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
        return _quoted(inner)
    if origin in (UnionType, typing.Union):
        return " or ".join(_kind(one) for one in inner if one is not NoneType)
    if origin in (tuple, list):
        return f"list of {_kind(inner[0]).replace(' or ', 's or ')}s"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _quoted(member.value for member in kind)
    return "anything" if kind is Any else "table"


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f'`"{value}"`' for value in values)


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
        if name in FIELD_OF or name in ATTACHED:
            also = ", ".join(f"`{other}`" for other in others)
            rows.append((f"`{name}`", also, _kind(field.type), told))
    return _table(("field", "also called", "type", "meaning"), rows)


def _codes() -> str:
    meanings = _meanings(Why)
    rows = [(f"`{why}`", meanings[why.name]) for why in Why]
    return _table(("`why`", "what happened"), rows)


def _names(module: ModuleType) -> str:
    rows = [
        (f"`{name}`", _first(inspect.getdoc(getattr(module, name))))
        for name in module.__all__
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
        value = " ".join(value) if isinstance(value, tuple) else value
        names = action.option_strings
        if not isinstance(action, argparse.BooleanOptionalAction):
            names = names[-1:]
        flag = " ".join([", ".join(names), str(value)]).strip()
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
