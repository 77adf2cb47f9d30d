"""`pytest-ladder review`: its links, its files, and what it says of bad input."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.review import Grade, PairReview, reply_hash
from pytest_ladder.judging.calibration.labels import read_labels
from pytest_ladder.real.reviews import line_of, read_reviews
from tests.cli.test_label_command import ROWS, put
from tests.cli.written_report import Command
from tests.review.reviewed import reply_to, write_ladder
from tests.review.served import Rater


class Started:
    """The command in a process of its own."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest_ladder.cli.main", "review", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line.strip())
            if "Stop with Ctrl-C" in line:
                break
        self.raters = [
            Rater(line.split(": ")[1]) for line in self.said if "/enter/" in line
        ]
        for rater in self.raters:
            rater.enter()

    def stop(self, how: signal.Signals) -> str:
        self.process.send_signal(how)
        out, _ = self.process.communicate(timeout=20)
        return out


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Started]:
    review = Started(folder, arguments)
    try:
        yield review
    finally:
        if review.process.poll() is None:
            review.stop(signal.SIGKILL)


@pytest.mark.processes
def test_pairs_are_answered_by_two_raters_whatever_is_killed_between(
    tmp_path: Path,
) -> None:
    write_ladder(tmp_path, cases=24)
    arguments = ("--rater", "ann", "--rater", "ben", "--ask", "pairs", "--count", "60")
    confirmed: set[tuple[str, str]] = set()
    for killed in range(3):
        with started(tmp_path, *arguments) as review:
            for rater, name in zip(review.raters, ("ann", "ben"), strict=True):
                for _ in range(22):
                    page = rater.get("/next").to
                    assert rater.post(page, verdict="left").status == 303
                    confirmed.add((name, page))
            if killed < 2:
                review.stop(signal.SIGKILL)
                continue
            said = review.stop(signal.SIGINT)
    found = read_reviews(tmp_path / "reviews.jsonl")
    assert len(confirmed) == len(found) == 132
    assert len((tmp_path / "reviews.jsonl").read_bytes().splitlines()) == 132
    for name in ("ann", "ben"):
        own = [one for one in found if one.rater == name]
        assert len({one.identity for one in own}) == 66
        assert sum(one.repeat for one in own) == 6
        assert f"{name}: 66 of 66 answered in reviews.jsonl." in said
    assert "66 pairs of equal replies" not in said
    differ = re.search(r"Raters differ on (\d+) items; a third person decides", said)
    assert differ is not None
    # Both said "left" to all, and sides are drawn for each rater.
    with started(tmp_path, "--ask", "pairs", "--adjudicate") as review:
        (third,) = review.raters
        assert "People did not agree here" in third.get("/").text
        page = third.get("/next").to
        assert "Others have answered" in third.get(page).text
        third.post(page, verdict="tie")
        said = review.stop(signal.SIGINT)
    assert f"adjudicator: 1 of {differ[1]} answered in reviews.jsonl." in said
    assert f"Raters differ on {int(differ[1]) - 1} items" in said
    *before, decided = read_reviews(tmp_path / "reviews.jsonl")
    assert (len(before), decided.rater, decided.verdict) == (132, "adjudicator", "tie")
    asked = {one.verdict for one in before if one.item == decided.item}
    assert asked == {"a", "b"}


BROWSER = """#!{python}
import pathlib, sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:  # it keeps no cookie
    pathlib.Path("opened").write_text(f"{{error.code}} {{sys.argv[1]}}")
"""


def a_browser(folder: Path) -> str:
    """Write a browser that wants an answer before it gives the terminal back."""
    file = folder / "browser"
    file.write_text(BROWSER.format(python=sys.executable))
    file.chmod(0o700)
    return f"{file} %s"


@pytest.mark.processes
def test_grades_and_labels_go_into_their_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", a_browser(tmp_path))
    write_ladder(tmp_path, review='scale = "graded"\nshow = ["input", "expected"]\n')
    with started(tmp_path, "--rater", "ann", "--count", "10", "--open") as review:
        (ann,) = review.raters
        opened = tmp_path / "opened"
        until = time.monotonic() + 20
        while time.monotonic() < until and not (opened.exists() and opened.read_text()):
            time.sleep(0.02)
        assert opened.read_text() == f"403 {ann.address.geturl()}"
        page = ann.get(ann.get("/next").to).text
        assert "question" in page
        assert "truth" in page
        ann.post("/item/1", verdict="4")
        review.stop(signal.SIGINT)
    (grade,) = read_reviews(tmp_path / "reviews.jsonl")
    assert isinstance(grade, Grade)
    assert (grade.verdict, grade.source) == (4, "cases.jsonl")
    put(tmp_path / "judged", ROWS)
    asked = ("judged", "--rater", "ann", "--ask", "labels")
    with started(tmp_path, *asked) as review:
        (ann,) = review.raters
        page = ann.get("/item/1").text
        assert "The reply is correct: it states every fact" in page
        missing = "test_right: 50 labels more until its judge may gate (0 of 50"
        assert missing in ann.get("/").text
        for number, verdict in enumerate(("pass", "fail", "pass"), 1):
            ann.post(f"/item/{number}", verdict=verdict)
        ann.post("/undo")
        said = review.stop(signal.SIGINT)
    assert missing.replace("(0", "(2").replace("50 l", "48 l") in said
    labels = read_labels(tmp_path / "labels.jsonl")
    assert [one.verdict for one in labels] == ["pass", "fail"]
    assert {(one.rater, one.test, one.judge) for one in labels} == {
        ("ann", "test_shop.py::test_right", "openai/judge")
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Nobody is named who answers; add --rater NAME"),
        (("--rater", "adjudicator"), "is who decides between raters"),
        (("--rater", "ann", "--adjudicate"), "leave --rater and --share out"),
        (("--rater", "ann", "--ask", "labels", "--share", "2"), "leave it out"),
        (("--rater", ""), "is no name; write a short pseudonym"),
        (("--rater", "a\x1b[31m"), "is no name"),
        (("--rater", "x" * 61), "is no name"),
        (("--rater", "ann", "--rater", "ann"), "given twice; name each rater once"),
        (("--rater", "ann", "--count", "0"), "a whole number from 1 on"),
        (("--rater", "ann", "--ask", "cases"), "invalid choice"),
        (("--rater", "ann", "--ask", "labels"), "no judge graded any of its"),
        (("--rater", "ann", "--test", "test_none"), "it has no reply"),
        (("--rater", "ann", "--host", "0.0.0.0"), "say by --public-name how they"),
        (("--rater", "ann", "--public-name", "a b"), "is no name of a machine"),
        (("--rater", "ann", "--public-name", "ftp://x"), "is no name of a machine"),
        (("--rater", "ann", "--port", "70000"), "70000 is no port; name one from 1024"),
        (("nowhere", "--rater", "ann"), "nowhere"),
    ],
)
def test_bad_input_gets_one_sentence(
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Sequence[str],
    said: str,
) -> None:
    write_ladder(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, _, err = command("review", *arguments)
    assert status == 2
    assert said in err
    assert not (tmp_path / "reviews.jsonl").exists()


def test_a_port_that_is_taken_is_said(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ladder(tmp_path)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = command("review", "--rater", "ann", "--port", port)
    assert status == 2
    assert f"Port {port} of 127.0.0.1 cannot be used" in err
    assert "name another --port" in err


def test_reviews_of_what_has_changed_are_counted(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ladder(tmp_path)
    monkeypatch.chdir(tmp_path)
    old: dict[str, Any] = {
        "source": "cases.jsonl",
        "case": "c01",
        "rater": "ann",
        "verdict": "pass",
    }
    lines = [
        Grade(**old, rung="small/plain", reply="0" * 16, question="x"),
        Grade(**old, rung="small/rag", reply=reply_hash(reply_to(1, "small/rag"))),
        Grade(
            **old,
            rung="tuned/rag",
            reply=reply_hash(reply_to(1, "tuned/rag")),
            question="another",
        ),
    ]
    file = tmp_path / "reviews.jsonl"
    file.write_bytes(b"".join(line_of(one) + b"\n" for one in lines))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, out, _ = command("review", "--rater", "ann", "--port", port)
    assert "1 review no longer counts: its reply is another one by now." in out
    assert "1 review answers another question than [review] asks now" in out


def test_a_damaged_file_of_reviews_stops_before_a_link_is_printed(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ladder(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.jsonl").write_text('{"case": "c01"}\n')
    status, out, err = command("review", "--rater", "ann")
    # What takes a while is told at once.
    assert (status, out) == (2, "Reading ladder-report …\n")
    assert err.startswith("pytest-ladder: reviews.jsonl:1: this is no review")
    assert os.listdir(tmp_path).count("reviews.jsonl") == 1


def test_equal_replies_leave_no_pair(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ladder(tmp_path, lambda case, rung: f"same {case}")
    monkeypatch.chdir(tmp_path)
    status, out, err = command("review", "--rater", "ann", "--ask", "pairs")
    assert status == 2
    assert "72 pairs of equal replies: ties that nobody is shown." in out
    assert "no two replies to the same case that differ" in err
    assert not any(isinstance(one, PairReview) for one in read_reviews(tmp_path / "x"))
