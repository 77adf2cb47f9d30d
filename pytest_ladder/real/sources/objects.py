"""Rows of whole JSON files and of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import listed

_ROWS = 500
"""Rows of Parquet that are unpacked at a time."""


def listed_rows(value: Any, label: str) -> list[Any]:
    """Return the rows of a JSON file: a list, or the one list inside of objects."""
    while isinstance(value, dict):
        lists = {name: each for name, each in value.items() if isinstance(each, list)}
        filled = {name: each for name, each in lists.items() if each} or lists
        if len(filled) > 1:
            raise ConfigError(
                f"{label}: it holds the lists {listed(filled)}; keep the one of rows."
            )
        inner = [each for each in value.values() if isinstance(each, dict)]
        value = next(iter([*filled.values(), *inner]), None)
    if isinstance(value, list):
        return value
    raise ConfigError(f"{label}: a list of rows is needed; export the file as one.")


def parquet_rows(path: Path, label: str) -> Iterator[Any]:
    """Yield the rows of a Parquet file. Raises `ConfigError` without pyarrow."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ConfigError(
            f"{label}: reading Parquet needs pyarrow; install "
            "pytest-ladder[parquet], or export the file as CSV."
        ) from error
    for batch in parquet.ParquetFile(path).iter_batches(_ROWS):
        yield from batch.to_pylist()
