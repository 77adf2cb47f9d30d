"""Which labels are missing before a judged level may decide, and which count."""

from __future__ import annotations

import msgspec
import pytest

from pytest_ladder.decide.judge_errors import JudgeErrors, of_all
from pytest_ladder.judging.calibration.calibrate import (
    Calibration,
    calibrate,
    errors_before,
)
from pytest_ladder.judging.calibration.corrected import RungQuality
from pytest_ladder.judging.calibration.judged_level import trust_of
from pytest_ladder.judging.calibration.label_plan import label_plans
from pytest_ladder.judging.calibration.labels import JudgedReply, label_of
from pytest_ladder.reporting.sentences.judges import lacking
from tests.judging.judged_rows import a_report, labels_for, some_rows
from tests.judging.labelling import JUDGE, RUBRIC, judged, labelled, many

TEST = "t::test_right"


def rung(found: Calibration, name: str = "m/s") -> RungQuality:
    return next(one for one in found.rungs if one.rung == name)


def reworded(replies: list[JudgedReply], passes: int) -> list[JudgedReply]:
    """The same cases with another prompt: every reply is new."""
    return [
        msgspec.structs.replace(
            judged(n, float(n < passes), rung=reply.rung), text=f"new {reply.text}"
        )
        for n, reply in enumerate(replies)
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        # Of passed and failed replies: that people pass, fail; pass, fail.
        (
            (0, 0, 0, 0),
            "50 labels more for this rung (5 of them on replies that the judge failed, "
            "5 of them on replies that it passed)",
        ),
        (
            (36, 2, 0, 0),
            "12 labels more for this rung (5 of them on replies that the judge failed)",
        ),
        (
            (50, 6, 1, 2),
            "2 labels more for this rung (on replies that the judge failed)",
        ),
        (
            (2, 1, 2, 45),
            "2 labels more for this rung (on replies that the judge passed)",
        ),
        ((35, 4, 2, 8), "1 label more for this rung"),
        ((40, 4, 2, 8), ""),
    ],
)
def test_what_a_rung_lacks_is_counted_by_the_rule_that_runs(
    labels: tuple[int, int, int, int], said: str
) -> None:
    replies = many(100, 60)
    found = calibrate(labelled(replies, *labels), replies)
    missing = rung(found).missing
    assert (str(missing) if missing.all else "") == said
    assert rung(found).may_gate is (not said)
    assert bool(found.errors.why_not) is bool(said)


def test_as_many_labels_as_it_asks_for_are_enough() -> None:
    replies = many(100, 60)
    lacking = rung(calibrate(labelled(replies, 36, 2, 0, 0), replies)).missing
    rest = lacking.all - lacking.of_failed
    made = labelled(replies, 36 + rest, 2, 1, lacking.of_failed - 1)
    assert len(made) == 38 + lacking.all
    assert rung(calibrate(made, replies)).may_gate
    assert not rung(calibrate(made[:-1], replies)).may_gate


def test_a_rung_of_few_replies_asks_others_for_the_rest() -> None:
    replies = many(20, 10) + many(60, 40, "m/other")
    found = calibrate([], replies)
    assert str(rung(found).missing).startswith("50 labels more, 10 of them for this")
    assert str(rung(found, "m/other").missing).startswith("50 labels more for this")


def test_labels_of_another_run_measure_the_same_judge() -> None:
    before = many(90, 30)
    labels = labelled(before, 60, 3, 2, 25)
    after = reworded(before, 70)
    assert all(new.key not in {old.key for old in before} for new in after)
    old = [msgspec.structs.replace(label, judged=None) for label in labels]
    blind = calibrate(old, after)
    assert (blind.labels, blind.elsewhere, blind.agreement) == (0, 0, None)
    assert blind.errors.why_not.startswith("0 of 50 labels for its judge: 50 labels")
    # By the baseline's replies, or by what the labels say themselves.
    for found in (calibrate(old, after, before), calibrate(labels, after)):
        assert (found.labels, found.elsewhere) == (0, 90)
        assert found.errors == calibrate(labels, before).errors
        assert found.errors.why_not == ""
        quality = rung(found)
        assert quality.method == "transferred"
        assert quality.may_gate
    # Replies of this run that are labelled count beside them.
    more = labelled(after, 8, 0, 0, 4)
    both = calibrate([*old, *more], after, before)
    assert (both.labels, both.elsewhere, both.errors.labels) == (12, 90, 102)
    assert rung(both).method == "post-stratified"


def test_a_rung_that_nobody_ever_labelled_decides_nothing() -> None:
    before = many(90, 30)
    labels = labelled(before, 60, 3, 2, 25)
    other = many(80, 20, "m/other")
    found = rung(calibrate(labels, other, before), "m/other")
    assert found.method == "transferred"
    assert not found.may_gate
    assert (found.missing.all, found.missing.on_rung) == (10, 10)


@pytest.mark.parametrize("field", ["judge", "rubric"])
def test_labels_of_another_judge_measure_nothing_and_that_is_said(field: str) -> None:
    before = many(90, 30)
    labels = labelled(before, 60, 3, 2, 25)
    after = [
        msgspec.structs.replace(
            reply,
            verdict=msgspec.structs.replace(reply.verdict, **{field: "another"}),
        )
        for reply in reworded(before, 70)
    ]
    found = calibrate(labels, after, before)
    assert (found.labels, found.elsewhere, found.voided) == (0, 0, 90)
    assert found.errors.why_not.endswith("; 90 more are of another judge or rubric")


def test_a_poor_judge_is_not_made_good_by_more_labels() -> None:
    replies = many(100, 100)
    found = calibrate(labelled(replies, 30, 25, 25, 30), replies)
    assert not rung(found).may_gate
    assert found.errors.why_not.startswith("a judge that is too poor: sensitivity +")
    # Nor does a rung with few of its own ask for more of them, to no end.
    other = [*replies, *many(40, 40, rung="m/t")]
    found = calibrate(labelled(replies, 30, 25, 25, 30), other)
    assert list(lacking(found)) == []
    assert list(lacking(calibrate(labelled(replies, 40, 4, 2, 8), other)))
    same = calibrate(labelled(replies, 50, 0, 20, 0), replies)
    assert same.errors.why_not == "labels by which people only ever said pass"


def test_grades_that_hardly_follow_peoples_hold_no_gate() -> None:
    # It tells good from bad, and nothing beyond that.
    replies = [judged(n, 0.5 if n % 2 else 0.45, graded=True) for n in range(120)]
    labels = [
        label_of(reply, 5 if at % 2 else 1, "ann") for at, reply in enumerate(replies)
    ]
    found = calibrate(labels, replies)
    assert found.agreement is not None
    assert found.agreement.power == pytest.approx(2, abs=0.1)
    assert found.errors.why_not.endswith("its grades hardly follow people's")


def test_what_labels_know_before_a_run_is_what_they_say_themselves() -> None:
    before = many(90, 30)
    labels = labelled(before, 60, 3, 2, 25)
    asked = (TEST, JUDGE, RUBRIC)
    known = errors_before(asked, labels, [], graded=False)
    assert known == calibrate(labels, before).errors
    old = [msgspec.structs.replace(label, judged=None) for label in labels]
    assert errors_before(asked, old, [], graded=False).labels == 0


def test_judges_of_several_tests_are_held_to_the_one_that_lacks_most() -> None:
    replies = many(90, 30)
    good = calibrate(labelled(replies, 60, 3, 2, 25), replies).errors
    both = of_all([(1.0, good), (3.0, good)])
    assert both.judged_score(0.5) == pytest.approx(good.judged_score(0.5))
    lacking = JudgeErrors(why_not="nothing known")
    assert of_all([(1.0, good), (1.0, lacking)]) is lacking
    assert lacking.judged_score(0.5) == 0.5


def test_a_rung_with_a_new_prompt_decides_by_labels_of_its_former_replies() -> None:
    old = [*some_rows(60, 40), *some_rows(60, 40, rung="m/rag")]
    labels = labels_for([row for row in old if row.rung == "m/plain"], 55, 3, 2, 35)
    new = [msgspec.structs.replace(row, text=f"new {row.text}") for row in old]
    report = a_report(new, labels)
    trust = trust_of(report.matrix, new, report.calibrations)
    assert trust["m/plain"].why_not == ""
    assert trust["m/plain"].low < 0.6 < trust["m/plain"].high
    # Nobody ever looked at what the other rung says.
    assert trust["m/rag"].why_not.startswith("10 labels more for this rung (5 of them")
    assert trust["m/rag"].why_not.endswith("and the judged level may decide")


def test_the_plan_says_how_many_labels_are_missing_and_of_which_replies() -> None:
    replies = [*many(60, 20), *many(40, 40, rung="m/t")]
    plain = [one for one in replies if one.rung == "m/s"]
    (plan,) = label_plans(replies, labelled(plain, 36, 2, 0, 0))
    assert plan.sentence == (
        "test_right: 12 labels more until its judge may gate (38 of 50 at least)."
    )
    assert sum(stratum.replies for stratum in plan.next) == plan.missing.all == 12
    # All labels are of one rung: the other comes first, and failed replies lack.
    assert plan.next[0].rung == "m/t"
    assert sum(one.replies for one in plan.next if not one.passed) >= 5
    assert "of m/t that it passed" in plan.next_sentence
    assert "m/t" not in plan.sentence


def test_the_plan_ends_where_enough_is_known_and_where_labels_do_not_help() -> None:
    replies = many(60, 30)
    (plan,) = label_plans(replies, labelled(replies, 40, 4, 2, 8))
    assert plan.sentence == "test_right: its judge may gate, by 54 labels."
    assert plan.next == ()
    assert plan.next_sentence == ""
    (plan,) = label_plans(replies, labelled(replies, 20, 20, 10, 10))
    assert "more labels do not help: a judge that is too poor" in plan.sentence
    few = many(8, 4)
    (plan,) = label_plans(few, labelled(few, 2, 0, 0, 0))
    assert "only 10 replies of this run are left to label" in plan.sentence
