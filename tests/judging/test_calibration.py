"""Calibration says how far a judge can be trusted, and says so plainly if it cannot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_ladder.judging.calibration.calibrate import (
    Calibration,
    calibrate,
    calibrate_all,
)
from pytest_ladder.judging.calibration.labels import JudgedReply, Label, label_of
from pytest_ladder.stats.agreement import poststratified
from tests.judging.labelling import judged, labelled, many


def rung(found: Calibration, name: str = "m/s") -> Any:
    return next(one for one in found.rungs if one.rung == name)


def numbers(estimate: Any) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def test_agreement_has_all_its_numbers_with_intervals() -> None:
    # Vector V9 of the methods note.
    found = calibrate(labelled(many(94, 6), 90, 4, 5, 1), many(94, 6))
    told = found.agreement
    assert told is not None
    assert told.table == ((90, 4), (5, 1))
    assert numbers(told.accuracy) == pytest.approx((0.91, 0.837738, 0.951927), abs=1e-5)
    assert told.kappa is not None
    assert told.kappa.value == pytest.approx(0.134615, abs=1e-5)
    assert told.ac1.value == pytest.approx(0.899559, abs=1e-5)
    assert told.sensitivity is not None
    assert told.specificity is not None
    assert (told.sensitivity.value, told.sensitivity.n) == (90 / 95, 95)
    assert (told.specificity.value, told.specificity.n) == (1 / 5, 5)
    assert told.baseline == 0.95


def test_a_pass_rate_is_post_stratified() -> None:
    # Vector V11.
    replies = many(156, 44)
    found = rung(calibrate(labelled(replies, 14, 2, 1, 3), replies))
    assert found.method == "post-stratified"
    assert found.raw.value == 0.78
    expected = (0.730524, 0.563064, 0.869462)
    assert numbers(found.calibrated) == pytest.approx(expected, abs=1e-4)
    assert (found.labels, found.calibrated.n) == (20, 200)


V12_LABELS = "11011011101101110111"
V12_JUDGED = "11011111101111010111"


def graded_replies() -> tuple[list[JudgedReply], list[Label]]:
    scores = [*map(float, V12_JUDGED), *[1.0] * 156, *[0.0] * 44]
    replies = [judged(n, score, graded=True) for n, score in enumerate(scores)]
    labels = [
        label_of(one, 5 if said == "1" else 1, "ann")
        for one, said in zip(replies, V12_LABELS, strict=False)
    ]
    return replies, labels


def test_grades_are_corrected_by_ppi() -> None:
    # Vector V12: the same mean; t and unbiased variances in Wilson's shape, which of
    # few labels covers 95 % where mean ± t SE (.566 to .913) covers 91 %.
    replies, labels = graded_replies()
    found = rung(calibrate(labels, replies))
    assert found.method == "PPI++"
    value, low, high = numbers(found.calibrated)
    assert value == pytest.approx(0.739390, abs=1e-4)
    assert (low, high) == pytest.approx((0.5421, 0.8713), abs=1e-3)


def test_grades_of_which_all_are_labelled_need_no_judge() -> None:
    replies, labels = graded_replies()
    found = rung(calibrate(labels, replies[:20]))
    assert (found.method, found.calibrated.value) == ("labels only", 0.75)


def test_grades_have_a_weighted_kappa() -> None:
    # Vector V8, quadratic, with a row of the scale left out.
    table = [[11, 4, 1, 0], [3, 12, 4, 1], [1, 3, 15, 4], [0, 1, 4, 16]]
    replies: list[JudgedReply] = []
    labels: list[Label] = []
    for judge, row in enumerate(table, start=1):
        for person, count in enumerate(row, start=1):
            for _ in range(count):
                one = judged(len(replies), (judge - 1) / 4, graded=True)
                replies.append(one)
                labels.append(label_of(one, _grade(person), "ann"))
    told = calibrate(labels, replies).agreement
    assert told is not None
    assert told.kappa is not None
    assert told.kappa.value == pytest.approx(0.792944, abs=1e-5)


def _grade(number: int) -> Any:
    return number


def test_a_rung_without_labels_borrows_the_judges_errors() -> None:
    replies = many(80, 20) + many(70, 30, "m/other")
    labels = labelled(replies[:100], 30, 2, 2, 18)
    found = calibrate(labels, replies)
    other = rung(found, "m/other")
    assert other.method == "transferred"
    assert other.calibrated.low < other.calibrated.value < other.calibrated.high
    assert not other.may_gate
    assert rung(found).method == "post-stratified"


def test_a_judge_that_is_nearly_a_coin_is_not_transferred() -> None:
    replies = many(50, 50) + many(50, 50, "m/other")
    found = calibrate(labelled(replies[:100], 14, 12, 11, 13), replies)
    other = rung(found, "m/other")
    assert other.calibrated is None
    assert "below 1.3 nothing can be transferred" in other.why_not
    # Of its own labels it stays valid, only wide.
    assert rung(found).calibrated is not None


def test_people_who_only_pass_tell_nothing_of_other_rungs() -> None:
    replies = many(40, 5) + many(50, 50, "m/other")
    found = calibrate(labelled(replies[:45], 25, 0, 0, 0), replies)
    assert "only ever gave one answer" in rung(found, "m/other").why_not
    assert found.agreement is not None
    assert found.agreement.specificity is None


@pytest.mark.parametrize(
    ("labels", "calibrated", "may_gate"),
    [(19, False, False), (20, True, False), (49, True, False), (50, True, True)],
)
def test_20_labels_show_and_50_gate(
    labels: int, calibrated: bool, may_gate: bool
) -> None:
    replies = many(100, 50)
    found = calibrate(labelled(replies, labels - 10, 0, 2, 8), replies)
    assert found.labels == labels
    assert found.calibrated is calibrated
    assert (rung(found).calibrated is not None) is calibrated
    assert rung(found).may_gate is may_gate
    assert any("needed to gate" in n or "to gate." in n for n in found.notes) is (
        not may_gate
    )


def test_a_rare_verdict_needs_five_labels_to_gate() -> None:
    replies = many(100, 20)
    found = calibrate(labelled(replies, 50, 6, 0, 4), replies)
    assert not rung(found).may_gate
    note = "4 labels of replies that the judge failed; 5 are needed."
    assert note in found.notes
    # Where there are no more to label, four are enough.
    few = calibrate(labelled(many(100, 4), 50, 6, 0, 4), many(100, 4))
    assert rung(few).may_gate


def test_a_judge_that_the_trivial_one_beats_is_called_out() -> None:
    replies = many(100, 100)
    found = calibrate(labelled(replies, 20, 4, 14, 2), replies)
    assert (
        "The judge agrees with the labels on 55%; always saying pass agrees on 85%."
        in found.notes
    )
    assert any("adds nothing to the labels alone" in note for note in found.notes)


def test_a_judge_not_shown_to_be_better_is_called_out() -> None:
    replies = many(100, 100)
    found = calibrate(labelled(replies, 19, 5, 7, 9), replies)
    told = (
        "The judge is not shown to be better than always saying pass (70% against 65%)."
    )
    assert told in found.notes


def test_a_good_judge_has_no_notes() -> None:
    replies = many(100, 100)
    assert calibrate(labelled(replies, 40, 1, 1, 30), replies).notes == ()


@pytest.mark.parametrize("field", ["judge", "rubric"])
def test_drift_voids_labels(field: str) -> None:
    replies = many(40, 20)
    labels = labelled(replies, 20, 1, 1, 8)
    drifted = [msgspec.structs.replace(one, **{field: "another"}) for one in labels]
    found = calibrate(drifted, replies)
    assert (found.labels, found.voided, found.agreement) == (0, 30, None)
    assert found.notes[0].startswith("Not counted: 30 labels of another judge or")
    assert rung(found).calibrated is None


def test_a_reply_that_changed_loses_its_labels() -> None:
    replies = many(40, 20)
    labels = labelled(replies, 20, 1, 1, 8)
    changed = [msgspec.structs.replace(one, text=f"{one.text}!") for one in replies]
    found = calibrate(labels, changed)
    assert (found.labels, found.unmatched) == (0, 30)


def test_labels_of_another_test_do_not_count() -> None:
    replies = many(40, 20)
    labels = [
        msgspec.structs.replace(label, test="t::test_tone")
        for label in labelled(replies, 20, 1, 1, 8)
    ]
    found = calibrate(labels, replies)
    assert (found.labels, found.voided, found.unmatched) == (0, 0, 0)


def test_two_raters_are_compared_and_their_majority_counts() -> None:
    replies = many(40, 20)
    ann = labelled(replies, 20, 0, 0, 10, rater="ann")
    bob = labelled(replies, 18, 2, 2, 8, rater="bob")
    found = calibrate([*ann, *bob], replies)
    assert found.people is not None
    assert found.people.table == ((18, 2), (2, 8))
    assert found.people.accuracy.value == pytest.approx(26 / 30)
    # In a tie the first rater counts.
    assert found.agreement is not None
    assert found.agreement.table == ((20, 0), (0, 10))
    cid = labelled(replies, 18, 2, 2, 8, rater="cid")
    majority = calibrate([*ann, *bob, *cid], replies).agreement
    assert majority is not None
    assert majority.table == ((18, 2), (2, 8))


def test_votes_tell_how_noisy_a_judge_is() -> None:
    agreed = judged(1, 1.0, votes=(1.0, 1.0, 1.0))
    split = judged(2, 1.0, votes=(1.0, 0.0, 1.0))
    found = calibrate([], [agreed, split, judged(3, 1.0)])
    assert found.disagreement == pytest.approx((0 + 2 / 3) / 2)
    assert calibrate([], [judged(3, 1.0)]).disagreement is None


def test_a_judge_that_likes_length_is_found_out() -> None:
    replies = [
        msgspec.structs.replace(judged(n, float(n > 4)), text="long " * n)
        for n in range(1, 9)
    ]
    found = calibrate([], replies)
    assert found.length_correlation is not None
    assert found.length_correlation > 0.8
    assert calibrate([], many(3, 0)).length_correlation is None


def test_every_judge_on_every_test_is_calibrated_by_itself() -> None:
    right = many(3, 2)
    tone = [msgspec.structs.replace(one, test="t::test_tone") for one in right]
    other = [judged(n, 1.0, judge="openai/other") for n in range(2)]
    found = calibrate_all([*right, *tone, *other], [])
    assert [(one.test, one.judge) for one in found] == [
        ("t::test_right", "openai/judge"),
        ("t::test_tone", "openai/judge"),
        ("t::test_right", "openai/other"),
    ]
    with pytest.raises(ValueError, match="one judge and rubric"):
        calibrate([], [*right, *tone])


def test_a_calibration_can_be_written_as_json() -> None:
    replies = many(40, 20)
    found = calibrate(labelled(replies, 20, 1, 1, 8), replies)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Calibration)
    assert again == found


def test_clusters_widen_a_calibrated_quality_and_too_few_give_no_interval() -> None:
    alone = many(120, 60)
    labels = labelled(alone, 70, 5, 4, 40)
    plain = rung(calibrate(labels, alone)).calibrated

    def clustered(groups: int) -> Any:
        named = [
            msgspec.structs.replace(reply, cluster=f"doc-{at * groups // 180}")
            for at, reply in enumerate(alone)
        ]
        return rung(calibrate(labels, named))

    wide = clustered(20)
    assert wide.calibrated.value == plain.value
    assert wide.calibrated.low < plain.low
    assert wide.calibrated.high > plain.high
    assert wide.may_gate
    few = clustered(5)
    assert (few.calibrated.low, few.calibrated.high) == (None, None)
    assert not few.may_gate


def test_cases_of_one_name_in_two_files_are_no_cluster() -> None:
    replies = many(60, 30)
    twins = [msgspec.structs.replace(one, source="b", text="b") for one in replies]
    first = [msgspec.structs.replace(one, source="a") for one in replies]
    found = rung(calibrate(labelled(first, 40, 2, 2, 20), [*first, *twins]))
    expected = poststratified(120, 60, 40, 2, 2, 20)
    assert (found.calibrated.low, found.calibrated.high) == pytest.approx(
        (expected.low, expected.high)
    )
