"""The four tiers of the example: their data share nothing; their models are real."""

from __future__ import annotations

import difflib
import importlib
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.local.digests import file_digest
from pytest_ladder.calls.local.servers import Servers, weights_path
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.rung import Tier
from tests.calls.local.serving import ask, text
from tests.examples.test_example_support import CASES, DEV, FOLDER, SHOTS, rows

TRAIN = rows("build/data/train.jsonl")
JUDGE = rows("build/data/judge.jsonl")
TIERS = load_ladder(FOLDER / "four-tiers.toml")
NEAR = 0.9
CARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER / "models").glob("*.json"))
}


def words(row: dict[str, Any]) -> str:
    """Return a ticket or question without the frame that all of them have."""
    asked = row["input"].partition("Message: ")[2] or row["input"]
    return " ".join(re.findall(r"\w+", asked.rpartition("\n")[0].lower()))


@pytest.mark.parametrize("split", [CASES, DEV, SHOTS], ids=["cases", "dev", "shots"])
def test_no_training_example_is_like_one_of_another_split(
    split: list[dict[str, Any]],
) -> None:
    trained = [words(row) for row in TRAIN]
    for row in split:
        matcher = difflib.SequenceMatcher(b=words(row), autojunk=False)
        for one in trained:
            matcher.set_seq1(one)
            if min(matcher.real_quick_ratio(), matcher.quick_ratio()) > NEAR:
                assert matcher.ratio() <= NEAR, (one, row["id"])


@pytest.mark.parametrize("split", [CASES, DEV], ids=["cases", "dev"])
def test_no_fact_that_is_asked_for_was_trained_as_an_answer(
    split: list[dict[str, Any]],
) -> None:
    asked = {row["expected"] for row in split if "facts" in row["tags"]}
    assert not asked & {row["expected"] for row in TRAIN}
    assert not asked & {row["expected"] for row in JUDGE}


def test_the_data_are_written_again_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = importlib.import_module("examples.support.build.data.make")
    monkeypatch.setattr(make, "HERE", tmp_path)
    make.main()
    for name in ("train.jsonl", "judge.jsonl", "shop.txt"):
        shipped = FOLDER / "build/data" / name
        assert (tmp_path / name).read_bytes() == shipped.read_bytes(), name


def test_the_configuration_prompts_as_the_other_one_does() -> None:
    shipped = tomllib.loads((FOLDER / "ladder.toml").read_text(encoding="utf-8"))
    tiers = tomllib.loads((FOLDER / "four-tiers.toml").read_text(encoding="utf-8"))
    for key in ("strategy", "judge"):
        assert tiers[key] == shipped[key]
    assert tiers["model"][0] == shipped["model"][0]
    assert [model.tier for model in TIERS.models] == list(Tier)


def test_building_costs_what_the_cards_measured() -> None:
    built = [(model, model.build) for model in TIERS.models if model.build]
    assert len(built) == len(CARDS) == 3
    for model, build in built:
        file = Path(model.adapter or model.id.removeprefix("local/")).stem
        card = CARDS[file]
        assert build.hours == pytest.approx(card["hours (CPU)"], abs=6e-4)
        assert build.usd == pytest.approx(
            card["usd (hours x a stated price)"], abs=6e-5
        )
        assert (FOLDER / "models" / f"{file}.gguf").stat().st_size == card["bytes"]


def test_each_tier_answers_as_itself(tmp_path: Path) -> None:
    """In one server a prompt once answered with an adapter stays answered by it."""
    servers = Servers(tmp_path / "servers", os.getpid())
    ticket = next(case for case in CASES if case["id"] == "bowl-clashes")["input"]
    try:
        said: dict[str, str] = {}
        for model in [*TIERS.models, *reversed(TIERS.models)]:
            adapter = None if model.adapter is None else FOLDER / model.adapter
            address = servers.address(weights_path(model.id, FOLDER), adapter)
            reply = text(ask(address, ticket, max_tokens=16))
            assert said.setdefault(model.name, reply) == reply
    finally:
        servers.stop_all()
    assert said["fine-tuned"].strip() == "returns"
    assert len({said["smol"], said["fine-tuned"]}) == 2
    files = {file_digest(path) for path in (FOLDER / "models").glob("*.gguf")}
    assert len(files) == 3
