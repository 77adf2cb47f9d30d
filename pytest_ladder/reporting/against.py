"""A report held against another one, and what differs in what the two ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.rung import Model
from pytest_ladder.decide.against import (
    Against,
    RungAgainst,
    cases_against,
    rungs_against,
)
from pytest_ladder.decide.gate.result import READ_DIFFERENTLY
from pytest_ladder.reporting.files.baseline import compared_run
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.words_changed import words_changed
from pytest_ladder.text.numbers import count, few

_IDENTITY = ("id", "revision", "adapter", "tier", "price", "serve", "build")
"""What of a model is told when it changed."""
_MOST_EXCERPTS = 3


def held_against(report: Report, base: Report, label: str) -> Report:
    """Return the report with all that moved since another one, named `label`."""
    order = [rung.id for rung in report.matrix.rungs]
    before, after = compared_run(base).rows, compared_run(report).rows
    rungs = rungs_against(before, after, order, report.info.skipped)
    found = Against(
        label=label,
        run=base.info.id,
        started=base.info.started,
        git_sha=base.info.git_sha,
        rungs=rungs,
        cases=cases_against(rungs, order),
        changes=tuple(_changes(base, report, rungs)),
    )
    return msgspec.structs.replace(report, against=found)


def _changes(base: Report, head: Report, rungs: Sequence[RungAgainst]) -> Iterator[str]:
    old, new = _models(base), _models(head)
    altered = set()
    for name in [name for name in new if name in old]:
        parts = [
            f"{key} {_said(was)} → {_said(now)}"
            for key in _IDENTITY
            if (was := getattr(old[name], key)) != (now := getattr(new[name], key))
        ]
        if parts:
            altered.add(name)
            yield f"Model {name}: {', '.join(parts)}."
    yield from _only(
        "rung",
        [r.id for r in base.matrix.rungs if r.levels],
        [r.id for r in head.matrix.rungs if r.levels],
    )
    model_of = {rung.id: rung.model for rung in head.matrix.rungs}
    same = [rung for rung in rungs if model_of.get(rung.rung) not in altered]
    yield from _prompts(base, head, [rung for rung in same if rung.asked_otherwise])
    yield from _cases(rungs)
    if base.objective != head.objective:
        yield "The objective is another one."
    if base.info.current != head.info.current:
        yield f"What ships: {base.info.current} → {head.info.current}."
    for name in sorted(base.info.versions.keys() & head.info.versions.keys()):
        was, now = base.info.versions[name], head.info.versions[name]
        if was != now:
            yield f"{name}: {was} → {now}."


def _models(report: Report) -> Mapping[str, Model]:
    return {rung.model.name: rung.model for rung in rungs_of(report)}


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, msgspec.Struct):
        fields = {k: v for k, v in msgspec.structs.asdict(value).items() if v}
        return (
            "("
            + ", ".join(
                f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                for k, v in fields.items()
            )
            + ")"
        )
    return str(value)


def _only(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for verb, names in (
        ("is new", [name for name in new if name not in old]),
        ("is gone", [name for name in old if name not in new]),
    ):
        if names:
            verb = verb if len(names) == 1 else verb.replace("is", "are")
            plural = what if len(names) == 1 else f"{what}s"
            yield f"{len(names):,} {plural} {verb}: {few(names)}."


def _prompts(base: Report, head: Report, rungs: Sequence[RungAgainst]) -> Iterator[str]:
    """Name rungs that were asked otherwise though their model is as it was."""
    other = [
        f"{rung.rung} ({rung.asked_otherwise:,} of {count(rung.asked, 'case')})"
        for rung in rungs
    ]
    if not other:
        return
    yield f"Asked otherwise, by another prompt or parameter: {few(other, 6)}."
    # Rungs of one strategy have the same words changed.
    first: dict[str, str] = {}
    for rung in rungs:
        first.setdefault(words_changed(base, head, rung.rung), rung.rung)
    told = [(name, words) for words, name in first.items() if words]
    for name, words in told[:_MOST_EXCERPTS]:
        yield f"What {name} was asked: {words}."


def _cases(rungs: Sequence[RungAgainst]) -> Iterator[str]:
    left = [rung.unpaired for rung in rungs]
    for how, units in (
        ("changed, and not compared", [one.changed for one in left]),
        (READ_DIFFERENTLY, [one.reread for one in left]),
        ("added", [one.added for one in left]),
        ("dropped", [one.dropped for one in left]),
    ):
        names = sorted({case or source for group in units for source, case in group})
        if names:
            yield f"{count(len(names), 'case')} {how}: {few(names, 6)}."
    for how, tests in (
        ("judged by another judge or rubric", [one.rejudged for one in left]),
        ("new", [one.new_tests for one in left]),
        ("gone", [one.gone_tests for one in left]),
        ("skipped", [one.skipped_tests for one in left]),
    ):
        named = sorted({test for group in tests for test in group})
        if named:
            yield f"{count(len(named), 'test')} {how}: {few(named)}."
