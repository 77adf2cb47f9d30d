"""Local models share one machine: what one computes is not measured as another's."""

from __future__ import annotations

import os
from pathlib import Path

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
            timings = [one.result().reply.timing for one in asked]
    finally:
        Servers(tmp_path / "run/servers", os.getpid()).stop_all()
    assert len(timings) == 6
    assert [timing.in_flight for timing in timings if timing] == [1] * 6
