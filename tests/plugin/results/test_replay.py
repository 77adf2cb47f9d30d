"""Recordings and replay: what a live run leaves behind, and what a plain run needs."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.plugin.scratch_suite import ANSWER_HALF, CASES, LADDER, Run, Shop
from tests.scripted_server import last_user_message

ONE = """
@pytest.mark.cheap
def test_one(llm):
    assert llm("hello").text == "hello"
"""


def recordings(shop: Shop, module: str = "test_shop") -> list[dict[str, Any]]:
    text = (shop.path / "recordings" / f"{module}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def recorded(shop: Shop, module: str = "test_shop") -> list[str]:
    """Return the cases of a module's recordings, in order."""
    return [line["case"] for line in recordings(shop, module)]


def forget_the_store(shop: Shop) -> None:
    """Leave what a clone of the repository has: recordings, and no store."""
    shutil.rmtree(shop.path / ".ladder")


def test_a_live_run_records_what_the_current_rung_used(shop: Shop, run: Run) -> None:
    shop.test(ANSWER_HALF)
    shop.write("deep/test_deep.py", "import pytest\n" + ONE)
    run("--ladder-live", "--ladder=matrix")
    assert recorded(shop) == ["fire", "sky", "sun"]
    assert recorded(shop, "deep/test_deep") == ["deep/test_deep.py::test_one"]
    first = recordings(shop)[0]
    assert (first["prompt"], first["reply"]["text"]) == ("say red", "say red")
    assert list(first) == sorted(first)


def test_a_clone_replays_from_recordings_and_calls_nobody(shop: Shop) -> None:
    shop.test(ANSWER_HALF + ONE)
    shop.run("--ladder-live")
    forget_the_store(shop)
    calls = shop.server.count
    shop.server.stop()
    result = shop.run()
    result.stdout.fnmatch_lines(
        ["replayed 4 calls*spent nothing", "*3 passed, 1 missed*"]
    )
    assert shop.server.count == calls
    assert not (shop.path / ".ladder").exists()
    live = {row["replies"][0]["live"] for row in shop.rows()}
    assert live == {False}


def test_a_second_live_run_calls_nobody_and_changes_no_recording(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    before = (shop.path / "recordings/test_shop.jsonl").read_bytes()
    result = shop.run("--ladder-live")
    assert shop.server.count == 3
    assert (shop.path / "recordings/test_shop.jsonl").read_bytes() == before
    result.stdout.fnmatch_lines(["replayed 3 calls*spent nothing"])


def test_a_plain_run_never_writes_recordings(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    shutil.rmtree(shop.path / "recordings")
    shop.run()
    assert not (shop.path / "recordings").exists()


def test_recordings_are_pruned_when_their_module_ran_whole(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.test(ONE, "test_other.py")
    shop.run("--ladder-live")
    shop.cases(CASES[:2])
    shop.run("--ladder-live", "test_shop.py")
    assert recorded(shop) == ["fire", "sky"]
    assert recorded(shop, "test_other") == ["test_other.py::test_one"]


@pytest.mark.parametrize(
    "part",
    [
        ["-k", "sky"],
        ["test_shop.py::test_answer[bot/plain-sky]"],
        ["test_shop.py::test_answer"],
        ["--deselect", "test_shop.py::test_answer[bot/plain-fire]"],
        ["-m", "judged"],
        ["--lf"],
        ["--sw"],
    ],
    ids=" ".join,
)
def test_recordings_are_merged_when_a_part_of_their_module_ran(
    shop: Shop, part: list[str]
) -> None:
    shop.test(
        ANSWER_HALF.replace("at_least=0.5", "")
        + """
@pytest.mark.judged
def test_tone(reply):
    pass

@pytest.mark.cheap
def test_free(llm):
    llm("hello")
"""
    )
    shop.run("--ladder-live")
    before = recorded(shop)
    assert before == ["fire", "sky", "sun", "test_shop.py::test_free"]
    shop.run("--ladder-live", *part)
    assert recorded(shop) == before


def test_recordings_of_a_module_with_an_error_are_merged(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    shop.test(
        ANSWER_HALF.replace("    assert", "    1 / (case.id != 'sky')\n    assert")
    )
    shop.cases(CASES[:2])
    shop.run("--ladder-live")
    assert recorded(shop) == ["fire", "sky", "sun"]


def test_recordings_of_other_rungs_are_not_written(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder=matrix", "--ladder-rungs=*/loud")
    assert not (shop.path / "recordings").exists()


def test_a_missing_reply_says_how_to_record_it(shop: Shop) -> None:
    shop.test(ANSWER_HALF + ONE)
    result = shop.run("--ladder-live", "-k", "sky")
    result = shop.run("-k", "fire or one")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        [
            'No reply of bot is stored. Record it: pytest "test_shop.py::test_answer'
            '[[]bot/plain-fire[]]" --ladder-live',
            '*No reply of bot is stored. Record it: pytest "test_shop.py::test_one'
            '[[]bot/plain[]]" --ladder-live',
        ]
    )
    assert shop.server.count == 1


def test_what_a_missing_reply_says_to_do_works(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "-k", "sky")
    result = shop.run("-k", "fire")
    (line,) = (text for text in result.outlines if text.startswith("No reply"))
    _, nodeid, option = line.partition("Record it: ")[2].split('"')
    shop.run(nodeid, option.strip()).assert_outcomes(passed=1)
    shop.run("-k", "fire").assert_outcomes(passed=1)
    assert recorded(shop) == ["fire", "sky"]


def test_on_another_rung_it_says_which_mode_records_it(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder=matrix", "-k", "sky")
    result = shop.run("--ladder=matrix", "-k", "loud-fire")
    result.stdout.fnmatch_lines(['*loud-fire]" --ladder-live --ladder=matrix'])


def test_missing_replies_may_be_skipped(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "-k", "sky")
    result = shop.run("--ladder-missing=skip", "-rs")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*No reply of bot is stored. Record it*"])
    assert shop.outcomes() == {"test_answer[bot/plain-sky]": "passed"}


def test_refresh_calls_once_more_for_every_reply(shop: Shop, run: Run) -> None:
    shop.test(
        ANSWER_HALF
        + """
@pytest.mark.judged
def test_tone(reply):
    pass
"""
    )
    shop.run("--ladder-live")
    assert shop.server.count == 3
    shop.server.reply = lambda body: last_user_message(body) + " again"
    run("--ladder-live", "--ladder-refresh").assert_outcomes(passed=5)
    assert shop.server.count == 6
    assert {line["reply"]["text"] for line in recordings(shop)} == {
        "say blue again",
        "say red again",
        "say green again",
    }


def test_refreshed_replies_are_what_a_plain_run_replays(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    shop.server.reply = lambda _: "blue red yellow"
    shop.run("--ladder-live", "--ladder-refresh", "-k", "sun").assert_outcomes(passed=1)
    shop.run("-k", "sun").assert_outcomes(passed=1)
    (row,) = shop.rows("ladder-report/current/part")
    assert row["text"] == "blue red yellow"


def test_changing_what_is_sent_makes_the_reply_missing(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    for old, new in (
        ('name = "plain"', 'name = "plain"\nsystem = "Be brief."'),
        ("max_tokens = 20", "max_tokens = 21"),
        ('id = "openai/bot"', 'id = "openai/bot"\nrevision = "2"'),
    ):
        shop.ladder(LADDER.replace(old, new))
        result = shop.run("-k", "sky")
        result.stdout.fnmatch_lines(["No reply of bot is stored.*"])


def test_renaming_things_and_moving_addresses_keeps_replies(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    renamed = LADDER.replace('"bot"', '"robot"').replace('"plain"', '"simple"')
    renamed = renamed.replace("bot/plain", "robot/simple")
    shop.ladder(renamed.replace("{api_base}", "http://127.0.0.1:1/v1"))
    shop.run().stdout.fnmatch_lines(["*2 passed, 1 missed*"])


def test_samples_are_replies_of_their_own(shop: Shop) -> None:
    numbers = iter(range(100))
    shop.server.reply = lambda _: str(next(numbers))
    shop.cases(CASES[:1])
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", samples=3)
def test_answer(reply):
    assert reply.text

@pytest.mark.cheap
@pytest.mark.ladder(samples=2)
def test_free(llm):
    assert llm("hello").text
""")
    shop.run("--ladder-live").assert_outcomes(passed=5)
    texts = {
        (row["test"][-6:], row.get("sample", 1)): row["text"] for row in shop.rows()
    }
    assert len(set(texts.values())) == 5
    shop.run().assert_outcomes(passed=5)
    assert {
        (row["test"][-6:], row.get("sample", 1)): row["text"] for row in shop.rows()
    } == texts


def test_ladder_samples_asks_for_more_replies(shop: Shop) -> None:
    shop.cases(CASES[:1])
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder-samples=4").assert_outcomes(passed=4)
    assert shop.server.count == 4


def test_a_broken_recording_is_one_sentence_with_its_line(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    forget_the_store(shop)
    path = shop.path / "recordings" / "test_shop.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "<<<<<<< HEAD", *lines[1:]]) + "\n")
    calls = shop.server.count
    result = shop.run("--ladder-live")
    assert result.ret != pytest.ExitCode.OK
    # What the file may hold is not paid for again, and what is wrong is told once.
    assert shop.server.count == calls
    result.stdout.fnmatch_lines(["see above: recordings test_shop.jsonl"])
    sentence = (
        "*recordings/test_shop.jsonl:2: not a recording (*: git left a conflict marker "
        "here); restore the file from*"
    )
    result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*msgspec.*Error*")


def test_reports_of_a_replay_keep_the_recorded_price(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    live = shop.matrix()
    shop.run()
    replayed = shop.matrix()
    assert live["rungs"][0]["cost"] == replayed["rungs"][0]["cost"]
    assert replayed["rungs"][0]["latency"]["n_live"] == 0
    assert replayed["spend"]["product_usd"] == 0
    assert replayed["spend"]["saved_usd"] == live["spend"]["product_usd"] > 0
    assert (live["spend"]["live_calls"], live["spend"]["replayed_calls"]) == (3, 0)
    assert replayed["spend"]["live_calls"] == 0
    assert replayed["spend"]["replayed_calls"] == 3


def test_two_tests_that_want_the_same_reply_pay_once(shop: Shop, run: Run) -> None:
    shop.test(
        ANSWER_HALF
        + """
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(4))
def test_again(reply, n):
    pass

@pytest.mark.cheap
def test_by_hand(llm):
    assert llm("say blue").text == "say blue"
"""
    )
    result = run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    assert len(recordings(shop)) == 3
    assert shop.matrix()["spend"]["live_calls"] == 3


def test_keys_never_reach_the_disk_or_the_terminal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk-very-secret")
    shop.ladder(LADDER.replace("price =", 'api_key_env = "SHOP_KEY"\nprice ='))
    shop.test(ANSWER_HALF)
    result = shop.run("--ladder-live", "-vv", "-rA", "--junitxml=junit.xml")
    sent = shop.server.requests[0].headers["authorization"]
    assert sent == "Bearer sk-very-secret"
    written = [path for path in shop.path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"sk-very-secret" in path.read_bytes()]
    assert "sk-very-secret" not in result.stdout.str() + result.stderr.str()


def test_recordings_are_not_written_through_a_link_out_of_their_folder(
    shop: Shop,
) -> None:
    elsewhere = shop.path.parent / f"{shop.path.name}-elsewhere"
    elsewhere.mkdir()
    shop.write(
        "tests/test_a.py",
        "import pytest\n" + ANSWER_HALF.replace("cases.", "../cases."),
    )
    (shop.path / "recordings").mkdir()
    (shop.path / "recordings/tests").symlink_to(elsewhere)
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*'tests/test_a.jsonl' would be a file outside of recordings (*"]
    )
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "options",
    [(), ("--ladder-live",), ("--ladder-live", "-n1")],
    ids=["replay", "live", "worker"],
)
def test_what_another_run_calls_meanwhile_is_no_call_of_this_one(
    shop: Shop, options: tuple[str, ...]
) -> None:
    shop.test(ANSWER_HALF.replace('"cases.jsonl"', '"cases.jsonl", ahead=False'))
    # The other run begins and ends while this one is under way.
    shop.test(
        "import subprocess, sys\n"
        "def test_first():\n"
        "    other = [sys.executable, '-m', 'pytest', '--ladder-live', '-q']\n"
        "    other += ['test_shop.py', '--ladder-report=other']\n"
        "    assert subprocess.run(other).returncode == 0\n",
        "test_a.py",
    )
    result = shop.run("test_a.py", "test_shop.py", *options)
    assert result.ret == 0
    assert shop.server.count == 3
    assert shop.matrix("other")["spend"]["live_calls"] == 3
    spend = shop.matrix()["spend"]
    assert (spend["live_calls"], spend["replayed_calls"]) == (0, 3)
    assert spend["product_usd"] == 0
    assert "spent nothing" in result.stdout.str()
