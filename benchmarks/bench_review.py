"""The review page: its start, an answer that is saved, the size of a page.

python -m benchmarks.bench_review [--replies 5000] [--answers 300] [--rounds 5]
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec

from benchmarks.measuring import Line, Measured, median, run, table
from pytest_ladder.core.review import Grade
from pytest_ladder.review.store import reviews_in
from tests.cli.test_label_command import put
from tests.judging.judged_rows import some_rows
from tests.review.reviewed import RUNGS, write_ladder

READ = "import sys; from pathlib import Path; from pytest_ladder.reporting.files.read "
READ += "import read_report; read_report(Path(sys.argv[1]))"
LONG = " So it goes on." * 65
COMMAND = [sys.executable, "-m", "pytest_ladder.cli.main", "review", "ladder-report"]
ASKED = ("--rater", "ann", "--count", "400", "--ask")


def a_reply(case: int, rung: str) -> str:
    """A reply of about 1,000 characters, as most are."""
    return f"Reply {case} of number {RUNGS.index(rung)}:{LONG}"


@contextmanager
def served(folder: Path, ask: str) -> Iterator[tuple[str, Measured]]:
    """Start the page; yields the link, and what it took until it was printed."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *ASKED, ask], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        found = next(one for one in process.stdout if "/enter/" in one)
        seconds = time.perf_counter() - begun
        cpu = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = sum(map(int, cpu[11:13])) / os.sysconf("SC_CLK_TCK")
        yield found.split(": ")[1].strip(), Measured(seconds, cpu_s, 0, "")
    finally:
        process.kill()
        process.communicate()


class Browsing:
    """One connection with a cookie, as a browser keeps it."""

    def __init__(self, link: str) -> None:
        place = urlsplit(link)
        self._connection = http.client.HTTPConnection(place.netloc, timeout=30)
        self._headers = {"Sec-Fetch-Site": "same-origin"}
        entered = self._ask("GET", place.path)
        self._headers["Cookie"] = entered[1].split(";")[0]

    def _ask(self, method: str, path: str, body: str = "") -> tuple[bytes, str, str]:
        headers = dict(self._headers)
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body or None, headers)
        got = self._connection.getresponse()
        page = got.read()
        assert got.status in (200, 303), (got.status, page)
        return page, got.headers["Set-Cookie"] or "", got.headers["Location"] or ""

    def page(self, path: str) -> bytes:
        return self._ask("GET", path)[0]

    def next(self) -> str:
        return self._ask("GET", "/next")[2]

    def answer(self, path: str, csrf: str, verdict: str) -> None:
        self._ask("POST", path, urlencode({"csrf": csrf, "verdict": verdict}))


def bare_appends(folder: Path, times: int) -> list[float]:
    """Append lines as long as an answer's, each with an fsync."""
    line, took = b"x" * 200 + b"\n", []
    with (folder / "bare.jsonl").open("ab", buffering=0) as file:
        for _ in range(times):
            begun = time.perf_counter()
            file.write(line)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return took


def answers(browsing: Browsing, folder: Path, times: int) -> list[float]:
    """Return the p95 of requests, of answers kept without one, and of bare appends.

    By turns, so that the disk is as busy for all.
    """
    asked, kept, bare = list[float](), list[float](), list[float]()
    file = reviews_in(folder / "kept.jsonl")
    csrf = re.findall(rb'name="csrf" value="([^"]+)"', browsing.page("/item/1"))[0]
    for number in range(times):
        path = browsing.next()
        grade = Grade(
            case=f"c{number}", rung="small/plain", reply="0" * 16, verdict="pass"
        )
        begun = time.perf_counter()
        browsing.answer(path, csrf.decode(), "pass")
        asked.append(time.perf_counter() - begun)
        bare += bare_appends(folder, 1)
        begun = time.perf_counter()
        file.give(grade)
        kept.append(time.perf_counter() - begun)
    return [p95(asked), p95(kept), p95(bare)]


def p95(times: Sequence[float]) -> float:
    """Return the 95th percentile in milliseconds."""
    return statistics.quantiles(times, n=20)[18] * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=5000)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ladder-bench-") as name:
        folder = Path(name)
        report = write_ladder(folder, a_reply, cases=options.replies // len(RUNGS))
        reading = [sys.executable, "-c", READ, str(report)]

        judged = folder / "judged"
        judged.mkdir()
        shutil.copy(folder / "ladder.toml", judged)
        each = options.replies // 2
        rows = [*some_rows(each // 2, each // 2)]
        rows += some_rows(each // 3, each - each // 3, rung="m/rag")
        put(
            judged / "ladder-report",
            [msgspec.structs.replace(row, text=row.text + LONG) for row in rows],
        )
        judged_reading = [*reading[:-1], str(judged / "ladder-report")]

        def started(ask: str, folder: Path = folder) -> Callable[[], float]:
            def start() -> float:
                with served(folder, ask) as (_, took):
                    return took.cpu_s

            return start

        read = median(lambda: run(reading, folder).cpu_s, options.rounds)
        graded = median(started("grade"), options.rounds)
        paired = median(started("pairs"), options.rounds)
        labelled = median(started("labels", judged), options.rounds)
        read_judged = median(lambda: run(judged_reading, folder).cpu_s, options.rounds)
        with served(folder, "grade") as (link, _):
            browsing = Browsing(link)
            size = max(len(browsing.page(p)) for p in ("/", "/item/1", "/done"))
            asked, kept, bare = answers(browsing, folder, options.answers)
        with served(folder, "pairs") as (link, _):
            pair = len(Browsing(link).page("/pair/1"))
    lines = [
        Line(f"reading a report of {options.replies:,} replies: CPU", read, unit="s"),
        Line("start, --ask grade: CPU", graded, unit="s"),
        Line("start, --ask pairs: CPU", paired, unit="s"),
        Line("start / reading", max(graded, paired) / read, 3),
        Line("start, --ask labels / reading a judged one", labelled / read_judged, 3),
        Line("a bare append with fsync, p95", bare, unit="ms"),
        Line("an answer, from request to response, p95", asked, unit="ms"),
        Line("an answer kept / a bare append", kept / bare, 3),
        Line("an answer, with its request / a bare append", asked / bare, 3),
        Line("the largest page, with 1,000 characters a reply", max(size, pair) / 1000),
    ]
    lines[-1] = Line(lines[-1].what, lines[-1].figure, 40, "kB")
    return int(table("the review page", lines) > 0)


if __name__ == "__main__":
    sys.exit(main())
