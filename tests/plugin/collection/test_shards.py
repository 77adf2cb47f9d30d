"""`--ladder-shard`: a part of the cases, the same on every rung, clusters whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ladder.cli.main import main
from pytest_ladder.collection.selection import chosen
from pytest_ladder.collection.sharding import deal, pieces_of
from pytest_ladder.core.case import Case
from tests.plugin.scratch_suite import LADDER, ONE_WORKER, TWO_TESTS, Run, Shop

OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.5
"""
FREE = """
import pytest

@pytest.mark.cheap
@pytest.mark.parametrize("word", ["a", "b", "c", "d", "e", "f", "g"])
def test_free(llm, word):
    assert llm(word).text == word
"""
OTHERS = """
import pytest

@pytest.mark.parametrize("number", range(9))
def test_of_ones_own(number):
    assert number < 9
"""
CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(20)]
IN_A_PROCESS = """
import json, sys
from pytest_ladder.collection.sharding import deal, pieces_of
from pytest_ladder.core.case import Case
cases = [Case(input="", **fields) for fields in json.load(sys.stdin)]
print(sorted((key.decode(), n) for key, n in deal(pieces_of(cases), 7, 0).items()))
"""

cases_of_a_suite = st.lists(
    st.builds(
        Case,
        id=st.text(min_size=1, max_size=4),
        input=st.just(""),
        source=st.sampled_from(["a.jsonl", "b.jsonl", "sub/c.jsonl"]),
        cluster=st.sampled_from([None, None, None, "k1", "k2", "k3"]),
    ),
    unique_by=lambda case: (case.source, case.id),
    max_size=80,
)


@pytest.fixture
def suite(shop: Shop) -> Shop:
    shop.cases(CASES)
    shop.test(TWO_TESTS)
    return shop


def ran(shop: Shop, folder: str) -> set[tuple[str, str, str]]:
    return {
        (row["rung"], row["test"].rpartition("::")[2], row.get("case", ""))
        for row in shop.rows(folder)
    }


def refusal(result: pytest.RunResult) -> str:
    """Return the one sentence that a run was refused with."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    return line.removeprefix("ERROR: ")


@given(cases_of_a_suite, st.integers(1, 25), st.integers(0, 3), st.randoms())
def test_shards_partition_the_cases_evenly_and_clusters_stay_whole(
    cases: list[Case], total: int, seed: int, order: random.Random
) -> None:
    pieces = pieces_of(cases)
    dealt = deal(pieces, total, seed)
    shard_of = {unit: dealt[p.key] for p in pieces for unit in p.units}
    assert shard_of.keys() == {(case.source, case.id) for case in cases}
    for cluster in {case.cluster for case in cases} - {None}:
        whole = {shard_of[c.source, c.id] for c in cases if c.cluster == cluster}
        assert len(whole) == 1
    sizes = Counter(dict.fromkeys(range(1, total + 1), 0)) | Counter(shard_of.values())
    held = [sizes[index] for index in range(1, total + 1)]
    largest = max((len(piece.units) for piece in pieces), default=0)
    assert max(held) - min(held) <= largest
    assert all(held[: min(total, len(pieces))])
    shuffled = list(cases)
    order.shuffle(shuffled)
    assert deal(pieces_of(shuffled), total, seed) == dealt


def test_each_file_is_cut_evenly_by_itself() -> None:
    cases = [
        Case(id=f"c{n}", input="", source="a.jsonl" if n < 100 else "b.jsonl")
        for n in range(140)
    ]
    dealt = deal(pieces_of(cases), 20, 0)
    assert deal(pieces_of(cases), 20, 1) != dealt
    for source, each in (("a.jsonl", 5), ("b.jsonl", 2)):
        units = [p.key for p in pieces_of(cases) if p.source == source]
        assert set(Counter(dealt[key] for key in units).values()) == {each}


def test_another_process_and_hash_seed_deal_alike() -> None:
    fields = [
        {"id": f"ü{n}", "source": "a.jsonl", "cluster": f"k{n % 9}" if n % 2 else None}
        for n in range(60)
    ]
    said = set()
    for seed in ("0", "77"):
        fields.reverse()
        done = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS],
            input=json.dumps(fields),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1
    assert "'k1'" not in said.pop()


def test_a_shard_is_of_the_cases_that_were_drawn() -> None:
    cases = [Case(id=f"c{n}", input="", source="a.jsonl") for n in range(100)]
    drawn = chosen(cases, 30, 0)
    kept = [case for case in cases if (case.source, case.id) in drawn]
    dealt = deal(pieces_of(kept), 3, 0)
    assert Counter(dealt.values()) == {1: 10, 2: 10, 3: 10}


def test_shards_are_the_whole_and_each_says_it_is_a_part(suite: Shop, run: Run) -> None:
    suite.ladder(LADDER + OBJECTIVE)
    suite.run("--ladder=matrix", "--ladder-live", "--ladder-report=whole")
    assert suite.matrix("whole")["recommendation"]["verdict"] == "pass"
    before = suite.server.count
    found: list[Any] = []
    for index in (1, 2, 3):
        result = run("--ladder=matrix", f"--ladder-shard={index}/3")
        folder = f"ladder-report/shards/{index}-of-3"
        cases = {case for _, _, case in ran(suite, folder)}
        assert len(cases) in (6, 7)
        assert len(ran(suite, folder)) == 4 * len(cases)
        found += ran(suite, folder)
        of = f"shard {index} of 3: {4 * len(cases)} of 80 items"
        # The controller of xdist tells the items with the part alone.
        header = f"*ladder: matrix: *; shard {index} of 3*"
        result.stdout.fnmatch_lines([header])
        result.stdout.fnmatch_lines([f"A part of the suite: {of}."])
        run_of = suite.matrix(folder)["run"]
        assert run_of["part"]["shard"] == f"shard {index} of 3"
        advice = suite.matrix(folder)["recommendation"]
        assert advice["verdict"] == "undecided"
        assert "shard" in advice["reason"]
    assert len(found) == 80
    assert set(found) == ran(suite, "whole")
    assert suite.server.count == before


def test_a_shard_never_replaces_the_report_of_the_whole(suite: Shop) -> None:
    suite.cases(CASES[:2])
    suite.run("--ladder=matrix", "--ladder-live")
    report = (suite.path / "ladder-report/rows.jsonl").read_bytes()
    suite.run("--ladder=matrix", "--ladder-shard=2/2")
    suite.run("--ladder=matrix", "--ladder-shard=2/2", "--ladder-report=ladder-report")
    assert (suite.path / "ladder-report/rows.jsonl").read_bytes() == report
    assert len(suite.rows("ladder-report/part")) == 4
    assert len(suite.rows("ladder-report/shards/2-of-2")) == 4


def test_a_shard_replaces_what_the_same_shard_left_the_night_before(
    suite: Shop,
) -> None:
    suite.run("--ladder-live", "--ladder-shard=1/2")
    folder = "ladder-report/current/shards/1-of-2"
    assert len(suite.rows(folder)) == 20
    suite.cases(CASES[:8])
    suite.run("--ladder-live", "--ladder-shard=1/2")
    assert len(suite.rows(folder)) == 8
    suite.test(TWO_TESTS.replace("(at_least=0.5)", "").replace("< 10", "< 1"))
    suite.run("--ladder-shard=1/2", "-x")  # stopped at once
    assert len(suite.rows(folder)) == 8
    assert not (suite.path / "ladder-report/current/shards/2-of-2").exists()


@ONE_WORKER
def test_tests_without_cases_run_in_one_shard_each(suite: Shop, run: Run) -> None:
    suite.test(FREE, "test_free.py")
    suite.test(OTHERS, "test_others.py")
    suite.run("--ladder=matrix", "--ladder-live")
    free: Counter[str] = Counter()
    others = 0
    for index in (1, 2, 3):
        result = run("--ladder=matrix", f"--ladder-shard={index}/3", "-q")
        rows = suite.rows(f"ladder-report/shards/{index}-of-3")
        own = [row["test"] for row in rows if "test_free" in row["test"]]
        assert 4 <= len(own) <= 6  # on two rungs
        free.update(own)
        told = result.parseoutcomes()
        mine = told["passed"] + told["missed"] - len(rows)
        assert mine == 3
        others += mine
    assert len(free) == 7
    assert set(free.values()) == {2}
    assert others == 9


def test_a_packed_test_is_cut_inside(suite: Shop, run: Run) -> None:
    suite.test(TWO_TESTS.replace('"cases.jsonl"', '"cases.jsonl", pack=True'))
    suite.run("--ladder-live")
    seen: list[Any] = []
    for index in (1, 2):
        result = run(f"--ladder-shard={index}/2")
        folder = f"ladder-report/current/shards/{index}-of-2"
        assert len(ran(suite, folder)) == 20
        seen += ran(suite, folder)
        result.stdout.fnmatch_lines(
            ["*test_answer[[]bot/plain] share: partial, 10 of 20 ran"]
        )
    assert len({*seen}) == len(seen) == 40


def test_all_tests_and_samples_of_a_case_are_in_one_shard(suite: Shop) -> None:
    suite.run("--ladder-live", "--ladder-samples=2", "--ladder-shard=1/4")
    rows = suite.rows("ladder-report/current/shards/1-of-4")
    each = Counter(row["case"] for row in rows)
    assert len(each) == 5
    assert set(each.values()) == {2 * 2}


def test_drawn_cases_are_cut_further(suite: Shop) -> None:
    suite.run("--ladder-live", "--ladder-cases=6", "--ladder-report=drawn")
    cut = set()
    for index in (1, 2, 3):
        suite.run("--ladder-cases=6", f"--ladder-shard={index}/3")
        part = ran(suite, f"ladder-report/current/shards/{index}-of-3")
        assert len(part) == 2 * 2
        cut |= part
    assert cut == ran(suite, "drawn")


def test_the_order_of_files_and_what_k_leaves_change_no_evenness(suite: Shop) -> None:
    suite.test(TWO_TESTS.replace("cases.jsonl", "more.jsonl"), "test_more.py")
    more = [{**case, "id": f"m{n}"} for n, case in enumerate(CASES[:10])]
    suite.cases(more, "more.jsonl")
    runs = []
    for files in (("test_shop.py", "test_more.py"), ("test_more.py", "test_shop.py")):
        suite.run(*files, "--ladder-live", "--ladder-shard=2/3")
        runs.append(ran(suite, "ladder-report/current/shards/2-of-3"))
    assert runs[0] == runs[1]
    suite.run("-k", "test_more", "--ladder-shard=2/5", "--ladder-report=k")
    assert len(suite.rows("k")) == 2 * 2


def test_the_plan_says_the_shard_and_counts_its_calls(
    suite: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    result = suite.run("--ladder=matrix", "--ladder-plan", "--ladder-shard=1/4")
    lines = ["shard 1 of 4: 20 of 80 items", "*bot/plain* 5 *", "*bot/loud* 5 *"]
    result.stdout.fnmatch_lines(lines)
    assert main(["plan", "--ladder-shard=4/4"]) == 0
    assert "shard 4 of 4: 20 of 80 items" in capsys.readouterr().out
    assert suite.server.count == 0


def test_auto_is_what_the_machine_says(
    suite: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setenv("LADDER_SHARD_COUNT", "4")
    suite.run("--ladder-live", "--ladder-report=unasked")
    assert suite.matrix("unasked")["run"]["part"] is None
    suite.run("--ladder-shard=auto", "--ladder-report=asked")
    assert suite.matrix("asked")["run"]["part"]["shard"] == "shard 2 of 4"
    monkeypatch.setenv("LADDER_SHARD", "4/4")
    suite.run("--ladder-report=set")
    assert suite.matrix("set")["run"]["shard"]["index"] == 4
    suite.run("--ladder-shard=1/1", "--ladder-report=single")
    assert suite.matrix("single")["run"]["part"] is None


def test_no_ini_file_makes_every_run_a_shard(suite: Shop) -> None:
    suite.write("pytest.ini", "[pytest]\nladder_shard = 1/2\n")
    result = suite.run("--ladder-live")
    assert suite.matrix()["run"]["part"] is None
    result.stdout.fnmatch_lines(["*Unknown config option: ladder_shard*"])


@pytest.mark.parametrize("value", ["0/3", "4/3", "1", "x", ""])
def test_what_is_no_shard_is_one_sentence(suite: Shop, value: str) -> None:
    assert refusal(suite.run(f"--ladder-shard={value}")) == (
        f"--ladder-shard is {value!r}; give K/N, the K-th of N shards with K from 1 to "
        "N, such as 3/20, or auto."
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ladder=climb"], "a climb decides as it goes; run it in one job"),
        (["--ladder=litmus"], "--ladder=litmus takes a few of them; run it in one job"),
        (["--ladder-baseline=base"], "hold the merged report against it with"),
        (["--ladder-baseline=base", "--ladder-live"], "a shard decides nothing, and"),
    ],
)
def test_what_must_see_all_cases_is_refused(
    suite: Shop, arguments: list[str], told: str
) -> None:
    said = refusal(suite.run("--ladder-shard=1/2", *arguments))
    assert said.startswith("--ladder-shard=1/2 ")
    assert told in said
    assert suite.server.count == 0


def test_a_shard_without_a_case_passes_and_can_be_merged(
    suite: Shop, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    clustered = [case | {"cluster": f"k{n // 10}"} for n, case in enumerate(CASES)]
    suite.cases(clustered)
    suite.run("--ladder-live")
    for index in (1, 2, 3):
        result = run(f"--ladder-shard={index}/3")
        assert result.ret == pytest.ExitCode.OK
        folder = f"ladder-report/current/shards/{index}-of-3"
        assert len(suite.rows(folder)) == (0 if index == 3 else 20)
    result.stdout.fnmatch_lines(["*shard 3 of 3: 0 of 40 items*"])
    folders = sorted((suite.path / "ladder-report/current/shards").iterdir())
    assert main(["merge", *map(str, folders), "--output", "joined"]) == 0
    assert "joined 3 reports, 40 rows:" in capsys.readouterr().out
    assert suite.matrix("joined")["run"]["part"] is None


def test_a_shard_of_which_only_the_cases_were_counted_leaves_no_report(
    suite: Shop,
) -> None:
    for arguments in (["--collect-only"], ["--ladder-plan"]):
        suite.run("--ladder-shard=30/30", *arguments)
    assert not (suite.path / "ladder-report").exists()


def test_what_selects_no_test_at_all_is_no_shard_without_a_case(suite: Shop) -> None:
    result = suite.run("--ladder-shard=1/2", "-k", "typo")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_small_ladder_beside_a_large_one_leaves_shards_without_it(
    suite: Shop,
) -> None:
    suite.write("small/ladder.toml", (suite.path / "ladder.toml").read_text())
    suite.write("small/test_small.py", "import pytest\n" + TWO_TESTS)
    suite.cases(CASES[:1], "small/cases.jsonl")
    for index, small in ((1, 1), (2, 0), (3, 0)):
        suite.run("--ladder-live", f"--ladder-shard={index}/3")
        folder = suite.path / f"ladder-report/current/shards/{index}-of-3"
        name = str(folder.relative_to(suite.path))
        assert len(suite.rows(f"{name}/small")) == 2 * small
        assert suite.rows(f"{name}/root")
    # That shard has all cases of the small one, and is a part all the same.
    part = suite.matrix("ladder-report/current/shards/1-of-3/small")["run"]["part"]
    assert (part["items"], part["of"], part["shard"]) == (2, 2, "shard 1 of 3")
