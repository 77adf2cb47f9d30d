"""Tools that a local model's chat template leaves out are told of, once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ladder.calls.local.lost_tools import lost_tools, note_lost_tools
from pytest_ladder.calls.local.servers import Servers
from pytest_ladder.core.rung import Model, Tier

SMOL = Model(name="smol", tier=Tier.OFF_THE_SHELF, id="local/smollm2-135m")
WITH_TOOLS = """\
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% for call in message.tool_calls %}
<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(tmp_path / "servers", os.getpid())
    yield servers
    servers.stop_all()


def test_a_template_without_tools_is_told_of_once_and_by_name(
    own: Servers, smol: Path, tmp_path: Path
) -> None:
    address = own.address(smol, None)
    for _ in range(2):
        note_lost_tools(address, SMOL, tmp_path)
    (told,) = lost_tools(tmp_path)
    assert told.startswith("The model 'smol' was offered tools and never saw them")


def test_a_template_with_tools_is_not(own: Servers, smol: Path, tmp_path: Path) -> None:
    note_lost_tools(own.address(smol, None, WITH_TOOLS), SMOL, tmp_path)
    assert lost_tools(tmp_path) == []


def test_a_server_that_does_not_say_is_taken_to_know_tools(tmp_path: Path) -> None:
    note_lost_tools("http://127.0.0.1:9", SMOL, tmp_path)
    assert lost_tools(tmp_path) == []
