"""What cases ask and expect: once in `inputs.jsonl`, or in no written file at all."""

from __future__ import annotations

import json
from typing import Any

from tests.plugin.scratch_suite import LADDER, Run, Shop

SECRET = "quartzite"
CASES: list[dict[str, Any]] = [
    {"id": "talk", "input": [{"role": "user", "content": f"say {SECRET}"}]},
    {"id": "miss", "input": f"say {SECRET} too", "expected": {"word": f"not-{SECRET}"}},
]
LOUD = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case, score):
    print("it said", reply.text)
    score(0.5, f"half of {reply.text}")
    assert "talk" in case.id, reply.text

@pytest.mark.cheap(at_least=0.1)
def test_shares(reply, case, subtests):
    with subtests.test(said=case.id):
        assert case.expected is None, reply.text
"""


def test_a_run_keeps_each_case_once_or_nothing_that_anybody_said(
    shop: Shop, run: Run
) -> None:
    shop.cases(CASES)
    shop.test(LOUD)
    ladder = ("--ladder-live", "--ladder=matrix")
    run(*ladder)
    folder = shop.path / "ladder-report"
    lines = (folder / "inputs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "cases.jsonl", "case": case["id"], "input": case["input"]}
        | ({"expected": case["expected"]} if "expected" in case else {})
        for case in sorted(CASES, key=lambda case: str(case["id"]))
    ]

    shop.ladder(LADDER + "\n[report]\ntexts = false\n")
    written = ("--junitxml=junit.xml", "-o", "junit_logging=all")
    base = ("--ladder-baseline=ladder-report", "--ladder-report=silent")
    result = run("--ladder=matrix", *written, *base, "-rA")
    assert SECRET in result.stdout.str(), "the terminal shows why a test failed"
    files = [shop.path / "junit.xml", *(shop.path / "silent").iterdir()]
    assert len(files) > 7
    for file in files:
        assert SECRET not in file.read_text(encoding="utf-8"), file.name
    assert "[report] texts = false" in files[0].read_text(encoding="utf-8")
    assert not (shop.path / "silent/inputs.jsonl").exists()
    assert {row["outcome"] for row in shop.rows("silent")} == {"passed", "missed"}
