"""A scripted model behind `id = "scripted/…"`: queue in, history out."""

from __future__ import annotations

from tests.plugin.scratch_suite import Shop

LADDER = """
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "scripted/bot"
"""


def test_replies_come_from_the_queue_and_calls_are_kept(shop: Shop) -> None:
    shop.ladder(LADDER)
    shop.test("""
@pytest.fixture(scope="session", autouse=True)
def bot(scripted):
    return scripted("bot", ["45 days", TimeoutError("too slow"), "two weeks"])

@pytest.mark.cheap
def test_queue(llm, bot):
    assert llm("How long?").text == "45 days"
    assert llm("Really?").text == "two weeks"  # the failure in between was retried
    assert [call.messages[-1]["content"] for call in bot.calls] == [
        "How long?", "Really?", "Really?",
    ]
""")
    shop.run().assert_outcomes(passed=1)
    assert not (shop.path / ".ladder").exists()
    assert not (shop.path / "recordings").exists()


def test_an_empty_queue_and_an_unknown_name_say_what_to_do(shop: Shop) -> None:
    shop.ladder(LADDER)
    shop.test("""
@pytest.mark.cheap
def test_unregistered(llm):
    llm("Hello?")

@pytest.mark.cheap
def test_exhausted(llm, scripted):
    scripted("bot", [])
    llm("Hello?")
""")
    result = shop.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*No scripted model is registered as 'bot'*register a ScriptedModel*",
            "*has no reply left for call 1; script one more*",
        ]
    )


def test_what_holds_keys_is_refused_as_a_parameter(shop: Shop) -> None:
    shop.ladder(LADDER.replace("scripted/bot", "scripted/echo"))
    shop.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("name", ["api_key", "extra_headers", "lora"])
def test_refused(llm, name):
    llm("Hello?", **{name: "secret"})
""")
    result = shop.run("--tb=line")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*llm() got 'api_key', which does not belong*"])
    result.stdout.no_fnmatch_line("*LadderError*secret*")
