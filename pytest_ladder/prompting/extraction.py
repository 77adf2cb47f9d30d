"""Where the answer stands in what a model said: last line, tag, regex or JSON.

What a model says is hostile: each way but a user's own regex takes time in proportion
to the text.
"""

from __future__ import annotations

import contextlib
import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_ladder.core.thoughts import joined
from pytest_ladder.prompting.templates import as_text
from pytest_ladder.text.json_in_text import objects_in, value_in
from pytest_ladder.text.phrases import ANSWER_WORDS

_LABEL = re.compile(
    rf"[\s*_#>-]*(?:final\s+)?(?:{ANSWER_WORDS})[\s*_]*[:\uff1a][\s*_]*", re.IGNORECASE
)
_STEP = re.compile(r"\.?([^.\[\]$\s]+)|\[(\d+)\]")
_THINK = "Think step by step."
_NOTHING: Any = object()


class FoundAnswer(NamedTuple):
    """An answer, and what was thought before it."""

    thoughts: str
    answer: str


class Extractor(ABC):
    """A way to find the answer in what a model said."""

    instruction: str
    """What asks a model to think, and to put the answer where it is looked for."""

    @abstractmethod
    def find(self, said: str, *, cut_off: bool) -> FoundAnswer | None:
        """Return the answer; None where there is none.

        `cut_off`: the text reached the limit of its length.
        """

    @abstractmethod
    def written(self, answer: str) -> str:
        """Write an answer where it is looked for, as a few-shot example shows it."""


def extractor_of(kind: str | None, pattern: str | None) -> Extractor | None:
    """Return a way to find answers by its name; None: all of a text is the answer.

    Raises ValueError for a pattern that says nothing.
    """
    if kind is None:
        return None
    if kind == "last-line":
        return LastLineExtractor()
    if kind == "tag":
        return TagExtractor(pattern or "answer")
    if kind == "regex":
        return RegexExtractor(pattern or "")
    return JsonExtractor(pattern or "answer")


class LastLineExtractor(Extractor):
    """The last line that is not empty, without `Answer:` or `Antwort:` before it."""

    instruction = (
        f'{_THINK} Then write the answer alone on the last line, after "Answer:".'
    )

    def find(self, said: str, *, cut_off: bool) -> FoundAnswer | None:
        """Find it; a line that was cut off is a thought unless it says `Answer:`."""
        lines = said.rstrip().split("\n")
        while lines and not re.search(r"\w", lines[-1]):
            lines.pop()
        if not lines:
            return None
        last = lines.pop()
        label = _LABEL.match(last)
        if cut_off and label is None:
            return None
        answer = last[label.end() :] if label else last
        answer = answer.strip().strip("*_`").strip()
        return FoundAnswer("\n".join(lines).strip(), answer) if answer else None

    def written(self, answer: str) -> str:
        """Write it on a line of its own."""
        return f"Answer: {' '.join(answer.split())}"


class TagExtractor(Extractor):
    """What the last `<answer>` … `</answer>` encloses, whatever the tag is called."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.instruction = (
            f"{_THINK} Then write the answer between <{name}> and </{name}>."
        )
        flags = re.IGNORECASE | re.ASCII
        self._begin = re.compile(rf"<{re.escape(name)}>", flags)
        self._end = re.compile(rf"</{re.escape(name)}>", flags)

    def find(self, said: str, *, cut_off: bool) -> FoundAnswer | None:
        """Find it; without an end, which may be a stop sequence, it is all the rest."""
        ends = [*self._end.finditer(said)]
        limit = ends[-1].start() if ends else len(said)
        begins = [*self._begin.finditer(said, 0, limit)]
        if not begins or (not ends and cut_off):
            return None
        begin = begins[-1]
        # A later end belongs to an outer tag, or is one that the model talks about.
        end = self._end.search(said, begin.end())
        answer = said[begin.end() : end.start() if end else None].strip()
        thoughts = joined([said[: begin.start()], said[end.end() :] if end else ""])
        return FoundAnswer(thoughts, answer) if answer else None

    def written(self, answer: str) -> str:
        """Write it between the tags."""
        return f"<{self._name}>{answer}</{self._name}>"


class RegexExtractor(Extractor):
    """The last match of a pattern: its first group, or all of it."""

    instruction = f"{_THINK} Then write the answer."

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def find(self, said: str, *, cut_off: bool) -> FoundAnswer | None:
        """Find it; all that was said is what was thought."""
        matches = deque(self._pattern.finditer(said), maxlen=1)
        if not matches:
            return None
        answer = matches[0][1 if self._pattern.groups else 0] or ""
        return FoundAnswer(said, answer.strip()) if answer.strip() else None

    def written(self, answer: str) -> str:
        """Write it as it is: nobody can tell what a pattern wants around it."""
        return answer


class JsonExtractor(Extractor):
    """A value of the JSON that was said, by names and positions from its top."""

    def __init__(self, path: str) -> None:
        self._steps = _steps_of(path)
        name = path.removeprefix("$").removeprefix(".")
        self.instruction = (
            f"{_THINK} Reply with one JSON object: your thoughts under "
            f'"thoughts", then the answer under "{name}".'
        )

    def find(self, said: str, *, cut_off: bool) -> FoundAnswer | None:
        """Find it; where words or objects stand around, in the last that has it."""
        for value in _json_in(said):
            found = self._at(value)
            if found is not _NOTHING:
                answer = "" if found is None else as_text(found).strip()
                return FoundAnswer(said, answer) if answer else None
        return None

    def _at(self, value: Any) -> Any:
        """Return what stands at the path; `_NOTHING` where it leads nowhere."""
        for step in self._steps:
            if isinstance(step, int):
                leads = isinstance(value, list) and step < len(value)
            else:
                leads = isinstance(value, dict) and step in value
            if not leads:
                return _NOTHING
            value = value[step]
        return value

    def written(self, answer: str) -> str:
        """Write an object that holds it."""
        value: Any = answer
        for step in reversed(self._steps):
            value = [value] if isinstance(step, int) else {step: value}
        return json.dumps(value, ensure_ascii=False)


def _steps_of(path: str) -> list[str | int]:
    steps: list[str | int] = []
    rest = path.removeprefix("$")
    while rest:
        step = _STEP.match(rest)
        if step is None:
            break
        steps.append(step[1] if step[2] is None else int(step[2]))
        rest = rest[step.end() :]
    if rest or not steps:
        raise ValueError(f"{json.dumps(path)} is no path")
    return steps


def _json_in(said: str) -> Iterator[Any]:
    """Yield the value that a text is, or else the objects in it, the last first."""
    try:
        yield value_in(said)
        return
    except ValueError:
        pass
    with contextlib.suppress(ValueError, RecursionError):
        found, _ = objects_in(said)
        for each in reversed(found):
            yield json.loads(each.text, strict=False)
