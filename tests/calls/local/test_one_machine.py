"""Local models share one machine: no call changes the figures or words of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.local.servers import Servers
from tests.calls.engine.engine_under_test import Desk
from tests.calls.local.serving import write_adapter


def test_local_models_compute_one_at_a_time(tmp_path: Path, smol: Path) -> None:
    (tmp_path / "own.gguf").symlink_to(smol)
    write_adapter(tmp_path / "first.gguf", seed=1)
    models = [
        {"name": name, "id": "local/own.gguf", "adapter": adapter, "api_base": None}
        for name, adapter in (("base", None), ("tuned", "first.gguf"))
    ]
    try:
        with Desk(tmp_path, "") as desk:
            asked = [
                desk.submit(f"Say {n}.", model=model, max_tokens=4)
                for n in range(3)
                for model in models
            ]
            timings = [one.result().timing for one in asked]
    finally:
        Servers(tmp_path / "run/servers", os.getpid()).stop_all()
    assert len(timings) == 6
    assert [timing.in_flight for timing in timings if timing] == [1] * 6


@pytest.mark.parametrize(
    "params", [{"temperature": 0}, {"temperature": 0.7, "seed": 3}], ids=str
)
def test_replies_are_the_same_in_whatever_order_they_are_asked(
    tmp_path: Path, smol: Path, params: dict[str, Any]
) -> None:
    """Prompts that begin alike, at several lengths: 4 of 123 replies once changed."""
    words = [
        "pot",
        "refund",
        "window",
        "cup",
        "invoice",
        "gift card",
        "parcel",
        "kettle",
    ]
    starts = [f"Write to the customer about: {words[:number]}" for number in (2, 5, 8)]
    prompts = [f"{start}, {end}" for start in starts for end in ("Uji", "Kyoto")]

    def replies(order: list[str], folder: Path) -> Iterator[tuple[str, str]]:
        model = {"name": "smol", "id": "local/smollm2-135m", "api_base": None}
        with Desk(folder, "") as desk:
            for prompt in order:
                served = desk.ask(prompt, model=model, max_tokens=10, **params)
                assert not served.replayed
                usage = served.usage
                assert usage is not None
                assert usage.cached_input == 0
                yield prompt, served.text

    try:
        # One server for both: that of the folder `run` of the first.
        (tmp_path / "again").mkdir()
        (tmp_path / "run").mkdir()
        (tmp_path / "again/run").symlink_to(tmp_path / "run")
        forth = dict(replies(prompts, tmp_path))
        back = dict(replies(prompts[::-1], tmp_path / "again"))
    finally:
        Servers(tmp_path / "run/servers", os.getpid()).stop_all()
    assert forth == back
