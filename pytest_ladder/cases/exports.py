"""Rows as other tools and data sets write them: what tells each, and how it is read.

An entry of `EXPORTS` returns the row with our own names, or None where the values are
not as it knows them. What is expected is never what a model answered: that goes to the
metadata. A row that no entry knows is read by its names alone.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pytest_ladder.cases.batches import of_batch, served
from pytest_ladder.cases.chats import of_chat, of_sharegpt, roles_of
from pytest_ladder.cases.names import FIELD_OF, folded, renames
from pytest_ladder.cases.promptfoo import COLUMN, of_columns, of_test, with_defaults
from pytest_ladder.errors import ConfigError

LISTS = ("tests", "cases", "data", "rows", "goldens", "examples")
"""Keys of documents with cases, such as promptfoo's, SQuAD's and LlamaIndex's."""

_LETTERS = tuple(string.ascii_uppercase.lower())
_FINAL = "#### "


class Left(dict[str, Any]):
    """What is left of a row while it is read."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        super().__init__(row)
        self._names = _by_folded(tuple(row))

    def take(self, *names: str) -> Any:
        """Take the first of the names that has a value; None: none has."""
        for name in names:
            value = self.pop(self._names.get(name, name), None)
            if value is not None and value != "":
                return value
        return None

    def asked(self) -> Any:
        """Take the input, by a name as it should be before one written otherwise."""
        exact = [name for name in self if FIELD_OF.get(name) == "input"]
        return self.take_exactly(exact) or self.take(*_INPUTS)

    def truth(self) -> Any:
        """Take what is expected, by the same rule; `answer` may be a reply."""
        exact = [name for name in self if FIELD_OF.get(name) == "expected"]
        exact = [name for name in exact if name != "answer"]
        return self.take_exactly(exact) or self.take(*_TRUTHS, *_GROUND)

    def take_exactly(self, names: Iterable[str]) -> Any:
        """Take the first of the names that has a value, as they are written."""
        for name in names:
            if self[name] is not None and self[name] != "":
                return self.pop(name)
        return None

    def row(self, **fields: Any) -> dict[str, Any]:
        """Return a row of `fields`; all else that is left is its metadata."""
        row = {name: value for name, value in fields.items() if value is not None}
        aside: dict[str, Any] = {}
        for name, value in self.items():
            told = FIELD_OF.get(name)
            if told is None or told not in fields:
                row[name] = value
            elif told == "input" and value is not None:
                raise ConfigError(
                    f"`{name}` and another name both say the input; keep one of them."
                )
            elif value is not None:
                (aside if told in row else row)[name] = value
        given = row.get("metadata")
        if aside and isinstance(given, dict | None):
            row["metadata"] = {**(given or {}), **aside}
        return row


@functools.lru_cache(maxsize=1024)
def _by_folded(names: tuple[Any, ...]) -> dict[str, Any]:
    return {folded(name): name for name in names}


class Export(NamedTuple):
    """How rows of one tool or data set are recognised and read."""

    tool: str
    matches: Callable[[frozenset[str]], bool]
    """Of the names of a row, written small and without `_`."""
    read: Callable[[Left], dict[str, Any] | None]


def _has(*names: str, no: Iterable[str] = ()) -> Callable[[frozenset[str]], bool]:
    wanted, unwanted = frozenset(names), frozenset(no)
    return lambda given: wanted <= given and not unwanted & given


_INPUTS = ("input", "question", "prompt", "query", "inputs")
_TRUTHS = ("expected", "expectedoutput", "reference", "target", "ideal")
_GROUND = (
    *("groundtruth", "groundtruths", "groundtruthanswer", "correctanswer"),
    *("expectedanswer", "expectedresponse", "referenceanswer", "referenceresponse"),
    *("goldanswer", "goldanswers", "goldenanswer", "goldenanswers"),
)
"""Names that only what is expected has: `answer` beside one of them is a reply."""
_RIGHT = ("correctanswer", "answer")
"""Names of the right one of several choices."""
_EXPECTED = (*_TRUTHS, "answer")
"""Where a row has one of these, that is what is expected, and no rule is needed."""
_TRACED = ("runtype", "traceid", "starttime", "referenceexampleid")


def _answered(left: Left) -> dict[str, Any] | None:
    """Read Ragas' and similar rows, in which `answer` is a reply."""
    says_so = any(folded(name) in _GROUND for name in left)
    truth = left.truth()
    if isinstance(truth, list) and len(truth) == 1:
        truth = truth[0]
    asked = left.asked()
    if asked is None or (truth is None and not says_so):
        return None
    reply, given = left.take("answer"), _listed_metadata(left)
    if reply is not None and isinstance(given, dict | None):
        # Aside also where the truth is left empty.
        left["metadata"] = {**(given or {}), "answer": reply}
    return left.row(input=asked, expected=truth)


def _listed_metadata(left: Left) -> Any:
    """Return the metadata; a list, of the documents of a case, gets a name."""
    if isinstance(left.get("metadata"), list):
        left["metadata"] = {"metadata": left["metadata"]}
    return left.get("metadata")


def _ragas(left: Left) -> dict[str, Any]:
    _listed_metadata(left)
    asked, expected = left.take("userinput"), left.take("reference")
    if isinstance(asked, list):
        asked = roles_of(asked) or asked
    gold = left.take("referencecontexts")
    return left.row(input=asked, expected=expected, context=gold)


def _deepeval(left: Left) -> dict[str, Any] | None:
    context = left.take("context")
    asked, expected = left.asked(), left.take("expectedoutput")
    if asked is None:
        return None
    retrieved = left.take("retrievalcontext")
    if context and retrieved:
        left["retrieval_context"] = retrieved
    return left.row(input=asked, expected=expected, context=context or retrieved)


def _langsmith(left: Left) -> dict[str, Any] | None:
    inputs, outputs = left.get("inputs"), left.get("outputs")
    if not isinstance(inputs, dict | str) or not isinstance(outputs, dict):
        return None
    left.pop("inputs")
    if any(name in _TRACED for name in map(folded, left)):
        # A run, and no example: its outputs are a model's.
        truth = left.take("referenceoutputs")
        return left.row(input=inputs, expected=_of_outputs(truth or {}))
    truth = left.take("referenceoutputs")
    if truth is not None:
        return left.row(input=inputs, expected=_of_outputs(truth))
    return left.row(input=inputs, expected=_of_outputs(left.pop("outputs")))


def _of_outputs(outputs: Any) -> Any:
    """Return the only value of `outputs`, or all of it."""
    if not isinstance(outputs, dict) or len(outputs) != 1:
        return outputs or None
    (only,) = outputs.values()
    if isinstance(only, dict) and only.get("role") == "assistant":
        return only.get("content")
    if isinstance(only, list) and (turns := roles_of(only)):
        return turns[-1].get("content")
    return only


def _expectations(left: Left) -> dict[str, Any] | None:
    """Read MLflow's rows: outputs are a model's, all facts of a list must hold."""
    told, asked = left.take("expectations"), left.asked()
    if asked is None or not isinstance(told, dict):
        return None
    expected = told.get("expected_response") or _of_outputs(told)
    if isinstance(expected, list) and "expected_response" not in told:
        expected = told  # Of a bare list any one would do.
    return left.row(input=asked, expected=expected)


def _arc(left: Left) -> dict[str, Any] | None:
    key, question = left.take("answerkey"), left.take("question", "questionstem")
    if isinstance(question, dict):
        left.setdefault("choices", question.get("choices"))
        question = question.get("stem")
    choices = left.get("choices")
    if isinstance(choices, list) and all(isinstance(each, dict) for each in choices):
        labels = [each.get("label") for each in choices]
    elif isinstance(choices, dict):
        labels = choices.get("label", [])
    else:
        return None
    if not isinstance(question, str) or not isinstance(labels, list):
        return None
    if key is not None:
        if key not in labels:
            return None
        # Some questions have 1 to 4 for labels.
        key = string.ascii_uppercase[labels.index(key)]
    return left.row(input=question, expected=key)


def _options(left: Left) -> dict[str, Any] | None:
    """Read MMLU-Pro's rows, and MedQA's, whose options stand under their letters."""
    options, right = left.get("options"), left.take(*_RIGHT)
    if isinstance(options, dict):
        named = [str(name).strip().lower() for name in options]
        options = list(options.values()) if named == [*_LETTERS[: len(named)]] else None
    if not isinstance(options, list) or not isinstance(right, str):
        return None
    asked = left.asked()
    return left.row(input=asked, expected=right, choices=options)


def _lettered(left: Left) -> dict[str, Any] | None:
    """Read MMLU's tables with a column for each letter."""
    texts = []
    for letter in _LETTERS:
        text = left.take(letter)
        if text is None:
            break
        texts.append(text)
    asked, answer = left.asked(), left.take(*_RIGHT)
    if isinstance(answer, str) and answer.strip().lower() not in _LETTERS[: len(texts)]:
        return None
    return left.row(input=asked, expected=answer, choices=texts)


def _squad(left: Left) -> dict[str, Any] | None:
    answers = left.pop("answers")
    if isinstance(answers, dict) and "text" in answers:
        texts = answers["text"]
    elif isinstance(answers, list) and all(isinstance(a, dict) for a in answers):
        texts = [answer.get("text") for answer in answers]
    else:
        texts = answers
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        return None
    several = list(dict.fromkeys(texts))
    # Some questions have no answer, and say so by an empty list.
    expected = (several[0] if len(several) == 1 else several) or None
    return left.row(input=left.asked(), expected=expected)


def _is_alpaca(names: frozenset[str]) -> bool:
    if "instruction" not in names or names & {"question", "prompt", "query", "inputs"}:
        return False
    if "input" in names:
        return bool(names & {"output", "response"}) and names.isdisjoint(_EXPECTED)
    return True


def _alpaca(left: Left) -> dict[str, Any] | None:
    told, given = left.take("instruction"), left.take("input")
    expected = left.take(*_EXPECTED, "output", "response")
    if not isinstance(told, str) or not isinstance(given, str | None):
        return None
    asked = told if given is None else f"{told}\n\n{given}"
    return left.row(input=asked, expected=expected)


def _gsm8k(left: Left) -> dict[str, Any] | None:
    solution = left["answer"] if "answer" in left else left.get("Answer")
    if not isinstance(solution, str) or _FINAL not in solution:
        return None
    before, _, final = solution.strip().rpartition(_FINAL)
    if "\n" in final or (before and not before.endswith("\n")):
        return None
    left.take("answer")
    return left.row(input=left.asked(), expected=final.strip(), solution=solution)


def _is_batch(names: frozenset[str]) -> bool:
    sent = not names.isdisjoint(("body", "response"))
    return sent and "customid" in names and names.isdisjoint(_INPUTS)


def _served(left: Left) -> dict[str, Any] | None:
    row = served(left)
    return None if row is None else read_as(row)[0]


def _pair(
    asked: str, expected: str, no: Iterable[str] = ()
) -> tuple[Callable[[frozenset[str]], bool], Callable[[Left], dict[str, Any] | None]]:
    """Return how rows are told and read that only call things otherwise."""

    def read(left: Left) -> dict[str, Any] | None:
        value = left.asked() if asked in _INPUTS else left.take(asked)
        truth = left.take(expected)
        return None if value is None else left.row(input=value, expected=truth)

    return _has(asked, expected, no=no), read


EXPORTS: tuple[Export, ...] = (
    Export("promptfoo (tests)", _has("vars"), of_test),
    Export(
        "promptfoo (table)",
        lambda names: any(n.startswith(COLUMN) for n in names),
        of_columns,
    ),
    Export("chat messages", _has("messages", no=_INPUTS), of_chat),
    Export("OpenAI batch", _is_batch, of_batch),
    Export("Hugging Face rows", _has("rowidx", "row"), _served),
    Export("ShareGPT", _has("conversations", no=_INPUTS), of_sharegpt),
    Export("Ragas", _has("userinput", no=_INPUTS), _ragas),
    Export(
        "MMLU-Pro",
        lambda names: {"question", "options"} <= names and not names.isdisjoint(_RIGHT),
        _options,
    ),
    Export(
        "MMLU (table)",
        lambda names: {"question", "a", "b"} <= names and not names.isdisjoint(_RIGHT),
        _lettered,
    ),
    Export(
        "Ragas, or what has replies beside",
        lambda names: (
            not names.isdisjoint(_INPUTS)
            and (
                not names.isdisjoint(_GROUND)
                or ("answer" in names and not names.isdisjoint(_TRUTHS))
            )
        ),
        _answered,
    ),
    Export("MLflow", _has("expectations", no=_EXPECTED), _expectations),
    Export("LangSmith", _has("inputs", "outputs", no=_EXPECTED), _langsmith),
    Export(
        "Langfuse",
        _has("input", "datasetid", "expectedoutput"),
        lambda left: left.row(input=left.asked(), expected=left.take("expectedoutput")),
    ),
    Export("DeepEval", _has("input", "context", "retrievalcontext"), _deepeval),
    Export("ARC", _has("answerkey", no=_EXPECTED), _arc),
    Export("SQuAD", _has("question", "answers", no=_EXPECTED), _squad),
    Export("Alpaca", _is_alpaca, _alpaca),
    Export("GSM8K", _has("question", "answer"), _gsm8k),
    Export("TruthfulQA", *_pair("question", "bestanswer", no=_EXPECTED)),
    Export("prompts with completions", *_pair("prompt", "completion", no=_EXPECTED)),
    Export("Braintrust", *_pair("q", "a", no=_INPUTS)),
)
"""The first entry that knows a row reads it."""


def read_as(row: dict[Any, Any]) -> tuple[dict[Any, Any], str]:
    """Return a row with our own names, and which tool wrote it (`""`: not known)."""
    names = tuple(row)
    for export in _exports_of(names):
        read = export.read(Left(row))
        if read is not None:
            return read, export.tool
    new = renames(names)
    if new:
        return {new.get(name, name): value for name, value in row.items()}, ""
    return row, ""


def understands(names: Iterable[str]) -> bool:
    """Tell whether a tool is known whose rows have these names."""
    return bool(_exports_of(tuple(names)))


def from_document(element: Any, rest: dict[str, Any]) -> Iterator[Any]:
    """Yield the rows of one element of a document's list; `rest` is what is beside."""
    if isinstance(element, dict) and isinstance(element.get("paragraphs"), list):
        for paragraph in element["paragraphs"]:
            for asked in paragraph.get("qas", ()):
                yield {
                    **{k: v for k, v in element.items() if k != "paragraphs"},
                    "context": paragraph.get("context"),
                    **asked,
                }
    elif isinstance(element, dict) and "vars" in element:
        yield with_defaults(element, rest)
    else:
        yield element


@functools.lru_cache(maxsize=1024)
def _exports_of(names: tuple[Any, ...]) -> tuple[Export, ...]:
    plain = frozenset(map(folded, names))
    return tuple(export for export in EXPORTS if export.matches(plain))
