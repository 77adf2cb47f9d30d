"""Python functions that models may call: told as JSON schemas, and called with care.

What a model writes as arguments is hostile: it is read strictly by the types of the
function, stays a value, and never becomes code.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.user_code import imported
from pytest_ladder.text.phrases import shown

_LONGEST_RESULT = 50_000
"""Characters of a result that a model is shown; of the rest it is told the length."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""Where an object lies in the memory of this process."""
_IN_PLACE = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class CallableFunction:
    """A function of the user that a model may call."""

    def __init__(self, spec: str, folder: Path) -> None:
        """Import it; raises `ConfigError` for what no model could call."""
        self._call = _function(spec, folder)
        self.name = spec.partition(":")[2]
        self._arguments = _arguments(spec, self.name, self._call)
        told = {"name": self.name, "parameters": _schema(spec, self._arguments)}
        description = inspect.getdoc(self._call)
        if description:
            told["description"] = description
        self.schema: dict[str, Any] = {"type": "function", "function": told}
        """As OpenAI's protocol has it."""

    def call(self, arguments: str) -> str:
        """Call it with JSON that a model wrote; an error is a text for the model."""
        try:
            # Some models write nothing where a function takes nothing.
            read = msgspec.json.decode(arguments.strip() or "{}", type=self._arguments)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return f"Error: wrong arguments: {error}"
        given = {
            name: value
            for name in read.__struct_fields__
            if (value := getattr(read, name)) is not msgspec.UNSET
        }
        try:
            return _as_text(self._call(**given))
        # SystemExit is what functions of a command line raise for wrong arguments.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the model may do better
            return f"Error: {type(error).__name__}: {error}"


def functions_of(strategy: Strategy, path: Path) -> dict[str, CallableFunction]:
    """Import the functions that a strategy names as `tools`, by their names.

    `path` is the configuration file. Raises `ConfigError`.
    """
    functions = {}
    for spec in strategy.tools:
        try:
            function = CallableFunction(spec, path.parent)
        except ConfigError as error:
            where = f'{shown(path)}: strategy "{strategy.name}": tools'
            raise ConfigError(f"{where}: {error}") from error
        functions[function.name] = function
    return functions


def _function(spec: str, folder: Path) -> Callable[..., Any]:
    found = imported(spec, folder, "the tool")
    if not callable(found):
        raise ConfigError(f"the tool {spec} is no function; name one.")
    if inspect.iscoroutinefunction(found):
        raise ConfigError(
            f"the tool {spec} is async; write a plain function, for example one that "
            "calls asyncio.run."
        )
    function: Callable[..., Any] = found
    return function


def _arguments(
    spec: str, name: str, function: Callable[..., Any]
) -> type[msgspec.Struct]:
    """Make a struct of a signature: one field for each parameter, of its type."""
    try:
        parameters = inspect.signature(function).parameters
        hints = typing.get_type_hints(function, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigError(
            f"the tool {spec} does not tell what it takes ({error}); write a function "
            "with annotated parameters."
        ) from error
    fields: list[Any] = []
    for parameter in parameters.values():
        if parameter.kind in _IN_PLACE:
            raise ConfigError(
                f"the tool {spec} takes `{parameter}`, and models give arguments by "
                "name; write parameters with names."
            )
        kind = _described(hints.get(parameter.name, Any))
        if parameter.default is parameter.empty:
            fields.append((parameter.name, kind))
        else:
            # What the model leaves out is left to the function.
            optional: Any = typing.Union[kind, msgspec.UnsetType]  # noqa: UP007
            fields.append((parameter.name, optional, msgspec.UNSET))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def _described(kind: Any) -> Any:
    """Hand a text in `Annotated[int, "how many"]` on as the parameter's description."""
    if typing.get_origin(kind) is not Annotated:
        return kind
    inner, *notes = typing.get_args(kind)
    told = [
        msgspec.Meta(description=note) if isinstance(note, str) else note
        for note in notes
    ]
    return Annotated[(inner, *told)]


def _schema(spec: str, arguments: type[msgspec.Struct]) -> dict[str, Any]:
    try:
        # Also what could not be read is to be found now, and not in the last call.
        msgspec.json.Decoder(arguments)
        _, named = msgspec.json.schema_components(
            [arguments], ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        raise ConfigError(
            f"the tool {spec} has a parameter that is no JSON ({error}); annotate it "
            "with texts, numbers, lists, dicts, dataclasses or TypedDicts."
        ) from error
    schema: dict[str, Any] = named.pop(arguments.__name__)
    schema.pop("title", None)
    return schema | ({"$defs": named} if named else {})


def _as_text(result: Any) -> str:
    """Write a result as a model reads it: a text as it is, all else as JSON.

    The same in every process, or no replay would find the next call.
    """
    if isinstance(result, str):
        text = result
    else:
        if isinstance(result, set | frozenset):
            result = sorted(result, key=repr)
        try:
            text = msgspec.json.encode(result).decode()
        except (TypeError, ValueError, RecursionError):
            text = _ADDRESS.sub("", str(result))
    left = len(text) - _LONGEST_RESULT
    return text if left <= 0 else f"{text[:-left]}\n[{left} characters left out]"
