"""Grades and votes of people: surveys, own rows, and the scores of tracing tools.

The last word of a user on a reply counts, and those that it replaced are counted.
Votes of machines are left out: they are proxies, not users.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pytest_ladder.core.aggregate import VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.errors import BadRow, ConfigError
from pytest_ladder.real.sources import exports
from pytest_ladder.real.sources.exports import first_of, rows_in
from pytest_ladder.real.sources.naming import say_columns
from pytest_ladder.real.sources.paths import text_of
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.times import seconds_of
from pytest_ladder.real.sources.values import is_up, number_in, stars, told
from pytest_ladder.real.sources.variants import folded
from pytest_ladder.text.phrases import did_you_mean, listed

_QUALTRICS = 3
"""Headers of its exports: names, questions, ids."""

_RESPONDENT = "Respondent ID"
"""The first column of SurveyMonkey; no answer lacks it."""

_TRIED = frozenset(
    {
        *("survey preview", "survey test", "spam", "survey preview spam"),
        *("offline survey preview", "1", "2", "8", "9", "17"),
    }
)
"""What Qualtrics says of these under `Status`, as a word or as its number."""

_PROMOTERS, _PASSIVES = 9, 7
"""Lowest grades of these, of 0 to 10; who gives less is a detractor."""

MACHINE = "of a machine"
OTHER_SCORE = "another score"
NO_RUNG = "no rung known"
REPLACED = "replaced by a later one"
NO_ANSWER = "without an answer"
NO_USER = "of a preview, a test or spam"
"""What a survey tool counts as answers, and no user gave."""
SEVERAL_ANSWERS = "of a unit of several variants"


_SILENT = 'What says nothing goes into no_answer = ["…"].'


class Vote(NamedTuple):
    """One grade or thumb."""

    line: int
    trace: str
    """What it is about; empty: nobody said."""
    unit: str
    """Who said it; empty: nobody knows, and it counts by itself."""
    variant: str
    """The variant or rung that the file names; empty: its trace or exposure says."""
    time: float | None
    """Unix time; None: it is not known, and files are in order."""
    value: str


class Trace:
    """What is known of a trace: who asked, and what answered."""

    def __init__(self, unit: str = "", variant: str | None = "") -> None:
        self.unit = unit
        self.variant = variant
        """Empty: it is not known; None: several answered."""

    def add(self, unit: str, variant: str) -> None:
        """Take in what another of its rows says."""
        self.unit = self.unit or unit
        if self.variant is not None and variant:
            self.variant = variant if self.variant in ("", variant) else None


class Traces(NamedTuple):
    """Traces by each of their ids, of spans and runs too."""

    by_id: dict[str, Trace]
    whole: set[str]
    """One id of each."""


class _Paths(NamedTuple):
    """Where in the rows of a file something is told; the first that is there counts."""

    value: tuple[str, ...]
    unit: tuple[str, ...]
    trace: tuple[str, ...]
    variant: tuple[str, ...]
    time: tuple[str, ...]


def read_votes(
    file: RawFile,
    outcome: RealOutcome,
    dropped: Counter[str],
    assigned: str | None = None,
) -> Iterator[Vote]:
    """Yield the grades or votes of a file, those of machines left out and counted.

    `assigned` is the experiment's own name for the column of its units, which a table
    need not have. Raises `ConfigError` for a file without a column that could be one,
    and for one with several scores of which none is named.
    """
    if file.is_table:
        file.headers = _headers(file)
    paths = _paths(file, outcome, assigned if assigned in file.columns else None)
    silent = {"", *map(folded, outcome.no_answer)}
    names: set[str] = set()
    is_found = False
    for line, row in file.objects():
        for each in rows_in(row):
            name = first_of(each, exports.SCORE_NAMES)
            maker = str(first_of(each, exports.MAKERS) or "")
            value = first_of(each, paths.value)
            is_found |= value is not None
            if file.headers == _QUALTRICS and _is_tried(each):
                dropped[NO_USER] += 1
            elif maker.lower() in exports.MACHINES:
                dropped[MACHINE] += 1
            elif outcome.score is not None and name != outcome.score:
                dropped[OTHER_SCORE] += 1
            elif value is None or folded(str(value)) in silent:
                dropped[NO_ANSWER] += 1
            else:
                trace, unit, variant = (
                    text_of(first_of(each, of))
                    for of in (paths.trace, paths.unit, paths.variant)
                )
                # Of a trace it is a score's name; in a survey it may be a person's.
                names |= {str(name)} if trace and name is not None else set()
                time = _time(first_of(each, paths.time))
                yield Vote(line, trace, unit, variant, time, str(value).strip())
    if outcome.column and not is_found and outcome.column not in file.columns:
        raise file.nowhere(outcome.column)
    if len(names) > 1 and outcome.score is None:
        raise ConfigError(
            f"{file.label}: it holds the scores {', '.join(sorted(map(told, names)))}; "
            f'say score = "…" in [[outcome]] {outcome.name}.'
        )


def read_traces(files: Iterable[RawFile], outcome: RealOutcome) -> Traces:
    """Return what traces say of who asked and what answered.

    A trace of several rows is one: whichever of them names the rung.
    """
    traces = Traces({}, set())
    for file in files:
        paths = _object_paths(outcome)
        for _, row in file.objects():
            for each in rows_in(row):
                unit = text_of(first_of(each, paths.unit))
                variant = text_of(first_of(each, paths.variant))
                ids = (text_of(first_of(each, [path])) for path in exports.TRACES)
                names = [*filter(None, ids)]
                traces.whole.update(names[:1])
                for name in names:
                    traces.by_id.setdefault(name, Trace()).add(unit, variant)
    return traces


def grade_of(file: RawFile, vote: Vote, outcome: RealOutcome) -> float:
    """Return a grade as a number on the scale; words count from 1, the worst.

    Raises `ConfigError` for what is not on it.
    """
    scale, text = outcome.scale or (), vote.value
    if isinstance(scale[0], str):
        words = [str(step) for step in scale]
        alike = [word.strip().casefold() for word in words]
        found = words if text in words else alike
        said = text if text in words else text.casefold()
        if said in found and found.count(said) == 1:
            return float(found.index(said) + 1)
        near = did_you_mean(text[:60], words, f"the scale is {listed(words)}.")
        problem = f"{told(text)} is no word of the scale; {near} {_SILENT}"
        raise file.error(vote.line, problem)
    grade = stars(text)
    if grade is None:
        try:
            grade = number_in(text, vote.line, "the grade", outcome.decimal)
        except BadRow as bad:
            problem = bad.problem
            if any(sign.isalpha() for sign in text):
                problem += ' Answers in words want scale = ["worst", …, "best"]. '
                problem += _SILENT
            raise file.error(vote.line, problem) from None
    low, high = (float(step) for step in scale)
    if low <= grade <= high and grade.is_integer():
        return grade
    raise file.error(
        vote.line,
        f"{grade:g} is not on the scale {low:g} to {high:g}; correct it or the scale "
        f"of [[outcome]] {outcome.name}.",
    )


def thumb_of(file: RawFile, vote: Vote) -> float:
    """Return 1 for a thumb up, 0 for one down. Raises `ConfigError` for neither."""
    up = is_up(vote.value)
    if up is not None:
        return float(up)
    raise file.error(
        vote.line,
        f"{told(vote.value)} is no thumb; write up or down, or 1 or 0; grades of more "
        f'steps are kind = "rating". {_SILENT}',
    )


def sums_of_thumbs(votes: Iterable[tuple[str, float]]) -> VariantSums:
    """Sum up votes, given with who said them: ups over votes, by user."""
    ups: Counter[str] = Counter()
    all_votes: Counter[str] = Counter()
    for who, thumb in votes:
        ups[who] += int(thumb)
        all_votes[who] += 1
    pairs = [(ups[who], count) for who, count in all_votes.items()]
    return VariantSums(
        variant="",
        rung="",
        units=len(pairs),
        sum=sum(up for up, _ in pairs),
        sum_squares=sum(up * up for up, _ in pairs),
        per_sum=sum(count for _, count in pairs),
        per_sum_squares=sum(count * count for _, count in pairs),
        cross=sum(up * count for up, count in pairs),
    )


def sums_of_grades(
    grades: Iterable[tuple[str, float]], outcome: RealOutcome
) -> VariantSums:
    """Sum up grades, given with who said them: the mean of each user, and counts.

    Of a net promoter score a promoter counts 1, and a detractor -1.
    """
    scale = outcome.scale or ()
    of: defaultdict[str, list[float]] = defaultdict(list)
    for who, grade in grades:
        of[who].append(grade)
    worth = _promoter if outcome.nps else float
    means = [math.fsum(map(worth, said)) / len(said) for said in of.values()]
    low = 1 if isinstance(scale[0], str) else int(scale[0])
    high = len(scale) if isinstance(scale[0], str) else int(float(scale[1]))
    counted = Counter(grade for said in of.values() for grade in said)
    return VariantSums(
        variant="",
        rung="",
        units=len(means),
        sum=math.fsum(means),
        sum_squares=math.fsum(mean * mean for mean in means),
        counts=tuple(counted[float(step)] for step in range(low, high + 1)),
    )


def _promoter(grade: float) -> float:
    return 1.0 if grade >= _PROMOTERS else 0.0 if grade >= _PASSIVES else -1.0


def _paths(file: RawFile, outcome: RealOutcome, assigned: str | None) -> _Paths:
    """Return where to look; raises `ConfigError` where columns of a table are two."""
    if not file.is_table:
        return _object_paths(outcome)
    head = f"in [[outcome]] {outcome.name}"
    unit, variant = (
        file.find_column(role, name, say_columns([role], head))
        for role, name in (
            ("unit", outcome.columns.get("unit") or assigned),
            ("variant", outcome.columns.get("variant")),
        )
    )
    answer = file.column("rating", outcome.column, f'say column = "…" {head}')
    trace, rung = (
        file.find_column(role, None, say_columns(["variant"], head))
        for role in ("trace", "rung")
    )
    time = file.find_column(
        "time", outcome.columns.get("time"), say_columns(["time"], head)
    )
    is_joined = (trace and outcome.traces) or (unit and outcome.experiment)
    if not (variant or rung or is_joined):
        raise file.error(
            1,
            "no column says which variant or rung an answer is about, or who gave it "
            "(an experiment with `exposures` knows what they met); say columns = "
            f'{{ variant = "…" }} or {{ unit = "…" }} {head}.',
        )
    of = ((answer,), (unit,), (trace,), (variant, rung), (time,))
    return _Paths(*(tuple(filter(None, names)) for names in of))


def _object_paths(outcome: RealOutcome) -> _Paths:
    columns = outcome.columns

    def named(name: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
        return (name,) if name else known

    return _Paths(
        value=named(outcome.column, exports.VALUES),
        unit=named(columns.get("unit"), exports.USERS),
        trace=exports.TRACES,
        variant=named(outcome.rung_from or columns.get("variant"), exports.VARIANTS),
        time=named(columns.get("time"), exports.TIMES),
    )


def _headers(file: RawFile) -> int:
    """Return how many headers there are: of SurveyMonkey two.

    What one of its questions asks of several things is in the second, and names those
    columns that the first leaves without a name.
    """
    rows = file.head(3)
    if len(rows) > 2 and any("ImportId" in cell for cell in rows[2]):
        return _QUALTRICS
    second = rows[1] if len(rows) > 1 else []
    named = {"response", "open-ended response"}
    pairs = [*itertools.zip_longest(file.columns, second, fillvalue="")]
    if not any(
        cell.strip().lower() in named or (name == _RESPONDENT and not cell.strip())
        for name, cell in pairs
    ):
        return 1
    file.columns = [name if name.strip() else cell for name, cell in pairs]
    return 2


def _is_tried(answer: exports.Layers) -> bool:
    """Return whether who made the survey tried it, or a machine filled it in."""
    return text_of(first_of(answer, ["Status"])).strip().lower() in _TRIED


def _time(value: Any) -> float | None:
    """Return a time as Unix seconds; None for what only its form can read."""
    try:
        return None if value is None else seconds_of(str(value))
    except (ValueError, OverflowError):
        return None
