"""Rows that come wrapped: requests of a batch, and what a server of data sets sends."""

from __future__ import annotations

from typing import Any

from pytest_ladder.cases.chats import roles_of
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import listed

_ASKED = ("messages", "input", "prompt")
"""Where the body of a request has what is asked, by the API."""


def of_batch(left: Any) -> dict[str, Any] | None:
    """Read a line of OpenAI's batch input: a request, without anything expected."""
    response, error = left.get("response"), left.get("error")
    if isinstance(error, dict) or (
        isinstance(response, dict) and "status_code" in response
    ):
        raise ConfigError(
            "this is the output of a batch, which has replies and none of what was "
            "asked; read the batch's input file."
        )
    body = left.get("body")
    if not isinstance(body, dict):
        return None
    name = next((name for name in _ASKED if body.get(name)), "")
    asked = body.get(name)
    if isinstance(asked, list):
        asked = roles_of(asked)
    if not isinstance(asked, str | list) or "embeddings" in str(left.get("url")):
        return None
    left["body"] = {key: value for key, value in body.items() if key != name}
    row: dict[str, Any] = left.row(id=left.take("customid"), input=asked)
    return row


def served(left: Any) -> dict[Any, Any] | None:
    """Unwrap a row as Hugging Face's datasets-server sends it."""
    row, cut = left.get("row"), left.get("truncated_cells")
    if not isinstance(row, dict):
        return None
    if cut:
        raise ConfigError(
            f"the server has cut {listed(map(str, cut))} of this row short; ask it for "
            "fewer rows at once, or download the data set as Parquet."
        )
    return row
