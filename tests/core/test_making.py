"""What makes a rung: settings as they are, and of every prompt its hash alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.making import making_of
from pytest_ladder.core.rung import Rung, Strategy
from pytest_ladder.prompting.refine import RefineOptions
from pytest_ladder.prompting.vote import VoteOptions
from pytest_ladder.reporting.files.merge import merged
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from tests.cli.written_report import SMALL, a_report, some_rows

SECRET = "zq words zq"


def making(strategy: Strategy, **params: Any) -> dict[str, Any]:
    model = msgspec.structs.replace(SMALL, params=params)
    return making_of(Rung(model=model, strategy=strategy))


class OwnOptions(Strategy, frozen=True, kw_only=True):
    """As of somebody's own strategy."""

    words: str = ""
    shown: tuple[str, ...] = ()
    depth: int = 1


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(name="s", system=SECRET),
        Strategy(name="s", prompt=SECRET),
        VoteOptions(name="s", instruction=SECRET),
        RefineOptions(name="s", critique=SECRET),
        RefineOptions(name="s", revise=SECRET),
        OwnOptions(name="s", words=SECRET),
        OwnOptions(name="s", shown=(SECRET,)),
    ],
)
def test_a_text_is_told_by_its_hash_which_tells_it_from_another(
    strategy: Strategy,
) -> None:
    changed = next(
        field.name
        for field in msgspec.structs.fields(strategy)
        if SECRET in str(getattr(strategy, field.name))
    )
    value = getattr(strategy, changed)
    told = making(strategy)
    assert SECRET not in str(told)
    assert told[changed].startswith("sha256:")
    other = "another" if isinstance(value, str) else ("another",)
    replaced = msgspec.structs.replace(strategy, **{changed: other})
    assert making(replaced)[changed] != told[changed]


def test_settings_are_told_as_they_are_and_defaults_are_not() -> None:
    few = Strategy(name="few", examples="shots.jsonl", shots=3, params={"top_p": 0.5})
    told = making(few, temperature=0, top_p=1)
    assert told.pop("prompt") == making(Strategy(name="plain")).pop("prompt")
    assert told == {
        "use": "single-turn",
        "examples": "shots.jsonl",
        "shots": 3,
        "params": {"temperature": 0, "top_p": 0.5},
    }
    assert making(OwnOptions(name="own", depth=2))["depth"] == 2


def test_a_report_keeps_it_and_so_do_shards_joined(tmp_path: Path) -> None:
    known = {"small/plain": making(Strategy(name="plain"), temperature=0.25)}
    shards = {}
    for name, cases in (("a", range(2)), ("b", range(2, 4))):
        report = a_report(some_rows(["small/plain"], cases), id=name)
        write_report(tmp_path / name, msgspec.structs.replace(report, makings=known))
        shards[name] = read_report(tmp_path / name)
    assert shards["a"].makings == known
    assert merged(shards).makings == known
