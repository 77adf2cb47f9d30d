"""The usual kind of strategy: a case becomes the messages of one call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Retrieved
from pytest_ladder.core.rung import GOLD, Strategy
from pytest_ladder.prompting.prompter import (
    Conversation,
    Estimate,
    Prompt,
    Prompter,
    StrategyNeeds,
)
from pytest_ladder.prompting.templates import Template, as_text, compile_template
from pytest_ladder.text.phrases import shown

if TYPE_CHECKING:
    from pytest_ladder.prompting.fewshot import FewShot
    from pytest_ladder.prompting.retrieval import Retriever

_SYSTEM_ROLES = ("system", "developer")
_CHOICES = frozenset({"choices", "metadata.choices"})
"""Fields by which a template shows the choices of a case."""
_CASE_BYTES = 200
"""What a case is taken to be long, for an estimate that depends on no case."""
_PASSAGE_BYTES = 800
"""And a passage."""
_OFFER_BYTES = 400
"""And the schema of a tool, or of a reply."""


class SingleTurn(Prompter):
    """One call a case: system, examples, then the case, with what was retrieved."""

    is_known = True
    below = ""
    """What a kind that builds on this one wants below each question."""

    def __init__(self, strategy: Strategy, needs: StrategyNeeds) -> None:
        super().__init__(strategy, needs)
        folder = needs.path.parent
        where = f'{shown(needs.path)}: strategy "{strategy.name}"'
        prompt, system = (
            key if getattr(strategy, f"{key}_file") is None else f"{key}_file"
            for key in ("prompt", "system")
        )
        self._prompt = compile_template(strategy.prompt, f"{where}: {prompt}")
        self._system = compile_template(strategy.system or "", f"{where}: {system}")
        if strategy.searches:
            from pytest_ladder.prompting.search import check_installed

            check_installed(where)
        self._shown = self._prompt.fields | self._system.fields
        """Fields that either of them shows."""
        self._retriever = _retriever(strategy, needs)
        self._few_shot: FewShot | None = None
        if strategy.examples is not None:
            from pytest_ladder.prompting.fewshot import FewShot, read_examples

            self._few_shot = FewShot(read_examples(strategy, folder, where), strategy)
        # The same examples are shown again and again: each is rendered once.
        self._turns: dict[int, list[Message]] = {}

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes, by the files' sizes.

        A stand-in of 50 tokens takes the place of the case, 200 that of a retrieved
        passage and 100 that of a schema, so that the answer depends on the
        configuration alone.
        """
        turn = len(strategy.prompt.encode()) + _CASE_BYTES
        if strategy.retrieves:
            turn += strategy.top_k * _PASSAGE_BYTES
        total = len((strategy.system or "").encode()) + turn
        total += _OFFER_BYTES * len(strategy.tools)
        total += _OFFER_BYTES if strategy.response_format is not None else 0
        if strategy.examples is not None:
            lines = (folder / strategy.examples).read_bytes().splitlines()
            shots = min(strategy.shots, len(lines))
            total += shots * (turn - _CASE_BYTES)
            total += shots * sum(map(len, lines)) // max(1, len(lines))
        return Estimate(prompt_tokens=total / BYTES_PER_TOKEN, calls=1)

    def converse(self, case: Case) -> Conversation:
        """Ask once, and return the reply."""
        return (yield self.prompt(case))

    def example_answer(self, example: Case, answer: str) -> str:
        """Return how a few-shot example answers, by the answer that it expects."""
        return answer

    def prompt(self, case: Case) -> Prompt:
        """Make the messages for a case."""
        retrieved = self._retrieve(case)
        own_system, turns = self._conversation(case, retrieved)
        system = own_system
        if not system and self.strategy.system is not None:
            text = self.rendered(self._system, case, retrieved)
            system = [{"role": "system", "content": text}]
        chosen = self._few_shot.choose(_spoken(case)) if self._few_shot else ()
        shots = [dict(turn) for number in chosen for turn in self._example(number)]
        return Prompt(messages=[*system, *shots, *turns], retrieved=retrieved)

    def _retrieve(self, case: Case) -> tuple[Retrieved, ...]:
        if self._retriever is None:
            return ()
        return self._retriever.search(_spoken(case), self.strategy.top_k)

    def _example(self, position: int) -> list[Message]:
        if position not in self._turns:
            assert self._few_shot is not None, "positions come from it"
            example = self._few_shot.examples[position]
            # A system message of an example is left out: that of the case counts.
            _, turns = self._conversation(example, self._retrieve(example))
            said = self.example_answer(example, _answer(example, turns[-1]))
            answer = {"role": "assistant", "content": said}
            self._turns[position] = [*turns, answer]
        return self._turns[position]

    def _conversation(
        self, case: Case, retrieved: tuple[Retrieved, ...]
    ) -> tuple[list[Message], list[Message]]:
        """Return the system messages of a case itself, and its other turns."""
        text = self.rendered(self._prompt, case, retrieved)
        if not self._shown & _CHOICES and case.choices:
            from pytest_ladder.cases.choices import lettered, shows_all

            if not shows_all(text, case.choices):
                text = f"{text}\n\n{lettered(case.choices)}"
        if retrieved and "context" not in self._shown:
            text = f"Context:\n{_listed(p.text for p in retrieved)}\n\n{text}"
        if self.below:
            text = f"{text}\n\n{self.below}"
        if isinstance(case.input, str):
            return [], [{"role": "user", "content": _attached(text, case)}]
        last = _last_user(case.input)
        turns = [dict(message) for message in case.input]
        turns[last]["content"] = _with_text(turns[last]["content"], text)
        if case.attachments:
            from pytest_ladder.prompting.parts import with_images

            turns[last]["content"] = _attached(turns[last]["content"], case)
            for turn in turns:
                turn["content"] = with_images(turn.get("content"), case)
        system = [turn for turn in turns if turn["role"] in _SYSTEM_ROLES]
        return system, [turn for turn in turns if turn["role"] not in _SYSTEM_ROLES]

    def rendered(
        self, template: Template, case: Case, retrieved: tuple[Retrieved, ...]
    ) -> str:
        """Fill a template in with a case, and with what was retrieved for it."""
        context = ""
        if "context" in template.fields:
            passages = case.context
            if self._retriever is not None:
                passages = tuple(passage.text for passage in retrieved)
            context = _listed(passages)
        return template.render(_spoken(case), context)


def _retriever(strategy: Strategy, needs: StrategyNeeds) -> Retriever | None:
    folder = needs.path.parent
    if strategy.retriever is not None:
        from pytest_ladder.prompting.retrieval import Function, Gold

        is_gold = strategy.retriever == GOLD
        return Gold() if is_gold else Function(strategy.retriever, folder)
    if strategy.corpus is None:
        return None
    return needs.corpus((folder / strategy.corpus).resolve(), strategy)


def _listed(passages: Iterable[str]) -> str:
    """Write passages as a list; their later lines are indented to stay in it."""
    return "\n".join("- " + "\n  ".join(p.strip().split("\n")) for p in passages)


def _answer(example: Case, asked: Message) -> str:
    """Return what an example shows as its answer: the letter where choices have one."""
    if example.choices:
        from pytest_ladder.cases.choices import expected_letters, lettered

        said = asked["content"]
        if isinstance(said, list):
            said = _text_of_parts(said)
        if lettered(example.choices) in said:
            return ", ".join(sorted(expected_letters(example)))
    return as_text(example.expected)


def _attached(content: Any, case: Case) -> Any:
    """Put the images and files of a case below a content."""
    if not case.attachments or not (case.images or case.files):
        return content
    from pytest_ladder.prompting.parts import parts_of

    if isinstance(content, str):
        # Some servers refuse an empty text.
        content = [{"type": "text", "text": content}] if content.strip() else []
    return [*content, *parts_of(case)]


def _last_user(turns: list[Message]) -> int:
    return max(n for n, turn in enumerate(turns) if turn["role"] == "user")


def _spoken(case: Case) -> Case:
    """Return the case with the text of its last user message as its input."""
    if isinstance(case.input, str):
        return case
    content = case.input[_last_user(case.input)]["content"]
    if isinstance(content, list):
        content = _text_of_parts(content)
    return msgspec.structs.replace(case, input=content)


def _with_text(content: Any, text: str) -> Any:
    """Put `text` in place of a content's text; images and other parts stay.

    A single part, and parts without any text, stay as they are unless there is more to
    say: some servers refuse an empty text.
    """
    if isinstance(content, str):
        return text
    others = [part for part in content if not _is_text(part)]
    is_plain = len(content) == 1 or len(others) == len(content)
    if is_plain and text == _text_of_parts(content):
        return content
    return [{"type": "text", "text": text}, *others]


def _text_of_parts(parts: list[Any]) -> str:
    return "\n".join(part["text"] for part in parts if _is_text(part))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
