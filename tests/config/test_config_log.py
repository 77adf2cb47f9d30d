"""`[log]` names an experiment, never an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.ladder import LogConfig
from pytest_ladder.errors import ConfigError

MODEL = '[[model]]\nname = "m"\ntier = "off-the-shelf"\nid = "scripted/echo"\n'


def loaded(folder: Path, log: str) -> LogConfig:
    path = folder / "ladder.toml"
    path.write_text(f"{MODEL}[log]\n{log}\n", encoding="utf-8")
    return load_ladder(path).log


def test_an_experiment_and_an_endpoint_may_be_asked_for(tmp_path: Path) -> None:
    asked = loaded(tmp_path, 'mlflow = "support / eval"\notel = true')
    assert asked == LogConfig(mlflow="support / eval", otel=True)


def test_an_address_is_refused_and_its_password_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, 'mlflow = "https://me:hunter2@mlflow.example"')
    said = str(caught.value)
    assert "ladder.toml:6: log.mlflow" in said
    assert "MLFLOW_TRACKING_URI" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["", "  ", "a\\nb"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="this is no name"):
        loaded(tmp_path, f'mlflow = "{name}"')
