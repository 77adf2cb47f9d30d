"""What deserves a word about a source of cases, once for all its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_ladder.cases.names import FIELD_OF, near_names, possible_answers
from pytest_ladder.core.case import Case
from pytest_ladder.errors import warn
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import listed


class Told:
    """Notes how rows were read; one for each source."""

    def __init__(self) -> None:
        self.tools: Counter[str] = Counter()
        """Rows by the tool whose names they have."""
        self._unread: Counter[str] = Counter()
        self._shapes: Counter[tuple[Any, ...]] = Counter()
        self._expected = 0
        self._odd_choices = False
        self._without_answer = 0
        """Rows that say that there is no answer."""

    def note(self, meant: dict[Any, Any], tool: str, case: Case) -> None:
        """Note what a row was taken to mean, and the case that was made of it."""
        self._shapes[tuple(meant)] += 1
        self._expected += case.expected is not None
        if "choices" in meant and not case.choices:
            self._odd_choices = meant["choices"] not in (None, [], ())
        if tool:
            self.tools[tool] += 1
            self._without_answer += tool == "SQuAD" and case.expected is None
            from pytest_ladder.cases.promptfoo import not_read

            self._unread.update(not_read(case.metadata.get("assert")))

    def warn(self, label: str) -> None:
        """Warn of what may be a mistake in the source that `label` names."""
        for sentence in self._sentences():
            warn(f"{label}: {sentence}", label)

    def _sentences(self) -> Iterator[str]:
        names = {str(name) for shape in self._shapes for name in shape}
        used = {FIELD_OF[name] for name in names if name in FIELD_OF}
        extras = sorted(name for name in names if name not in FIELD_OF)
        near = near_names(extras, used)
        for name, known in near.items():
            yield (
                f"`{name}` is no field of a case and went to the metadata; did you "
                f"mean `{known}`?"
            )
        if self._odd_choices:
            yield (
                "`choices` is no list of 2 to 26 texts in some rows, so no choice is "
                "shown there."
            )
        if self._without_answer:
            yield (
                f"{count(self._without_answer, 'row')} of SQuAD with an empty "
                "`answers`: nothing is expected there (`case.expected` is None); let "
                "the test say what is right where there is no answer."
            )
        answers = [name for name in possible_answers(extras) if name not in near]
        unknown = not self._expected and not self._without_answer
        if unknown and answers and not self._unread:
            yield (
                f"no case says what is expected; if one of {listed(answers)} does, and "
                "is not what a model answered, name it `expected` (`pytest-ladder "
                "cases convert --expected NAME` writes such a file)."
            )
        if self._unread:
            kinds = ", ".join(
                f"{kind} ({count(number, 'time')})"
                for kind, number in sorted(self._unread.items())
            )
            yield (
                "these assertions of promptfoo are in `case.metadata['assert']` and "
                f"not in `expected`: {kinds}; check them in the test."
            )
