"""JSON that is nested a hundred thousand levels deep is an error like any other."""

from __future__ import annotations

import pytest

from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ReplyNotJson
from tests.plugin.scratch_suite import ONE_WORKER, Run, Shop
from tests.scripted_server import fails, garbage, says, sends

DEEP = "[" * 100_000 + "]" * 100_000
ANSWER = """
pytestmark = pytest.mark.ladder(cases="{cases}")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert reply.json()
"""


@pytest.fixture(autouse=True)
def _suite(shop: Shop) -> None:
    shop.test(ANSWER.replace("{cases}", "cases.jsonl"))
    shop.cases([{"id": "sky", "input": "say blue"}])


def text_of(result: pytest.RunResult) -> str:
    """Return what was printed, which shows neither a crash nor an endless line."""
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    assert "[[[[" * 1_000 not in text
    return text


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_a_reply_is_a_miss(text: str) -> None:
    with pytest.raises(ReplyNotJson, match="The reply is not JSON") as caught:
        Reply(text=text).json()
    assert len(str(caught.value)) < 5_000


@ONE_WORKER
def test_a_reply_of_a_test_is_a_miss(shop: Shop, run: Run) -> None:
    shop.server.reply = lambda _: says(DEEP)
    text_of(run("--ladder-live"))
    assert shop.outcomes() == {"test_answer[bot/plain-sky]": "missed"}


def test_a_provider_is_asked_again(shop: Shop) -> None:
    shop.server.script(garbage(DEEP), fails(503, DEEP), says("[1]"))
    assert "1 passed" in text_of(shop.run("--ladder-live"))
    assert shop.server.count == 3


def test_a_provider_that_sends_nothing_else_is_an_error(shop: Shop) -> None:
    shop.server.reply = lambda _: sends({"error": {"message": DEEP}}, status=400)
    assert "Model 'bot' answered 400: " in text_of(shop.run("--ladder-live"))
    assert shop.outcomes() == {"test_answer[bot/plain-sky]": "error"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "cases.jsonl",
            DEEP,
            "cases.jsonl:1: the file is not valid JSON (it is nested too deeply); "
            "correct it.",
        ),
        ("cases.json", f"[{DEEP}]", "cases.json:1: the file is not valid JSON (it is "),
        (
            "cases.csv",
            f'input,metadata\nx,"{"[" * 100_000}"',
            "cases.csv:2: metadata is not a JSON object (it is nested too deeply); ",
        ),
    ],
)
def test_a_file_of_cases_is_told(shop: Shop, name: str, text: str, said: str) -> None:
    shop.write(name, text)
    shop.test(ANSWER.replace("{cases}", name))
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in text_of(result)


def test_a_recording_is_told(shop: Shop) -> None:
    shop.write("recordings/test_shop.jsonl", f"{DEEP}\n")
    result = shop.run()
    assert "recordings/test_shop.jsonl:1: not a recording (" in text_of(result)
    assert result.ret == 1
