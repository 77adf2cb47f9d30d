"""A server that takes no JSON schema, where a strategy asks for one."""

from __future__ import annotations

import json

from tests.plugin.scratch_suite import ANSWER, LADDER, Shop
from tests.scripted_server import Act, Body, fails, last_user_message, says

SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}}


def takes_no_schema(body: Body) -> Act:
    said = last_user_message(body).removeprefix("say ")
    if said == "red":
        return fails(400, "The prompt is too long for this model")
    if body["response_format"]["type"] == "json_schema":
        return fails(400, "This response_format type is unavailable now")
    return says(json.dumps({"colour": said}))


def test_a_refused_schema_is_an_error_that_says_what_to_change(shop: Shop) -> None:
    """Never a silent fallback: the form is a part of what is measured."""
    shop.ladder(
        LADDER.replace(
            'name = "plain"', 'name = "plain"\nresponse_format = "form.json"'
        )
    )
    form = shop.write("form.json", json.dumps(SCHEMA))
    shop.test(ANSWER)
    shop.server.reply = takes_no_schema
    shop.run("--ladder-live", "-q").assert_outcomes(errors=3)
    fire, sky, _ = (row["reason"] for row in shop.rows())
    assert "This response_format type is unavailable now" in sky
    place = 'ladder.toml: strategy "plain": response_format'
    assert f"takes no JSON schema, which {place} asks for" in sky
    assert '{"type": "json_object"}' in sky
    assert "top level" not in sky
    assert "ladder.toml" not in fire, "it was refused for another reason"
    sent = [request.body["response_format"]["type"] for request in shop.server.requests]
    assert sent == ["json_schema"] * 3

    # OpenAI's refusal of a list, with which a local server has no trouble.
    form.write_text(json.dumps({"type": "array", "items": SCHEMA}))
    shop.server.reply = lambda _: fails(
        400,
        "Invalid schema for response_format 'form': schema must be a JSON Schema of "
        "'type: \"object\"', got 'type: \"array\"'.",
    )
    shop.run("--ladder-live", "-q", "-k", "sky").assert_outcomes(errors=1)
    (sky,) = (row["reason"] for row in shop.rows("ladder-report/current/part"))
    assert "takes no JSON schema without an object at its top level" in sky
    assert f"{place} asks for; put this one under a key of an object, or name" in sky

    shop.server.reply = takes_no_schema
    form.write_text('{"type": "json_object"}')
    shop.run("--ladder-live", "-q", "-k", "sky").assert_outcomes(passed=1)
