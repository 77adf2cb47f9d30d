"""Thoughts in front of an answer are taken out; what the answer says of tags is not."""

from __future__ import annotations

import time

import pytest

from pytest_ladder.core.reply import Reply
from pytest_ladder.core.thoughts import split_thoughts

SPLIT: dict[str, tuple[str, str, str]] = {
    "plain": ("<think>30 or 45?</think>\n\n45 days.", "30 or 45?", "45 days."),
    "no line break": ("<think>30 or 45?</think>45 days.", "30 or 45?", "45 days."),
    "blanks before": ("\n <think>\n30?\n</think>\n45.", "30?", "45."),
    "capitals": ("<THINK>30?</THINK>45.", "30?", "45."),
    "thinking": ("<thinking>30?</thinking>45.", "30?", "45."),
    "thought": ("<thought>30?</thought>45.", "30?", "45."),
    "reasoning": ("<reasoning>30?</reasoning>45.", "30?", "45."),
    "Mistral": ("[THINK]30?[/THINK]45.", "30?", "45."),
    "Meituan": ("<longcat_think>30?</longcat_think>45.", "30?", "45."),
    "MiniMax": ("<mm:think>30?</mm:think>45.", "30?", "45."),
    "OpenThinker": (
        "<|begin_of_thought|>30?<|end_of_thought|>\n\n"
        "<|begin_of_solution|>45.<|end_of_solution|>",
        "30?",
        "45.",
    ),
    "Cohere": (
        "<|START_THINKING|>30?<|END_THINKING|><|START_RESPONSE|>45.<|END_RESPONSE|>",
        "30?",
        "45.",
    ),
    "Gemma": ("<|channel>thought\n30?\n<channel|>45.", "30?", "45."),
    "gpt-oss, held to JSON": (
        "<|channel|>analysis<|message|>30?<|end|><|start|>assistant"
        "<|channel|>final <|constrain|>json<|message|>{}<|return|>",
        "30?",
        "{}",
    ),
    "a BOM": ("\ufeff<think>30?</think>45.", "30?", "45."),
    "Kimi": ("◁think▷30?◁/think▷45.", "30?", "45."),
    "nothing thought": ("<think>\n\n</think>\n\n45.", "", "45."),
    "twice": ("<think>30?</think>\n<think>45?</think>45.", "30?\n\n45?", "45."),
    "begin in the template": ("30?\nNo, 45.\n</think>\n\n45.", "30?\nNo, 45.", "45."),
    "begin in the template, one line": ("30 or 45.</think> 45.", "30 or 45.", "45."),
    "begin in the template, nothing thought": ("</think>\n\n45.", "", "45."),
    "a blank before the end": ("30 or 45. </think>\n45.", "30 or 45.", "45."),
    "gpt-oss": (
        "<|channel|>analysis<|message|>30?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>45.<|return|>",
        "30?",
        "45.",
    ),
    "gpt-oss, cut off": ("<|channel|>analysis<|message|>30 or", "30 or", ""),
    "gpt-oss, no thoughts": ("<|channel|>final<|message|>45.", "", "45."),
    "gpt-oss, twice": (
        "<|start|>assistant<|channel|>analysis<|message|>30?<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>45?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>45.",
        "30?\n\n45?",
        "45.",
    ),
    "no end": ("<think>30 or 45? Let me", "30 or 45? Let me", ""),
    "no answer": ("<think>30 or 45?</think>", "30 or 45?", ""),
    "attributes": ('<think foo="1" bar>30?</think>45.', "30?", "45."),
    "a blank in the tag": ("<thinking >30?</thinking >45.", "30?", "45."),
    "attributes on lines": (
        "<reasoning\n effort='low'\n>30?</reasoning\n>45.",
        "30?",
        "45.",
    ),
    "a begin with attributes in the template": ("30?\n</think >\n45.", "30?", "45."),
    "another end": ("<think>30?</thinking>45.", "30?", "45."),
    "an end of another name": ("<reasoning>30?</think>\n45.", "30?", "45."),
    "an end too many": ("<think>30?</think>\n</think>\n45.", "30?", "45."),
    "an end that JSON escaped": ("<think>30?<\\/think>45.", "30?", "45."),
    "shut at once": ("<think />\n45.", "", "45."),
    "behind marks of a template": (
        "\u200b<|im_start|>assistant\n<think>30?</think>45.",
        "30?",
        "45.",
    ),
    **{
        name: (f"<{name}>30?</{name}>45.", "30?", "45.")
        for name in ("seed:think", "ant:thinking", "thoughts", "chain_of_thought")
    },
    "Mistral, another name": ("[REASONING]30?[/REASONING]45.", "30?", "45."),
    "Mistral, begin in the template": ("30?[/THINK]45.", "30?", "45."),
    "MedGemma": ("<unused94>thought\n30?<unused95>45.", "30?", "45."),
    "Apertus": ("<|inner_prefix|>30?<|inner_suffix|>45.", "30?", "45."),
    "Granite": (
        "Here is my thought process:\n\n30?\n\nHere is my response:\n\n45.",
        "30?",
        "45.",
    ),
    "gpt-oss, marks dropped": (
        "analysisUser asks: 30?assistantfinal45.",
        "User asks: 30?",
        "45.",
    ),
    "gpt-oss, begin in the template": (
        "30?<|end|><|start|>assistant<|channel|>final<|message|>45.<|return|>",
        "30?",
        "45.",
    ),
    "gpt-oss, half a begin": (
        "analysis<|message|>30?<|end|><|start|>assistant<|channel|>final<|message|>45.",
        "30?",
        "45.",
    ),
    "a tag in the thoughts": ("<think>a <think> b</think>45.", "a <think> b", "45."),
}
WHOLE = {
    "no thoughts": "45 days.",
    "blanks": "  45 days.\n",
    "in the middle": "45 days. <think>Or 30?</think> Yes.",
    "of channels": "It begins with <|channel|>analysis<|message|>, so 45.",
    "of tags": "Models write <think> first and </think> last.",
    "of both, first": "<think> and </think> are tags.",
    "of a begin, first": "[THINK] is a tag.",
    "of an end, first": "</think> is the end tag.",
    "a heading": "[Reasoning] The terms say so: 45.",
    "of channels without marks": "analysis of assistantfinal: it ends thoughts.",
    "a word like a channel": "analysis shows 45.",
    "a phrase like Granite's": "Here is my thought process: I looked. So 45.",
    "of an end": "Models end thoughts with </think> and answer.",
    "in code": "Use `</think>` to end.",
    "in quotes": 'The tag is "</think>".',
    "of a begin": "The tag is <think>",
    "another tag": "<thinker>me</thinker>",
    "another tag with attributes": "<think-tank name='x'>me</think-tank>",
    "of a begin with attributes": "Write <think a='b'> first and\n</think>\nlast.",
    "a begin in letters that are nearly the same": "<th\u0131nk>30?</th\u0131nk>45.",
    "an end in letters that are nearly the same": "30?\n</rea\u017foning>\n45.",
    "empty": "",
}


@pytest.mark.parametrize("name", SPLIT)
def test_thoughts_are_taken_from_the_beginning(name: str) -> None:
    text, reasoning, answer = SPLIT[name]
    thoughts = split_thoughts(text)
    assert (thoughts.reasoning, thoughts.answer) == (reasoning, answer)


@pytest.mark.parametrize("name", WHOLE)
def test_a_text_without_thoughts_stays_as_it_is(name: str) -> None:
    thoughts = split_thoughts(WHOLE[name])
    assert (thoughts.reasoning, thoughts.answer) == ("", WHOLE[name])


@pytest.mark.parametrize(
    "text",
    [
        "<reasoning>x</think>",
        "<think>",
        "</think>",
        "<think></think>",
        " <",
        "<think ",
        "</think ",
    ],
)
def test_a_long_text_of_tags_is_split_in_no_time(text: str) -> None:
    before = time.monotonic()
    split_thoughts(text * 20_000)
    assert time.monotonic() - before < 30


def test_a_text_that_a_test_put_in_place_has_no_thoughts() -> None:
    said = [{"role": "assistant", "content": "<think>30?</think>45."}]
    assert Reply(text="45.", messages=said).whole_text == said[0]["content"]
    assert Reply(text="46.", messages=said).whole_text == "46."
    assert Reply(text="45.").whole_text == "45."


def test_json_is_read_behind_thoughts() -> None:
    text = split_thoughts('<think>{"days": 30}?</think>\n{"days": 45}').answer
    assert Reply(text=text).json() == {"days": 45}
