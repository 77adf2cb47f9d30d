"""How a judge's answer is read: generous with its form, strict with its verdict.

Thoughts, fences, words around the JSON, other keys and other cases of letters do no
harm. But a verdict is only read where there is one: two that differ, a key that comes
twice, words that name another verdict, or broken JSON in which another object stands,
make an answer unusable. And so does what stands in the data word for word, as a reply
may hold a verdict that the judge only quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ReplyNotJson
from pytest_ladder.judging.prompts import Form, defused
from pytest_ladder.text.json_in_text import ObjectInText, is_json, objects_in

_REASON = "reason"
# They stand in the request for a repair, and so in its key: stored answers to it would
# not be found if one of them changed.
_NOT_JSON = "It is not JSON."
_COPIED = "It is copied from the data."
_CUT_OFF = "It was cut off before its end."

_SAME: Mapping[str, str] = {
    "passed": "pass",
    "passes": "pass",
    "failed": "fail",
    "fails": "fail",
}
# As the value of a verdict only: among other words they say nothing of it.
_SAME_AS_VALUE: Mapping[Any, str] = {
    True: "pass",
    False: "fail",
    "true": "pass",
    "yes": "pass",
    "false": "fail",
    "no": "fail",
}
_WORD = re.compile(r"[a-z]+|(?<!\d)(?<!\d\.)\d+(?!\d|\.\d)")
_GRADE = re.compile(r"(\d+)(?:\.0+)?", re.ASCII)
_FENCE = re.compile(r"`{3,}(?:json)?|~{3,}(?:json)?", re.IGNORECASE)
# Who says how far the scale goes names no grade: "4 out of 5", "(1-5)".
_SCALE = re.compile(r"\b1\s*(?:-|\u2013|to)\s*5\b|(?:/|\bof)\s*5\b")


def read(form: Form, answer: Reply, data: str) -> tuple[Any, str]:
    """Return the value and the reason of a judge's answer; `data` is what was judged.

    Raises `ReplyNotJson`, with what is wrong, for an answer that holds no value of the
    form, or more than one, and for one that stands in the data word for word.
    """
    if answer.flag == "truncated":
        raise ReplyNotJson(_CUT_OFF)
    try:
        objects, words = objects_in(_said(answer))
    except ValueError:
        raise ReplyNotJson(_NOT_JSON) from None
    words = _FENCE.sub(" ", words)
    is_alone = len(objects) == 1 and not words.strip()
    try:
        return _decided(form, objects, words, data)
    except ReplyNotJson:
        if is_alone or (not objects and is_json(words)):
            raise
        raise ReplyNotJson(_NOT_JSON) from None


def _said(answer: Reply) -> str:
    """Return the text that may hold the verdict.

    Some servers make the call of a tool of it. Others take an answer without thoughts
    for nothing but thoughts, and then these are JSON and nothing else.
    """
    tools = (call.get("function") for call in answer.tool_calls)
    arguments = [t.get("arguments") for t in tools if isinstance(t, dict)]
    said = [answer.text, *(each for each in arguments if isinstance(each, str))]
    if not any(each.strip() for each in (*said, answer.whole_text)):
        return answer.reasoning if is_json(answer.reasoning) else ""
    return "\n".join(said)


def _decided(
    form: Form, objects: list[ObjectInText], words: str, data: str
) -> tuple[Any, str]:
    verdicts = [found for found in objects if list(_values(found, form.field))]
    if not verdicts:
        raise _no_object(form)
    values = [_value_and_reason(form, found) for found in verdicts]
    around = _WORD.findall(_SCALE.sub(" ", words.casefold()))
    named = {_value(form, word) for word in around} - {None}
    differ = any(value != values[0][0] for value, _ in values)
    if differ or (named and values[0][0] not in named):
        raise ReplyNotJson(_NOT_JSON)
    shown = _squeezed(data)
    if any(_squeezed(defused(found.text)) in shown for found in verdicts):
        raise ReplyNotJson(_COPIED)
    return values[0]


def _value_and_reason(form: Form, found: ObjectInText) -> tuple[Any, str]:
    values, reasons = list(_values(found, form.field)), list(_values(found, _REASON))
    value = _value(form, values[0], alone=True) if len(values) == 1 else None
    reason = reasons[0] if len(reasons) == 1 else None
    if value is None or not isinstance(reason, str):
        if {key for key, _ in found.pairs} != {_REASON, form.field}:
            raise _no_object(form)
        problem = f"Its {form.field} or its reason is none of the allowed."
        raise ReplyNotJson(problem)
    return value, reason.strip()


def _no_object(form: Form) -> ReplyNotJson:
    names = " and ".join(sorted((_REASON, form.field)))
    return ReplyNotJson(f"It is no object with just {names}.")


def _values(found: ObjectInText, name: str) -> Iterator[Any]:
    """Yield what an object says under a name, in any case of letters."""
    return (value for key, value in found.pairs if key.strip().casefold() == name)


def _value(form: Form, said: Any, *, alone: bool = False) -> Any:
    """Return the value of the form that is meant; None: it is not clear, or none.

    `alone`: it stands where the value is to stand, and not among other words.
    """
    if isinstance(said, str):
        word = said.strip(" \t\n\"'`*.!").casefold()
        grade = _GRADE.fullmatch(word)
        said = int(grade[1]) if grade else _SAME.get(word, word)
    if alone and isinstance(said, bool | str):
        said = _SAME_AS_VALUE.get(said, said)
    # `True == 1`, but it is no grade.
    known = not isinstance(said, bool) and said in form.values
    return form.values[form.values.index(said)] if known else None


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold()
