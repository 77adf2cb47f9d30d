"""DeepEval, autoevals and MLflow: the examples of docs/integrations.md, as they are.

Nothing of the libraries is patched; their judges are a scripted server on loopback.
They warn much and start threads, so every run is a process of its own.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.integrations.page import blocks
from tests.plugin.scratch_suite import JUDGE, LADDER, Shop
from tests.scripted_server import Body, Says, calls_tool, last_user_message, says

# What any process of a run looks for beyond this machine goes into a file.
WATCHED = """
import sys
from pathlib import Path

def watch(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost"):
        with Path("phoned.txt").open("a") as file:
            print(arguments[0], file=file)

sys.addaudithook(watch)
"""
# Everything that the metrics of the examples ask a judge for, in one answer.
GRADE = {
    "statements": ["It is blue."],
    "verdicts": [{"verdict": "yes", "reason": "so"}],
    "reason": "to the point",
    "result": "yes",
    "rationale": "as expected",
}
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "OPENAI_API_KEY": "sk-loopback",
}


@pytest.fixture
def library(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with a judge, whose tests come from the page."""
    shop.ladder(LADDER + JUDGE)
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    shop.server.reply = answer
    shop.write("conftest.py", WATCHED)
    addresses = dict.fromkeys(
        ("OPENAI_BASE_URL", "OPENAI_API_BASE"), shop.server.api_base
    )
    for name, value in {**QUIET, **addresses}.items():
        monkeypatch.setenv(name, value)
    return shop


def answer(body: Body) -> Says:
    if body["model"] == "bot":
        return says(last_user_message(body).removeprefix("say "))
    if body.get("tools"):
        return calls_tool("select_choice", {"reasons": "the same", "choice": "C"})
    return says(json.dumps(GRADE))


def page(shop: Shop, name: str, *arguments: str) -> pytest.RunResult:
    """Run an example of the page in a process of its own; it phones nobody."""
    shop.write(name, blocks()[name])
    return run_apart(shop, name, *arguments)


def run_apart(shop: Shop, *arguments: str) -> pytest.RunResult:
    result = shop.pytester.runpytest_subprocess(*arguments, timeout=300)
    assert not (shop.path / "phoned.txt").exists()
    return result


def judged(shop: Shop) -> dict[str, Any]:
    (row,) = (row for row in shop.rows() if row["level"] == "judged")
    return row


def asked(shop: Shop) -> list[str]:
    return [one.body["model"] for one in shop.server.requests]


def test_deepeval_asks_the_judge_of_the_ladder_once(library: Shop) -> None:
    page(library, "test_metrics_deepeval.py", "--ladder-live").assert_outcomes(passed=1)
    row = judged(library)
    assert (row["scores"], row["reason"]) == ({"Answer Relevancy": 1}, "to the point")
    assert asked(library) == ["bot", "judge", "judge", "judge"]
    assert library.matrix()["spend"]["evaluation_usd"] > 0
    # A clone of the repository has the recordings alone.
    shutil.rmtree(library.path / ".ladder")
    page(library, "test_metrics_deepeval.py").assert_outcomes(passed=1)
    assert (judged(library)["score"], library.server.count) == (1, 4)


def test_a_reply_that_deepeval_cannot_read_is_an_error(library: Shop) -> None:
    library.server.reply = lambda body: says("blue")
    result = page(library, "test_metrics_deepeval.py", "--ladder-live")
    result.assert_outcomes(failed=1)
    row = judged(library)
    assert (row["outcome"], row.get("score")) == ("error", None)
    assert "invalid JSON" in row["reason"]


def test_autoevals_gives_named_scores_with_its_rationale(library: Shop) -> None:
    result = page(library, "test_metrics_autoevals.py", "--ladder-live")
    result.assert_outcomes(passed=2)
    row = judged(library)
    assert (row["scores"], row["reason"]) == ({"Factuality": 1}, "the same")
    assert sorted(asked(library)) == ["bot", "gpt-4.1-mini"]
    # What the library spends by itself is unknown, and not nothing.
    result.stdout.fnmatch_lines(["spent * on 2 calls (* product, unknown evaluation)*"])
    assert library.matrix()["spend"]["evaluation_usd"] is None
    again = page(library, "test_metrics_autoevals.py", "-rs")
    again.assert_outcomes(passed=1, skipped=1)
    again.stdout.fnmatch_lines(["SKIPPED*external=True*--ladder-live*"])
    (row,) = library.rows()
    assert row["scores"] == {"Levenshtein": 1}


def test_mlflow_says_yes_and_true(library: Shop) -> None:
    result = page(library, "test_metrics_mlflow.py", "--ladder-live")
    result.assert_outcomes(passed=2)
    row = judged(library)
    assert (row["scores"], row["reason"]) == ({"correctness": 1}, "as expected")
    (cheap,) = (row for row in library.rows() if row["level"] == "cheap")
    assert (cheap["scores"], cheap["reason"]) == ({"one line": 1}, "1 lines")


def test_a_verdict_that_is_neither_yes_nor_no_is_an_error(library: Shop) -> None:
    said = {"apple": "nonsense", "plum": '{"result": "perhaps", "rationale": "who?"}'}
    library.cases([{"id": one, "input": one, "expected": one} for one in said])
    library.server.reply = lambda body: says(
        next(text for fruit, text in said.items() if fruit in str(body["messages"]))
    )
    result = page(library, "test_metrics_mlflow.py", "--ladder-live", "-m", "judged")
    result.assert_outcomes(failed=2)
    apple, plum = library.rows()
    assert "Failed to parse response from judge" in apple["reason"]
    assert "score() got 'unknown' for 'correctness', which" in plum["reason"]
    assert not any("score" in row for row in (apple, plum))
    assert set(library.outcomes().values()) == {"error"}


RESULTS = """
import pytest
from autoevals import ExactMatch, Score
from deepeval.metrics import ExactMatchMetric
from deepeval.test_case import LLMTestCase
from mlflow.entities import Feedback

def measured(actual):
    metric = ExactMatchMetric()
    case = LLMTestCase(input="?", actual_output=actual, expected_output="blue")
    metric.measure(case)
    return metric

RESULTS = {
    "deepeval": lambda: measured("blue"),
    "deepeval-miss": lambda: measured("red"),
    "deepeval-unmeasured": ExactMatchMetric,
    "autoevals": lambda: ExactMatch()("blue", "blue"),
    "autoevals-skipped": lambda: Score(name="f", score=None),
    "mlflow-yes": lambda: Feedback(name="f", value="yes", rationale="so"),
    "mlflow-no": lambda: Feedback(name="f", value="no"),
    "mlflow-number": lambda: Feedback(name="f", value=0.25),
    "mlflow-five": lambda: Feedback(name="f", value=5),
    "mlflow-error": lambda: Feedback(name="f", error=OSError("the judge is down")),
}

@pytest.mark.cheap
@pytest.mark.parametrize("name", RESULTS)
def test_result(name, score):
    score(RESULTS[name]())
"""
READ = {
    "deepeval": (1, {"Exact Match": 1}),
    "deepeval-miss": (0, {"Exact Match": 0}),
    "deepeval-unmeasured": "for 'Exact Match', which holds no number",
    "autoevals": (1, {"ExactMatch": 1}),
    "autoevals-skipped": "for 'f', which holds no number",
    "mlflow-yes": (1, {"f": 1}),
    "mlflow-no": (0, {"f": 0}),
    "mlflow-number": (0.25, {"f": 0.25}),
    "mlflow-five": "The score 'f' is 5.0, outside [0, 1]",
    "mlflow-error": "The metric 'f' could not be computed: the judge is down",
}


def test_every_kind_of_result_is_read_or_is_an_error(library: Shop) -> None:
    library.write("test_results.py", RESULTS)
    run_apart(library, "test_results.py", "--ladder-live")
    rows = {row["test"].partition("[")[2].rstrip("]"): row for row in library.rows()}
    assert rows.keys() == READ.keys()
    for name, expected in READ.items():
        row = rows[name]
        if isinstance(expected, str):
            assert (row["outcome"], "score" in row) == ("error", False)
            assert expected in row["reason"]
        else:
            assert (row["score"], row["scores"]) == expected


@pytest.mark.parametrize("processes", [(), ("-n1",)], ids=["plain", "xdist"])
def test_deepevals_own_plugin_changes_nothing(
    library: Shop, processes: tuple[str, ...]
) -> None:
    """It is loaded wherever DeepEval is installed."""
    library.cases(
        [
            {"id": word, "input": f"say {word}", "expected": "blue"}
            for word in ("blue", "red")
        ]
    )
    library.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.9)
def test_answer(reply, case):
    assert case.expected in reply.text
""")
    library.run("--ladder-live", "--ladder=matrix")
    alone = library.matrix("ladder-report")["rungs"], library.outcomes("ladder-report")
    result = library.pytester.runpytest_subprocess(
        "-p", "deepeval", "-p", "repeat", "--ladder=matrix", *processes, timeout=120
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_answer[[]bot/plain[]] share*"])
    beside = library.matrix("ladder-report")["rungs"], library.outcomes("ladder-report")
    assert [rung["levels"] for rung in beside[0]] == [
        rung["levels"] for rung in alone[0]
    ]
    assert beside[1] == alone[1]
    assert not (library.path / "phoned.txt").exists()
