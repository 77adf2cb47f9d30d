"""The hooks by which pytest calls pytest-ladder; the work is done elsewhere.

pytest loads this file in every suite of an environment where the package is
installed. So it imports nothing but pytest: what a ladder test needs is loaded when
the first ladder test is collected or reported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.session import plain_imports  # noqa: F401  (brings the others)

# isort: split
from pytest_ladder.results.state import known_results, results_of
from pytest_ladder.session import options, state
from pytest_ladder.session.fixtures import (  # noqa: F401  (pytest finds them here)
    _ladder_sample,
    case,
    judge,
    ladder_env,
    llm,
    outcomes,
    reply,
    rung,
    score,
    scripted,
    verdict,
)
from pytest_ladder.session.settings import check_workers, read_settings
from pytest_ladder.session.state import known_session, not_collected, session_of
from pytest_ladder.session.xdist import (
    announce_batches,
    handed_down,
    is_worker,
    make_scheduler,
    stay_alone,
)

if TYPE_CHECKING:
    from pytest_ladder.results.results import Results
    from pytest_ladder.session.app_link import AppGateway
    from pytest_ladder.session.session import LadderSession

LEVELS = ("cheap", "judged", "real")
MARKERS = (
    "cheap(*, at_least=1.0, tag=None): level 1: checked by plain code; at_least is the "
    "share of cases, or of those with a tag, that must pass on the current rung.",
    "judged(*, at_least=1.0, tag=None, rubric=None, judge=None, scale=None, "
    "samples=1): level 2: graded by an LLM, by a rubric of your own or a judge of the "
    "library.",
    "real(*, at_least=1.0, tag=None): level 3: results of real use.",
    "ladder(*, cases=None, task=None, samples=1, weight=1.0, miss=(), external=False, "
    "ahead=True, pack=False): what a ladder test runs over, and how its rows count.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set variables of the environment, if the command line names a file of them."""
    options.set_variables(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and refuse bad options before anything runs."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    settings = read_settings(config)
    if not is_worker(config):
        config.pluginmanager.register(_ReportTaker(config), "ladder-reports")
    if settings.plan:
        stay_alone(config)
    check_workers(config, settings)
    if settings.is_scheduled:
        config.pluginmanager.register(_SchedulerHooks(config), "ladder-stages")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of xdist what all processes of a run share."""
    node.workerinput["ladder"] = handed_down(node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: Any) -> None:
    """Have a worker told which tests it is handed, before it gets them."""
    announce_batches(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Choose what hands tests to workers: in stages, or all at once in a live run."""
    settings = read_settings(config)
    if settings.is_scheduled:
        from pytest_ladder.scheduling.xdist_scheduler import StagedScheduling

        return StagedScheduling(config, log)
    if not settings.live or config.getoption("dist") != "load":
        return None
    return make_scheduler(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Run ladder tests over rungs, cases and samples."""
    if not any(metafunc.definition.get_closest_marker(level) for level in LEVELS):
        return (yield)
    from pytest_ladder.collection import collect

    return (yield from collect.generate(session_of(metafunc.config), metafunc))


def pytest_make_parametrize_id(
    config: pytest.Config, val: object, argname: str
) -> str | None:
    """Name rungs and cases in test ids."""
    if argname not in ("rung", "case") or known_session(config) is None:
        return None
    from pytest_ladder.collection.collect import parameter_id

    return parameter_id(val)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Report mistakes in configuration, and order the tests rung by rung."""
    session = known_session(config)
    if session is not None:
        from pytest_ladder.collection import collect

        collect.finish(session, items)


def pytest_report_collectionfinish(
    config: pytest.Config, items: list[pytest.Item]
) -> list[str]:
    """Say which rungs are tested; or print the plan, if that is all that is wanted."""
    session = known_session(config)
    if session is None or session.problems:
        return []
    if not session.settings.plan:
        return session.header()
    from pytest_ladder.collection import plan

    return plan.plan(session, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Begin to ask for replies, and report at the end what fails the run as a whole."""
    ladder = known_session(session.config)
    if ladder is not None:
        _begin(ladder, session)
    outcome = yield
    if ladder is not None:
        ladder.end_calls(interrupted=False)
    results = known_results(session.config)
    if results is not None:
        results.report_run_failures(session)
    return outcome


def _begin(ladder: LadderSession, session: pytest.Session) -> None:
    from pytest_ladder.session.garbage import exempt_what_stays

    exempt_what_stays()
    ladder.open_gateway = _open_gateway
    if ladder.settings.live or ladder.settings.plan:
        from pytest_ladder.prefetch import prefetch

        prefetch.start(ladder, session)


def _open_gateway(ladder: LadderSession) -> AppGateway:
    from pytest_ladder.gateway.server import Gateway

    return Gateway(ladder)


# First, so that a timeout of the test does not count what others do.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let rehearsals run before a test, and close its row when it is over."""
    session = known_session(item.config)
    if session is not None:
        session.step(item)
    try:
        return (yield)
    finally:
        state.end(item)
        if session is not None:
            session.running.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the row of a ladder test; a rerun starts it anew."""
    state.begin(item)
    session = known_session(item.config)
    if session is not None:
        session.running.begin(session.item_of(item))


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the coroutine of a ladder test that no other plugin claims."""
    session = known_session(pyfuncitem.config)
    if session is None or session.running.record is None:
        return None
    if session.running.record.item.test.pack:
        from pytest_ladder.results import packed

        packed.run(session, session.running.record)
        return True
    return session.running.run_coroutine(pyfuncitem)


# First, so that nothing ends the body unseen.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a ladder test miss that has a failed subtest."""
    session = known_session(item.config)
    if session is None or session.running.record is None:
        return (yield)
    from pytest_ladder.results.subtests import ended_as_parts

    with session.apps.heard(), ended_as_parts(session.running.record):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give a ladder test its outcome, and put its row on the report."""
    report = yield
    session = known_session(item.config)
    if session is not None and session.running.record is not None:
        from pytest_ladder.results.subtests import complete_report

        complete_report(session, session.running.record, call, report)
        session.give_way()
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, Any] | None:
    """Show a miss that fails nothing as `m`, and nothing for what a climb left out."""
    if getattr(report, "ladder_left", False):
        return "skipped", "", "SKIPPED"
    if getattr(report, "ladder_part", False):
        return "", "", ("SUBMISSED", {"yellow": True})
    if getattr(report, "ladder", None) and report.ladder["missed"]:
        return "missed", "m", ("MISSED", {"yellow": True})
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the calls, write the report, close engine and servers, log the report."""
    results, ladder = known_results(session.config), known_session(session.config)
    with contextlib.ExitStack() as last:
        if ladder is not None:
            last.callback(ladder.close)
        last.callback(_write, session, results)
        if ladder is not None:
            ladder.end_calls(interrupted=session.exitstatus not in (0, 1))
    if results is not None:
        _log(results)


def _log(results: Results) -> None:
    """Log what was written where `[log]` says; no run fails for that."""
    if reports := results.to_log():
        from pytest_ladder.tracking.after_run import log_reports

        log_reports(reports, results.notes, results.warnings)


def _write(session: pytest.Session, results: Results | None) -> None:
    """Write the report; mark that of an earlier run, if this one failed without any."""
    if results is not None:
        results.write(session)
    if _lacks_rows(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    failed = session.exitstatus not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    if failed and not is_worker(session.config) and not (results and results.finished):
        from pytest_ladder.results import outdated

        outdated.mark_all(session.config, session.exitstatus)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix, and the misses where `-rm` asks for them."""
    results = known_results(terminalreporter.config)
    if results is not None:
        results.print_summary(terminalreporter)
    if _lacks_rows(terminalreporter.config):
        problem = "ladder gate: BROKEN: no row was evaluated, so nothing was compared."
        terminalreporter.write_line(problem, red=True)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Generator[None, object, object]:
    """Have a timeout of pytest-timeout end the waits of a test's threads, too."""
    outcome, session = (yield), known_session(item.config)
    if session is not None and session.settings.live:
        from pytest_ladder.session.alarm import end_waits_at_alarm

        end_waits_at_alarm(session)
    return outcome


def _lacks_rows(config: pytest.Config) -> bool:
    """Tell whether the run fails for want of rows to compare with a baseline."""
    settings = read_settings(config)
    runs = not (config.option.collectonly or settings.plan)
    compares = runs and settings.baseline is not None
    results = known_results(config)
    return compares and not is_worker(config) and not (results and results.finished)


class _ReportTaker:
    """Takes in reports; a plugin of each run, for the hook does not name the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    # First: what others print of it may be shortened.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(
        self, report: pytest.TestReport
    ) -> Generator[None, None, None]:
        """Keep what rides on the report of a ladder test."""
        if hasattr(report, "ladder"):
            results_of(self._config).take(report)
        if not hasattr(report, "ladder_silent"):
            return (yield)
        from pytest_ladder.results.silent import silenced

        with silenced(report):
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected: the rest is a part of the suite."""
        if report.failed:
            not_collected(self._config).append(report.nodeid)


class CollectedTests:
    """Keeps what was collected, for a command that runs none of it."""

    def __init__(self) -> None:
        self.session: LadderSession | None = None
        """None: there was no ladder test."""
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the tests that were not deselected."""
        self.session = known_session(session.config)
        self.items = list(session.items)


class _SchedulerHooks:
    """Runs the tests in stages; registered only for a run that has several."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_ladder.scheduling.loop import Placeholders

        self._placeholders = Placeholders(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Let the controller of xdist know what there is to run."""
        from pytest_ladder.scheduling import loop

        loop.hand_over_plan(session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run the tests, where no xdist does."""
        from pytest_ladder.scheduling import loop

        return loop.run(session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Leave out placeholders, which a worker of xdist only waits with."""
        return self._placeholders.leaves_out(item, nextitem) or None
