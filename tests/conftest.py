"""What all tests share."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator

# Hypothesis is imported at the end of every pytest run in this environment; pytester
# forgets it each time unless it is loaded here.
import hypothesis

# An extension of C that a run in this process imported could not be imported again.
import numpy as np  # noqa: F401
import pytest
import scipy.special
import scipy.stats  # noqa: F401
from _pytest.fixtures import FixtureManager

# Without cached bytecode every run in a subprocess compiles all of pytest's plugins.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs in the background deaf to Ctrl-C, and so would be the
    # processes that tests press it for.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# At its start a run of pytest looks at every name of every plugin for fixtures that a
# decorator hides, to warn of them: a fifth of what a small run takes. It is private: in
# a pytest without it this changes nothing, and runs take longer.
if hasattr(FixtureManager, "_check_for_wrapped_fixture"):
    FixtureManager._check_for_wrapped_fixture = lambda *_: None  # type: ignore[method-assign]

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("ladder", deadline=None)
hypothesis.settings.load_profile("ladder")

# Words in the id of a test that starts workers, a llama.cpp server or a pytest that is
# interrupted. Each word costs a second of computing and more.
_PROCESSES = (
    *("xdist", "worker", "test_interrupts", "test_other_machines", "test_core_alone"),
    *("calls/local/", "cli/test_init", "test_example_four_tiers"),
    *("gateway/test_children", "cli/test_shards_of_machines"),
    *("session/test_frozen_clocks", "session/test_progress"),
    "cli/test_closed_output",
)

# Of whole runs of pytest that are many, and of properties over many worlds.
_LONG = (
    *("plugin/results/", "plugin/scheduling/", "plugin/prefetch/", "plugin/gateway/"),
    *("decide/test_one_rule", "decide/test_climb_properties"),
    *("decide/test_random_worlds", "decide/gate/test_within_cases"),
    *("collection/test_cases_drawn", "collection/test_litmus", "collection/test_own_"),
    *("session/test_odd_judges", "session/test_judging", "session/test_plugins"),
    *("session/test_async_and_tasks", "session/test_machines"),
    *("examples/test_ci_examples", "examples/test_example_support"),
    *("examples/test_example_exam", "cli/test_recordings_command"),
    *("cli/test_merge_shards", "collection/test_shards"),
    *("session/test_new_strategy", "session/test_several_calls"),
    *("session/test_try.py", "engine/test_faulty_calls", "tests/integrations/"),
)

# What asks a database: rooms of their own, and a step of their own.
_POSTGRES = ("calls/shared/", "plugin/machines/")

_STEPS = [
    (re.compile("|".join(words)), mark)
    for words, mark in (
        (_POSTGRES, pytest.mark.postgres),
        (_PROCESSES, pytest.mark.processes),
        (_LONG, pytest.mark.long),
    )
]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which PostgreSQL the tests use, where they use one."""
    chosen: str = config.option.markexpr
    if "postgres" not in chosen or "not postgres" in chosen:
        return None
    from tests.postgres_server import described

    return f"postgres: {described()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take seconds of computing: .ci/run gives them their steps.

    What imports litellm, by its name in the id or among the fixtures, what asks a
    database, what starts processes that live long, and what takes long because it is
    much. Each is in one step alone, and what a test says of itself goes first.
    """
    for item in items:
        if not item.nodeid.startswith("tests/"):
            continue
        if any(item.get_closest_marker(mark.name) for _, mark in _STEPS):
            continue
        fixtures = getattr(item, "fixturenames", ())
        if "litellm" in item.nodeid.lower() or "litellm" in fixtures:
            item.add_marker(pytest.mark.litellm)
            continue
        for words, mark in _STEPS:
            if words.search(item.nodeid):
                item.add_marker(mark)
                break


@pytest.fixture(autouse=True)
def _imports_litellm_only_if_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep litellm's 200 MB out of a process whose other tests run pytest.

    At the end of each run the garbage collector looks through all of it: 0.6 s.
    """
    before = "litellm" in sys.modules
    yield
    if not before and request.node.get_closest_marker("litellm") is None:
        assert "litellm" not in sys.modules, "name litellm in this test, see above"


@pytest.fixture(autouse=True)
def _named_plugins_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load xdist and pytest-ladder in the runs that a test starts, and no other plugin.

    Otherwise each run and each of its workers looks through all installed packages for
    plugins, a sixth of what it takes. A test of another plugin names it: `-p NAME`.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin,pytest_ladder.plugin")


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds between attempts, as many as ever."""
    for module, first in (("retries", "_FIRST_PAUSE_S"), ("window", "_PAUSE_S")):
        monkeypatch.setattr(f"pytest_ladder.calls.{module}.{first}", 0.002)
        monkeypatch.setattr(f"pytest_ladder.calls.{module}._LONGEST_PAUSE_S", 0.02)
