"""A climb once more: replays, interrupted runs, seeds and attempts."""

from __future__ import annotations

import signal

import pytest

from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import (
    ANSWER,
    MATRIX_REPORT,
    REPORT,
    Slope,
    said,
    spoken,
)


@pytest.fixture
def slope(shop: Shop) -> Slope:
    return Slope(shop)


def test_a_replay_decides_the_same_for_nothing(slope: Slope) -> None:
    slope.climb()
    first = slope.course
    slope.forget()
    result = slope.shop.run("--ladder=climb")
    assert slope.course == first
    assert slope.asked == {}
    assert slope.matrix["spend"]["product_usd"] == 0
    assert slope.matrix["spend"]["replayed_calls"] == 50
    assert result.ret == 0
    again = slope.shop.run("--ladder=climb", "--ladder-report=two")
    assert again.ret == 0
    assert spoken(slope.shop.matrix("two")) == spoken(slope.matrix)


def test_a_climb_after_a_matrix_pays_nothing(slope: Slope) -> None:
    slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.report = MATRIX_REPORT
    decided = slope.decided
    slope.report = REPORT
    slope.forget()
    slope.climb()
    assert slope.decided == decided
    assert slope.asked == {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["int", "kill"])
def test_what_an_interrupted_climb_paid_for_is_not_paid_again(
    slope: Slope, how: signal.Signals
) -> None:
    slope.shop.server.latency_s = 0.05
    status, output = slope.stopped(how)
    paid = slope.shop.server.count
    assert 20 <= paid < 50, output
    if how is signal.SIGINT:
        assert status == pytest.ExitCode.INTERRUPTED, output
        assert slope.decided == (None, "undecided"), output
        assert slope.states["mid/plain"] == "stopped"
        assert slope.states["big/plain"] == "not run"
    slope.shop.server.latency_s = 0.0
    result = slope.climb()
    assert result.ret == 0
    assert slope.decided == ("mid/plain", "pass")
    # What was under way is lost, four calls at most.
    assert slope.shop.server.count <= 50 + 4
    assert "big" not in slope.asked


def test_a_climb_interrupted_in_its_first_batch_tells_what_ran(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace("assert", "raise KeyboardInterrupt #"))
    arguments = ("--ladder=climb", "--ladder-live")
    result = slope.shop.pytester.runpytest_subprocess(*arguments, timeout=60)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert slope.shop.server.count <= 10
    assert "INTERNALERROR" not in said(result)


def attempts(slope: Slope) -> list[str]:
    slope.shop.run("--ladder=climb")
    return list(slope.matrix["run"]["attempts"])


def test_each_seed_is_an_attempt_that_is_told(slope: Slope) -> None:
    slope.climb()
    assert slope.matrix["run"]["seed"] == 0
    assert attempts(slope) == ["0"]
    first = slope.course
    slope.climb("--ladder-seed=new")
    assert slope.matrix["run"]["seed"] == 1
    assert slope.matrix["run"]["attempts"] == ["0", "1"]
    assert attempts(slope) == ["0", "1"], "a seed is kept"
    slope.climb("--ladder-seed=7")
    assert slope.matrix["run"]["attempts"] == ["0", "1", "7"]
    slope.climb("--ladder-seed=0")
    assert slope.matrix["run"]["seed"] == 0
    assert slope.matrix["run"]["attempts"] == ["1", "7", "0"]
    assert slope.course == first


def test_a_new_seed_is_another_order(slope: Slope) -> None:
    slope.climb()
    before = set(slope.prompts)
    slope.forget()
    slope.climb("--ladder-seed=new")
    assert not set(slope.prompts) <= before or slope.asked == {}
    small = {row["case"] for row in slope.rows_of("small/plain")}
    slope.climb("--ladder-seed=0")
    assert small != {row["case"] for row in slope.rows_of("small/plain")}


@pytest.mark.parametrize(
    ("change", "kept"),
    [("address", True), ("limits", True), ("cases", False), ("bar", False)],
)
def test_a_seed_is_kept_until_cases_or_configuration_change(
    slope: Slope, change: str, kept: bool
) -> None:
    slope.climb("--ladder-seed=new")
    ladder = (slope.shop.path / "ladder.toml").read_text()
    if change == "address":
        ladder = ladder.replace("127.0.0.1", "localhost")
    if change == "limits":
        ladder = ladder.replace("api_base", "limits = { concurrency = 3 }\napi_base")
    if change == "bar":
        ladder = ladder.replace("quality = 0.8", "quality = 0.85")
    if change == "cases":
        slope.cases(41)
    slope.shop.write("ladder.toml", ladder)
    slope.climb()
    assert slope.matrix["run"]["attempts"] == (["1"] if kept else ["0"])


def test_a_seed_that_cannot_be_kept_is_said_in_a_sentence(slope: Slope) -> None:
    slope.shop.write(".ladder", "a file where a folder should be")
    result = slope.shop.run("--ladder=climb", "--ladder-seed=new")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "seeds.json" in said(result)
    assert "INTERNALERROR" not in said(result)


def test_a_rung_that_is_not_stored_is_not_run_in_a_replay(slope: Slope) -> None:
    slope.shop.run("--ladder=matrix", "--ladder-live", "--ladder-rungs=mid/*")
    slope.forget()
    result = slope.shop.run("--ladder=climb", "-rs")
    assert slope.asked == {}
    assert slope.states["small/plain"] == "not run"
    assert slope.states["mid/plain"] == "run"
    assert slope.decided == ("mid/plain", "pass")
    result.stdout.fnmatch_lines(["*climb: its replies are not stored; --ladder-live*"])
    assert result.ret == 0


def test_nothing_stored_at_all_is_no_decision(slope: Slope) -> None:
    result = slope.shop.run("--ladder=climb", "--ladder-missing=skip", "-rs")
    # A batch of each rung found nothing, and the rest was not tried.
    result.stdout.fnmatch_lines(["SKIPPED [[]105[]] *its replies are not stored*"])
    assert not (slope.shop.path / REPORT).exists()
