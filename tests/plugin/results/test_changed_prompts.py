"""What a replay says of a case that was recorded with another prompt."""

from __future__ import annotations

import shutil

import pytest

from tests.cases.test_attachments import PNG
from tests.plugin.scratch_suite import ANSWER, CASES, LADDER, Shop

FILE = LADDER.replace('name = "plain"', 'name = "plain"\nprompt_file = "p.txt"')
SYSTEM = LADDER.replace('name = "plain"', 'name = "plain"\nsystem_file = "p.txt"')


def told(shop: Shop, *arguments: str) -> str:
    """Return what a replay says between the missing reply and how to record it."""
    result = shop.run("-k", "sky", *arguments)
    lines = [line for line in result.outlines if line.startswith("No reply of")]
    said, _, _ = lines[0].partition("Record it: ")
    return said.partition("is stored. ")[2].strip()


@pytest.fixture
def recorded(shop: Shop) -> Shop:
    shop.test(ANSWER)
    shop.write("p.txt", "Answer briefly: {input}")
    shop.ladder(FILE)
    shop.run("--ladder-live", "-k", "sky or fire")
    return shop


def test_a_changed_prompt_file_is_said_with_both_texts(recorded: Shop) -> None:
    recorded.write("p.txt", "Answer in a word: {input}")
    shutil.rmtree(recorded.path / ".ladder")
    assert told(recorded) == (
        "This case was recorded with another prompt: 'in a word: say blue' / recorded "
        "'briefly: say blue'."
    )


def test_a_new_case_and_what_is_as_it_was_have_nothing_to_tell(recorded: Shop) -> None:
    recorded.run("-k", "sky or fire").assert_outcomes(passed=2)
    recorded.cases([CASES[0] | {"id": "skylight", "input": "say dark"}])
    assert told(recorded) == ""


def test_another_test_file_with_the_same_ids_has_nothing_to_tell(
    recorded: Shop,
) -> None:
    recorded.test(ANSWER, "test_other.py")
    recorded.cases([CASES[0] | {"input": "say dark"}])
    assert told(recorded, "test_other.py") == ""


def test_a_further_sample_is_no_change(recorded: Shop) -> None:
    assert told(recorded, "--ladder-samples=2") == ""


def test_another_rung_is_not_recorded_and_has_nothing_to_tell(recorded: Shop) -> None:
    loud = ("--ladder=matrix", "--ladder-rungs=*/loud")
    recorded.run("--ladder-live", *loud)
    cases = [CASES[0] | {"input": "say dark"}, *CASES[1:]]
    recorded.cases(cases)
    assert told(recorded, *loud) == ""


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("max_tokens = 20", "max_tokens = 21", "another max_tokens: 21 / recorded 20"),
        (
            'id = "openai/bot"',
            'id = "openai/bot"\nrevision = "2"',
            "another model: 'openai/bot@2' / recorded 'openai/bot'",
        ),
        (
            'prompt_file = "p.txt"',
            'prompt = "Now: {{input}}"',
            "another prompt: 'Now: say blue' / recorded 'Answer briefly: say blue'",
        ),
        (
            'prompt_file = "p.txt"',
            'prompt_file = "p.txt"\nsystem = "Be brief."',
            "other messages: system, user / recorded user",
        ),
    ],
)
def test_what_differs_is_named(
    recorded: Shop, old: str, new: str, difference: str
) -> None:
    recorded.ladder(FILE.replace(old, new))
    assert told(recorded) == f"This case was recorded with {difference}."


def test_without_a_store_it_says_what_recordings_do_not_keep(recorded: Shop) -> None:
    shutil.rmtree(recorded.path / ".ladder")
    recorded.ladder(FILE.replace("max_tokens = 20", "max_tokens = 21"))
    assert told(recorded) == (
        "This case was recorded with the same last message; an earlier message or a "
        "parameter differs (recordings keep the last message only)."
    )


def test_a_changed_system_file_is_quoted_from_the_store(shop: Shop) -> None:
    shop.test(ANSWER)
    shop.ladder(SYSTEM)
    shop.write("p.txt", "Be brief.")
    shop.run("--ladder-live", "-k", "sky")
    shop.write("p.txt", "Be kind.")
    assert told(shop) == (
        "This case was recorded with another system message: 'kind.' / recorded "
        "'brief.'."
    )


def test_a_changed_image_is_said_to_be_one(shop: Shop) -> None:
    image = shop.path / "sky.png"
    image.write_bytes(PNG)
    shop.cases([{**CASES[0], "images": ["sky.png"]}])
    shop.test(ANSWER)
    shop.server.reply = lambda body: "a blue tea"
    shop.run("--ladder-live").assert_outcomes(passed=1)
    image.write_bytes(PNG + b"\0")
    said = told(shop)
    assert said.startswith("This case was recorded with another image or file: [")
    assert f"{len(PNG) + 1} bytes" in said.partition(" / recorded ")[0]
    assert f"{len(PNG)} bytes" in said.partition(" / recorded ")[2]
