"""Keys and addresses of the environment, and the file that sets them for one run."""

from __future__ import annotations

import os

import pytest

from tests.plugin.scratch_suite import ANSWER, LADDER, ONE_WORKER, Run, Shop
from tests.plugin.session.test_options import usage_error

ANYWHERE = LADDER.replace('api_base = "{api_base}"\n', "")
"""OpenAI's own model, wherever the environment says that it is."""
KEY = "sk-planted-0123456789abcdef"
FILES = [
    "OPENAI_API_KEY={key}\nOPENAI_BASE_URL={base}",
    "# mine\n\nexport OPENAI_API_KEY = '{key}'  # own\nOPENAI_BASE_URL={base} # there",
    '\ufeffOPENAI_API_KEY="{key}"\r\nOPENAI_BASE_URL="{base}"\r\n',
    "OPENAI_API_KEY=wrong\nOPENAI_API_KEY={key}\nOPENAI_BASE_URL={base}",
]


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def anywhere(shop: Shop) -> Shop:
    shop.ladder(ANYWHERE)
    shop.test(ANSWER)
    return shop


def sent_keys(shop: Shop) -> set[str]:
    return {request.headers["authorization"] for request in shop.server.requests}


@pytest.mark.parametrize("text", FILES, ids=["plain", "shell", "quoted", "twice"])
def test_a_file_sets_keys_and_addresses_for_one_run(anywhere: Shop, text: str) -> None:
    anywhere.write("mine.env", text.format(key=KEY, base=anywhere.server.api_base))
    result = anywhere.run("--ladder-live", "--ladder-env-file=mine.env")
    result.assert_outcomes(passed=2, failed=1)
    assert sent_keys(anywhere) == {f"Bearer {KEY}"}
    assert KEY not in result.stdout.str()
    assert "OPENAI_API_KEY" not in os.environ


@ONE_WORKER
def test_the_header_says_where_a_variable_sends_keys(
    anywhere: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = anywhere.server.api_base
    anywhere.write("mine.env", f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={base}\n")
    result = run("--ladder-live", "--ladder-env-file", "mine.env")
    result.assert_outcomes(passed=2, failed=1)
    host = base.removeprefix("http://").removesuffix("/v1")
    shown = " ".join(result.stdout.str().split())
    assert (
        f"OPENAI_BASE_URL sends the calls of bot to {host} with OPENAI_API_KEY."
        in shown
    )
    assert sent_keys(anywhere) == {f"Bearer {KEY}"}


def test_the_plan_says_where_a_variable_sends_keys(
    anywhere: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret@proxy.test:1/v1")
    result = anywhere.run("--ladder-plan")
    result.stdout.fnmatch_lines(
        ["bot/plain *proxy.test:1 (OPENAI_BASE_URL) with OPENAI_API_KEY"]
    )
    assert "secret" not in result.stdout.str()


def test_plan_and_header_name_the_models_that_take_seconds_to_load(shop: Shop) -> None:
    shop.ladder(ANYWHERE.replace("openai/bot", "cohere/bot"))
    shop.test(ANSWER)
    for option in ("--ladder-plan", "--ladder-live"):
        result = shop.run(option, "--co")
        result.stdout.fnmatch_lines(["*bot: called by litellm, which takes seconds*"])
    assert "takes seconds" not in shop.run("--co").stdout.str()


def test_what_is_set_stays_as_it_is(
    anywhere: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "set before")
    base = anywhere.server.api_base
    anywhere.write("mine.env", f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={base}\n")
    anywhere.run("--ladder-live", "--ladder-env-file=mine.env")
    assert sent_keys(anywhere) == {"Bearer set before"}
    assert os.environ["OPENAI_API_KEY"] == "set before"


def test_a_conftest_finds_the_variables_set(anywhere: Shop) -> None:
    anywhere.write("mine.env", f"OPENAI_API_KEY={KEY}\n")
    anywhere.write("conftest.py", "import os\nassert os.environ['OPENAI_API_KEY']\n")
    anywhere.run("--ladder-env-file=mine.env", "--co").assert_outcomes()
    assert anywhere.run("--co").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"GOOD=1\n{KEY}\n", "mine.env:2: the line is not KEY=VALUE; "),
        (f"2ND={KEY}", "mine.env:1: the line is not KEY=VALUE; "),
        (f'KEY="{KEY}', "mine.env:1: the line is not KEY=VALUE; "),
        (f"KEY=\0{KEY}", "mine.env:1: the line is not KEY=VALUE; "),
        ("\nLADDER_LIVE=1", "mine.env:2: LADDER_LIVE is an option, "),
        (None, "--ladder-env-file: mine.env cannot be read (No such file "),
    ],
)
def test_a_mistake_is_told_by_its_line_and_never_by_its_value(
    anywhere: Shop, text: str | None, sentence: str
) -> None:
    if text is not None:
        anywhere.write("mine.env", text)
    error = usage_error(anywhere.run("--ladder-env-file=mine.env"))
    assert error.startswith(sentence)
    assert KEY not in error


def test_text_that_is_not_utf_8_is_told(anywhere: Shop) -> None:
    (anywhere.path / "mine.env").write_bytes(b"KEY=\xff\n")
    error = usage_error(anywhere.run("--ladder-env-file=mine.env"))
    assert "mine.env cannot be read (it is not UTF-8)" in error


def test_no_file_of_a_repository_names_the_file(
    anywhere: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere.write("mine.env", f"OPENAI_BASE_URL={anywhere.server.api_base}\n")
    monkeypatch.setenv("LADDER_ENV_FILE", "mine.env")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert anywhere.run("--co").ret == pytest.ExitCode.OK
    anywhere.write("pytest.ini", "[pytest]\naddopts = --ladder-env-file=mine.env\n")
    error = usage_error(anywhere.run("--ladder-live"))
    assert "stands in `addopts` or PYTEST_ADDOPTS; type it on the command" in error
    assert anywhere.server.count == 0
