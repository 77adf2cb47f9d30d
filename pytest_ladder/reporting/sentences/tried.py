"""Sentences on a model that was tried, and the lines of ladder.toml that keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pytest_ladder.core.rung import Limits, Model
from pytest_ladder.decide.tried import Tried
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import unfinished
from pytest_ladder.text.numbers import dollars, points, points_between

_KEPT = ("adapter", "params", "api_base", "api_key_env", "lane", "limits")
"""Keys of a tried model beside name, tier and id."""


def tried_sentences(report: Report) -> list[str]:
    """Say of each tried rung whether it is better than what ships, and at what cost."""
    return [*map(_sentence, report.tried)]


def lines_to_keep(report: Report) -> list[str]:
    """Return the lines of ladder.toml that keep the models that were tried.

    Without those whose rungs are all worse than what ships, or were held against
    nothing.
    """
    names = {tried.rung.rpartition("/")[0] for tried in report.tried}
    worth = {
        tried.rung.rpartition("/")[0]
        for tried in report.tried
        if tried.verdict != "worse" and tried.compared is not None
    }
    lines: list[str] = []
    for model in report.models:
        if model.name in names & worth:
            lines += ["", *_table(model)]
    return ["To keep it, add to ladder.toml:", *lines] if lines else []


def _sentence(tried: Tried) -> str:
    said = f"{tried.rung} is {tried.verdict} than {tried.against}, which ships"
    if tried.verdict == "undecided":
        said = f"Undecided whether {tried.rung} is better than {tried.against}"
    reasons = [*_difference(tried)]
    if tried.why:
        reasons.append(tried.why)
    if tried.errors:
        reasons.append(unfinished(tried.errors, tried.over_budget))
    known = f": {'; '.join(reasons)}" if reasons else ""
    own, other = tried.usd_per_1k, tried.against_usd_per_1k
    told = "What 1,000 calls cost is unknown"
    if own is not None:
        told = f"It costs {dollars(own)} per 1,000 calls"
    against = "an unknown cost" if other is None else dollars(other)
    return f"{said}{known}. {told}, against {against}."


def _difference(tried: Tried) -> Iterator[str]:
    compared = tried.compared
    if compared is None:
        return
    interval = points_between(compared.low, compared.high)
    at_once = f" for all {tried.at_once} at once" if tried.at_once > 1 else ""
    yield (
        f"{points(compared.mean)} at the {tried.level} level ({interval}, "
        f"{compared.sure}{at_once}, n={compared.n:,})"
    )


def _table(model: Model) -> Iterator[str]:
    yield "[[model]]"
    yield f"name = {_value(model.name)}"
    yield f"tier = {_value(str(model.tier))}"
    yield f"id = {_value(model.id)}"
    for key in _KEPT:
        value = getattr(model, key)
        if isinstance(value, Limits):
            named = msgspec.structs.asdict(value)
            value = {name: most for name, most in named.items() if most is not None}
        if value:
            yield f"{key} = {_value(value)}"


def _value(value: Any) -> str:
    """Write a value as TOML has it: JSON's texts, numbers and lists are TOML's, too."""
    if isinstance(value, Mapping):
        pairs = ", ".join(
            f"{key if key.replace('_', '').isalnum() else json.dumps(key)} = "
            f"{_value(inner)}"
            for key, inner in value.items()
        )
        return f"{{ {pairs} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
