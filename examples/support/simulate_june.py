"""June at Tanuki Tea, invented: who asked what, and what came of it.

    python -m examples.support.simulate_june [WEEKS]

No user of this shop ever lived. The replies they get are real ones: what three rungs
answered to the cases, frozen in june-replies.jsonl. What people make of a reply is a
guess, written down in `AFTER`; all else is drawn with one seed, the first one that was
tried. It writes traffic/, which git ignores; `pytest-ladder outcomes import` reads it.
With WEEKS, from 1 to 4, it writes what was there after as many.
"""

from __future__ import annotations

import csv
import datetime
import json
import math
import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from examples.support.test_support import queues_named, states

HERE = Path(__file__).parent
SEED = 20260601
USERS = 6_000
VARIANTS = {
    "documents": "smol/rag",
    "examples": "smol/few-shot",
    "both": "smol/few-shot-rag",
}
START = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAYS = 28
TWO_DEVICES, ANSWER, VOTE = 0.002, 0.05, 0.03
"""Shares of users that meet two variants, that answer the survey, and of replies that
get a thumb; a bad reply gets one twice as often."""


class After(NamedTuple):
    """What a reply does to a ticket, on average: the guess that June is made of."""

    resolved: float
    escalated: float
    """The chance that a person has to take over."""
    minutes: float
    """Until the ticket is closed."""
    grade: float
    """Satisfaction, from 1 to 5."""


AFTER = {
    "the right queue": After(0.80, 0.05, 12, 4.2),
    "a wrong queue": After(0.06, 0.15, 40, 2.2),
    # Nobody is in charge of such a ticket, so a person sorts it.
    "no queue, or several": After(0.02, 0.60, 55, 1.8),
    "the right value": After(0.85, 0.02, 6, 4.6),
    "a wrong value": After(0.03, 0.10, 25, 2.0),
    "no value": After(0.03, 0.25, 30, 2.4),
}


def kind_of(row: dict[str, Any], reply: str) -> str:
    """Tell what a reply is worth to who asked, by the checks of the suite."""
    if row["asks"] == "queue":
        named = queues_named(reply)
        if named == {row["expected"]}:
            return "the right queue"
        return "a wrong queue" if len(named) == 1 else "no queue, or several"
    if states(row["expected"], reply):
        return "the right value"
    return "a wrong value" if re.search(r"\d", reply) else "no value"


class June:
    """The month as it happens, and the rows that it leaves behind."""

    def __init__(self) -> None:
        text = (HERE / "june-replies.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        self._replies = {
            variant: [AFTER[kind_of(row, row["replies"][rung])] for row in rows]
            for variant, rung in VARIANTS.items()
        }
        self._random = random.Random(SEED)
        self.exposures: list[tuple[str, ...]] = []
        self.events: list[tuple[str, ...]] = []
        self.survey: list[tuple[str, ...]] = []
        self.traces: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = []
        for number in range(USERS):
            self._lives(f"u{number:04}")
        for rows_in_time in (self.exposures, self.events):
            rows_in_time.sort(key=lambda row: row[-1])

    def forget_after(self, end: str) -> None:
        """Leave what has not happened by then out of the tables."""
        for rows, place in ((self.exposures, -1), (self.events, -1), (self.survey, 0)):
            rows[:] = [row for row in rows if row[place] < end]
        self.scores[:] = [vote for vote in self.scores if vote["timestamp"] < end]

    def _lives(self, user: str) -> None:
        """Let a user meet a variant, and ask one to five questions soon after."""
        draw = self._random
        variant = draw.choice(list(VARIANTS))
        met = START + datetime.timedelta(days=DAYS * draw.random())
        self.exposures.append((user, variant, _time(met)))
        if draw.random() < TWO_DEVICES:
            other = draw.choice([name for name in VARIANTS if name != variant])
            self.exposures.append((user, other, _time(met, hours=5)))
        patience = draw.uniform(0.6, 1.4)
        grades = []
        for _ in range(draw.choices(range(1, 6), (25, 25, 20, 15, 15))[0]):
            after = draw.choice(self._replies[variant])
            asked = met + datetime.timedelta(hours=draw.expovariate(1 / 20))
            grade = min(5.0, max(1.0, draw.gauss(after.grade, 0.9)))
            grades.append(grade)
            self._asks(user, variant, asked, after, patience)
            self._votes(user, variant, asked, is_good=grade >= 3)
        if draw.random() < ANSWER:
            grade = round(sum(grades) / len(grades))
            self.survey.append((_time(met, hours=96), user, variant, str(grade)))

    def _asks(
        self,
        user: str,
        variant: str,
        asked: datetime.datetime,
        after: After,
        patience: float,
    ) -> None:
        draw = self._random
        minutes = draw.lognormvariate(math.log(after.minutes) - 0.32, 0.8)
        closed = _time(asked, hours=minutes / 60)
        self.events.append((user, "conversation", "", _time(asked)))
        self.events.append((user, "closed", f"{minutes:.1f}", closed))
        if draw.random() < after.resolved:
            self.events.append((user, "ticket_resolved", "", closed))
        if draw.random() < min(1.0, after.escalated / patience):
            self.events.append((user, "escalated", "", closed))

    def _votes(
        self, user: str, variant: str, asked: datetime.datetime, *, is_good: bool
    ) -> None:
        trace = f"t{len(self.traces):05}"
        metadata = {"rung": VARIANTS[variant]}
        self.traces.append({"id": trace, "userId": user, "metadata": metadata})
        if self._random.random() < (VOTE if is_good else 2 * VOTE):
            vote = {"traceId": trace, "name": "user-feedback", "value": int(is_good)}
            when = {"timestamp": _time(asked, hours=0.1)}
            self.scores.append(vote | when | {"source": "API"})


def _time(moment: datetime.datetime, hours: float = 0) -> str:
    moment += datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(folder: Path, weeks: int = 4) -> None:
    """Simulate June and write its five files into a folder, as after some weeks."""
    folder.mkdir(parents=True, exist_ok=True)
    june = June()
    if weeks < DAYS // 7:
        june.forget_after(_time(START + datetime.timedelta(days=7 * weeks)))
    for name, head, rows in (
        ("exposures.csv", "user_id,variant,timestamp", june.exposures),
        ("events.csv", "user_id,event,minutes,timestamp", june.events),
        ("csat.csv", "Timestamp,user_id,variant,How satisfied were you?", june.survey),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head.split(","), *rows])
    _write_lines(folder / "traces.jsonl", june.traces)
    _write_lines(folder / "scores.jsonl", june.scores)


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(row) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write(HERE / "traffic", int(sys.argv[1]) if len(sys.argv) > 1 else 4)
    sys.stdout.write(f"written: {HERE / 'traffic'}\n")
