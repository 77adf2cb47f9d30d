"""What strategies set beside their prompts: files, parameters, form, functions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_ladder.config.models import check_params
from pytest_ladder.config.rules import check_path
from pytest_ladder.config.source import Place, Source
from pytest_ladder.config.spelling import check_params_spelling
from pytest_ladder.core.rung import Strategy, is_spec
from pytest_ladder.disk.files import read_text
from pytest_ladder.prompting.offered import read_format
from pytest_ladder.prompting.templates import compile_template
from pytest_ladder.text.phrases import shown


def settled(source: Source, strategies: Sequence[Strategy]) -> tuple[Strategy, ...]:
    """Check them, and return the strategies with the texts of their prompt files.

    Raises `ConfigError` for the first mistake.
    """
    return tuple(
        _settled(source, ("strategy", index), strategy)
        for index, strategy in enumerate(strategies)
    )


def _settled(source: Source, place: Place, strategy: Strategy) -> Strategy:
    texts = {
        key: _text(source, place, key, file)
        for key, file in (
            ("prompt", strategy.prompt_file),
            ("system", strategy.system_file),
        )
        if file is not None
    }
    if strategy.params:
        check_params(source, place, strategy.params)
        check_params_spelling(source, place, strategy.params)
    for key in ("response_format", "tools"):
        if source.get((*place, key)) and key in strategy.params:
            raise source.error(
                (*place, "params", key),
                f"`{key}` stands in the strategy and in its `params`; keep one.",
            )
    form = strategy.response_format
    if form is not None and not is_spec(form):
        read_format(check_path(source, (*place, "response_format"), form, "file"))
    _check_tools(source, (*place, "tools"), strategy.tools)
    return msgspec.structs.replace(strategy, **texts) if texts else strategy


def _text(source: Source, place: Place, key: str, file: str) -> str:
    """Read a template from a file, whatever the ends of its lines."""
    if source.get((*place, key)) is not None:
        raise source.error(
            (*place, f"{key}_file"),
            f"`{key}` and `{key}_file` exclude each other; keep one of them.",
        )
    path = check_path(source, (*place, f"{key}_file"), file, "file")
    text = read_text(path).replace("\r\n", "\n").removesuffix("\n")
    if not text.strip():
        raise source.error(
            (*place, f"{key}_file"),
            f"`{file}` is empty; write the text into it, or remove the key.",
        )
    compile_template(text, shown(path), lines=True)
    return text


def _check_tools(source: Source, place: Place, tools: Sequence[str]) -> None:
    names = [spec.partition(":")[2] for spec in tools]
    for spec, name in zip(tools, names, strict=True):
        if not is_spec(spec):
            raise source.error(
                place, f'`{spec}` names no function; write "package.module:function".'
            )
        if names.count(name) > 1:
            raise source.error(
                place,
                f"two tools are called `{name}`, and a model could not tell them "
                "apart; rename one.",
            )
