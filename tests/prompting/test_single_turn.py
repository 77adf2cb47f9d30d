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
from pytest_ladder.prompting.prompter import Prompt
from pytest_ladder.prompting.strategies import Strategies

EXAMPLES = [
    {"input": "Any matcha left?", "expected": "stock"},
    {"input": "My label is lost.", "expected": {"queue": "returns", "é": 1}},
]


@pytest.fixture
def strategies(tmp_path: Path) -> Strategies:
    (tmp_path / "examples.jsonl").write_text("\n".join(map(json.dumps, EXAMPLES)))
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "label.md").write_text("# Labels\n\nA label is free.")
    (tmp_path / "kb" / "matcha.md").write_text("Matcha comes in May.")
    return Strategies(
        Ladder(path=tmp_path / "ladder.toml", models=(), strategies=(), rungs=())
    )


def prompt_of(strategies: Strategies, strategy: Strategy, case: Case) -> Prompt:
    (prompt,) = strategies.prompter(strategy).known(case)
    return prompt


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
    strategies: Strategies, settings: dict[str, Any], expected: list[Message]
) -> None:
    strategy = Strategy(name="s", **settings)
    prompt = prompt_of(strategies, strategy, case(context=("p1", "p2")))
    assert prompt.messages == expected


def test_what_was_retrieved_is_kept_with_source_and_rank(
    strategies: Strategies,
) -> None:
    prompt = prompt_of(strategies, Strategy(name="s", corpus="kb"), case())
    (passage,) = prompt.retrieved
    assert (passage.source, passage.rank) == ("label.md", 1)
    assert passage.text == "# Labels\n\nA label is free."


def test_mistakes_in_files_can_be_found_early(strategies: Strategies) -> None:
    strategies.prompter(Strategy(name="s", corpus="kb"))
    with pytest.raises(ConfigError, match=r"no\.jsonl: there is no such file"):
        strategies.prompter(Strategy(name="s", examples="no.jsonl"))


def test_nothing_retrieved_adds_nothing(strategies: Strategies) -> None:
    prompt = prompt_of(strategies, Strategy(name="s", corpus="kb"), case("Zebra?"))
    assert prompt.messages == [user("Zebra?")]
    assert prompt.retrieved == ()


CHAT = [user("Hi"), said("Hello."), user("Where is my label?")]


def test_the_template_applies_to_the_last_word_of_the_user(
    strategies: Strategies,
) -> None:
    strategy = Strategy(name="s", system="S", prompt="Q: {input}")
    prompt = prompt_of(strategies, strategy, case([*CHAT, said("Let me see:")]))
    assert prompt.messages == [
        system("S"),
        *CHAT[:2],
        user("Q: Where is my label?"),
        said("Let me see:"),
    ]


def test_a_case_may_bring_its_own_system_message(strategies: Strategies) -> None:
    strategy = Strategy(name="s", system="S", examples="examples.jsonl", shots=1)
    prompt = prompt_of(strategies, strategy, case([system("Own"), *CHAT]))
    assert prompt.messages == [
        system("Own"),
        user("Any matcha left?"),
        said("stock"),
        *CHAT,
    ]


def test_images_beside_the_text_stay(strategies: Strategies) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    spoken = [{"role": "user", "content": [image, {"type": "text", "text": "label"}]}]
    strategy = Strategy(name="s", prompt="Q: {input}", corpus="kb")
    prompt = prompt_of(strategies, strategy, case(spoken))
    text = "Context:\n- # Labels\n  \n  A label is free.\n\nQ: label"
    assert prompt.messages == [
        {"role": "user", "content": [{"type": "text", "text": text}, image]}
    ]
    assert spoken[0]["content"] == [image, {"type": "text", "text": "label"}]


def test_the_answer_to_the_case_is_never_among_the_examples(
    strategies: Strategies,
) -> None:
    strategy = Strategy(name="s", examples="examples.jsonl")
    prompt = prompt_of(strategies, strategy, case("any MATCHA left? "))
    assert said("stock") not in prompt.messages
    assert len(prompt.messages) == 3


def test_changing_a_prompt_changes_no_other(strategies: Strategies) -> None:
    strategy = Strategy(name="s", examples="examples.jsonl")
    before = prompt_of(strategies, strategy, case())
    before.messages[0]["content"] = "changed"
    assert prompt_of(strategies, strategy, case()).messages[0] == user(
        "Any matcha left?"
    )


def test_a_template_error_names_file_strategy_and_case(
    strategies: Strategies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    strategy = Strategy(name="s", prompt="{metadata.team}")
    with pytest.raises(ConfigError) as caught:
        prompt_of(strategies, strategy, case())
    assert str(caught.value).startswith(
        'ladder.toml: strategy "s": prompt: case "c" of cases.jsonl has no '
        "`metadata.team`; "
    )


def test_many_threads_get_the_same_messages(strategies: Strategies) -> None:
    strategy = Strategy(
        name="s", examples="examples.jsonl", select="similar", corpus="kb"
    )
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: prompt_of(strategies, strategy, case()), range(64))
        )
    assert all(prompt == made[0] for prompt in made)


def test_a_thousand_few_shot_prompts_are_made_quickly(strategies: Strategies) -> None:
    strategy = Strategy(name="s", system="S", examples="examples.jsonl")
    cases = [case(f"Question {n}?") for n in range(1000)]
    prompt_of(strategies, strategy, cases[0])
    start = time.process_time()
    for each in cases:
        prompt_of(strategies, strategy, each)
    assert time.process_time() - start < 2


LETTERED = "A. Berlin\nB. Paris"


@pytest.mark.parametrize(
    ("template", "question", "sent"),
    [
        ("{input}", "Which?", f"Which?\n\n{LETTERED}"),
        ("{input}\n{choices}\nA letter:", "Which?", f"Which?\n{LETTERED}\nA letter:"),
        (
            "{input} {metadata.choices}",
            "Which?",
            'Which? ["Berlin", "Paris"]',
        ),
        ("{input}", "Which?\n(a) Berlin\n(b) Paris", "Which?\n(a) Berlin\n(b) Paris"),
        (
            "{input}",
            "Is it Berlin or Paris?",
            f"Is it Berlin or Paris?\n\n{LETTERED}",
        ),
    ],
)
def test_choices_are_in_the_prompt_once(
    strategies: Strategies, template: str, question: str, sent: str
) -> None:
    asked = case(question, metadata={"choices": ["Berlin", "Paris"]})
    prompt = prompt_of(strategies, Strategy(name="s", prompt=template), asked)
    assert prompt.messages == [user(sent)]


def test_a_template_that_names_choices_needs_them(strategies: Strategies) -> None:
    strategy = Strategy(name="s", prompt="{input} {choices}")
    with pytest.raises(ConfigError, match="has no `choices`; add it to the case"):
        prompt_of(strategies, strategy, case("Which?"))


def test_examples_answer_with_the_letter_of_their_choices(
    strategies: Strategies, tmp_path: Path
) -> None:
    (tmp_path / "mmlu.jsonl").write_text(
        '{"question": "Which?", "choices": ["Berlin", "Paris"], "answer": 1}\n'
    )
    few = Strategy(name="s", examples="mmlu.jsonl")
    asked, answer, _ = prompt_of(strategies, few, case("Who?")).messages
    assert (asked, answer) == (user(f"Which?\n\n{LETTERED}"), said("B"))
    as_before = Strategy(
        name="t", examples="mmlu.jsonl", prompt="{input}", system="{metadata.choices}"
    )
    own = case("Who?", metadata={"choices": ["x", "y"]})
    assert prompt_of(strategies, as_before, own).messages[1:3] == [
        user("Which?"),
        said("1"),
    ]


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CACHED = {"type": "text", "text": "A label", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    "parts", [[IMAGE], [IMAGE, IMAGE], [CACHED]], ids=["image", "images", "text"]
)
def test_parts_that_nothing_is_added_to_are_sent_as_they_are(
    strategies: Strategies, parts: list[Any]
) -> None:
    case = Case(id="a", input=[{"role": "user", "content": parts}])
    prompt = prompt_of(strategies, Strategy(name="plain"), case)
    assert prompt.messages == [{"role": "user", "content": parts}]


def test_a_prompt_with_words_of_its_own_is_put_before_an_image(
    strategies: Strategies,
) -> None:
    case = Case(id="a", input=[{"role": "user", "content": [IMAGE]}])
    strategy = Strategy(name="ask", prompt="What is it? {input}")
    (message,) = prompt_of(strategies, strategy, case).messages
    assert message["content"] == [{"type": "text", "text": "What is it? "}, IMAGE]
