"""`[log]`: a live matrix is logged when it has ended, and no run fails for that."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.plugin.scratch_suite import ANSWER_HALF, LADDER, Shop

LOGGED = LADDER + '\n[log]\nmlflow = "support"\n'


@pytest.fixture
def refusing() -> Iterator[str]:
    """Yield the address of a server that answers every request with 403."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_run_that_cannot_be_logged_is_green_with_one_warning(
    shop: Shop, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing.replace("//", "//me:s3cret@"))
    shop.ladder(LOGGED)
    shop.test(ANSWER_HALF)
    result = shop.run("--ladder=matrix", "--ladder-live")
    assert result.ret == 0
    said = result.stdout.str()
    assert said.count("ladder-report was not logged to mlflow: ") == 1
    assert "s3cret" not in said + result.stderr.str()
    written = (shop.path / "ladder-report/matrix.json").read_text(encoding="utf-8")
    assert json.loads(written)["rows"] == 6


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("", ("--ladder=matrix", "--ladder-live")),
        ("http://127.0.0.1:9", ("--ladder=current", "--ladder-live")),
    ],
    ids=["no server", "one rung"],
)
def test_what_is_not_asked_for_is_not_logged(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    shop.ladder(LOGGED)
    shop.test(ANSWER_HALF)
    result = shop.run(*arguments)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*logged to mlflow*")
