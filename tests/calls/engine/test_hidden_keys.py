"""No traceback of a call shows a key, whatever went wrong, with all locals shown."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.address import Secret
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import CallError
from tests.calls.engine.engine_under_test import Desk
from tests.scripted_server import ScriptedServer, Sends, fails

KEY = "wombat-quokka-4711"
ACCIDENTS: dict[str, dict[str, Any]] = {
    "a parameter of another type": {"model": {"stream": True}, "stream_options": 5},
    "no address": {"model": {"api_base": f"http://[{KEY}/v1"}},
    "a header with a line's end": {"model": {"api_key_env": "TWO_LINES"}},
}


def shown(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """Return all that pytest can show of an error: locals, causes, every frame."""
    return str(
        caught.getrepr(showlocals=True, style="long", tbfilter=False, chain=True)
    )


@pytest.fixture(params=["direct", "litellm"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOP_LOGIN", KEY)
    monkeypatch.setenv("TWO_LINES", f"{KEY}\n{KEY}")
    return str(request.param)


def test_no_accident_shows_the_key(desk: Desk, lane: str, short_pauses: None) -> None:
    # One test for all, because litellm's process takes seconds to start.
    for name in ACCIDENTS:
        request = _request(desk, lane, name)
        with pytest.raises(CallError) as caught:
            desk.engine.ask(request, desk.archive)
        assert caught.value.status is None
        assert KEY not in shown(caught), name
        assert KEY not in str(caught.value), name


def _request(desk: Desk, lane: str, name: str) -> Request:
    """Make a request in a frame that is gone when it fails."""
    fields = ACCIDENTS[name]
    model = {"lane": lane, "api_key_env": "SHOP_LOGIN", **fields.get("model", {})}
    return desk.request(name, **{**fields, "model": model})


def test_an_answer_that_repeats_the_key_shows_it_nowhere(
    desk: Desk, server: ScriptedServer, lane: str
) -> None:
    model = {"lane": lane, "api_key_env": "SHOP_LOGIN"}
    server.script(fails(401, KEY), Sends(body=KEY.encode(), status=403))
    for text in ("one", "two"):
        with pytest.raises(CallError) as caught:
            desk.submit(text, model=model).result(60)
        assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in shown(caught)


def test_a_secret_hides_itself_in_every_text() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert secret.open() == KEY


def test_a_model_in_a_traceback_shows_neither_address_nor_parameters() -> None:
    model = Model(
        name="bot",
        tier=Tier.OFF_THE_SHELF,
        id="openai/bot",
        api_base=f"https://gateway.example/{KEY}/v1",
        params={"extra_body": {"login": KEY}},
    )
    assert repr(model) == "Model('bot', 'openai/bot')"
