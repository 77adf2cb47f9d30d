"""How reports word the result of a gate, and its figures before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_ladder.decide.decision import ESCALATED
from pytest_ladder.decide.gate.parts import FEW
from pytest_ladder.decide.gate.quality import BLOCK_AT, p_value
from pytest_ladder.decide.gate.result import (
    READ_DIFFERENTLY,
    Figure,
    FlakyCase,
    GateResult,
    OddRun,
    Rise,
    Side,
    Suite,
    Unpaired,
)
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    dollars,
    few,
    percent,
    points,
    points_between,
    quality,
    seconds,
)
from pytest_ladder.text.untrusted import plain

MOST_FLIPS = 5
"""Cases that a terminal names; the comment has more."""
WIDTH = 2_000
"""Columns of a sentence; the terminal breaks it as it likes."""


_UNLIKE_RUNS = (
    "the runs of the baseline differ by more than chance, so samples are not compared "
    "within cases: a drop blocks by the paired t test over cases, if it is also more "
    "than these runs differ by."
)


class Compared(NamedTuple):
    """A line of the table: something before and after."""

    what: str
    before: str
    after: str
    change: str
    """With its 95 % interval and, of a quality, its p-value."""


def gate_headline(result: GateResult) -> str:
    """Say what the verdict is, and why."""
    return f"{result.verdict.upper()}: {result.reason}"


def gate_lines(result: GateResult, *, verbose: bool = False) -> Iterator[str]:
    """Render the result for a terminal, one line each; `verbose`: with all cases."""
    yield f"gate: {plain(gate_headline(result), WIDTH)}"
    for sentence in _below_headline(result, verbose=verbose):
        yield f"  {plain(sentence, WIDTH)}"


def compared(result: GateResult) -> Iterator[Compared]:
    """Give quality, cost and latency before and after."""
    for suite in result.suites:
        between = points_between(suite.low, suite.high)
        judged = (
            f", corrected for the judge's errors ({points(suite.said)} as judged)"
            if suite.said is not None
            else ""
        )
        yield Compared(
            f"quality, {suite.title}",
            _quality(suite.before),
            _quality(suite.after),
            f"{points(suite.change)} ({between}){_p(suite)}{judged}",
        )
    if result.cost is not None:
        cost = result.cost
        before, after = (dollars(side.value) for side in (cost.before, cost.after))
        yield Compared("$ per 1,000 calls", before, after, _rise(cost))
    if result.latency is not None:
        latency = result.latency
        before, after = (_p95(side) for side in (latency.before, latency.after))
        yield Compared("p95 latency, live", before, after, _rise(latency))


def other_reasons(result: GateResult) -> Iterator[str]:
    """Give the reasons of the checks that did not pass, save that of the headline."""
    for check in result.checks:
        if check.verdict != "pass" and check.name != result.decided_by:
            yield f"{check.verdict.upper()}: {check.reason}"


def notes(result: GateResult) -> Iterator[str]:
    """Say what the gate can see, what it did not compare, and what would help."""
    if result.base_rung != result.head_rung:
        yield f"What ships changes from {result.base_rung} to {result.head_rung}."
    yield from map(_power, result.suites)
    for suite in result.suites:
        if suite.test == "runs":
            yield f"{suite.name}: {_UNLIKE_RUNS}"
    yield from odd_run_sentences(result.odd_runs)
    if result.without_odd is not None:
        it = "it" if len({one.run for one in result.odd_runs}) == 1 else "them"
        yield f"Without {it} this gate would say {result.without_odd.upper()}."
    yield from _about_p([suite for suite in result.suites if _p(suite)])
    if result.escalation == "run":
        yield _what_more_showed(result.suites)
    elif _may_turn(result) and result.escalation != "budget":
        yield (
            "Two more samples of every case would make the verdict surer; a run with "
            "--ladder-live and --ladder-baseline takes them by itself."
        )
    yield from _single_cases(result)
    # One that did not pass is among the reasons, and of a pass users are the headline.
    told = {"drift", "guardrail", *(["users"] if result.verdict != "pass" else [])}
    yield from (
        check.reason
        for check in result.checks
        if check.kind in told and check.verdict == "pass"
    )
    yield from result.unseen
    yield from result.standing
    if result.small_tags:
        yield (
            f"Too few for a gate of their own ({FEW} cases): {few(result.small_tags)}."
        )
    yield from _unpaired(result.unpaired)
    advice, former = result.head_advice, result.base_advice
    if advice and former and advice.rung != former.rung:
        # A reason that did not pass stands above, with its check.
        why = f": {advice.reason}" if advice.verdict == "pass" else "."
        yield (
            f"The recommendation changes from {former.rung or 'no rung'} to "
            f"{advice.rung or 'no rung'}{why}"
        )


def odd_run_sentences(odd: Sequence[OddRun]) -> Iterator[str]:
    """Name the runs of a baseline that are unlike the others."""
    for one in odd:
        yield (
            f"Run {one.run} of the baseline is unlike the other {one.runs}: "
            f"{percent(one.quality)} ({one.level}) where they have "
            f"{percent(one.others)} ({p_value(one.p)}, adjusted for all runs); pool a "
            "run of another day in its place."
        )


def _may_turn(result: GateResult) -> bool:
    """Whether more samples may turn the verdict: what failed is established."""
    return result.needs_escalation and result.verdict != "fail"


def _about_p(suites: Sequence[Suite]) -> Iterator[str]:
    """Say what the p-values of these suites mean, and what they are about."""
    if suites:
        yield (
            f"p is how often chance alone would show such a drop; {BLOCK_AT:g} or less "
            "blocks."
        )
    if any(
        one.verdict == "fail" and (one.high or 0.0) > 0 and not one.is_of_these_cases
        for one in suites
    ):
        yield (
            "It asks for worse only; the interval looks both ways, and may reach past "
            "0 where a drop blocks."
        )
    if any(suite.is_of_these_cases for suite in suites):
        yield (
            "It compares the samples of each case, so it is about these cases; the "
            "interval is about others like them, and wider."
        )


def unit_name(unit: tuple[str, str]) -> str:
    """Name a case; of a test without cases the test."""
    source, case = unit
    return case or source


def passed(side: Side, of: str = "/") -> str:
    """Write how many samples passed, `5/5`; of graded ones the mean, `35.0 %/3`."""
    passes = side.score * side.samples
    if math.isclose(passes, round(passes), abs_tol=TINY):
        return f"{round(passes):,}{of}{side.samples:,}"
    return f"{percent(side.score)}{of}{side.samples:,}"


def flaky_case(case: FlakyCase) -> str:
    """Say how often a flaky case passed before and after, and on which test."""
    before, after = ("/".join(map(str, side)) for side in (case.before, case.after))
    return f"{case.case or case.test}: {before} before, {after} after ({case.test})"


def _below_headline(result: GateResult, *, verbose: bool) -> Iterator[str]:
    for line in compared(result):
        yield f"{line.what}: {line.before} -> {line.after}; {line.change}"
    yield from other_reasons(result)
    yield from notes(result)
    most = len(result.flips) if verbose else MOST_FLIPS
    for flip in result.flips[:most]:
        how = "is broken" if flip.broken else "got worse"
        how = how if flip.move < 0 else "got better"
        scores = f"{passed(flip.before)} -> {passed(flip.after)}"
        p = "" if flip.p is None or flip.move > 0 else f", {p_value(flip.p)}"
        yield f"{flip.case or flip.test} {how}: {scores}{p} ({flip.test})"
    named = {flip.unit for flip in result.flips[:most]}
    more = {flip.unit for flip in result.flips} - named
    if more:
        yield f"and {count(len(more), 'more case')} flipped"
    elif len(result.flips) > most:
        yield "and these cases flipped on other tests as well"
    if verbose:
        for case in result.flakiness.cases:
            yield f"flaky: {flaky_case(case)}"


def _what_more_showed(suites: Sequence[Suite]) -> str:
    """Say that the gate asked for more samples, and which figures rest on them."""
    drop = "One sample of every case showed a possible drop"
    first = [suite.name for suite in suites if suite.samples < ESCALATED]
    if first and len(first) == len(suites):
        return (
            f"{drop}; more samples would show the same, for at temperature 0 the "
            "replies did not vary."
        )
    means = f"the figures after the change are means over {ESCALATED}"
    of_first = (
        f", but for those of {few(first)}: replies did not vary at temperature 0, or "
        "tests are not repeated"
    )
    return f"{drop}, so the run took more: {means}{of_first if first else ''}."


def _single_cases(result: GateResult) -> Iterator[str]:
    """Name the cases that are broken, and those that were flaky before."""
    broken = {f.unit: f.case or f.test for f in result.flips if f.broken}
    if broken:
        number = count(len(broken), "case")
        yield (
            f"Broken by its own samples, corrected for all cases: {number}: "
            f"{few(list(broken.values()))}."
        )
    found = result.flakiness
    if found.cases:
        names = [case.case or case.test for case in found.cases]
        yield (
            f"Flaky, for the samples in the baseline disagree: {len(names):,} of "
            f"{count(found.of, 'case')}: {few(names)}. In all {found.samples} samples "
            f"{percent(found.always / found.of)} of the cases pass "
            f"(pass^{found.samples})."
        )


def _power(suite: Suite) -> str:
    alike = suite.detectable_alike
    if alike is not None and alike < min(1.0, suite.detectable):
        drop = f"{100 * alike:.1f} points"
        broken = "none"
        if suite.detectable < 1:
            broken = f"one of {100 * suite.detectable:.1f} points"
        return (
            f"{suite.name}: this gate sees a true drop of {drop} 4 times in 5 where "
            f"all cases get worse alike, and {broken} where some of them break."
        )
    if suite.detectable >= 1:
        compared = count(suite.n, "case")
        return f"{suite.name}: too little ({compared}) to see any drop 4 times in 5."
    drop = f"{100 * suite.detectable:.1f} points"
    return f"{suite.name}: this gate sees a true drop of {drop} 4 times in 5."


def _unpaired(left: Unpaired) -> Iterator[str]:
    counted: Sequence[tuple[int, str]] = (
        (len(left.changed), "changed"),
        (len(left.reread), READ_DIFFERENTLY),
        (len(left.added), "added"),
        (len(left.dropped), "dropped"),
    )
    parts = [f"{count(number, 'case')} {how}" for number, how in counted if number]
    if parts:
        yield f"Not compared: {', '.join(parts)}."
    for why, names in (
        ("for another judge or rubric graded them", left.rejudged),
        ("for the baseline has no result of them", left.new_tests),
        ("for the change skipped them", left.skipped_tests),
        ("for nothing of them was run", left.not_run),
    ):
        if names:
            yield f"Not compared, {why}: {few(names)}."


def _p(suite: Suite) -> str:
    """Say how likely chance is behind a drop; empty: there is none."""
    return f", {p_value(suite.p)}" if suite.change < -TINY else ""


def _quality(figure: Figure) -> str:
    return quality(figure.value, figure.low, figure.high, figure.n)


def _p95(figure: Figure) -> str:
    if figure.value is None:
        return NOT_AVAILABLE
    if figure.low is None and figure.high is None:
        return f"{seconds(figure.value)} (n={figure.n:,})"
    low = NOT_AVAILABLE if figure.low is None else seconds(figure.low)
    high = NOT_AVAILABLE if figure.high is None else seconds(figure.high)
    return f"{seconds(figure.value)} ({low} to {high}, n={figure.n:,})"


def _rise(rise: Rise) -> str:
    if rise.change is None or not math.isfinite(rise.change):
        return rise.problem or "from nothing"
    text = f"{100 * rise.change:+.1f} %"
    if rise.low is None or rise.high is None:
        return f"{text}; {rise.problem}" if rise.problem else text
    return f"{text} ({100 * rise.low:+.1f} to {100 * rise.high:+.1f})"
