"""The example is honest: its splits share nothing, its labels are of real replies."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.calls.store.recordings import read
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.review import reply_hash
from pytest_ladder.judging.calibration.labels import read_labels

FOLDER = Path(__file__).parents[2] / "examples/support"
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


def test_examples_with_thoughts_are_those_of_few_shot() -> None:
    thoughtful = rows("thought-examples.jsonl")
    assert all(row.pop("reasoning") for row in thoughtful)
    assert thoughtful == SHOTS


def test_thinking_and_voting_build_on_few_shot_and_change_nothing_else() -> None:
    (few, think, vote) = load_ladder(FOLDER / "thoughts-and-votes.toml").strategies
    shipped = load_ladder(FOLDER / "ladder.toml").strategies
    models = {"models": few.models}
    assert msgspec.structs.replace(few, models=shipped[1].models) == shipped[1]
    shared = ("system", "examples", "shots", "select", "corpus", "prompt")
    assert [getattr(vote, key) for key in shared] == [
        getattr(few, key) for key in shared
    ]
    assert think.shots == few.shots
    assert models["models"] == ("smol",)


def test_labels_are_of_cases_and_of_the_replies_that_are_recorded() -> None:
    replies = {
        recording.case: reply_hash(recording.reply.text)
        for recording in read(FOLDER / "recordings/test_support.jsonl")
        if not recording.judge
    }
    ladder = load_ladder(FOLDER / "ladder.toml")
    assert ladder.current is not None
    labelled: dict[tuple[str, str], set[str]] = {}
    for label in read_labels(FOLDER / "labels.jsonl"):
        labelled.setdefault((label.rung, label.rater), set()).add(label.case)
        # What the other rungs replied comes with the first live matrix.
        if label.rung == ladder.current.id:
            assert label.reply == replies[label.case], label.case
    assert all(cases <= replies.keys() for cases in labelled.values())
    assert labelled[ladder.current.id, "hand"] == {case["id"] for case in CASES}
    assert len(labelled[ladder.current.id, "second"]) >= 30
    others = {rung.id for rung in ladder.rungs} - {ladder.current.id}
    assert all(len(labelled[rung, "hand"]) >= 15 for rung in others)


def test_the_configuration_for_measuring_the_judge_drops_funnel_and_users() -> None:
    shipped, measuring = (
        load_ladder(FOLDER / "ladder.toml"),
        load_ladder(FOLDER / "judged.toml"),
    )
    assert shipped.judge is not None
    unfunnelled = msgspec.structs.replace(shipped.judge, funnel=False)
    assert measuring == msgspec.structs.replace(
        shipped, path=measuring.path, judge=unfunnelled, experiments=(), outcomes=()
    )


@pytest.mark.parametrize(
    ("chosen", "replies", "verdicts"),
    [(["-m", "cheap"], 109, 0), ([], 109, 16), (["-m", "judged"], 109, 109)],
    ids=["cheap", "all", "measuring the judge"],
)
def test_a_clone_replays_every_level_and_calls_nobody(
    pytester: pytest.Pytester, chosen: list[str], replies: int, verdicts: int
) -> None:
    folder = pytester.path / "support"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".ladder"))
    if verdicts == replies:
        chosen = [*chosen, f"--ladder-config={folder / 'judged.toml'}"]
    # numpy, which retrieval needs, cannot be loaded twice in a process.
    result = pytester.runpytest_subprocess(*chosen, "support")
    assert result.ret == 0
    report = pytester.path / "ladder-report/current"
    spend = json.loads((report / "matrix.json").read_text(encoding="utf-8"))["spend"]
    assert (spend["live_calls"], spend["evaluation_usd"]) == (0, 0)
    assert spend["replayed_calls"] == replies + verdicts
    assert ("sensitivity" in result.stdout.str()) == (verdicts == replies)
