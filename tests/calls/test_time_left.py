"""How long the calls that are left will take, as far as that can be known."""

from __future__ import annotations

import pytest

from pytest_ladder.calls.contract import Progress, Request
from pytest_ladder.core.rung import Model, Tier


def request(model_id: str, length: int) -> Request:
    model = Model(name="m", tier=Tier.OFF_THE_SHELF, id=model_id)
    return Request(model=model, messages=[{"role": "user", "content": "x" * length}])


def after(progress: Progress, done: list[Request], elapsed_s: float) -> float | None:
    for each in done:
        progress.end(each, 0.0)
    return progress.left_s(elapsed_s)


@pytest.mark.parametrize(
    ("model_id", "left_s"), [("local/smollm2-135m", 800.0), ("openai/x", 100.0)]
)
def test_a_model_on_this_machine_reads_a_long_prompt_for_long(
    model_id: str, left_s: float
) -> None:
    # A rung without examples is first, and one with eight times as much to read last.
    short = [request(model_id, 100) for _ in range(10)]
    long = [request(model_id, 800) for _ in range(10)]
    progress = Progress()
    for each in short + long:
        progress.expect(each)
    assert progress.left_s(1.0) is None
    assert after(progress, short, 100.0) == pytest.approx(left_s)
    assert after(progress, long[:5], 500.0) == pytest.approx(
        4_000 / 5_000 * 500 if left_s > 100 else 5 / 15 * 500
    )
    assert after(progress, long[5:], 900.0) is None


def test_calls_that_nobody_expected_tell_no_time() -> None:
    assert after(Progress(), [request("openai/x", 5)], 1.0) is None
