"""A judged gate holds a change whose replies nobody has labelled yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.core.review import reply_hash
from tests.plugin.scratch_suite import CHANGED, JUDGE, LADDER, Run, Shop
from tests.scripted_server import Says, last_user_message, says

CASES = [
    {"id": f"c{n:03}", "input": f"ask {n}", "expected": "right"} for n in range(100)
]
RIGHT = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(judge="correctness", at_least=0.1)
def test_right(verdict):
    assert verdict, verdict.reason
"""
GATE = ["gate", "base", "ladder-report/current"]


def answer(body: dict[str, Any]) -> Says:
    """Serve 90 of 100 right replies, 60 with the new prompt; the judge is right."""
    text = last_user_message(body)
    if body["model"] == "judge":
        reply = text.partition("reply begins\n")[2]
        verdict = "pass" if reply.startswith("right") else "fail"
        return says(json.dumps({"reason": "so it is", "verdict": verdict}))
    number = int(text.rstrip("?").split()[1])
    wording, most = ("new", 60) if text.endswith("?") else ("old", 90)
    right = (number * 37) % 100 < most
    return says(f"{'right' if right else 'wrong'} {number} {wording}")


@pytest.fixture
def judged(shop: Shop) -> Shop:
    """A shop of 100 cases; 90 % of its replies are right, 60 % with a new prompt."""
    shop.ladder(LADDER + JUDGE)
    shop.cases(CASES)
    shop.test(RIGHT)
    shop.server.reply = answer
    return shop


def label_all(shop: Shop, folder: str = "base", **other: Any) -> None:
    """Label every judged reply of a report as people would, who see what is right.

    As releases up to 0.2 wrote labels, which do not say what the judge said.
    """
    lines = []
    for row in shop.rows(folder):
        line = {
            "case": row["case"],
            "rung": row["rung"],
            "reply": reply_hash(row["text"]),
            "verdict": "pass" if row["text"].startswith("right") else "fail",
            "judge": row["verdict"]["judge"],
            "rubric": row["verdict"]["rubric"],
        }
        lines.append(json.dumps({**line, **other}))
    shop.write("labels.jsonl", "\n".join(lines) + "\n")


def test_a_new_prompt_that_costs_thirty_points_is_blocked_by_the_labels_of_the_old_one(
    judged: Shop,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged.run("--ladder-live", "--ladder-report=base")
    label_all(judged)
    judged.ladder(CHANGED + JUDGE)
    result = run("--ladder-live", "--ladder-baseline=base")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*ladder.toml::ladder gate*"])
    result.stdout.fnmatch_lines(["gate: FAIL: Quality (judged, test_shop.py) went*"])
    capsys.readouterr()
    assert main(GATE) == 1
    told = capsys.readouterr().out
    assert "gate: FAIL: Quality (judged, test_shop.py) went from 90.0 % to 60.0" in told
    assert (
        "as judged: -30.0 points, corrected for the judge's errors -31.6 points, "
        in told
    )

    # The report keeps what labels said, for who has no ladder.toml in reach.
    folders = [str(judged.path / name) for name in GATE[1:]]
    with monkeypatch.context() as patched:
        patched.chdir(judged.path.anchor)
        assert main(["gate", *folders]) == 1

    capsys.readouterr()
    label_all(judged, rubric="correctness@1#another")
    assert main(GATE) == 2
    told = capsys.readouterr().out
    assert "undecided with 0 of 50 labels for its judge: 50 labels more (5 of" in told
    assert "level may decide; 100 more are of another judge or rubric." in told
