"""The example is honest: its splits share neither inputs nor facts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples/support"
QUEUES = {"returns", "delivery", "billing", "warranty", "account", "workshop", "stock"}


def rows(name: str) -> list[dict[str, Any]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


CASES, DEV, SHOTS = (rows(f"{name}.jsonl") for name in ("cases", "dev", "examples"))


def inputs(split: list[dict[str, Any]]) -> set[str]:
    return {row["input"].lower() for row in split}


def sources(split: list[dict[str, Any]]) -> set[str]:
    return {source for row in split for source in row.get("relevant", [])}


def test_there_are_enough_cases_of_both_kinds() -> None:
    routing = [case for case in CASES if "routing" in case["tags"]]
    facts = [case for case in CASES if "facts" in case["tags"]]
    assert len(CASES) >= 100
    assert len(routing) + len(facts) == len(CASES)
    assert {case["expected"] for case in routing} == QUEUES
    assert len(list((FOLDER / "kb").glob("*.md"))) >= 30


def test_no_input_is_in_two_splits() -> None:
    assert not inputs(CASES) & inputs(DEV)
    assert not inputs(CASES) & inputs(SHOTS)
    assert not inputs(DEV) & inputs(SHOTS)


def test_no_fact_of_the_few_shot_examples_is_asked_for() -> None:
    assert not sources(SHOTS) & sources(CASES)
    assert not sources(SHOTS) & sources(DEV)


@pytest.mark.parametrize("split", [CASES, DEV, SHOTS], ids=["cases", "dev", "shots"])
def test_every_fact_stands_in_its_document(split: list[dict[str, Any]]) -> None:
    for row in split:
        for source, sentence in zip(
            row.get("relevant", []), row.get("context", []), strict=True
        ):
            document = (FOLDER / "kb" / source).read_text(encoding="utf-8")
            assert sentence in " ".join(document.split()), row["id"]
            assert re.search(re.escape(row["expected"].split()[0]), sentence), row["id"]
