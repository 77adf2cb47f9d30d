"""Labels are read with clear errors, and the next ones are chosen blind and fairly."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.core.review import reply_hash
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import calibrate
from pytest_ladder.judging.calibration.labels import (
    JudgedReply,
    Label,
    label_of,
    line_of,
    next_labels,
    read_labels,
    tied,
)
from tests.judging.labelling import judged, many

LINE = '{"case": "a", "rung": "m/s", "reply": "0123", "verdict": "pass"}'


def test_a_label_survives_being_written_and_read(tmp_path: Path) -> None:
    one = label_of(judged(1, 1.0), "pass", "ann")
    two = label_of(judged(2, 1.0, graded=True), 4, "bob")
    path = tmp_path / "labels.jsonl"
    path.write_text(line_of(one) + "\n" + line_of(two), encoding="utf-8")
    assert read_labels(path) == (one, two)
    assert (one.value, two.value) == (1.0, 0.75)
    assert (one.judge, one.test) == ("openai/judge", "t::test_right")


def test_a_label_needs_case_rung_reply_and_verdict_only(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(LINE)
    (label,) = read_labels(path)
    assert label == Label(case="a", rung="m/s", reply="0123", verdict="pass")


def test_who_labels_again_corrects(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(f"{LINE}\n{LINE.replace('pass', 'fail')}\n")
    (label,) = read_labels(path)
    assert label.verdict == "fail"


def test_a_label_is_taken_back_by_a_line_without_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    other, back = LINE.replace("0123", "4567"), LINE.replace('"pass"', "null")
    path.write_text(f"{LINE}\n{other}\n{back}\n")
    assert [label.reply for label in read_labels(path)] == ["4567"]
    path.write_text(f"{LINE}\n{back}\n{LINE}\n{back.replace('m/s', 'm/t')}\n")
    assert [label.reply for label in read_labels(path)] == ["0123"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "labels.jsonl:2: the line is not valid JSON"),
        (LINE.replace("pass", "yes"), "labels.jsonl:2: this is no label"),
        (LINE.replace('"pass"', "6"), "a grade from 1 to 5"),
        (LINE.replace("rung", "rang"), "labels.jsonl:2: this is no label"),
        ("[]", "labels.jsonl:2: this is no label"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(f"{LINE}\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_labels(path)
    assert told in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_labels(tmp_path / "labels.jsonl")


def test_a_reply_is_named_by_its_text() -> None:
    assert reply_hash("45 days") == reply_hash("45 days") != reply_hash("45 days.")
    assert len(reply_hash("lone \ud800")) == 16


def verdicts(chosen: list[JudgedReply]) -> Counter[bool]:
    return Counter(one.verdict.passed for one in chosen)


def test_rungs_get_as_many_labels_each() -> None:
    replies = many(40, 40, "m/a") + many(8, 8, "m/b")
    chosen = next_labels(replies, [], 20)
    assert Counter(one.rung for one in chosen) == {"m/a": 10, "m/b": 10}


def test_verdicts_get_their_share() -> None:
    assert verdicts(next_labels(many(60, 20), [], 40)) == {True: 30, False: 10}


def test_the_rarer_verdict_is_topped_up_to_five() -> None:
    chosen = next_labels(many(95, 5), [], 20)
    assert verdicts(chosen) == {True: 15, False: 5}


def test_who_goes_on_gets_what_is_left() -> None:
    replies = many(30, 10)
    first = next_labels(replies, [], 15, rater="ann")
    labels = [label_of(one, "pass", "ann") for one in first]
    rest = next_labels(replies, labels, 100, rater="ann")
    assert len(rest) == 25
    assert not {one.key for one in first} & {one.key for one in rest}


def test_two_raters_get_the_same_replies() -> None:
    replies = many(30, 10)
    first = next_labels(replies, [], 12, rater="ann", seed=3)
    labels = [label_of(one, "pass", "ann") for one in first]
    assert next_labels(replies, labels, 12, rater="bob", seed=3) == first
    assert next_labels(replies, labels, 12, rater="bob", seed=4) != first


def test_labels_that_drifted_are_asked_again() -> None:
    replies = many(3, 0)
    old = [label_of(one, "pass", "ann") for one in replies]
    drifted = [msgspec.structs.replace(label, rubric="old#1") for label in old]
    assert next_labels(replies, old, 9, rater="ann") == []
    assert len(next_labels(replies, drifted, 9, rater="ann")) == 3


def test_the_order_tells_nothing_of_the_verdict() -> None:
    chosen = next_labels(many(50, 50), [], 100)
    said = [one.verdict.passed for one in chosen]
    changes = sum(a != b for a, b in itertools.pairwise(said))
    assert 30 < changes < 70


def test_the_same_reply_is_shown_once() -> None:
    replies = many(3, 3)
    assert len(next_labels([*replies, *replies], [], 100)) == 6


@pytest.mark.parametrize(
    ("text", "said", "labelled"),
    [
        ("45 days.", "<think>30?</think>45 days.", "<think>30?</think>45 days."),
        ("<think>30?</think>45 days.", "", "45 days."),
        ("45 days.", "", "45 days."),
    ],
    ids=["old label, new report", "new label, old report", "both new"],
)
def test_a_label_holds_with_thoughts_in_the_text_and_without(
    text: str, said: str, labelled: str
) -> None:
    reply = msgspec.structs.replace(judged(1, 1.0), text=text, said=said)
    label = msgspec.structs.replace(
        label_of(reply, "pass", "ann"), reply=reply_hash(labelled)
    )
    assert [one.key for one in tied([label], [reply])] == [reply.key]
    assert next_labels([reply], [label], 1, rater="ann") == []
    assert calibrate([label], [reply]).labels == 1
    other = msgspec.structs.replace(label, reply=reply_hash("46 days."))
    assert next_labels([reply], [other], 1, rater="ann") == [reply]
    assert calibrate([other], [reply]).unmatched == 1
