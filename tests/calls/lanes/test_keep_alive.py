"""A kept connection that the server closes costs no attempt, and nothing is paid twice.

`resets` reads a request and closes its connection without a byte, at once: what a
client sees when a server closes an idle connection while a request is on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ladder.calls.lanes import keep_alive
from pytest_ladder.errors import CallError
from tests.scripted_server import ScriptedServer, hangs, resets, says, truncates

if TYPE_CHECKING:
    from tests.calls.conftest import Line


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_request_that_meets_a_closing_connection_is_sent_once_more(
    line: Line, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    # On a busy machine even a local answer may take a second.
    monkeypatch.setattr(keep_alive, "RACE_S", 20.0)
    server.script(says("one"), resets(), says("two"))
    texts = [line.send(stream=stream).text for _ in range(2)]
    assert (texts, server.count) == (["one", "two"], 3)


def test_a_new_connection_that_is_closed_is_an_attempt(
    line: Line, server: ScriptedServer
) -> None:
    server.script(resets(), says("paid twice"))
    with pytest.raises(CallError, match="connection to model 'smol' failed"):
        line.send(api_base=f"http://localhost:{server.api_base.rpartition(':')[2]}")
    assert server.count == 1


def test_a_second_closing_is_an_attempt(line: Line, server: ScriptedServer) -> None:
    server.script(says("one"), resets(), resets(), says("paid twice"))
    line.send()
    with pytest.raises(CallError, match="connection to model 'smol' failed"):
        line.send()
    assert server.count == 3


def test_an_answer_that_had_begun_is_an_attempt(
    line: Line, server: ScriptedServer
) -> None:
    server.script(says("one"), truncates(0), says("paid twice"))
    line.send()
    with pytest.raises(CallError, match="connection to model 'smol' failed"):
        line.send()
    assert server.count == 2


@pytest.mark.parametrize("lane", ["direct", "litellm_line"])
def test_a_connection_that_is_closed_later_is_an_attempt(
    request: pytest.FixtureRequest,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    lane: str,
) -> None:
    """As by a proxy that gives up on a model, which goes on and is billed."""
    line: Line = request.getfixturevalue(lane)
    monkeypatch.setattr(keep_alive, "RACE_S", 0.1)
    server.script(says("one"), hangs(0.3), says("paid twice"))
    line.send()
    with pytest.raises(CallError, match="connection to model 'smol' failed"):
        line.send()
    assert server.count == 2


@pytest.mark.parametrize(
    ("end_after_s", "waited_s", "connections"), [(0.01, 20.0, 1), (0.5, 0.001, 3)]
)
def test_the_end_of_a_stream_is_waited_for_a_moment_and_its_connection_kept(
    direct: Line,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    end_after_s: float,
    waited_s: float,
    connections: int,
) -> None:
    monkeypatch.setattr(keep_alive, "LAST_BYTES_S", waited_s)
    server.script(*[says("one", end_after_s=end_after_s)] * 3)
    assert [direct.send(stream=True).text for _ in range(3)] == ["one"] * 3
    assert len({request.client for request in server.requests}) == connections
