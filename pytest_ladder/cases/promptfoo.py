"""Tests of promptfoo: its tables with `__expected`, and `vars` with `assert`.

Assertions stay in the metadata as `assert`, a list of `{type, value}`. What a reply
must be or contain is what is expected; other kinds are for one's own code, and named.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_ladder.cases.names import FIELD_OF, folded, names_of
from pytest_ladder.errors import ConfigError

COLUMN = "__expected"
DEFAULTS = "defaultTest"
TEXTS = frozenset({"equals", "contains", "icontains", "starts-with"})
"""Kinds whose value is a text of the reply."""

_WITHOUT_VALUE = frozenset(
    {"is-json", "contains-json", "is-xml", "contains-xml", "is-sql", "contains-sql"}
    | {"is-html", "contains-html", "is-refusal", "is-valid-openai-tools-call"}
    | {"is-valid-openai-function-call", "is-valid-function-call", "guardrails"}
    | {"moderation"}
)
_KINDS = (
    TEXTS
    | _WITHOUT_VALUE
    | {"contains-all", "contains-any", "icontains-all", "icontains-any", "regex"}
    | {"javascript", "python", "ruby", "webhook", "similar", "llm-rubric", "factuality"}
    | {"model-graded-closedqa", "model-graded-factuality", "answer-relevance", "g-eval"}
    | {"context-faithfulness", "context-recall", "context-relevance", "select-best"}
    | {"levenshtein", "rouge-n", "bleu", "gleu", "meteor", "perplexity", "classifier"}
    | {"perplexity-score", "cost", "latency", "pi", "word-count", "finish-reason"}
    | {"max-score", "search-rubric", "tool-call-f1", "conversation-relevance"}
)
_ALIASES = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
_KIND = r"(?s)(not-)?([a-z-]+)(?:\(([\d.]+)\))?(?:\s*:\s*(.*))?"
_FROM_FILE = "file://"


def of_columns(left: Any) -> dict[str, Any] | None:
    """Read a row of a table: variables, and what is expected in `__…` columns."""
    own = {name: left.pop(name) for name in list(left) if name.startswith("__")}
    asserts = [
        _assertion(str(value))
        for name, value in own.items()
        if re.fullmatch(COLUMN + r"\d*", name) and value not in (None, "")
    ]
    # `__description`, `__metadata:team` and the like.
    for name, value in own.items():
        if not re.fullmatch(COLUMN + r"\d*", name) and value is not None:
            left[name.removeprefix("__").removeprefix("metadata:")] = value
    names = [
        name for name in left if FIELD_OF.get(name) not in ("id", "tags", "metadata")
    ]
    described = {name.removeprefix("__").removeprefix("metadata:") for name in own}
    variables = {name: left[name] for name in names if name not in described}
    return _read(left, variables, asserts)


def of_test(left: Any) -> dict[str, Any] | None:
    """Read a test: `vars`, and what is expected in `assert`."""
    variables, given = left.take("vars"), left.take("assert")
    if not isinstance(variables, dict) or not isinstance(given, list | None):
        return None
    variables = {str(name): value for name, value in variables.items()}
    for name, value in variables.items():
        left.setdefault(name, value)
    asserts = [a for a in given or () if isinstance(a, dict) and "type" in a]
    return _read(left, variables, asserts)


def with_defaults(test: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a test with the variables and assertions that hold for all."""
    default = document.get(DEFAULTS)
    if not isinstance(default, dict):
        return test
    joined = dict(test)
    if isinstance(default.get("vars"), dict) and isinstance(test.get("vars"), dict):
        joined["vars"] = {**default["vars"], **test["vars"]}
    asserts = [*(test.get("assert") or ()), *(default.get("assert") or ())]
    return {**joined, "assert": asserts} if asserts else joined


def not_read(asserts: Any) -> list[str]:
    """Return the kinds of assertions that say more than `expected` does."""
    if not isinstance(asserts, list):
        return []
    kinds = [a.get("type", "?") for a in asserts if isinstance(a, dict)]
    texts = [kind for kind in kinds if kind in TEXTS]
    return kinds if len(texts) != 1 else [kind for kind in kinds if kind not in TEXTS]


def _read(
    left: Any, variables: dict[str, Any], asserts: list[dict[str, Any]]
) -> dict[str, Any] | None:
    if not variables:
        return None
    inputs = {folded(name) for name in names_of("input")}
    named = [name for name in variables if folded(name) in inputs]
    if len(named) > 1:
        return None
    # Of several variables none of which is called so, all are the input.
    asked = variables[named[0]] if named else variables
    if not named and len(variables) == 1:
        (named,) = ([*variables],)
        asked = variables[named[0]]
    for name in named:
        left.pop(name, None)
    if isinstance(asked, str) and asked.startswith(_FROM_FILE):
        raise ConfigError(
            f"the input is {asked!r}, which promptfoo loads and this does not; put its "
            "text here."
        )
    texts = [a.get("value") for a in asserts if a["type"] in TEXTS]
    says_so = any(FIELD_OF.get(name) == "expected" for name in left)
    expected = texts[0] if len(texts) == 1 and not says_so else None
    row: dict[str, Any] = left.row(input=asked, expected=expected)
    if asserts:
        row["assert"] = asserts
    return row


def _assertion(text: str) -> dict[str, Any]:
    """Read a cell such as `contains: Paris`; without a kind the reply equals it."""
    found = re.fullmatch(_KIND, text.strip())
    if found is not None:
        negated, kind, threshold, value = found.groups()
        kind = _ALIASES.get(kind, kind)
        with_more = value is not None or threshold is not None
        if kind in (_KINDS if with_more else _WITHOUT_VALUE):
            read: dict[str, Any] = {"type": (negated or "") + kind}
            if value:
                read["value"] = value.strip()
            if threshold:
                read["threshold"] = float(threshold)
            return read
    return {"type": "equals", "value": text.strip()}
