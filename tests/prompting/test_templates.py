from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.templates import compile_template

CASE = Case(
    id="refund",
    input="How {long}?",
    expected="45 days",
    cluster="returns",
    tags=("a", "b"),
    metadata={"name": "{context}", "n": 3, "list": ["é", None], "no": False},
    source="cases.jsonl",
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{input}", "How {long}?"),
        ("Q: {input}\nA:", "Q: How {long}?\nA:"),
        ("{context}|{context}", "C|C"),
        ("{id} {cluster} {tags}", "refund returns a, b"),
        ("{metadata.name}", "{context}"),
        ("{metadata.n} {metadata.list}", '3 ["é", null]'),
        ("{metadata.no}", "false"),
        ('{{"a": {input}}}', '{"a": How {long}?}'),
        ("{{input}}", "{input}"),
        ("{{{input}}}", "{How {long}?}"),
        ("", ""),
    ],
)
def test_fields_are_filled_in_and_never_read_as_templates(
    template: str, text: str
) -> None:
    assert compile_template(template, "prompt").render(CASE, "C") == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{inputs}", "the field {inputs} is unknown; did you mean `input`? Known "),
        ("{}", "the field {} is unknown; known fields: `input`, `context`, `id`, "),
        ("{0}", "the field {0} is unknown; "),
        ("{input!r}", "the field {input!r} is unknown; "),
        ("{input:>9}", "the field {input:>9} is unknown; "),
        ("{input.__class__}", "the field {input.__class__} is unknown; "),
        ("{tags[0]}", "the field {tags[0]} is unknown; "),
        ("{metadata}", "the field {metadata} is unknown; did you mean "),
        ("{metadata.}", "the field {metadata.} is unknown; "),
        ("{ input }", "the field { input } is unknown; did you mean `input`? "),
        ("{expected}", "{expected} would show the model the answer; take it out."),
        ("a { b", "a single `{` stands at character 3; write `{{` for a literal "),
        ("a }", "a single `}` stands at character 3; write `}}` for a literal "),
        ("{a{input}}", "a single `{` stands at character 1; "),
    ],
)
def test_what_is_no_field_is_refused_with_the_known_ones(
    template: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_template(template, "KEY")
    assert str(caught.value).startswith(f"KEY: {problem}")


@pytest.mark.parametrize("field", ["metadata.team", "cluster"])
def test_a_case_without_the_named_field_is_named(field: str) -> None:
    case = Case(id="c1", input="i", source="cases.jsonl")
    template = compile_template(f"{{{field}}}", "KEY")
    with pytest.raises(ConfigError) as caught:
        template.render(case, "")
    assert str(caught.value) == (
        f'KEY: case "c1" of cases.jsonl has no `{field}`; add it to the case or take '
        f"{{{field}}} out of the template."
    )


def test_a_template_knows_its_fields() -> None:
    fields: Any = compile_template("{{id}} {input} {context}", "k").fields
    assert fields == {"input", "context"}
