"""`assert reply == snapshot`, through syrupy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.integrations.snapshots import likeness, readable
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import last_user_message, says

CONFTEST = "from pytest_ladder.integrations.snapshots import snapshot\n"
SUITE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, snapshot):
    assert reply == snapshot
"""
PROCESSES = pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["plain", "xdist"])


@pytest.fixture
def album(shop: Shop) -> Shop:
    """A shop whose tests compare with snapshots."""
    shop.write("conftest.py", CONFTEST)
    shop.test(SUITE)
    return shop


def run_syrupy(shop: Shop, *arguments: str) -> pytest.RunResult:
    return shop.run_with("syrupy", *arguments)


def stored(shop: Shop, rung: str = "bot/plain") -> str:
    path = shop.path / f"__replies__/{rung}/test_shop.ambr"
    return path.read_text(encoding="utf-8")


def change_answers(shop: Shop, change: Any) -> None:
    """Let the model's answers be others, as an upgrade does."""
    shop.server.reply = lambda body: says(change(last_user_message(body)))


@PROCESSES
def test_snapshots_are_named_by_rung_and_case(
    album: Shop, processes: tuple[str, ...]
) -> None:
    arguments = ("--ladder-live", "--ladder=matrix", "--snapshot-update")
    run_syrupy(album, *arguments, *processes).assert_outcomes(passed=6)
    assert stored(album) == (
        "# serializer version: 1\n"
        "# name: test_answer[fire]\n  say red\n# ---\n"
        "# name: test_answer[sky]\n  say blue\n# ---\n"
        "# name: test_answer[sun]\n  say green\n# ---\n"
    )
    loud = stored(album).replace("blue", "blue!").replace("red", "red!")
    assert stored(album, "bot/loud") == loud.replace("green", "green!")
    run_syrupy(album, "--ladder=matrix", *processes).assert_outcomes(passed=6)


@PROCESSES
def test_a_model_upgrade_is_a_diff_to_review(
    album: Shop, processes: tuple[str, ...]
) -> None:
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    before = stored(album)
    album.ladder(LADDER.replace('"openai/bot"', '"openai/bot-2"'))
    change_answers(album, lambda text: text.replace("red", "crimson"))
    result = run_syrupy(album, "--ladder-live", *processes)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*- say red", "*+ say crimson"])
    assert album.outcomes()["test_answer[bot/plain-fire]"] == "missed"
    assert stored(album) == before
    run_syrupy(album, "--snapshot-update", *processes).assert_outcomes(passed=3)
    assert stored(album) == before.replace("red", "crimson")


def test_white_space_and_unicode_forms_are_no_difference(album: Shop) -> None:
    album.cases([{"id": "cafe", "input": "caf\u00e9 au\nlait"}])
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    assert "  caf\u00e9 au\n  lait\n" in stored(album)
    change_answers(album, lambda _: " cafe\u0301  au lait \n")
    run_syrupy(album, "--ladder-live", "--ladder-refresh").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("alike", "outcome"),
    [("0.6", "passed"), ("0.9", "failed"), ("lambda new, old: 'red' in old", "passed")],
)
def test_how_alike_is_the_users_to_say(album: Shop, alike: str, outcome: str) -> None:
    album.cases([{"id": "fire", "input": "it is plainly red"}])
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    change_answers(album, lambda text: text.replace("plainly", "just"))
    album.test(SUITE.replace("== snapshot", f"== snapshot(alike={alike})"))
    result = run_syrupy(album, "--ladder-live", "--ladder-refresh")
    result.assert_outcomes(**{outcome: 1})


def test_a_judge_compares_where_words_differ(album: Shop) -> None:
    judge = '[judge]\nid = "openai/judge"\napi_base = "{api_base}"\n'
    album.ladder(LADDER + judge + "price = {{ input = 1.0, output = 1.0 }}\n")
    album.test(
        "from pytest_ladder.integrations.snapshots import same_facts\n"
        + SUITE.replace("snapshot):", "case, judge, snapshot):").replace(
            "== snapshot", "== snapshot(alike=same_facts(judge, case))"
        )
    )

    def answer(body: dict[str, Any]) -> Any:
        text = last_user_message(body)
        if body["model"] != "judge":
            return says(text.replace("say", word))
        verdict = "pass" if "say blue" in text else "fail"
        return says(json.dumps({"reason": "because", "verdict": verdict}))

    word, album.server.reply = "say", answer
    run_syrupy(album, "--ladder-live", "--snapshot-update").assert_outcomes(passed=3)
    assert not any(one.body["model"] == "judge" for one in album.server.requests)
    word = "shout"
    result = run_syrupy(album, "--ladder-live", "--ladder-refresh")
    result.assert_outcomes(passed=1, failed=2)
    assert album.matrix()["spend"]["evaluation_usd"] > 0


def test_a_comparison_that_breaks_is_an_error_and_no_miss(album: Shop) -> None:
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    change_answers(album, lambda text: f"well, {text}")
    album.test(SUITE.replace("== snapshot", "== snapshot(alike=lambda a, b: 1 / 0)"))
    run_syrupy(album, "--ladder-live", "--ladder-refresh").assert_outcomes(failed=3)
    assert set(album.outcomes().values()) == {"error"}


def test_without_a_snapshot_there_is_no_miss(album: Shop) -> None:
    """The current rung needs one; on others a test without one is skipped."""
    result = run_syrupy(album, "--ladder-live", "--ladder=matrix", "-rs")
    result.assert_outcomes(failed=3, skipped=3)
    result.stdout.fnmatch_lines(["*bot/loud*does not exist; --snapshot-update*"])
    assert set(album.outcomes("ladder-report").values()) == {"error"}
    assert {row["rung"] for row in album.rows("ladder-report")} == {"bot/plain"}


def test_a_share_does_not_hide_a_missing_snapshot(album: Shop) -> None:
    album.test(SUITE.replace("mark.cheap", "mark.cheap(at_least=0.1)"))
    run_syrupy(album, "--ladder-live").assert_outcomes(failed=3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"version: 1", b"version: 0"),
        lambda data: data + b"\xff",
        lambda data: b"\n" + data,
        lambda data: data.replace(b"# name: test_answer[sky]", b"# name:"),
    ],
    ids=["version", "encoding", "order", "name"],
)
def test_a_damaged_file_of_snapshots_is_an_error(
    album: Shop, damage: Callable[[bytes], bytes]
) -> None:
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    whole = stored(album)
    path = album.path / "__replies__/bot/plain/test_shop.ambr"
    path.write_bytes(damage(whole.encode()))
    result = run_syrupy(album)
    result.stdout.fnmatch_lines(["*is damaged, or of another version of syrupy*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert set(album.outcomes().values()) == {"error"}
    run_syrupy(album, "--snapshot-update").assert_outcomes(passed=3)
    assert stored(album) == whole


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-k", "sky"),
        ("--ladder=matrix", "-k", "not loud"),
        ("--ladder=matrix", "--ladder-rungs=bot/plain"),
        ("--deselect=test_shop.py::test_answer[bot/plain-sky]",),
        ("-n2",),
        ("-n2", "-k", "sky or fire"),
    ],
    ids=" ".join,
)
def test_snapshots_of_what_does_not_run_are_left_alone(
    album: Shop, arguments: tuple[str, ...]
) -> None:
    run_syrupy(album, "--ladder-live", "--ladder=matrix", "--snapshot-update")
    before = stored(album), stored(album, "bot/loud")
    for update in ((), ("--snapshot-update",)):
        result = run_syrupy(album, *arguments, *update)
        assert result.ret == pytest.ExitCode.OK
        result.stdout.no_fnmatch_line("*unused*")
    assert (stored(album), stored(album, "bot/loud")) == before


def test_running_the_failed_alone_leaves_the_other_snapshots(album: Shop) -> None:
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    change_answers(album, lambda text: text.replace("red", "crimson"))
    refresh = ("--ladder-live", "--ladder-refresh")
    run_syrupy(album, *refresh).assert_outcomes(passed=2, failed=1)
    run_syrupy(album, "--lf", "--snapshot-update").assert_outcomes(passed=1)
    assert "say blue" in stored(album)
    assert "say crimson" in stored(album)


def test_snapshots_of_cases_that_are_gone_are_found_and_removed(album: Shop) -> None:
    run_syrupy(album, "--ladder-live", "--snapshot-update")
    lines = (album.path / "cases.jsonl").read_text().splitlines()
    album.cases([json.loads(line) for line in lines[:2]])
    result = run_syrupy(album)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*1 snapshot unused*"])
    assert run_syrupy(album, "--snapshot-update").ret == pytest.ExitCode.OK
    assert "sun" not in stored(album)


def test_several_snapshots_of_a_test_are_told_apart(album: Shop) -> None:
    album.test("""
@pytest.mark.cheap
def test_free(llm, snapshot):
    assert llm("one") == snapshot
    assert llm("two").text == snapshot
    assert {"n": 3} == snapshot(name="dict")
""")
    run_syrupy(album, "--ladder-live", "--snapshot-update").assert_outcomes(passed=1)
    for name in ("test_free", "test_free.1", "test_free[dict]"):
        assert f"# name: {name}\n" in stored(album)
    run_syrupy(album).assert_outcomes(passed=1)


def test_a_packed_test_has_to_name_its_snapshots(album: Shop) -> None:
    packed = SUITE.replace('cases.jsonl"', 'cases.jsonl", pack=True')
    album.test(packed)
    result = run_syrupy(album, "--ladder-live", "--snapshot-update")
    result.stdout.fnmatch_lines(["*snapshot(name=case.id)*"])
    named = packed.replace("snapshot):", "snapshot, case):")
    album.test(named.replace("== snapshot", "== snapshot(name=case.id)"))
    run_syrupy(album, "--snapshot-update").assert_outcomes(passed=1)
    assert "# name: test_answer[sky]\n" in stored(album)
    run_syrupy(album).assert_outcomes(passed=1)


def test_an_empty_and_a_hostile_reply_have_snapshots(album: Shop) -> None:
    album.cases([{"id": "a", "input": "x"}])
    for text in ("", "\x1b[2Jred\u202e\n# ---\n# name: b\n\n  end"):
        change_answers(album, lambda _, text=text: text)
        arguments = ("--ladder-live", "--ladder-refresh", "--snapshot-update")
        run_syrupy(album, *arguments).assert_outcomes(passed=1)
        run_syrupy(album).assert_outcomes(passed=1)
    assert "\x1b" not in stored(album)


def test_other_tests_keep_the_fixture_of_syrupy(album: Shop) -> None:
    album.test("def test_plain(snapshot):\n    assert 'a  b' == snapshot\n")
    run_syrupy(album, "--snapshot-update").assert_outcomes(passed=1)
    text = (album.path / "__snapshots__/test_shop.ambr").read_text()
    assert "'a  b'" in text


@pytest.mark.parametrize(
    ("received", "stored", "share"),
    [("a b c d", "a b c d", 1.0), ("a b", "c d", 0.0), ("a b c", "a x c", 2 / 3)],
)
def test_likeness_counts_words(received: str, stored: str, share: float) -> None:
    assert likeness(received, stored) == pytest.approx(share)


def test_readable_text_keeps_lines_and_drops_controls() -> None:
    assert readable("\n a\u0308 \r\n\tb\x07 \n") == " \u00e4\n    b"


def test_without_syrupy_the_sentence_names_the_extra(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['syrupy'] = None\n"
        "import pytest_ladder.integrations.snapshots"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "pip install 'pytest-ladder[snapshots]'" in done.stderr


def test_a_link_that_leads_out_of_the_folder_is_not_written_through(
    album: Shop,
) -> None:
    elsewhere = album.path.parent / f"{album.path.name}-elsewhere"
    elsewhere.mkdir()
    (album.path / "__replies__").mkdir()
    (album.path / "__replies__/bot").symlink_to(elsewhere)
    result = run_syrupy(album, "--ladder-live", "--snapshot-update")
    result.stdout.fnmatch_lines(
        ["*'bot/plain' would be a file outside of *__replies__ (*"]
    )
    assert not list(elsewhere.iterdir())
