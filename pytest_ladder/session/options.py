"""The options of a run: command line, then environment, then ini file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.session.xdist import worker_elsewhere, worker_with_own_files

MODES = ("current", "matrix", "climb", "litmus")
MISSING = ("fail", "skip")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option, and the same in the environment and in an ini file.

    `--ladder-NAME`, `LADDER_NAME` and `ladder_NAME`.
    """

    name: str
    help: str
    metavar: str | None = None
    """None: a switch."""
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] = str
    expects: str = ""
    ini: bool = True
    """False for what makes a run spend: no file in a repository may do that."""

    @property
    def flag(self) -> str:
        """The option as typed."""
        return "--ladder" if self.name == "mode" else f"--ladder-{self.name}"

    @property
    def dest(self) -> str:
        """Its name in pytest's options and in ini files."""
        return "ladder" if self.name == "mode" else f"ladder_{self.name}"

    @property
    def environment(self) -> str:
        """Its name in the environment."""
        return self.dest.upper()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seed(text: str) -> int | str:
    if text == "new":
        return text
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _dollars(text: str) -> float:
    amount = float(text)
    if not 0 < amount < math.inf:
        raise ValueError(text)
    return amount


OPTIONS = (
    Option(
        name="mode",
        metavar="MODE",
        choices=MODES,
        help="which rungs to test: the one you ship (current, the default), all "
        "(matrix), the cheapest first until the objective is decided (climb), or the "
        "most capable one with gold context on a few cases (litmus).",
    ),
    Option(
        name="rungs",
        metavar="GLOB",
        help="only the rungs that match, such as 'smol/*' or '*/rag'.",
    ),
    Option(
        name="live",
        ini=False,
        help="call models for replies that are not stored; without it a run never "
        "spends.",
    ),
    Option(
        name="refresh",
        ini=False,
        help="with --ladder-live: call again for replies that are stored.",
    ),
    Option(
        name="budget",
        metavar="USD",
        parse=_dollars,
        expects="an amount in USD above 0",
        ini=False,
        help="with --ladder-live: hard cap of the whole run, all processes together.",
    ),
    Option(
        name="plan",
        help="print rungs, calls, tokens, dollars and hosts, and stop.",
        ini=False,
    ),
    Option(
        name="samples",
        metavar="N",
        parse=_positive,
        expects="a whole number from 1",
        help="replies to each case, where a test does not say.",
    ),
    Option(
        name="concurrency",
        metavar="N",
        parse=_positive,
        expects="a whole number from 1",
        help="calls at once for each model, instead of the model's limits.",
    ),
    Option(
        name="missing",
        metavar="WHAT",
        choices=MISSING,
        help="what a test does whose reply is not stored: fail (default) or skip.",
    ),
    Option(
        name="seed",
        metavar="N|new",
        parse=_seed,
        expects="a whole number from 0, or new",
        help="seed of the case order of a climb; a new one counts as an attempt.",
    ),
    Option(
        name="baseline",
        metavar="FILE|git:REF",
        help="compare with an earlier report, and let the gate hold what got worse.",
    ),
    Option(
        name="config",
        metavar="FILE",
        help="configuration instead of the nearest ladder.toml.",
    ),
    Option(
        name="report",
        metavar="DIR",
        help="where the report goes (default: ladder-report).",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of this run, from command line, environment and ini file."""

    mode: str
    rungs: str | None
    live: bool
    refresh: bool
    budget: float | None
    plan: bool
    samples: int
    concurrency: int | None
    missing: str
    seed: int | str | None
    baseline: str | None
    config: Path | None
    report: Path | None

    @property
    def escalates(self) -> bool:
        """Whether the gate gets more samples by itself where it cannot tell."""
        gated = self.live and self.baseline is not None
        return gated and self.mode in ("current", "matrix")

    @property
    def is_scheduled(self) -> bool:
        """Whether the results so far decide which tests run next."""
        return self.mode == "climb" or self.escalates


def add_options(parser: pytest.Parser) -> None:
    """Register every option, and those that may stand in an ini file."""
    group = parser.getgroup("ladder", "LLM evals (pytest-ladder)")
    for option in OPTIONS:
        if option.metavar is None:
            group.addoption(
                option.flag,
                dest=option.dest,
                action="store_true",
                default=None,
                help=option.help,
            )
        else:
            group.addoption(
                option.flag, dest=option.dest, metavar=option.metavar, help=option.help
            )
        if option.ini:
            parser.addini(option.dest, option.help)


def read(config: pytest.Config) -> Settings:
    """Read every option; raises `pytest.UsageError` for a bad value."""
    values = {option.name: _value(option, config) for option in OPTIONS}
    if values["refresh"] and not values["live"]:
        raise pytest.UsageError(
            "--ladder-refresh calls models, so it needs --ladder-live as well."
        )
    if values["budget"] is not None and not values["live"]:
        raise pytest.UsageError(
            "--ladder-budget caps what calls cost, and without --ladder-live none is "
            "made; add it, or drop the budget."
        )
    return Settings(
        mode=values["mode"] or "current",
        rungs=values["rungs"],
        live=bool(values["live"]),
        refresh=bool(values["refresh"]),
        budget=values["budget"],
        plan=bool(values["plan"]),
        samples=values["samples"] or 1,
        concurrency=values["concurrency"],
        missing=values["missing"] or "fail",
        seed=values["seed"],
        baseline=values["baseline"],
        config=_config_file(config, values["config"]),
        report=_report_folder(config, values["report"]),
    )


def check_workers(config: pytest.Config, settings: Settings) -> None:
    """Refuse workers that cannot do what this run promises, before any is started.

    Warns of workers that may call for a reply twice. Raises `pytest.UsageError`.
    """
    if settings.is_scheduled:
        _check_stages(config, settings)
    if settings.live:
        _check_sharing(config, settings)


def _check_sharing(config: pytest.Config, settings: Settings) -> None:
    elsewhere, in_copy = worker_elsewhere(config), worker_with_own_files(config)
    if elsewhere is not None and settings.budget is not None:
        raise pytest.UsageError(
            f"--ladder-budget cannot be kept on workers of other machines (--tx "
            f"{elsewhere}): each machine would spend all of it; use workers of this "
            "machine (-n), or leave the budget out."
        )
    if elsewhere is not None:
        problem = (
            f"on other machines (--tx {elsewhere}) share neither claims nor budget"
        )
    elif in_copy is not None:
        problem = f"in several folders (--tx {in_copy}) share no claims"
    else:
        return
    warning = pytest.PytestWarning(
        f"ladder: workers {problem}, so a reply that two of them need is paid for "
        "twice; with -n all is paid for once."
    )
    try:
        config.issue_config_time_warning(warning, stacklevel=2)
    except pytest.PytestWarning as error:
        # With -W error, which asks for an end where there is something to warn of.
        raise pytest.UsageError(str(error)) from None


def _check_stages(config: pytest.Config, settings: Settings) -> None:
    climbs = settings.mode == "climb"
    what = "--ladder=climb" if climbs else "--ladder-baseline with --ladder-live"
    if config.getoption("dist", "no") == "each":
        raise pytest.UsageError(
            f"{what} runs each test once, and --dist=each on every worker; choose "
            "another --dist."
        )
    elsewhere = worker_elsewhere(config)
    if elsewhere is not None:
        raise pytest.UsageError(
            f"{what} decides by what came in what runs next, and workers on other "
            f"machines (--tx {elsewhere}) cannot know: they would run, and pay for, "
            "all that there is; use workers of this machine (-n), or leave --tx out."
        )


def _value(option: Option, config: pytest.Config) -> Any:
    """Return the value, parsed; None: not set.

    The command line wins over the environment, and that over the ini file.
    """
    given = config.getoption(option.dest)
    if given is not None:
        return given if given is True else _parse(option, given, option.flag)
    in_environment = os.environ.get(option.environment)
    if in_environment:
        return _parse(option, in_environment, option.environment)
    in_file = config.getini(option.dest) if option.ini else None
    return _parse(option, in_file, f"ini option {option.dest}") if in_file else None


def _parse(option: Option, text: str, where: str) -> Any:
    if option.metavar is None:
        if text.lower() not in ("0", "1", "false", "true"):
            raise pytest.UsageError(f"{where} is {text!r}; set it to 1 or 0.")
        return text.lower() in ("1", "true")
    if option.choices and text not in option.choices:
        known = ", ".join(option.choices)
        raise pytest.UsageError(f"{where} is {text!r}; choose one of: {known}.")
    try:
        return option.parse(text)
    except ValueError:
        raise pytest.UsageError(
            f"{where} is {text!r}; give {option.expects}."
        ) from None


def _config_file(config: pytest.Config, text: str | None) -> Path | None:
    if text is None:
        return None
    path = config.invocation_params.dir / text
    if not path.is_file():
        path = config.rootpath / text
    if not path.is_file():
        raise pytest.UsageError(
            f"--ladder-config: there is no file {text}; give the path of a ladder.toml "
            "or a pyproject.toml."
        )
    return path.resolve()


def _report_folder(config: pytest.Config, text: str | None) -> Path | None:
    return None if text is None else config.invocation_params.dir / text
