"""`pytest-ladder cases pull`: what is refused before any server is asked.

What comes of a server is tested with one: tests/mlflow_server.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.written_report import Command


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("support", "new.jsonl", "write mlflow:DATASET"),
        ("mlflow:", "new.jsonl", "write mlflow:DATASET"),
        ("langfuse:support", "new.jsonl", "'langfuse:support' is no source of cases"),
        ("mlflow:support", "new.csv", "name it new.jsonl"),
        ("mlflow:support", "old.jsonl", "--replace"),
        ("mlflow:support", "new.jsonl", "MLFLOW_TRACKING_URI is not set"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    source: str,
    output: str,
    said: str,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    old = tmp_path / "old.jsonl"
    old.write_text("as it was", encoding="utf-8")
    status, _, err = command("cases", "pull", source, "-o", tmp_path / output)
    assert status == 2
    assert said in err
    assert old.read_text(encoding="utf-8") == "as it was"
    assert list(tmp_path.iterdir()) == [old]
