"""What `llm` cannot send is told in a sentence, at the line that asked for it."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import LADDER, Shop

FREE = """
@pytest.mark.cheap
def test_free(llm):
    llm({arguments})
"""
MESSAGE = '{"role": "user", "content": "hi"}'
GIVE = "give a text, or messages "


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("None", f"TypeError: llm() got None for a prompt; {GIVE}such as *"),
        ("3", f"TypeError: llm() got 3 for a prompt; {GIVE}such as *"),
        ("[]", f"TypeError: llm() got [[]] for a prompt; {GIVE}such as *"),
        ("['hi']", "TypeError: *that are dicts with a `role`, unlike number 1."),
        (f"[{MESSAGE}, {{}}]", "TypeError: *with a `role`, unlike number 2."),
        (
            "'x', seed=object()",
            "TypeError: llm(): seed: <object obj* cannot be sent as JSON (*);"
            " give texts, numbers, lists and dicts.",
        ),
        ("'\\ud800'", "TypeError: llm(): messages: *cannot be sent as JSON (*); *"),
        (
            "'x', max_tokens='many'",
            "ValueError: llm(): max_tokens: 'many' does not fit here; write a whole "
            "number from 1 on.",
        ),
        ("'x', temperature=float('nan')", "ValueError: llm(): temperature: nan does *"),
        ("'x', timeout='soon'", "ValueError: llm(): timeout: 'soon' does not fit *"),
        ("'x', extra_body=None", "ValueError: llm(): extra_body: None does not fit *"),
        ("'x', messages=[]", "*LadderError: llm() got 'messages', which does not *"),
    ],
)
def test_a_mistake_is_one_sentence_at_its_line(
    shop: Shop, arguments: str, sentence: str
) -> None:
    shop.test(FREE.replace("{arguments}", arguments))
    result = shop.run("--ladder-live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">       llm(*", f"E       {sentence}"])
    frames = [line for line in result.outlines if line.startswith("test_shop.py:")]
    assert len(frames) == 1, "no frame but that of the test"
    assert "pytest_ladder/" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()
    assert shop.server.count == 0


def test_a_coroutine_is_told_the_same(shop: Shop) -> None:
    shop.test(FREE.replace("def", "async def").replace("llm({", "await llm.acall({"))
    source = (shop.path / "test_shop.py").read_text().replace("{arguments}", "None")
    shop.write("test_shop.py", source)
    result = shop.run("--ladder-live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *TypeError: llm() got None for a prompt; {GIVE}*"])


def test_a_number_that_is_none_counts_as_not_set(shop: Shop) -> None:
    shop.test(FREE.replace("{arguments}", "'x', temperature=None, timeout=None"))
    shop.run("--ladder-live", "--ladder-budget=1").assert_outcomes(passed=1)


def test_a_misspelt_parameter_of_a_call_gets_a_word(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
def test_free(llm):
    llm("hello", temprature=1)
""")
    shop.ladder(LADDER.replace("temperature", "temperatur"))
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    said = result.stdout.str()
    assert "'temprature' is no parameter that is known" in said
    assert "params.temperatur: this is no parameter that is known" in said
    assert shop.server.requests[0].body["temprature"] == 1
