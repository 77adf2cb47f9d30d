"""Installed but unused is invisible; and a replay stays light."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.scratch_suite import Shop

SUITE = """
import os
import pytest

def test_passes(tmp_path):
    pass

@pytest.mark.parametrize(("case", "rung"), [(1, 2), (3, 4)])
def test_our_words(case, rung):
    assert case < 3, "a failure to report"

@pytest.fixture
def reply():
    return "mine"

def test_own_fixture(reply):
    assert reply == "mine"

@pytest.mark.skip(reason="later")
def test_skipped():
    pass

@pytest.mark.xfail
def test_xfailed():
    assert False

class TestClass:
    def test_method(self, capsys):
        print("out")
"""
CONFTEST = """
import json, os, sys
from pathlib import Path

def pytest_unconfigure(config):
    name = os.environ.get("PYTEST_XDIST_WORKER", "main")
    place = Path(os.environ["SNAPSHOT"])
    place.mkdir(exist_ok=True)
    state = {"modules": sorted(sys.modules), "environment": dict(os.environ)}
    (place / name).write_text(json.dumps(state))
"""
# What they print or leave differs from run to run, or names all plugins.
OTHERS = (
    *("anyio", "asyncio", "benchmark", "hypothesispytest", "html", "metadata"),
    *("pytest_cov", "randomly", "rerunfailures", "sugar", "syrupy", "timeout"),
)
HEAVY = ("litellm", "aiohttp", "numpy", "scipy", "bm25s", "xllamacpp", "yaml")
FOR_CALLS = ("asyncio", "concurrent", "ssl")
# Of the package: for runs that call, judge, climb, search or have an objective.
FOR_OTHER_RUNS = (
    *("calls.caller", "calls.in_flight", "calls.local", "calls.one_machine.room"),
    *("calls.coordinator", "calls.sender", "calls.one_machine.claims"),
    *("judging.verdicts", "judging.jury", "judging.calibration", "cases.choices"),
    *("decide.objectives", "decide.climb", "decide.recommendation"),
    *("decide.gate", "prompting.search", "scheduling", "prefetch"),
    *("calls.shared", "config.store", "session.shared_store"),
    "collection.shared_replies",
)


def state_of(snapshot: Path, process: str = "main") -> dict[str, Any]:
    state: dict[str, Any] = json.loads((snapshot / process).read_text())
    return state


def run_apart(
    pytester: pytest.Pytester, snapshot: Path, *arguments: str
) -> pytest.RunResult:
    """Run pytest in a process of its own that tells what it held at its end."""
    pytester.makeconftest(CONFTEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAPSHOT", str(snapshot))
        return pytester.runpytest_subprocess(*arguments)


def shown(result: pytest.RunResult) -> str:
    """Return the output without times, and without the list of plugins."""
    text = result.stdout.str() + result.stderr.str()
    text = re.sub(r"(, )?ladder-[\w.]+", "", text)
    # Workers finish in any order, and either may get the test that fails.
    text = re.sub(r"\[gw\d\]", "[gw]", text)
    text = re.sub(r"^[.FsxE]+ .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\bin \d+\.\d+s", "in 0.00s", text)
    return re.sub(r"=+", "=", text)


def children(folder: Path) -> set[str]:
    """Return all files of a suite, pytester's own aside."""
    paths = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {path for path in paths if not path.startswith("runpytest-")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-v", "-rA"],
        pytest.param(["-q", "-n2"], marks=pytest.mark.processes),
        ["--co"],
    ],
    ids=" ".join,
)
def test_an_unrelated_suite_is_as_it_was_without_the_plugin(
    pytester: pytest.Pytester,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-pno:{name}" for name in OTHERS))
    pytester.makepyfile(SUITE)
    without = run_apart(pytester, tmp_path / "out", *arguments, "-pno:ladder")
    before = children(pytester.path)
    with_it = run_apart(pytester, tmp_path / "in", *arguments)
    assert with_it.ret == without.ret
    assert shown(with_it) == shown(without)
    assert children(pytester.path) == before
    processes = ("main", "gw0", "gw1") if "-n2" in arguments else ("main",)
    # A failed test imports what shows it, in whichever worker it ran.
    usual: set[str] = set()
    for process in processes:
        usual.update(state_of(tmp_path / "out", process)["modules"])
    for process in processes:
        light, laden = (state_of(tmp_path / f, process) for f in ("out", "in"))
        new = set(laden["modules"]) - usual
        ours = {name for name in new if name.split(".")[0] == "pytest_ladder"}
        foreign = {
            n for n in new - ours if n.split(".")[0] not in sys.stdlib_module_names
        }
        assert foreign == set()
        assert not ours & {
            "pytest_ladder.session.session",
            "pytest_ladder.results.results",
        }
        ignored = {"SNAPSHOT", "PYTEST_XDIST_TESTRUNUID"}
        assert {k: v for k, v in laden["environment"].items() if k not in ignored} == {
            k: v for k, v in light["environment"].items() if k not in ignored
        }


def test_a_replay_imports_nothing_heavy(shop: Shop, tmp_path: Path) -> None:
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert case.expected in reply.text
""")
    shop.run("--ladder-live")
    result = run_apart(shop.pytester, tmp_path / "in")
    result.stdout.fnmatch_lines(["replayed 3 calls*"])
    loaded = state_of(tmp_path / "in")["modules"]
    modules = {name.split(".")[0] for name in loaded}
    assert modules & {*HEAVY, *FOR_CALLS} == set()
    ours = [name.removeprefix("pytest_ladder.") for name in loaded]
    assert [name for name in ours if name.startswith(FOR_OTHER_RUNS)] == []


def test_a_live_run_over_the_direct_lane_does_without_litellm(
    shop: Shop, tmp_path: Path
) -> None:
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    assert llm('a').text == 'a'")
    result = run_apart(shop.pytester, tmp_path / "in", "--ladder-live")
    result.assert_outcomes(passed=1)
    modules = {name.split(".")[0] for name in state_of(tmp_path / "in")["modules"]}
    assert modules & (set(HEAVY) - {"aiohttp", "yaml"}) == set()


def test_commands_start_without_pytest() -> None:
    """It is half of what a command takes to start, and most need nothing of it."""
    script = "import sys, pytest_ladder.cli.main; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_loading_the_plugin_loads_pytest_and_the_standard_library() -> None:
    script = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import pytest_ladder.plugin\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign <= {"pytest_ladder", "_pytest", "msgspec"}


def test_pytest_does_not_rewrite_the_modules_of_an_installed_plugin(
    shop: Shop,
) -> None:
    # As pytest does for a package that is installed from a wheel.
    shop.write(
        "installed.py", "import pytest; pytest.register_assert_rewrite('pytest_ladder')"
    )
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    assert llm('a').text == 'a'")
    shop.pytester.makeconftest("""
import sys

def pytest_unconfigure():
    loaders = {
        name: type(module.__spec__.loader).__name__
        for name, module in sys.modules.items()
        if name.startswith("pytest_ladder.")
    }
    rewritten = [name for name, loader in loaders.items() if "Rewriting" in loader]
    print("rewritten:", *sorted(rewritten), "of many" if len(loaders) > 100 else "")
""")
    shop.pytester.syspathinsert()
    arguments = ("--ladder-live", "-p", "installed", "-p", "pytest_ladder.plugin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        result = shop.pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    first = (
        "pytest_ladder.plugin pytest_ladder.session pytest_ladder.session.plain_imports"
    )
    result.stdout.fnmatch_lines([f"rewritten: {first} of many"])


def test_fixtures_know_their_test_after_it_ran_pytest_itself(shop: Shop) -> None:
    shop.write("inner/test_inner.py", "def test_inner():\n    pass\n")
    shop.test("""
@pytest.mark.cheap
def test_outer(request, rung):
    assert pytest.main(["-q", "-p", "no:cacheprovider", "inner"]) == 0
    assert request.getfixturevalue("llm")("a").text == "a"
""")
    result = shop.run("--ladder-live", "test_shop.py")
    result.assert_outcomes(passed=1)


def test_fixtures_know_their_test_in_a_run_loop_of_someone_elses(shop: Shop) -> None:
    shop.write(
        "conftest.py",
        """
from _pytest.runner import runtestprotocol

def pytest_runtestloop(session):
    for item in session.items:
        runtestprotocol(item, nextitem=None)
    return True
""",
    )
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case, llm):
    assert case.input in reply.text
    assert llm(case.input).text == case.input
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=3)
    assert len(shop.rows()) == 3


def test_a_conftest_may_skip_before_any_plugin_sees_the_test(shop: Shop) -> None:
    shop.write(
        "conftest.py",
        """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if "skipped" in item.name:
        pytest.skip("first of all")
""",
    )
    shop.test("""
def test_skipped():
    assert False

@pytest.mark.cheap
def test_one(llm):
    assert llm("a").text == "a"
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=1, skipped=1)


def test_only_the_first_run_of_a_process_sets_its_heap_aside(shop: Shop) -> None:
    """What a later run collects need not stay to the end of the process."""
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    assert llm('a').text == 'a'")
    counts = []
    for _ in range(3):
        shop.run("--ladder-live")
        counts.append(gc.get_freeze_count())
    assert counts[0] > 0
    assert counts[0] >= counts[1] >= counts[2]
