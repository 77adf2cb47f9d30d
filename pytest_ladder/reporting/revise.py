"""A report seen anew from its rows: with another objective, volume or price list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.calls.lanes.no_litellm import INSTALL
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.ladder import Ladder, Objective
from pytest_ladder.core.row import Row, UsedReply
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.estimates import planned_rungs
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, at_volume, build_matrix
from pytest_ladder.decide.objective import decide, with_verdicts
from pytest_ladder.decide.outgrown import outgrown
from pytest_ladder.decide.people.sums import People
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.judging.calibration.judged_level import trust_of
from pytest_ladder.prompting.strategies import expected_usd_by
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.phrases import listed

if TYPE_CHECKING:
    from pytest_ladder.decide.real.users import Declared


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """A report at other prices."""

    report: Report
    kept: tuple[str, ...]
    """What could not be priced anew and keeps its cost, a sentence each."""


def revised(report: Report, objective: Objective | None, volume: int) -> Report:
    """Decide again, for another objective or with building spread over `volume`.

    What a climb settled is kept only where nothing but the volume changed: it is about
    one bar at one level. Raises ValueError for a volume below 1.
    """
    objective = _at(objective, volume)
    matrix = at_volume(report.matrix, volume)
    if objective != _at(report.objective, volume):
        matrix = msgspec.structs.replace(matrix, settled={}, kept_out={})
    return _decided(report, matrix, report.evidence, objective)


def with_calibrations(report: Report, calibrations: Sequence[Calibration]) -> Report:
    """Decide again, with what is known now of the judges."""
    trust = trust_of(report.matrix, report.rows, calibrations)
    report = msgspec.structs.replace(report, calibrations=calibrations)
    if trust == report.evidence.trust:
        return report
    evidence = Evidence(report.rows, trust)
    return _decided(report, report.matrix, evidence, report.objective)


def with_people(report: Report, people: People | None) -> Report:
    """Decide again, with what people said of the replies by now."""
    report = msgspec.structs.replace(report, people=people)
    return _decided(report, report.matrix, report.evidence, report.objective)


def with_outcomes(report: Report, declared: Declared) -> Report:
    """Decide again, with what users did by now."""
    report = msgspec.structs.replace(report, declared=declared)
    return _decided(report, report.matrix, report.evidence, report.objective)


def repriced(report: Report, models: Sequence[Model], source: str) -> Repriced:
    """Price each reply by its tokens or its time, and building as `models` say.

    Models are matched by name; `source` names where they are from. What the run spent
    is history and stays. Raises `ConfigError` when no name matches.
    """
    given = {model.name: model for model in models}
    rungs = rungs_of(report)
    names = dict.fromkeys(rung.model.name for rung in rungs)
    if not given.keys() & names.keys():
        raise ConfigError(
            f"{source} has other models ({listed(given)}) than the report "
            f"({listed(names)}); give them the names that the report has."
        )
    by_rung = {rung.id: given.get(rung.model.name) for rung in rungs}
    were = {model.name: model for model in report.models}
    pricing = _Pricing(by_rung, were, report.rows)
    rows = [pricing.row(row) for row in report.rows]
    matrix = build_matrix(
        rows,
        [
            msgspec.structs.replace(rung, model=given.get(rung.model.name, rung.model))
            for rung in rungs
        ],
        {line.id: line.state for line in report.matrix.rungs},
        volume=report.matrix.volume,
        settled=report.matrix.settled,
        expected=report.matrix.expected,
    )
    matrix = msgspec.structs.replace(
        matrix,
        kept_out=report.matrix.kept_out,
        spend=report.matrix.spend,
        planned=report.matrix.planned,
    )
    versions = {**report.info.versions, "prices": source}
    report = msgspec.structs.replace(
        report,
        info=msgspec.structs.replace(report.info, versions=versions),
        rows=rows,
        models=tuple(given.get(model.name, model) for model in report.models),
    )
    missing = (name for name in names if name not in given)
    return Repriced(
        report=_decided(
            report, matrix, Evidence(rows, report.evidence.trust), report.objective
        ),
        kept=(
            *(f"{name} is not in {source}; its costs are kept." for name in missing),
            *pricing.kept(source),
        ),
    )


def replanned(report: Report, ladder: Ladder) -> Report:
    """Hold the planned rungs of another configuration against what was measured."""
    measured = report.matrix.rungs
    there = {rung.id for rung in measured}
    planned = planned_rungs(
        [rung for rung in ladder.planned if rung.id not in there],
        ((rung.strategy, rung.tokens) for rung in measured),
        expected_usd_by(ladder),
    )
    matrix = msgspec.structs.replace(report.matrix, planned=planned)
    return _decided(report, matrix, report.evidence, report.objective)


class _Pricing:
    """Prices replies, and counts those that it could not."""

    def __init__(
        self,
        models: Mapping[str, Model | None],
        were: Mapping[str, Model],
        rows: Sequence[Row],
    ) -> None:
        self._models = models
        """By rung; None: not known here."""
        self._were = were
        """By name: as they were when the replies got their costs."""
        self._tell_images = any(bill.images for row in rows for bill in row.replies)
        """Whether rows tell how many images were sent; older ones do not."""
        self._table = PriceTable()
        self._seen: dict[str, set[str]] = {}
        self._left: dict[str, set[str]] = {}

    def row(self, row: Row) -> Row:
        model = self._models[row.rung]
        if model is None:
            return row
        replies = tuple(self._bill(model, bill) for bill in row.replies)
        return msgspec.structs.replace(row, replies=replies)

    def kept(self, source: str) -> Iterator[str]:
        """Say which models keep costs."""
        for name, left in sorted(self._left.items()):
            seen = len(self._seen[name])
            if len(left) == seen:
                yield (
                    f"{name}: {source} gives no price that fits its replies; its costs "
                    f"are kept.{self._install(name)}"
                )
            else:
                yield (
                    f"{name}: {len(left):,} of {seen:,} replies tell neither tokens "
                    "nor time; their costs are kept."
                )

    def _install(self, name: str) -> str:
        models = (model for model in self._models.values() if model is not None)
        model = next(model for model in models if model.name == name)
        if not self._table.is_missing_for(model):
            return ""
        return f" litellm's price list is not installed: {INSTALL}."

    def _bill(self, model: Model, bill: UsedReply) -> UsedReply:
        self._seen.setdefault(model.name, set()).add(bill.key)
        if bill.usage is None and bill.cost_usd is None:
            # Such as a task that calls models by itself: its time is not one call's.
            return bill
        dearer = _times_dearer(self._were.get(model.name), model)
        if dearer is not None and bill.cost_usd is not None:
            return msgspec.structs.replace(bill, cost_usd=bill.cost_usd * dearer)
        usd, _ = cost_of(
            model,
            bill.usage,
            bill.latency_s,
            self._table,
            requests=len(bill.calls) or 1,
            images=bill.images,
        )
        by_image = model.price is not None and model.price.image > 0
        if usd is None or (by_image and not self._tell_images):
            self._left.setdefault(model.name, set()).add(bill.key)
            return bill
        return msgspec.structs.replace(bill, cost_usd=usd)


def _times_dearer(was: Model | None, model: Model) -> float | None:
    """By what the time of one machine became dearer; None: not both are paid so.

    The cost of a reply knows the seconds of computing, its row only how long it took.
    """
    before, now = was.serve if was else None, model.serve
    if before is None or now is None or not before.usd_per_hour:
        return None
    if before.tokens_per_second is not None or now.tokens_per_second is not None:
        return None
    then = before.usd_per_hour / before.utilisation
    return now.usd_per_hour / now.utilisation / then


def _at(objective: Objective | None, volume: int) -> Objective | None:
    if objective is None:
        return None
    return msgspec.structs.replace(objective, volume=volume)


def _decided(
    report: Report, matrix: Matrix, evidence: Evidence, objective: Objective | None
) -> Report:
    info = report.info
    users = report.users
    if report.declared is not None:
        # Most suites know nothing of users.
        from pytest_ladder.decide.real import level_three

        users, matrix, evidence = level_three.add(
            report.declared,
            matrix,
            report.rows,
            evidence.trust,
            objective,
            report.people,
        )
    decision = decide(matrix, evidence, objective, current=info.current, part=info.part)
    return msgspec.structs.replace(
        report,
        matrix=with_verdicts(matrix, decision),
        evidence=evidence,
        objective=objective,
        decision=decision,
        users=users,
        outgrown=outgrown(matrix, evidence, objective, info.part),
    )
