"""Several criteria: a rung is eligible only if it meets all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.decision import Decision, Part, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.objective import decide, with_verdicts
from pytest_ladder.errors import ConfigError
from tests.decide.ladders import Made, passes
from tests.decide.worlds import World, rows_for

CHEAP, JUDGED = Level.CHEAP, Level.JUDGED
SAFE = Require(tag="safety", at_least=0.98)
ALL = [1.0] * 50


def row(rung: str, place: int, score: float | None, **fields: Any) -> Row:
    outcome = Outcome.PASSED if score == 1 else Outcome.MISSED
    values = {
        "test": "t.py::test_a",
        "rung": rung,
        "level": CHEAP,
        "source": "cases.jsonl",
        "case": f"c{place:03}",
        "outcome": Outcome.ERROR if score is None else outcome,
        "score": score,
        "replies": (
            UsedReply(
                key=f"{rung}-{place}",
                live=True,
                cost_usd=fields.pop("usd", 0.001),
                latency_s=fields.pop("seconds", 1.0),
            ),
        ),
    }
    return Row(**{**values, **fields})


def tagged(rung: str, safe: Sequence[float | None], **fields: Any) -> list[Row]:
    """100 cases, the second half of them tagged, all of the others passed."""
    plain = [row(rung, place, 1.0, **fields) for place in range(50)]
    return plain + [
        row(rung, 50 + place, score, tags=("safety", "de"), **fields)
        for place, score in enumerate(safe)
    ]


def decided(rows: Sequence[Row], require: Sequence[Require], **more: Any) -> Decision:
    trust = more.pop("trust", None)
    states, settled = more.pop("states", {}), more.pop("settled", {})
    part = more.pop("part", None)
    fields = {"kind": "good-enough", "quality": 0.5, **more}
    objective = Objective(require=tuple(require), **fields)
    rungs = [Made().rung(name) for name in dict.fromkeys(r.rung for r in rows)]
    matrix = build_matrix(rows, rungs, states, settled=settled)
    return decide(matrix, Evidence(rows, trust), objective, part=part)


def test_a_cheaper_rung_that_fails_a_criterion_is_left_and_named() -> None:
    rows = [
        *tagged("a/x", passes(48, 50)),
        *tagged("b/x", passes(50, 50), usd=0.01),
    ]
    found = decided(rows, [SAFE])
    advice = found.recommendation
    assert advice is not None
    assert (advice.rung, advice.verdict) == ("b/x", "pass")
    assert "at $10.00 per 1,000 calls, 100.0 % on cases tagged safety" in (
        advice.reason
    )
    assert advice.changes[0] == (
        "Safety keeps out a/x (96.0 % against 98 %: fails), which is cheaper."
    )
    assert [str(one) for one in found.requirements["a/x"]] == [
        "safety 96.0 % against 98 %: fails"
    ]
    assert str(found.requirements["b/x"][0]) == "safety 100.0 % against 98 %: meets"


def test_no_rung_that_meets_all_is_a_fail_that_says_what_the_best_lacks() -> None:
    found = decided(tagged("a/x", passes(48, 50)), [SAFE]).recommendation
    assert found is not None
    assert (found.rung, found.verdict) == (None, "fail")
    assert found.reason.endswith(
        "but scores 96.0 % on cases tagged safety (at least 98 %)."
    )


@pytest.mark.parametrize(
    ("safe", "said"),
    [
        (passes(49, 50), "safety 98.0 % against 98 %: meets"),
        ([*passes(48, 48), None, None], "safety 100.0 % against 98 %: undecided"),
        ([*passes(47, 48), None, None], "safety 97.9 % against 98 %: undecided"),
        ([*passes(40, 48), None, None], "safety 83.3 % against 98 %: fails"),
        (passes(8, 8), "safety 100.0 % against 98 %: undecided (fewer than 10 cases)"),
        (passes(1, 8), "safety 12.5 % against 98 %: fails"),
    ],
)
def test_errors_and_few_cases_count_as_they_do_for_the_bar(
    safe: Sequence[float | None], said: str
) -> None:
    found = decided(tagged("a/x", safe), [SAFE])
    assert str(found.requirements["a/x"][0]).startswith(said)


@pytest.mark.parametrize(
    ("require", "said"),
    [
        (Require(test="test_b", at_least=0.5), "test_b 20.0 % against 50 %: fails"),
        (
            Require(test="T::test_b", at_least=0.1),
            "T::test_b 20.0 % against 10 %: meets",
        ),
        (
            Require(test="t.py::T::test_b[x]", tag="de", at_least=0.5),
            "t.py::T::test_b[x] de 20.0 % against 50 %: fails",
        ),
        (Require(level=CHEAP, at_least=1.0), "cheap 100.0 % against 100 %: meets"),
        (
            Require(level=CHEAP, tag="de", at_least=0.5),
            "cheap de 100.0 % against 50 %: meets",
        ),
        (Require(latency_p95_s=2.0), "p95 1.0 s against 2.0 s: meets"),
        (Require(latency_p95_s=0.5), "p95 1.0 s against 0.50 s: fails"),
        (
            Require(test="test_b", latency_p95_s=2.0),
            "test_b p95 3.0 s against 2.0 s: fails",
        ),
        (
            Require(test="tset_b", at_least=0.5),
            "tset_b n/a against 50 %: undecided (no test tset_b: did you mean "
            "`test_a`? There are `test_a`)",
        ),
        (
            Require(tag="saftey", at_least=0.5),
            "saftey n/a against 50 %: undecided (no case tagged saftey: did you mean "
            "`safety`? There are `de`, `safety`)",
        ),
        (
            Require(level=Level.REAL, at_least=0.5),
            "real n/a against 50 %: undecided (no test at the real level)",
        ),
    ],
)
def test_a_criterion_is_about_the_rows_that_it_names(
    require: Require, said: str
) -> None:
    more = [
        row(
            "a/x",
            place,
            score,
            test="t.py::T::test_b[x]",
            level=JUDGED,
            tags=("de",),
            replies=(UsedReply(key=f"b{place}", live=True, latency_s=3.0),),
        )
        for place, score in enumerate(passes(2, 10))
    ]
    rows = [*tagged("a/x", ALL), *more]
    if require.latency_p95_s is not None and require.test is None:
        rows = rows[:100]
    assert str(decided(rows, [require]).requirements["a/x"][0]) == said


def test_the_old_key_of_latency_is_a_criterion() -> None:
    found = decided(tagged("a/x", ALL), [SAFE], latency_p95_s=0.5)
    assert [str(one) for one in found.requirements["a/x"]] == [
        "safety 100.0 % against 98 %: meets",
        "p95 1.0 s against 0.50 s: fails",
    ]
    assert found.recommendation is not None
    assert found.recommendation.verdict == "fail"


def test_a_judged_criterion_goes_by_what_labels_make_of_it() -> None:
    rows = [*tagged("a/x", ALL), *tagged("a/x", passes(30, 50), level=JUDGED)]
    judged = Require(level=JUDGED, at_least=0.9)
    trusted = {"a/x": Trust(value=0.95, low=0.92, high=0.98)}
    said = [
        str(decided(rows, [judged], trust=trust).requirements["a/x"][0])
        for trust in (None, trusted, {"a/x": Trust(why_not="3 of 50 labels")})
    ]
    assert said == [
        "judged 80.0 % against 90 %: fails",
        "judged 95.0 % against 90 %: meets",
        "judged 80.0 % against 90 %: undecided (3 of 50 labels)",
    ]
    part = Require(level=JUDGED, tag="de", at_least=0.5)
    (held,) = decided(rows, [part], trust=trusted).requirements["a/x"]
    assert held.verdict == "undecided"
    assert held.why == "labels that correct the whole level only"


def test_what_users_did_is_held_against_a_criterion_of_the_real_level() -> None:
    class Used(Evidence):
        def real_verdict(self, rung: str, bar: float) -> Verdict | None:
            return "pass" if bar < 0.5 else "undecided"

    rows = [*tagged("a/x", ALL), *tagged("a/x", ALL, level=Level.REAL)]
    matrix = build_matrix(rows, [Made().rung("a/x")], {})
    said = []
    for bar in (0.4, 0.9):
        require = (Require(level=Level.REAL, at_least=bar),)
        objective = Objective(kind="good-enough", quality=0.5, require=require)
        found = decide(matrix, Used(rows), objective)
        said += [str(one) for one in found.requirements["a/x"]]
    assert said == [
        "real 100.0 % against 40 %: meets",
        "real 100.0 % against 90 %: undecided (an interval on either side of it)",
    ]


def test_what_a_part_of_the_suite_or_a_stopped_rung_shows_decides_nothing() -> None:
    rows = tagged("a/x", passes(10, 50))
    for more in ({"states": {"a/x": "stopped"}}, {"part": Part(items=9, of=90)}):
        (held,) = decided(rows, [SAFE], **more).requirements["a/x"]
        assert held.verdict == "undecided"


def test_what_a_climb_passed_early_meets_its_criteria() -> None:
    rows = tagged("a/x", passes(50, 50))
    stopped: dict[str, Any] = {"states": {"a/x": "stopped"}, "settled": {"a/x": "pass"}}
    found = decided(rows, [SAFE], **stopped)
    assert [str(one) for one in found.requirements["a/x"]] == [
        "safety 100.0 % against 98 %: meets"
    ]


def test_the_matrix_carries_what_became_of_criteria() -> None:
    rows = tagged("a/x", passes(48, 50))
    matrix = build_matrix(rows, [Made().rung("a/x")], {})
    objective = Objective(kind="step-function", require=(SAFE,))
    decision = decide(matrix, Evidence(rows), objective)
    (held,) = with_verdicts(matrix, decision).rungs[0].requirements
    assert (held.quality, held.n, held.verdict) == (0.96, 50, "fail")
    assert held.low is not None
    assert held.low < 0.96


def climbing(require: Require, first: Sequence[float], **fields: Any) -> World:
    rows = []
    for rung, scores in (("m0/s", first), ("m1/s", [1.0] * 100)):
        usd = {"m0/s": 0.001, "m1/s": 0.01}[rung]
        rows += rows_for(rung, scores, usd, tags_of=4)
    objective = {"kind": "good-enough", "quality": 0.5, **fields}
    return World(
        rows=rows,
        usd={"m0/s": 0.001, "m1/s": 0.01},
        objective=Objective(require=(require,), **objective),
    )


def test_a_climb_drops_a_rung_whose_criterion_fails() -> None:
    bad = [float(place % 4 > 0) for place in range(100)]
    world = climbing(Require(tag="t0", at_least=0.9), bad)
    course, rows = world.walk()
    assert str(course.reason("m0/s")).endswith(
        " passed on cases tagged t0, the bar of 90 % is out of reach"
    )
    assert len([r for r in rows if r.rung == "m0/s"]) < 60
    assert world.climbed() == world.in_full()
    assert world.in_full().rung == "m1/s"


@pytest.mark.parametrize("kind", ["step-function", "budget", "value"])
def test_so_it_does_where_rungs_race(kind: str) -> None:
    bad = [float(place % 4 > 0) for place in range(100)]
    fields: dict[str, Any] = {"kind": kind, "quality": None, "tolerance": 0.5}
    fields |= {"usd_per_1k": 100.0, "right_usd": 1.0, "wrong_usd": 1.0}
    world = climbing(Require(tag="t0", at_least=0.9), bad, **fields)
    course, _ = world.walk(price_cap_ok={"m0/s": True, "m1/s": True})
    assert "on cases tagged t0" in str(course.reason("m0/s"))
    assert world.in_full().rung == "m1/s"


def test_a_climb_refuses_a_criterion_that_is_about_nothing() -> None:
    world = climbing(Require(tag="t00", at_least=0.9), [1.0] * 100)
    with pytest.raises(ConfigError, match="no case tagged t00: did you mean `t0`"):
        world.walk()


def test_where_a_climb_drops_all_rungs_at_a_criterion_it_says_so() -> None:
    rows = tagged("a/x", passes(10, 20)) + tagged("b/x", passes(18, 20), usd=0.01)
    why = "18 of 20 passed on cases tagged safety, the bar of 98 % is out of reach"
    matrix = msgspec.structs.replace(
        build_matrix(
            rows,
            [Made().rung("a/x"), Made().rung("b/x")],
            dict.fromkeys(("a/x", "b/x"), "stopped"),
            settled={"a/x": "fail", "b/x": "fail"},
        ),
        kept_out={"b/x": ("safety", why)},
    )
    objective = Objective(kind="good-enough", quality=0.6, require=(SAFE,))
    found = decide(matrix, Evidence(rows), objective).recommendation
    assert found is not None
    assert found.verdict == "fail"
    assert found.reason.endswith(f"but was dropped at safety: {why}.")


def test_what_a_climb_dropped_at_a_criterion_fails_that_and_not_the_bar() -> None:
    """It met the bar as far as it ran; all its rows would say `pass` and `fails`."""
    rows = tagged("a/x", passes(8, 10)) + tagged("b/x", passes(50, 50), usd=0.01)
    why = "8 of 10 passed on cases tagged safety, the bar of 98 % is out of reach"
    matrix = msgspec.structs.replace(
        build_matrix(
            rows,
            [Made().rung("a/x"), Made().rung("b/x")],
            {"a/x": "stopped"},
            settled={"a/x": "fail", "b/x": "pass"},
        ),
        kept_out={"a/x": ("safety", why)},
    )
    objective = Objective(kind="good-enough", quality=0.6, require=(SAFE,))
    found = decide(matrix, Evidence(rows), objective)
    assert found.verdicts == {"a/x": "undecided", "b/x": "pass"}
    assert [str(one) for one in found.requirements["a/x"]] == [
        "safety 80.0 % against 98 %: fails"
    ]
    assert found.recommendation is not None
    assert f"Safety keeps out a/x ({why}), which is cheaper." in (
        found.recommendation.changes
    )


def test_a_criterion_about_nothing_says_so_once() -> None:
    found = decided(tagged("a/x", passes(50, 50)), [Require(tag="safty", at_least=0.9)])
    assert found.recommendation is not None
    assert found.recommendation.reason.endswith(
        "undecided with no case tagged safty: did you mean `safety`? There are `de`, "
        "`safety`."
    )
