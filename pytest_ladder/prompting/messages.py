"""Messages: what a strategy makes of a case."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Retrieved
from pytest_ladder.core.rung import Strategy
from pytest_ladder.prompting.fewshot import FewShot, read_examples
from pytest_ladder.prompting.retrieval import GOLD, Corpus, Function, Gold, Retriever
from pytest_ladder.prompting.templates import Template, as_text, compile_template
from pytest_ladder.text.phrases import shown

_SYSTEM_ROLES = ("system", "developer")
_CASE_BYTES = 200
"""What a case is taken to be long, for an estimate that depends on no case."""
_PASSAGE_BYTES = 800
"""And a passage."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent for a case, and what was retrieved for it."""

    messages: list[Message]
    retrieved: tuple[Retrieved, ...] = ()


class Prompter:
    """Makes messages by the strategies of a ladder; any thread may ask.

    Examples and corpora are read when a strategy is first used.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._ready: dict[Strategy, _Ready] = {}
        self._corpora: dict[Path, Corpus] = {}
        self._lock = threading.Lock()

    def messages(self, strategy: Strategy, case: Case) -> Prompt:
        """Make the messages for a case: system, examples, then the case.

        Raises `ConfigError` for files or cases that the strategy cannot use.
        """
        return self._prepared(strategy).prompt(case)

    def prepare(self, strategy: Strategy) -> None:
        """Read what a strategy needs ahead of its use, to find mistakes early.

        Raises `ConfigError`.
        """
        self._prepared(strategy)

    def _prepared(self, strategy: Strategy) -> _Ready:
        ready = self._ready.get(strategy)
        if ready is None:
            with self._lock:
                if strategy not in self._ready:
                    self._ready[strategy] = self._read(strategy)
                ready = self._ready[strategy]
        return ready

    def _read(self, strategy: Strategy) -> _Ready:
        where = f'{shown(self._ladder.path)}: strategy "{strategy.name}"'
        return _Ready(
            strategy,
            prompt=compile_template(strategy.prompt, f"{where}: prompt"),
            system=compile_template(strategy.system or "", f"{where}: system"),
            retriever=self._retriever(strategy),
            few_shot=FewShot(
                read_examples(strategy, self._ladder.folder, where), strategy
            )
            if strategy.examples is not None
            else None,
        )

    def _retriever(self, strategy: Strategy) -> Retriever | None:
        folder = self._ladder.folder
        if strategy.retriever == GOLD:
            return Gold()
        if strategy.retriever is not None:
            return Function(strategy.retriever, folder)
        if strategy.corpus is None:
            return None
        path = (folder / strategy.corpus).resolve()
        if path not in self._corpora:
            self._corpora[path] = Corpus(path)
        return self._corpora[path]


def prompt_tokens(strategy: Strategy, folder: Path) -> float:
    """Estimate the tokens of one prompt; the same on every machine.

    A stand-in of 50 tokens takes the place of the case and 200 that of a retrieved
    passage, so that the answer depends on the configuration alone.
    """
    turn = len(strategy.prompt.encode()) + _CASE_BYTES
    if strategy.retrieves:
        turn += strategy.top_k * _PASSAGE_BYTES
    total = len((strategy.system or "").encode()) + turn
    if strategy.examples is not None:
        lines = (folder / strategy.examples).read_bytes().splitlines()
        shots = min(strategy.shots, len(lines))
        total += shots * (turn - _CASE_BYTES)
        total += shots * sum(map(len, lines)) // max(1, len(lines))
    return total / BYTES_PER_TOKEN


class _Ready:
    """A strategy with all it needs at hand."""

    def __init__(
        self,
        strategy: Strategy,
        *,
        prompt: Template,
        system: Template,
        retriever: Retriever | None,
        few_shot: FewShot | None,
    ) -> None:
        self._strategy = strategy
        self._prompt = prompt
        self._system = system
        self._retriever = retriever
        self._few_shot = few_shot
        # The same examples are shown again and again: each is rendered once.
        self._turns: dict[int, list[Message]] = {}

    def prompt(self, case: Case) -> Prompt:
        """Make the messages for a case."""
        retrieved = self._retrieve(case)
        own_system, turns = self._conversation(case, retrieved)
        system = own_system or self._system_turns(case, retrieved)
        shots = [dict(turn) for turn in self._shots(case)]
        return Prompt(messages=[*system, *shots, *turns], retrieved=retrieved)

    def _retrieve(self, case: Case) -> tuple[Retrieved, ...]:
        if self._retriever is None:
            return ()
        return self._retriever.search(_spoken(case), self._strategy.top_k)

    def _shots(self, case: Case) -> list[Message]:
        if self._few_shot is None:
            return []
        chosen = self._few_shot.choose(_spoken(case))
        return [turn for position in chosen for turn in self._example(position)]

    def _example(self, position: int) -> list[Message]:
        if position not in self._turns:
            assert self._few_shot is not None, "positions come from it"
            example = self._few_shot.examples[position]
            # A system message of an example is left out: that of the case counts.
            _, turns = self._conversation(example, self._retrieve(example))
            answer = {"role": "assistant", "content": as_text(example.expected)}
            self._turns[position] = [*turns, answer]
        return self._turns[position]

    def _system_turns(
        self, case: Case, retrieved: tuple[Retrieved, ...]
    ) -> list[Message]:
        if self._strategy.system is None:
            return []
        text = self._system.render(_spoken(case), self._context(case, retrieved))
        return [{"role": "system", "content": text}]

    def _conversation(
        self, case: Case, retrieved: tuple[Retrieved, ...]
    ) -> tuple[list[Message], list[Message]]:
        """Return the system messages of a case itself, and its other turns."""
        text = self._prompt.render(_spoken(case), self._context(case, retrieved))
        shown_by_template = self._prompt.fields | self._system.fields
        if retrieved and "context" not in shown_by_template:
            text = f"Context:\n{_listed(p.text for p in retrieved)}\n\n{text}"
        if isinstance(case.input, str):
            return [], [{"role": "user", "content": text}]
        last = _last_user(case.input)
        turns = [dict(message) for message in case.input]
        turns[last]["content"] = _with_text(turns[last]["content"], text)
        system = [turn for turn in turns if turn["role"] in _SYSTEM_ROLES]
        return system, [turn for turn in turns if turn["role"] not in _SYSTEM_ROLES]

    def _context(self, case: Case, retrieved: tuple[Retrieved, ...]) -> str:
        if self._retriever is None:
            return _listed(case.context)
        return _listed(passage.text for passage in retrieved)


def _listed(passages: Iterable[str]) -> str:
    """Write passages as a list; their later lines are indented to stay in it."""
    return "\n".join("- " + "\n  ".join(p.strip().split("\n")) for p in passages)


def _last_user(turns: list[Message]) -> int:
    return max(n for n, turn in enumerate(turns) if turn["role"] == "user")


def _spoken(case: Case) -> Case:
    """Return the case with the text of its last user message as its input."""
    if isinstance(case.input, str):
        return case
    content = case.input[_last_user(case.input)]["content"]
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content if _is_text(part))
    return msgspec.structs.replace(case, input=content)


def _with_text(content: Any, text: str) -> Any:
    """Put `text` in place of a content's text; images and other parts stay."""
    if isinstance(content, str):
        return text
    others = [part for part in content if not _is_text(part)]
    return [{"type": "text", "text": text}, *others]


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
