"""Answers that people gave in a labelling tool become reviews.

A task has to say what its texts are: `case`, and `rung`, or `a` and `b` (the rungs on
the left and on the right). Texts or their hashes tie an answer to a reply.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import Grade, PairReview, Preferred, Review, reply_hash
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed
from pytest_ladder.text.untrusted import plain

_KEYS = {
    "case": ("case", "case_id"),
    "a": ("a", "rung_a", "left_rung", "rung_1", "rung1", "model_a"),
    "b": ("b", "rung_b", "right_rung", "rung_2", "rung2", "model_b"),
    "a_reply": (
        *("a_reply", "reply_a", "a_text", "text_a", "left_text", "left", "text1"),
        *("text_1", "answer1", "answer_a", "response_a", "response_1"),
    ),
    "b_reply": (
        *("b_reply", "reply_b", "b_text", "text_b", "right_text", "right", "text2"),
        *("text_2", "answer2", "answer_b", "response_b", "response_2"),
    ),
    "rung": ("rung", "model"),
    "reply": ("reply", "reply_text", "text", "answer", "response", "output"),
}
"""What a task may call what a review needs, the best name first."""
_SAYS: dict[Preferred, tuple[str, ...]] = {
    "a": ("a", "left", "1", "first", "one", "text1", "replya", "reply1", "response1"),
    "b": ("b", "right", "2", "second", "two", "text2", "replyb", "reply2", "response2"),
    "tie": ("tie", "equal", "same", "both", "bothgood", "draw", "equallygood"),
    "neither": ("neither", "none", "bothbad", "equallybad"),
}
_PASSES = ("pass", "yes", "good", "ok", "correct", "accept", "accepted", "true")
_FAILS = ("fail", "no", "bad", "incorrect", "reject", "rejected", "wrong", "false")
_NOISE = re.compile(r"\b(?:is|are|the|better|reply|answer)\b|[^a-z0-9]+")
_HASH = re.compile(r"[0-9a-f]{16}")
_EXAMPLE = '"case": "refund", "a": "smol/rag", "b": "smol/few-shot"'


class Said(NamedTuple):
    """One answer of one person, as a tool exports it."""

    where: str
    """File and task, for messages."""
    question: str
    """Name of what was asked, as the tool's configuration has it."""
    value: Any
    """Words, a number, or a mapping of options to ranks (1 is best)."""
    data: Mapping[str, Any]
    """What the task says of itself."""
    rater: str
    """A pseudonym (`pseudonym`)."""
    seconds: float | None = None


class Annotations(NamedTuple):
    """What an export holds."""

    said: Sequence[Said]
    left_out: Mapping[str, int]
    """Answers that are none, by the reason."""


def pseudonym(tool: str, who: object) -> str:
    """Name a person by no more than tells one from another.

    A number stays; an address or a name is hashed. Who has a list of all that may have
    taken part can still try their names.
    """
    name = str(who).strip()
    if who is None or not name:
        return f"{tool}-unknown"
    if name.isdecimal():
        return f"{tool}-{name}"
    return f"{tool}-{hashlib.sha256(f'{tool} {name}'.encode()).hexdigest()[:8]}"


def reviews_from(
    said: Sequence[Said],
    rungs: Collection[str],
    asked: ReviewConfig,
    question: str | None = None,
) -> list[Review]:
    """Make reviews of answers to one question; `rungs` are those of the ladder.

    Raises `ConfigError` for the first answer that cannot be one, and where several
    questions were asked and none is named.
    """
    names = list(dict.fromkeys(one.question for one in said))
    if question is not None and question not in names:
        near = did_you_mean(question, names, f"there are {listed(names)}.")
        raise ConfigError(f'--question: nobody was asked "{question}"; {near}')
    if question is None and len(names) > 1:
        raise ConfigError(
            f"{said[0].where}: people were asked {listed(names)}; say which with "
            f"--question {names[0]}."
        )
    chosen = [one for one in said if question in (None, one.question)]
    return [review for one in chosen for review in _reviews(one, rungs, asked)]


def _reviews(
    one: Said, rungs: Collection[str], asked: ReviewConfig
) -> Iterator[Review]:
    case = _told(one.data, "case")
    if not case:
        raise ConfigError(
            f"{one.where}: it names no case; tasks have to say what they show, as "
            f"{{{_EXAMPLE}}}."
        )
    if isinstance(one.value, Mapping):
        yield from _ranked(one, case, rungs)
    elif _told(one.data, "a") and _told(one.data, "b"):
        a, b = (_rung(one, _told(one.data, key), rungs) for key in ("a", "b"))
        replies = _reply(one.data, "a_reply"), _reply(one.data, "b_reply")
        yield _pair(one, case, (a, b), replies, _preferred(one, (a, b)), left="a")
    elif rung := _told(one.data, "rung"):
        yield Grade(
            source=_told_source(one.data),
            case=case,
            rung=_rung(one, rung, rungs),
            reply=_reply(one.data, "reply"),
            verdict=_verdict(one, asked),
            rater=one.rater,
            seconds=_whole(one.seconds),
        )
    else:
        raise ConfigError(
            f"{one.where}: it names no rung; a task about one reply needs `rung`, one "
            f"about two `a` and `b`, as {{{_EXAMPLE}}}."
        )


def _pair(
    one: Said,
    case: str,
    rungs: tuple[str, str],
    replies: tuple[str, str],
    preferred: Preferred,
    *,
    left: str = "",
) -> PairReview:
    """Make a choice of it, with the rungs in the order in which the page has them."""
    if rungs[0] > rungs[1]:
        rungs, replies = rungs[::-1], replies[::-1]
        other: dict[str, Any] = {"a": "b", "b": "a"}
        preferred, left = other.get(preferred, preferred), other.get(left, "")
    return msgspec.convert(
        {
            "source": _told_source(one.data),
            "case": case,
            "a": rungs[0],
            "b": rungs[1],
            "a_reply": replies[0],
            "b_reply": replies[1],
            "preferred": preferred,
            "left": left,
            "rater": one.rater,
            "seconds": _whole(one.seconds),
        },
        PairReview,
    )


def _ranked(one: Said, case: str, rungs: Collection[str]) -> Iterator[PairReview]:
    """Make a choice of each two options of a ranking; an equal rank is a tie."""
    options = [
        (*_option(one, option, rungs), rank) for option, rank in one.value.items()
    ]
    for (a, text, rank), (b, other, below) in itertools.combinations(options, 2):
        if a == b:
            raise ConfigError(
                f"{one.where}: {a} was ranked twice; name another rung for one of both."
            )
        preferred: Preferred = "tie"
        if rank != below:
            preferred = "a" if rank < below else "b"
        yield _pair(one, case, (a, b), (text, other), preferred)


def _option(one: Said, option: str, rungs: Collection[str]) -> tuple[str, str]:
    """Return the rung that an option of a ranking stands for, and its reply's hash."""
    word = _bare(option)
    side = next((side for side in ("a", "b") if word in _SAYS[side]), "")
    named = [one.data.get(f"{option}_rung"), option, one.data.get(option)]
    if side:
        named.append(_told(one.data, side))
    for name in named:
        if isinstance(name, str) and name in rungs:
            text = one.data.get(option)
            if isinstance(text, str) and text and text not in rungs:
                return name, reply_hash(text)
            return name, _reply(one.data, f"{side}_reply") if side else ""
    raise ConfigError(
        f'{one.where}: "{plain(option)}" was ranked, and nothing says which rung it '
        f'is; name it in the task, as "{plain(option)}_rung": "{min(rungs)}".'
    )


def is_known(word: str) -> bool:
    """Tell whether a word alone says what somebody thinks of replies."""
    known = (*_PASSES, *_FAILS, *itertools.chain(*_SAYS.values()))
    return _bare(word) in known


def _preferred(one: Said, rungs: tuple[str, str]) -> Preferred:
    for word in _words(one.value):
        if word in rungs:
            return "a" if word == rungs[0] else "b"
        for preferred, words in _SAYS.items():
            if _bare(word) in words:
                return preferred
    raise ConfigError(
        f'{one.where}: "{_as_told(one)}" is no choice between two replies; '
        "known are left, right, tie and neither, and the names of the two rungs."
    )


def _verdict(one: Said, asked: ReviewConfig) -> Any:
    """Return yes or no, or a grade, as [review] asks for it."""
    graded = asked.scale == "graded"
    for word in _words(one.value):
        if graded and re.fullmatch(r"[1-5](?:\.0)?", word):
            return int(word[0])
        if not graded and _bare(word) in _PASSES:
            return "pass"
        if not graded and _bare(word) in _FAILS:
            return "fail"
    wanted = "a grade from 1 to 5" if graded else "yes or no (pass or fail)"
    other = 'scale = "binary"' if graded else 'scale = "graded"'
    raise ConfigError(
        f'{one.where}: "{_as_told(one)}" is not {wanted}, which [review] asks '
        f"for; correct it, or set {other}."
    )


def _as_told(one: Said) -> str:
    return plain(", ".join(_words(one.value)) or str(one.value))


def _words(value: Any) -> Iterator[str]:
    """Yield what an answer may mean: of a path of a taxonomy its leaf first."""
    if isinstance(value, list | tuple):
        for part in reversed(value):
            yield from _words(part)
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif value is not None:
        yield str(value).strip()


def _bare(word: str) -> str:
    return _NOISE.sub("", word.casefold()) or re.sub(r"\W", "", word.casefold())


def _told(data: Mapping[str, Any], what: str) -> str:
    for key in _KEYS[what]:
        value = data.get(key)
        if isinstance(value, str | int) and str(value).strip():
            return str(value).strip()
    return ""


def _told_source(data: Mapping[str, Any]) -> str:
    source = data.get("source")
    return source if isinstance(source, str) else ""


def _reply(data: Mapping[str, Any], key: str) -> str:
    """Return the hash of a reply, which may be given as such; empty: nobody said."""
    for name in _KEYS[key]:
        value = data.get(name)
        # One letter is a side, and no text.
        if isinstance(value, str) and len(value) > 1:
            return value if _HASH.fullmatch(value) else reply_hash(value)
    return ""


def _rung(one: Said, name: str, rungs: Collection[str]) -> str:
    if name in rungs:
        return name
    near = did_you_mean(name, rungs, f"the rungs are {listed(rungs)}.")
    raise ConfigError(f'{one.where}: "{plain(name)}" is no rung; {near}')


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None or not 0 <= seconds < 1e9 else round(seconds)
