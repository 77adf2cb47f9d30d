from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.messages import Prompter

EXAMPLES = [
    {"input": "Any matcha left?", "expected": "stock"},
    {"input": "My label is lost.", "expected": {"queue": "returns", "é": 1}},
]


@pytest.fixture
def prompter(tmp_path: Path) -> Prompter:
    (tmp_path / "examples.jsonl").write_text("\n".join(map(json.dumps, EXAMPLES)))
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "label.md").write_text("# Labels\n\nA label is free.")
    (tmp_path / "kb" / "matcha.md").write_text("Matcha comes in May.")
    return Prompter(
        Ladder(path=tmp_path / "ladder.toml", models=(), strategies=(), rungs=())
    )


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def case(text: Any = "Where is my label?", **fields: Any) -> Case:
    return Case(id="c", input=text, source="cases.jsonl", **fields)


STRATEGIES: dict[str, tuple[dict[str, Any], list[Message]]] = {
    "zero-shot": ({}, [user("Where is my label?")]),
    "templates": (
        {"system": "You are {{T}} {id}.", "prompt": "Q: {input}"},
        [system("You are {T} c."), user("Q: Where is my label?")],
    ),
    "few-shot": (
        {"system": "S", "prompt": "Q: {input}", "examples": "examples.jsonl"},
        [
            system("S"),
            user("Q: Any matcha left?"),
            said("stock"),
            user("Q: My label is lost."),
            said('{"queue": "returns", "é": 1}'),
            user("Q: Where is my label?"),
        ],
    ),
    "rag": (
        {"prompt": "Q: {input}", "corpus": "kb"},
        [user("Context:\n- # Labels\n  \n  A label is free.\n\nQ: Where is my label?")],
    ),
    "rag where the template says": (
        {"prompt": "{input}\n{context}", "corpus": "kb"},
        [user("Where is my label?\n- # Labels\n  \n  A label is free.")],
    ),
    "rag in the system prompt": (
        {"system": "Know:\n{context}", "corpus": "kb"},
        [
            system("Know:\n- # Labels\n  \n  A label is free."),
            user("Where is my label?"),
        ],
    ),
    "few-shot and rag": (
        {"examples": "examples.jsonl", "shots": 1, "corpus": "kb"},
        [
            user("Context:\n- Matcha comes in May.\n\nAny matcha left?"),
            said("stock"),
            user("Context:\n- # Labels\n  \n  A label is free.\n\nWhere is my label?"),
        ],
    ),
    "the context of the case": (
        {"prompt": "{context}\n{input}"},
        [user("- p1\n- p2\nWhere is my label?")],
    ),
    "gold": (
        {"retriever": "gold"},
        [user("Context:\n- p1\n- p2\n\nWhere is my label?")],
    ),
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [pytest.param(*row, id=name.replace(" ", "-")) for name, row in STRATEGIES.items()],
)
def test_a_strategy_makes_these_messages(
    prompter: Prompter, settings: dict[str, Any], expected: list[Message]
) -> None:
    strategy = Strategy(name="s", **settings)
    prompt = prompter.messages(strategy, case(context=("p1", "p2")))
    assert prompt.messages == expected


def test_what_was_retrieved_is_kept_with_source_and_rank(prompter: Prompter) -> None:
    prompt = prompter.messages(Strategy(name="s", corpus="kb"), case())
    (passage,) = prompt.retrieved
    assert (passage.source, passage.rank) == ("label.md", 1)
    assert passage.text == "# Labels\n\nA label is free."


def test_mistakes_in_files_can_be_found_early(prompter: Prompter) -> None:
    prompter.prepare(Strategy(name="s", corpus="kb"))
    with pytest.raises(ConfigError, match=r"no\.jsonl: there is no such file"):
        prompter.prepare(Strategy(name="s", examples="no.jsonl"))


def test_nothing_retrieved_adds_nothing(prompter: Prompter) -> None:
    prompt = prompter.messages(Strategy(name="s", corpus="kb"), case("Zebra?"))
    assert prompt.messages == [user("Zebra?")]
    assert prompt.retrieved == ()


CHAT = [user("Hi"), said("Hello."), user("Where is my label?")]


def test_the_template_applies_to_the_last_word_of_the_user(prompter: Prompter) -> None:
    strategy = Strategy(name="s", system="S", prompt="Q: {input}")
    prompt = prompter.messages(strategy, case([*CHAT, said("Let me see:")]))
    assert prompt.messages == [
        system("S"),
        *CHAT[:2],
        user("Q: Where is my label?"),
        said("Let me see:"),
    ]


def test_a_case_may_bring_its_own_system_message(prompter: Prompter) -> None:
    strategy = Strategy(name="s", system="S", examples="examples.jsonl", shots=1)
    prompt = prompter.messages(strategy, case([system("Own"), *CHAT]))
    assert prompt.messages == [
        system("Own"),
        user("Any matcha left?"),
        said("stock"),
        *CHAT,
    ]


def test_images_beside_the_text_stay(prompter: Prompter) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    spoken = [{"role": "user", "content": [image, {"type": "text", "text": "label"}]}]
    strategy = Strategy(name="s", prompt="Q: {input}", corpus="kb")
    prompt = prompter.messages(strategy, case(spoken))
    text = "Context:\n- # Labels\n  \n  A label is free.\n\nQ: label"
    assert prompt.messages == [
        {"role": "user", "content": [{"type": "text", "text": text}, image]}
    ]
    assert spoken[0]["content"] == [image, {"type": "text", "text": "label"}]


def test_the_answer_to_the_case_is_never_among_the_examples(
    prompter: Prompter,
) -> None:
    strategy = Strategy(name="s", examples="examples.jsonl")
    prompt = prompter.messages(strategy, case("any MATCHA left? "))
    assert said("stock") not in prompt.messages
    assert len(prompt.messages) == 3


def test_changing_a_prompt_changes_no_other(prompter: Prompter) -> None:
    strategy = Strategy(name="s", examples="examples.jsonl")
    before = prompter.messages(strategy, case())
    before.messages[0]["content"] = "changed"
    assert prompter.messages(strategy, case()).messages[0] == user("Any matcha left?")


def test_a_template_error_names_file_strategy_and_case(
    prompter: Prompter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    strategy = Strategy(name="s", prompt="{metadata.team}")
    with pytest.raises(ConfigError) as caught:
        prompter.messages(strategy, case())
    assert str(caught.value).startswith(
        'ladder.toml: strategy "s": prompt: case "c" of cases.jsonl has no '
        "`metadata.team`; "
    )


def test_many_threads_get_the_same_messages(prompter: Prompter) -> None:
    strategy = Strategy(
        name="s", examples="examples.jsonl", select="similar", corpus="kb"
    )
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: prompter.messages(strategy, case()), range(64)))
    assert all(prompt == made[0] for prompt in made)


def test_a_thousand_few_shot_prompts_are_made_quickly(prompter: Prompter) -> None:
    strategy = Strategy(name="s", system="S", examples="examples.jsonl")
    cases = [case(f"Question {n}?") for n in range(1000)]
    prompter.messages(strategy, cases[0])
    start = time.process_time()
    for each in cases:
        prompter.messages(strategy, each)
    assert time.process_time() - start < 0.2
