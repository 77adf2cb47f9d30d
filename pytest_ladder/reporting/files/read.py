"""A report read back from its folder: the rows, and what the run knew beyond them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Build, Model, Price, Rung, Serve, Strategy, Tier
from pytest_ladder.decide.cost import DEFAULT_VOLUME, Spend
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import RungResult, State, build_matrix
from pytest_ladder.disk.files import json_byte, json_lines, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.reporting.files.write import SCHEMA, as_written
from pytest_ladder.reporting.report import Exchange, Report, RunInfo, report_on
from pytest_ladder.text.phrases import did_you_mean, listed, shown

_AGAIN = "run pytest again to write the report anew, or name another folder."

_LEAST = 1e-18
_SHARE = (0.0, 1.0)
_AMOUNT = (_LEAST, 1e9)
"""Of a weight, USD or seconds that are not 0: smaller ones overflow in a ratio."""
_SAMPLE = (1, 1e15)
_TOKENS = (0, 1e15)
_DIGITS = 30
"""Of a number in a message: JSON has no longest one."""

_Volume = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
_Built = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""USD or hours."""
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]+\Z")]
_T = TypeVar("_T")


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
        msgspec.convert((build.usd, build.hours), tuple[_Built, _Built])

    @property
    def model(self) -> Model:
        """The same as the run knew it, without address, key and parameters."""
        return Model(**msgspec.structs.asdict(self))


class _Ladder(msgspec.Struct, frozen=True, kw_only=True):
    models: tuple[_Model, ...] = ()


class _Spend(Spend, frozen=True, kw_only=True):
    """As the first version has it, which counts no unknown calls."""

    unknown_calls: int = 0
    unknown_replayed_calls: int = 0


class _Calibration(msgspec.Struct, frozen=True, kw_only=True):
    judges: tuple[Calibration, ...] = ()


class _Run(RunInfo, frozen=True, kw_only=True):
    attempts: tuple[str, ...] = ()


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix.json`, as far as rows cannot tell it."""

    run: _Run
    rungs: tuple[_Rung, ...]
    run_order: tuple[str, ...] = ()
    volume: _Volume | None = None
    settled: dict[str, Verdict] = {}
    objective: Objective | None = None
    climb: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    spend: _Spend | None = None
    rows: int | None = None
    ladder: _Ladder = _Ladder()
    calibration: _Calibration = _Calibration()


class _Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    machine_info: dict[str, Any] = {}


def read_report(folder: Path) -> Report:
    """Read what a run wrote into `folder`, and decide from its rows again.

    `rows.jsonl` and `matrix.json` must be there; `exchanges.jsonl` and
    `benchmark.json`, of which some people hand on neither, may be missing. Raises
    `ConfigError` for a folder without a report, one of another version and every line
    that does not fit.
    """
    document = _read_document(folder)
    rungs = _rungs(document, folder / "matrix.json")
    rows = _read_rows(folder / "rows.jsonl", [rung.id for rung in rungs])
    if document.rows not in (None, len(rows)):
        raise ConfigError(
            f"{shown(folder / 'rows.jsonl')}: there are {len(rows):,} rows, but "
            f"matrix.json beside it was written with {document.rows:,}; one of the two "
            f"files is of another run or was cut short: {_AGAIN}"
        )
    matrix = build_matrix(
        rows,
        rungs,
        {rung.id: rung.state for rung in document.rungs},
        volume=_volume(document),
        settled=document.settled,
    )
    matrix = msgspec.structs.replace(matrix, spend=_spend(document, matrix.spend))
    judges = document.calibration.judges
    info = _info(document, folder)
    report = report_on(info, matrix, rows, document.objective, judges)
    return msgspec.structs.replace(
        report,
        exchanges=_read_exchanges(folder / "exchanges.jsonl"),
        attempts=document.run.attempts,
        looks=document.climb,
        reasons=document.reasons,
        models=tuple(declared.model for declared in document.ladder.models),
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
    document = _decoded_whole(path)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        said = f'its schema is "{schema}"' if schema else "it names no schema"
        raise ConfigError(
            f'{shown(path)}: {said}, and what can be read is "{SCHEMA}"; use the '
            f"pytest-ladder that wrote it, or {_AGAIN}"
        )
    return _converted(document, _Document, shown(path))


def _decoded_whole(path: Path) -> Any:
    text = read_text(path)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        byte, data = json_byte(error), text.rstrip().encode()
        line = data.count(b"\n", 0, len(data) if byte is None else byte) + 1
        raise ConfigError(
            f"{shown(path)}:{line}: this is not valid JSON ({json_problem(error)}); "
            f"{_AGAIN}"
        ) from error


def _converted(value: Any, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = str(error).replace("`", "").replace(" - at $.", " at ")
        raise ConfigError(
            f"{where}: this is not what pytest-ladder writes ({problem}); {_AGAIN}"
        ) from error


def _rungs(document: _Document, path: Path) -> tuple[Rung, ...]:
    """Return the rungs in run order."""
    declared = {model.name: model.model for model in document.ladder.models}
    by_id: dict[str, Rung] = {}
    for line in document.rungs:
        rung = _rung(line, declared)
        if rung.id != line.id or line.id in by_id:
            problem = "stands there twice" if line.id in by_id else f"is {rung.id}"
            raise ConfigError(f"{shown(path)}: the rung {line.id} {problem}; {_AGAIN}")
        by_id[line.id] = rung
    order = document.run_order or tuple(by_id)
    if sorted(order) != sorted(by_id):
        raise ConfigError(
            f"{shown(path)}: `run_order` names other rungs than `rungs`; {_AGAIN}"
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


def _volume(document: _Document) -> int:
    if document.volume is not None:
        return document.volume
    return DEFAULT_VOLUME if document.objective is None else document.objective.volume


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
        benchmark = _converted(_decoded_whole(path), _Benchmark, shown(path))
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
    lines: dict[tuple[str | int, ...], int] = {}
    label = shown(path)
    for number, value in json_lines(read_text(path), label):
        where = f"{label}:{number}"
        row = _converted(value, Row, where)
        if row.rung not in known:
            fix = did_you_mean(row.rung, rungs, f"its rungs are {listed(rungs)}.")
            raise ConfigError(
                f"{where}: the rung `{row.rung}` is not in matrix.json beside it; {fix}"
            )
        _check_numbers(row, where)
        first = lines.setdefault(_draw(row), number)
        if first != number:
            raise ConfigError(
                f"{where}: sample {row.sample} of `{row.case or row.test}` stands in "
                f"line {first} already, with the same test, rung, level and source; "
                f"{_AGAIN}"
            )
        rows.append(row)
    return rows


def _draw(row: Row) -> tuple[str | int, ...]:
    """Tell a row from all others of its report."""
    return row.test, row.rung, row.level, row.source, row.case, row.sample


def _check_numbers(row: Row, where: str) -> None:
    """Refuse what no run measures, and what sums, ratios and logarithms break on."""
    for key, value, (low, high) in _numbers(row):
        if value is None or low <= value <= high or (value == 0 and low == _LEAST):
            continue
        zero = "0 or " if low == _LEAST else ""
        digits = str(value)
        said = digits if len(digits) <= _DIGITS else f"{digits[:_DIGITS]}…"
        raise ConfigError(
            f"{where}: the {key} {said} is not {zero}in [{low:g}, {high:g}]; {_AGAIN}"
        )


def _numbers(row: Row) -> Iterator[tuple[str, float | None, tuple[float, float]]]:
    """Yield what a row says in numbers: key, value, and range."""
    yield "score", row.score, _SHARE
    for name, score in row.scores.items():
        yield f"score `{name}`", score, _SHARE
    yield "weight", row.weight, _AMOUNT
    yield "at_least", row.at_least, _SHARE
    yield "sample", row.sample, _SAMPLE
    if row.verdict is not None:
        yield "verdict.cost_usd", row.verdict.cost_usd, _AMOUNT
    for bill in (*row.replies, *row.evaluations):
        yield "cost_usd", bill.cost_usd, _AMOUNT
        yield "latency_s", bill.latency_s, _AMOUNT
        yield "ttft_s", bill.ttft_s, _AMOUNT
        usage = bill.usage
        if usage is not None:
            yield "usage.input", usage.input, _TOKENS
            yield "usage.cached_input", usage.cached_input, _TOKENS
            yield "usage.cache_write", usage.cache_write, _TOKENS
            yield "usage.output", usage.output, _TOKENS
            yield "usage.reasoning", usage.reasoning, _TOKENS


def _read_exchanges(path: Path) -> dict[str, Exchange]:
    if not path.is_file():
        return {}
    exchanges = (
        _converted(value, Exchange, f"{shown(path)}:{number}")
        for number, value in json_lines(read_text(path), shown(path))
    )
    return {exchange.key: exchange for exchange in exchanges}
