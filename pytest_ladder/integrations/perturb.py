"""Perturbations: the same question asked otherwise, for Hypothesis.

For metamorphic relations, such as "the answer does not change":

    @pytest.mark.cheap
    @pytest.mark.ladder(cases="cases.jsonl")
    @perturb.sparing()
    @given(data=st.data())
    def test_typos(llm, case, data):
        asked = data.draw(perturb.typos(case))
        assert case.expected in llm.ask(asked).text

Each takes a text or a case and gives the same. Of a case the last thing said by the
user changes; what is expected stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ConfigError

try:
    from hypothesis import HealthCheck, Phase, note, seed, settings
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ModuleNotFoundError:
    raise ConfigError(
        "Perturbations need Hypothesis; run pip install 'pytest-ladder[properties]'."
    ) from None

Asked = TypeVar("Asked", bound=str | Case)
Item = TypeVar("Item")
Test = TypeVar("Test", bound=Callable[..., Any])

PROFILE = settings(
    max_examples=10,
    # A call takes as long as it takes, and a replay must draw what was recorded.
    deadline=None,
    derandomize=True,
    database=None,
    # Explaining a failure, or looking for a second one, would take many more calls.
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    report_multiple_bugs=False,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.function_scoped_fixture),
)
"""Settings that fit calls: for `settings(PROFILE, …)` or `register_profile`."""

_SEED = 20_24_06
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_GAPS = ("  ", "\n", "\t", "\u00a0")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LOOKALIKES = dict(
    zip("aceiopsxyABCEHIKMOPTX", "асеіорѕхуАВСЕНІКМОРТХ", strict=True)  # noqa: RUF001
)
DISTRACTORS = (
    "By the way, it is raining here today.",
    "I am writing this on my phone.",
    "My neighbour has three cats.",
    "The train was ten minutes late this morning.",
    "We had soup for lunch.",
)
"""Sentences that change no answer."""
STYLES = (
    "in other words, as briefly",
    "politely and formally",
    "casually, as in a chat",
    "as somebody would who is in a hurry",
    "as a longer text that gives a reason for asking",
)
"""Ways in which a model is asked to paraphrase."""
_PARAPHRASE = (
    "Rewrite the message below {style}. Keep its meaning, its language, and every "
    "name and number. Reply with the rewritten message alone, and do not answer it."
    "\n\n{text}"
)


def sparing(max_examples: int = 10, **others: Any) -> Callable[[Test], Test]:
    """Run a `@given` test with few calls, the same ones each time.

    `PROFILE` with a fixed seed, so that a replay finds its replies, also after the
    test was edited. `others` are settings of Hypothesis.
    """
    chosen = settings(PROFILE, max_examples=max_examples, **others)

    def decorate(test: Test) -> Test:
        return seed(_SEED)(chosen(test))

    return decorate


def typos(asked: Asked, most: int = 2) -> SearchStrategy[Asked]:
    """Mistype up to `most` letters: swapped, left out, doubled, or the key beside."""

    def perturb(text: str) -> SearchStrategy[str]:
        positions = [i for i, letter in enumerate(text) if letter.isalpha()]
        return _edited(text, positions, _TYPOS, most)

    return _perturbed(asked, perturb)


def casing(asked: Asked) -> SearchStrategy[Asked]:
    """Write all of it in lower or upper case, or with Capitals, or inverted."""

    def perturb(text: str) -> SearchStrategy[str]:
        forms = (text.lower(), text.upper(), text.title(), text.swapcase())
        return _one_of(forms, text)

    return _perturbed(asked, perturb)


def whitespace(asked: Asked, most: int = 3) -> SearchStrategy[Asked]:
    """Widen up to `most` gaps between words, by spaces, tabs or line breaks."""

    def perturb(text: str) -> SearchStrategy[str]:
        positions = [i for i, letter in enumerate(text) if letter == " "]
        return _edited(text, positions, _WIDENINGS, most)

    return _perturbed(asked, perturb)


def lookalikes(asked: Asked, most: int = 3) -> SearchStrategy[Asked]:
    """Put up to `most` Cyrillic letters in place of Latin ones that look the same."""

    def perturb(text: str) -> SearchStrategy[str]:
        positions = [i for i, letter in enumerate(text) if letter in _LOOKALIKES]
        return _edited(text, positions, (_look_alike,), most)

    return _perturbed(asked, perturb)


def distractors(
    asked: Asked, sentences: Sequence[str] = DISTRACTORS
) -> SearchStrategy[Asked]:
    """Put a sentence that has nothing to do with it before, between or after."""

    def perturb(text: str) -> SearchStrategy[str]:
        parts = _SENTENCE_END.split(text)
        forms = [
            " ".join([*parts[:position], sentence, *parts[position:]])
            for position in range(len(parts) + 1)
            for sentence in sentences
        ]
        return _one_of(forms, text)

    return _perturbed(asked, perturb)


def paraphrases(
    asked: Asked, llm: Callable[[str], Reply], styles: Sequence[str] = STYLES
) -> SearchStrategy[Asked]:
    """Let a model say it in other words, in one of `styles`.

    A call through the test's `llm` counts as one of the rung's; it is stored and
    replayed like any other.
    """

    def perturb(text: str) -> SearchStrategy[str]:
        def say(style: str) -> str:
            paraphrase = llm(_PARAPHRASE.format(style=style, text=text)).text.strip()
            return paraphrase or text

        return st.sampled_from(tuple(styles)).map(say)

    return _perturbed(asked, perturb)


def reordered(examples: Sequence[Item]) -> SearchStrategy[list[Item]]:
    """Put few-shot examples, or anything else, in another order."""
    return st.permutations(list(examples))


def reordered_shots(messages: Sequence[Message]) -> SearchStrategy[list[Message]]:
    """Put the few-shot examples of a conversation in another order.

    Examples are the pairs of user and assistant before the last message; `messages`
    end with the question: `reply.messages[:-1]`.
    """
    roles = [message["role"] for message in messages]
    start = roles.index("user") if "user" in roles else len(roles)
    end = start
    while roles[end : end + 2] == ["user", "assistant"]:
        end += 2
    pairs = [list(messages[i : i + 2]) for i in range(start, end, 2)]
    return st.permutations(pairs).map(
        lambda order: [*messages[:start], *chain(*order), *messages[end:]]
    )


def _perturbed(
    asked: Any, perturb: Callable[[str], SearchStrategy[str]]
) -> SearchStrategy[Any]:
    if isinstance(asked, Case):
        return perturb(asked.text).map(lambda text: _saying(asked, text))
    return perturb(asked)


def _saying(case: Case, text: str) -> Case:
    """Return a case whose last user message is `text`; pytest shows it on failure."""
    note(f"asked: {text!r}")
    if isinstance(case.input, str):
        return msgspec.structs.replace(case, input=text)
    messages = list(case.input)
    by_user = [i for i, each in enumerate(messages) if each.get("role") == "user"]
    if by_user:
        messages[by_user[-1]] = {**messages[by_user[-1]], "content": text}
    return msgspec.structs.replace(case, input=messages)


Edit = Callable[[list[str], int], None]
"""Changes the letters of a text at a position, and perhaps the one after it."""


def _edited(
    text: str, positions: list[int], edits: Sequence[Edit], most: int
) -> SearchStrategy[str]:
    """Apply one to `most` edits, each at a position of its own."""
    if not positions:
        return st.just(text)

    def apply(chosen: list[tuple[int, Edit]]) -> str:
        letters = list(text)
        for position, edit in chosen:
            edit(letters, position)
        return "".join(letters)

    edit = st.tuples(st.sampled_from(positions), st.sampled_from(edits))
    chosen = st.lists(edit, min_size=1, max_size=most, unique_by=lambda pair: pair[0])
    return chosen.map(apply)


def _one_of(forms: Sequence[str], text: str) -> SearchStrategy[str]:
    """Choose one of the forms that differ from the text."""
    others = list(dict.fromkeys(form for form in forms if form != text))
    return st.sampled_from(others or [text])


def _leave_out(letters: list[str], position: int) -> None:
    letters[position] = ""


def _double(letters: list[str], position: int) -> None:
    letters[position] *= 2


def _swap(letters: list[str], position: int) -> None:
    letters[position : position + 2] = reversed(letters[position : position + 2])


def _beside(letters: list[str], position: int) -> None:
    """Hit the key to the right; at the end of a row, and for others, hit it twice."""
    letter = letters[position]
    for row in _KEYS:
        if letter.lower() in row[:-1] and letter:
            key = row[row.index(letter.lower()) + 1]
            letters[position] = key.upper() if letter.isupper() else key
            return
    _double(letters, position)


def _look_alike(letters: list[str], position: int) -> None:
    letters[position] = _LOOKALIKES[letters[position]]


def _puts(filler: str) -> Edit:
    def put(letters: list[str], position: int) -> None:
        letters[position] = filler

    return put


_TYPOS: tuple[Edit, ...] = (_leave_out, _double, _swap, _beside)
_WIDENINGS = tuple(_puts(gap) for gap in _GAPS)
