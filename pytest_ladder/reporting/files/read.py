"""A report read back from its folder: the rows, and what the run knew beyond them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.making import Making
from pytest_ladder.core.row import Exchange, Row
from pytest_ladder.core.rung import Build, Model, Price, Rung, Serve, Strategy, Tier
from pytest_ladder.decide.cost import DEFAULT_VOLUME, Spend
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.matrix import Matrix, RungResult, State, build_matrix
from pytest_ladder.decide.objectives.table import OBJECTIVES
from pytest_ladder.decide.people.sums import People
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.disk.files import read_json_lines
from pytest_ladder.disk.loading import no_garbage_collection
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.reporting.files.decoded import (
    AGAIN,
    check_numbers,
    converted,
    decoded_whole,
    not_ours,
)
from pytest_ladder.reporting.files.lean_rows import share_nothing, share_texts
from pytest_ladder.reporting.files.older import decisions_in, saying_why
from pytest_ladder.reporting.files.write import SCHEMA, as_written
from pytest_ladder.reporting.report import (
    LookTold,
    Report,
    RunInfo,
    report_on,
)
from pytest_ladder.text.phrases import did_you_mean, listed, shown

T = TypeVar("T")

_Volume = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
_Built = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""USD or hours."""
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]+\Z")]


class _Cost(msgspec.Struct, frozen=True, kw_only=True):
    build_usd: _Built = 0.0
    build_hours: _Built = 0.0


class _Rung(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a rung, out of its line of the matrix."""

    id: str
    model: _Name
    strategy: _Name
    tier: Tier
    cost: _Cost = _Cost()
    state: State


class _Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as `matrix.json` has it, of this release or a later one."""

    name: str
    tier: Tier
    id: str
    revision: str | None = None
    adapter: str | None = None
    build: Build | None = None
    price: Price | None = None
    serve: Serve | None = None

    def __post_init__(self) -> None:
        build = self.build or Build()
        msgspec.convert((build.total_usd, build.hours), tuple[_Built, _Built])

    @property
    def model(self) -> Model:
        """The same as the run knew it, without address, key and parameters."""
        return Model(**msgspec.structs.asdict(self))


class _Planned(PlannedRung, frozen=True, kw_only=True):
    """A planned rung, with numbers that a report can be made of."""

    model: _Name
    strategy: _Name
    build_usd: _Built | None
    build_hours: _Built
    serve_usd_per_1k: _Built | None


class _Ladder(msgspec.Struct, frozen=True, kw_only=True):
    models: tuple[_Model, ...] = ()
    rungs: dict[str, Making] = {}
    """Of an older version, and of a report that knows nothing of them: none."""


class _Spend(Spend, frozen=True, kw_only=True):
    """As the first version has it, which counts no unknown calls."""

    unknown_calls: int = 0
    unknown_replayed_calls: int = 0


class _Calibration(msgspec.Struct, frozen=True, kw_only=True):
    judges: tuple[Calibration, ...] = ()


class _Reviews(msgspec.Struct, frozen=True, kw_only=True):
    sums: People


class _StoredRun(RunInfo, frozen=True, kw_only=True):
    attempts: tuple[str, ...] = ()


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix.json`, as far as rows cannot tell it."""

    run: _StoredRun
    rungs: tuple[_Rung, ...]
    run_order: tuple[str, ...] = ()
    volume: _Volume | None = None
    settled: dict[str, Verdict] = {}
    kept_out: dict[str, tuple[str, str]] = {}
    expected: dict[str, float | None] = {}
    planned: tuple[_Planned, ...] = ()
    objective: Objective | None = None
    climb: tuple[str, ...] = ()
    climb_decisions: tuple[str, ...] | None = None
    """None: an older version wrote it, and only its sentences tell."""
    reasons: dict[str, str] = {}
    spend: _Spend | None = None
    rows: int | None = None
    why: dict[str, int] | None = None
    """None: an older version wrote the rows, which do not say why."""
    ladder: _Ladder = _Ladder()
    calibration: _Calibration = _Calibration()
    declared: Declared | None = None
    """Outcomes of real use, as the run found them; None: none was declared."""
    reviews: _Reviews | None = None
    """What people said of the replies; None: nobody has reviewed any."""


class _Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    machine_info: dict[str, Any] = {}


def read_report(folder: Path) -> Report:
    """Read what a run wrote into `folder`, and decide from its rows again.

    `rows.jsonl` and `matrix.json` must be there; `inputs.jsonl`, `exchanges.jsonl` and
    `benchmark.json`, of which some people hand on none, may be missing. Raises
    `ConfigError` for a folder without a report, one of another version and every line
    that does not fit.
    """
    document = _read_document(folder)
    rungs = _rungs(document, folder / "matrix.json")
    with no_garbage_collection():
        rows = _read_rows(folder / "rows.jsonl", [rung.id for rung in rungs])
    if document.why is None:
        rows = [saying_why(row) for row in rows]
    if document.rows not in (None, len(rows)):
        raise ConfigError(
            f"{shown(folder / 'rows.jsonl')}: there are {len(rows):,} rows, but "
            f"matrix.json beside it was written with {document.rows:,}; one of the two "
            f"files is of another run or was cut short: {AGAIN}"
        )
    matrix = _matrix(document, rungs, rows)
    judges = document.calibration.judges
    _check_users(document.declared, folder / "matrix.json")
    info, said = _info(document, folder), document.reviews
    known = judges, document.declared, said.sums if said else None
    report = report_on(info, matrix, rows, document.objective, *known)
    return msgspec.structs.replace(
        report,
        exchanges={
            one.key: one for one in _lines_of(folder / "exchanges.jsonl", Exchange)
        },
        cases={
            (one.source, one.case): one
            for one in _lines_of(folder / "inputs.jsonl", WrittenCase)
        },
        attempts=document.run.attempts,
        looks=_looks(document),
        reasons=document.reasons,
        models=tuple(declared.model for declared in document.ladder.models),
        makings=document.ladder.rungs,
    )


def rungs_of(report: Report) -> tuple[Rung, ...]:
    """Return the rungs of a report in run order, with as much as is known of each.

    What is certain are model name, tier, building and strategy name.
    """
    declared = {model.name: model for model in report.models}
    by_id = {line.id: _rung(line, declared) for line in report.matrix.rungs}
    return tuple(by_id[name] for name in report.matrix.run_order)


def _read_document(folder: Path) -> _Document:
    path = folder / "matrix.json"
    if not path.is_file():
        inside = sorted(document.parent for document in folder.glob("*/matrix.json"))
        fix = "name the folder that pytest printed as `report:`, such as ladder-report."
        if inside:
            fix = f"there is one in {listed(map(shown, inside))}: name that."
        raise ConfigError(
            f"{shown(folder)}: there is no report here (matrix.json is missing); {fix}"
        )
    document = decoded_whole(path)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        said = f'its schema is "{schema}"' if schema else "it names no schema"
        raise ConfigError(
            f'{shown(path)}: {said}, and what can be read is "{SCHEMA}"; use the '
            f"pytest-ladder that wrote it, or {AGAIN}"
        )
    read = converted(document, _Document, shown(path))
    if read.objective is not None and read.objective.kind not in OBJECTIVES:
        problem = f"Invalid enum value {read.objective.kind!r} at objective.kind"
        raise not_ours(shown(path), problem)
    return read


def _check_users(declared: Declared | None, path: Path) -> None:
    """Refuse sums that no users have; a run checked them when it read `outcomes/`."""
    if declared is None:
        return
    from pytest_ladder.real.aggregates import impossible

    for aggregate in declared.aggregates.values():
        for variant in aggregate.variants:
            problem = impossible(aggregate, variant)
            if problem:
                where = f"{aggregate.name}, {variant.variant}"
                raise not_ours(shown(path), f"{where}: {problem}")


def _matrix(document: _Document, rungs: Sequence[Rung], rows: Sequence[Row]) -> Matrix:
    """Make the matrix again, with what its rows do not tell."""
    volume = document.volume
    if volume is None:
        objective = document.objective
        volume = DEFAULT_VOLUME if objective is None else objective.volume
    matrix = build_matrix(
        rows,
        rungs,
        {rung.id: rung.state for rung in document.rungs},
        volume=volume,
        settled=document.settled,
        expected=document.expected,
    )
    spend, planned = _spend(document, matrix.spend), document.planned
    return msgspec.structs.replace(
        matrix, kept_out=document.kept_out, spend=spend, planned=planned
    )


def _rungs(document: _Document, path: Path) -> tuple[Rung, ...]:
    """Return the rungs in run order."""
    declared = {model.name: model.model for model in document.ladder.models}
    by_id: dict[str, Rung] = {}
    for line in document.rungs:
        rung = _rung(line, declared)
        if rung.id != line.id or line.id in by_id:
            problem = "stands there twice" if line.id in by_id else f"is {rung.id}"
            raise ConfigError(f"{shown(path)}: the rung {line.id} {problem}; {AGAIN}")
        by_id[line.id] = rung
    order = document.run_order or tuple(by_id)
    if sorted(order) != sorted(by_id):
        raise ConfigError(
            f"{shown(path)}: `run_order` names other rungs than `rungs`; {AGAIN}"
        )
    return tuple(by_id[name] for name in order)


def _rung(line: _Rung | RungResult, declared: Mapping[str, Model]) -> Rung:
    """Make a rung of its line in the matrix, and of its model where that is known."""
    model = declared.get(line.model)
    if model is None:
        usd, hours = line.cost.build_usd, line.cost.build_hours
        build = Build(usd=usd, hours=hours) if usd or hours else None
        model = Model(name=line.model, tier=line.tier, id=line.model, build=build)
    return Rung(model=model, strategy=Strategy(name=line.strategy))


def _looks(document: _Document) -> list[LookTold]:
    decisions: Sequence[str] | None = document.climb_decisions
    if decisions is None:
        decisions = decisions_in(document.climb)
    return [
        LookTold(sentence=sentence, decision=decision)
        for sentence, decision in zip(document.climb, decisions, strict=False)
    ]


def _spend(document: _Document, by_rows: Spend) -> Spend:
    """Return what was spent, which other prices and joined shards do not change.

    As the rows have it with all digits, where that is the same.
    """
    if document.spend is None:
        return by_rows
    written = Spend(**msgspec.structs.asdict(document.spend))
    return by_rows if as_written(by_rows) == as_written(written) else written


def _info(document: _Document, folder: Path) -> RunInfo:
    """Return the run with its machine, which is in `benchmark.json` only."""
    path = folder / "benchmark.json"
    machine: dict[str, Any] = {}
    if path.is_file():
        benchmark = converted(decoded_whole(path), _Benchmark, shown(path))
        machine = benchmark.machine_info
    names = RunInfo.__struct_fields__
    fields = {name: getattr(document.run, name) for name in names}
    return RunInfo(**{**fields, "machine": machine})


def _read_rows(path: Path, rungs: Sequence[str]) -> list[Row]:
    if not path.is_file():
        raise ConfigError(
            f"{shown(path)}: there is no such file, and a report is made from its rows;"
            " bring it along with matrix.json."
        )
    rows = []
    known = set(rungs)
    lines: dict[tuple[str, str, tuple[str, str, str, int]], int] = {}
    label = shown(path)
    for number, value in read_json_lines(path):
        where = f"{label}:{number}"
        share_texts(value)
        row = converted(value, Row, where)
        share_nothing(row)
        if row.rung not in known:
            fix = did_you_mean(row.rung, rungs, f"its rungs are {listed(rungs)}.")
            raise ConfigError(
                f"{where}: the rung `{row.rung}` is not in matrix.json beside it; {fix}"
            )
        check_numbers(row, where)
        first = lines.setdefault((row.rung, row.level, row.place), number)
        if first != number:
            raise ConfigError(
                f"{where}: sample {row.sample} of `{row.case or row.test}` stands in "
                f"line {first} already, with the same test, rung, level and source; "
                f"{AGAIN}"
            )
        rows.append(row)
    return rows


def _lines_of(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the lines of a file that a report may lack."""
    if path.is_file():
        for number, value in read_json_lines(path):
            yield converted(value, kind, f"{shown(path)}:{number}")
