"""`reviews.jsonl`: nothing is lost, nothing counts twice, whoever writes and dies."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.review import Grade, PairReview, Review, question_id, reply_hash
from pytest_ladder.decide.people.standing import standing
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.real.reviews import line_of, read_reviews
from pytest_ladder.review.store import reviews_in

ASKED = question_id("Would you send this?", "binary")
REPLIES = {
    ("cases.jsonl", "refund", "m/a"): ["yes"],
    ("cases.jsonl", "refund", "m/b"): ["no"],
}


def a_grade(verdict: Any = "pass", **fields: Any) -> Grade:
    told = {"source": "cases.jsonl", "case": "refund", "rung": "m/a"}
    told |= {"reply": reply_hash("yes"), "rater": "ann", "question": ASKED}
    return Grade(verdict=verdict, **told | fields)


def a_choice(preferred: Any = "a", **fields: Any) -> PairReview:
    told = {"source": "cases.jsonl", "case": "refund", "a": "m/a", "b": "m/b"}
    told |= {"a_reply": reply_hash("yes"), "b_reply": reply_hash("no")}
    told |= {"rater": "ann", "question": ASKED, "left": "b"}
    return PairReview(preferred=preferred, **told | fields)


def test_what_is_given_is_read_again(tmp_path: Path) -> None:
    file = reviews_in(tmp_path / "reviews.jsonl")
    given: list[Review] = [
        a_grade(seconds=14, note="“tone”\n\u2028"),
        a_choice("neither"),
    ]
    assert [file.give(one) for one in given] == [True, True]
    assert list(read_reviews(file.path)) == given
    lines = [json.loads(line) for line in file.path.read_bytes().splitlines()]
    assert lines[0]["verdict"] == "pass"
    assert lines[1]["preferred"] == "neither"


def test_no_file_is_no_review_and_reading_makes_none(tmp_path: Path) -> None:
    file = reviews_in(tmp_path / "reviews.jsonl")
    assert not file.now()
    assert not file.path.exists()


def test_the_same_answer_twice_is_one_line_and_another_replaces_it(
    tmp_path: Path,
) -> None:
    file = reviews_in(tmp_path / "reviews.jsonl")
    assert file.give(a_grade("pass"))
    assert not file.give(a_grade("pass", seconds=3))
    assert file.give(a_grade("fail"))
    assert [one.verdict for one in read_reviews(file.path)] == ["fail"]
    assert len(file.path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("answer", [a_grade(4), a_choice("b", note="why")])
def test_an_answer_is_taken_back_by_a_line_and_can_be_given_again(
    tmp_path: Path, answer: Grade | PairReview
) -> None:
    file, other = (reviews_in(tmp_path / "reviews.jsonl") for _ in range(2))
    other.give(answer)
    assert file.take_back(answer.identity) == answer
    assert file.take_back(answer.identity) is None
    assert not other.now()
    assert read_reviews(file.path) == ()
    last = json.loads(file.path.read_bytes().splitlines()[-1])
    assert last.get("verdict", last.get("preferred")) is None
    assert "note" not in last
    assert other.give(answer)
    assert read_reviews(file.path) == (answer,)


def test_raters_questions_and_repeats_do_not_replace_each_other(tmp_path: Path) -> None:
    file = reviews_in(tmp_path / "reviews.jsonl")
    others: list[dict[str, Any]] = [
        {},
        {"rater": "ben"},
        {"question": "other"},
        {"repeat": True},
        {"rung": "m/b"},
        {"case": "other"},
    ]
    for fields in others:
        assert file.give(a_grade(**fields))
    assert len(file.now()) == len(read_reviews(file.path)) == 6


def test_a_line_that_others_add_is_seen_at_once(tmp_path: Path) -> None:
    one, two = (reviews_in(tmp_path / "reviews.jsonl") for _ in range(2))
    one.give(a_grade())
    assert len(two.now()) == 1
    two.give(a_grade(rater="ben"))
    assert [answer.rater for answer in one.now().values()] == ["ann", "ben"]
    one.path.unlink()
    assert not two.now()


def test_a_last_line_without_an_end_is_not_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_bytes(line_of(a_grade()))
    reviews_in(path).give(a_grade(rater="ben"))
    assert len(read_reviews(path)) == 2


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = reviews_in(tmp_path / "reviews.jsonl")
    file.give(a_grade())
    before = file.path.read_bytes()
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:-30])

    with monkeypatch.context() as patch:
        patch.setattr("os.write", half)
        with pytest.raises(LadderError, match=r"No space left.*not kept; free the"):
            file.give(a_grade("fail"))
    assert file.path.read_bytes() == before
    assert file.give(a_grade("fail"))
    assert [one.verdict for one in read_reviews(file.path)] == ["fail"]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "not valid JSON"),
        ("[]", "this is no review"),
        ('{"case": "x", "rung": "m/a", "reply": "9f"}', "missing required field"),
        ('{"case": "x", "rung": "m/a", "reply": "9f", "verdict": 6}', "verdict"),
        ('{"case": "x", "a": "m/a", "b": "m/b", "preferred": "c"}', "preferred"),
        ('{"case": "x", "a": "m/a", "b": "m/b", "preferred": "a", "z": 1}', "z"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_overwritten(
    tmp_path: Path, line: str, wrong: str
) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_bytes(line_of(a_grade()) + b"\n" + line.encode() + b"\n")
    before = path.read_bytes()
    file = reviews_in(path)
    for act in (file.now, lambda: file.give(a_grade("fail"))):
        with pytest.raises(ConfigError, match=rf"reviews\.jsonl:2: .*{wrong}"):
            act()
    assert path.read_bytes() == before
    if "no review" in wrong:
        with pytest.raises(ConfigError, match=r'`verdict` .*"pass".*remove it'):
            file.now()


def test_a_reply_or_question_that_changed_voids_and_counts() -> None:
    good: list[Review] = [
        a_grade(),
        a_choice("tie"),
        a_choice("a", a_reply="", rater="imported"),
    ]
    found = standing(
        [
            *good,
            a_grade(reply="other"),
            a_choice(b_reply="other"),
            a_grade(question="other"),
            a_grade(rung="m/never-run", reply="other"),
        ],
        REPLIES,
        ASKED,
    )
    assert found == (tuple(good), 2, 1, 1)


def test_another_wording_or_scale_is_another_question() -> None:
    ids = {
        question_id("Send?", "binary"),
        question_id("Send it?", "binary"),
        question_id("Send?", "graded"),
    }
    assert len(ids) == 3


WRITER = """
import sys
from pathlib import Path
from pytest_ladder.core.review import Grade
from pytest_ladder.review.store import reviews_in
file, rater = reviews_in(Path(sys.argv[1])), sys.argv[2]
for number in range(60):
    grade = Grade(case=f"c{number}", rung="m/a", reply="9f", rater=rater,
                  verdict=1 + number % 5, note="n" * 300)
    if grade.identity not in file.now():
        file.give(grade)
    print(number, flush=True)
"""


def writers(path: Path, raters: Iterable[str]) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), rater],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rater in raters
    ]


@pytest.mark.processes
def test_two_raters_in_two_tabs_that_are_killed_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "reviews.jsonl"
    for killed_at in (2, 4, 6, 8, 10):
        running = writers(path, ["ann", "ben"])
        said = {}
        for writer in running:
            assert writer.stdout is not None
            lines = (line for line in writer.stdout)
            said[writer] = [next(lines) for _ in range(killed_at)]
            writer.kill()
        kept = [one.case for one in read_reviews(path)]
        for writer in running:
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
            # What a page has confirmed is on the disk.
            for number in said[writer]:
                assert kept.count(f"c{number.strip()}") >= 1
    for writer in writers(path, ["ann", "ben", "ann", "ben"]):
        writer.communicate()
        assert writer.returncode == 0
    found = read_reviews(path)
    assert sorted((one.rater, one.case, one.verdict) for one in found) == sorted(
        (rater, f"c{number}", 1 + number % 5)
        for rater in ("ann", "ben")
        for number in range(60)
    )
    assert len(path.read_bytes().splitlines()) == 120
