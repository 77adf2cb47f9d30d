"""The settings of a run: its options, read from command line, environment, ini file."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.session.options import OPTIONS, Option
from pytest_ladder.session.xdist import (
    has_shared_store,
    worker_elsewhere,
    worker_with_own_files,
)

if TYPE_CHECKING:
    from pytest_ladder.core.shard import Shard

_RUNGS, _CASES = (
    next(option for option in OPTIONS if option.name == name)
    for name in ("rungs", "cases")
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of this run, from command line, environment and ini file."""

    mode: str
    rungs: tuple[str, ...]
    """Patterns of rungs; empty: all."""
    own_rungs: tuple[str, ...]
    """Those that the suite's ini file selects, which are all that it is; empty: all."""
    tried: tuple[str, ...]
    """Ids of models that are held against what ships; empty: none is."""
    live: bool
    refresh: bool
    budget: float | None
    plan: bool
    cases: int | float | None
    """How many cases, or as a float which share of them, in (0, 1]; None: all."""
    own_cases: int | float | None
    """The same of the suite's ini file, and so all that it is; None: all."""
    shard: Shard | None
    """Which part of the cases this run is to have; None: all of them."""
    samples: int
    concurrency: int | None
    missing: str
    store: str
    """`auto`, or `local`: what other machines share is left alone."""
    seed: int | str | None
    finish: bool
    """Whether a climb runs the rung that passed to its end."""
    baseline: str | None
    config: Path | None
    report: Path | None

    @property
    def order_seed(self) -> int:
        """Seed of the order in which cases are drawn and dealt out to shards."""
        return self.seed if isinstance(self.seed, int) else 0

    @property
    def escalates(self) -> bool:
        """Whether the gate gets more samples by itself where it cannot tell."""
        gated = self.live and self.baseline is not None
        return gated and self.mode in ("current", "matrix")

    @property
    def as_typed(self) -> str:
        """What chose the rungs of this run, as it is typed behind `pytest`."""
        mode = "" if self.mode == "current" else f" --ladder={self.mode}"
        tried = f" --ladder-try={','.join(self.tried)}" if self.tried else ""
        return mode + tried

    @property
    def is_scheduled(self) -> bool:
        """Whether the results so far decide which tests run next."""
        return self.mode == "climb" or self.escalates

    @property
    def logs_reports(self) -> bool:
        """Whether reports go where `[log]` says: those of live runs over all rungs."""
        return self.live and self.mode in ("matrix", "climb")


def read_settings(config: pytest.Config) -> Settings:
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
    if values["try"]:
        _check_try(values)
    shard = None
    if values["shard"] is not None:
        from pytest_ladder.session.shard import shard_of

        shard = shard_of(values["shard"], os.environ)
    if shard is not None:
        _check_shard(values, shard)
    report = values["report"]
    return Settings(
        mode=values["mode"] or "current",
        rungs=tuple(values["rungs"] or ()),
        own_rungs=tuple(_in_ini_file(_RUNGS, config) or ()),
        tried=tuple(values["try"] or ()),
        live=bool(values["live"]),
        refresh=bool(values["refresh"]),
        budget=values["budget"],
        plan=bool(values["plan"]),
        cases=values["cases"],
        own_cases=_in_ini_file(_CASES, config),
        shard=shard,
        samples=values["samples"] or 1,
        concurrency=values["concurrency"],
        missing=values["missing"] or "fail",
        store=values["store"] or "auto",
        seed=values["seed"],
        finish=values["finish"] != "no",
        baseline=values["baseline"],
        config=_config_file(config, values["config"]),
        report=None if report is None else config.invocation_params.dir / report,
    )


def _check_try(values: dict[str, Any]) -> None:
    if values["mode"] == "litmus":
        raise pytest.UsageError(
            "--ladder-try holds a model against what ships, and --ladder=litmus tries "
            "one rung alone; leave one of the two out."
        )
    if values["baseline"] is not None:
        raise pytest.UsageError(
            "--ladder-try holds a model against what ships, and --ladder-baseline what "
            "ships against an earlier report; leave one of the two out."
        )


def _check_shard(values: dict[str, Any], shard: Shard) -> None:
    """Refuse what has to see all cases of a run in one place."""
    what = f"--ladder-shard={shard.index}/{shard.total}"
    if values["mode"] == "climb":
        raise pytest.UsageError(
            f"{what} cuts a run that is decided beforehand, and a climb decides as it "
            "goes; run it in one job, where it uses every reply that is stored, or "
            "shard --ladder=matrix."
        )
    if values["mode"] == "litmus":
        raise pytest.UsageError(
            f"{what} cuts the cases of a suite, and --ladder=litmus takes a few of "
            "them; run it in one job."
        )
    if values["baseline"] is not None:
        raise pytest.UsageError(
            f"{what} and --ladder-baseline: a shard decides nothing, and the gate asks "
            "for samples by what all cases say; leave the baseline out, and hold the "
            "merged report against it with `pytest-ladder gate`."
        )


def check_workers(config: pytest.Config, settings: Settings) -> None:
    """Refuse workers that cannot do what this run promises, before any is started.

    Warns of workers that may call for a reply twice, though on one machine. Raises
    `pytest.UsageError`.
    """
    if settings.is_scheduled:
        _check_stages(config, settings)
    if settings.live:
        _check_sharing(config, settings)


def _check_sharing(config: pytest.Config, settings: Settings) -> None:
    elsewhere, in_copy = worker_elsewhere(config), worker_with_own_files(config)
    if elsewhere is not None and not has_shared_store(
        config, settings.config, settings.store
    ):
        raise pytest.UsageError(
            f"workers on other machines (--tx {elsewhere}) share nothing with this "
            "one, no reply, claim or budget, so that each would pay for all; name a "
            "store ([store] in ladder.toml), or use workers of this machine (-n)."
        )
    if elsewhere is not None or in_copy is None:
        return
    warning = pytest.PytestWarning(
        f"ladder: workers in several folders (--tx {in_copy}) share no claims, so a "
        "reply that two of them need is paid for twice; with -n all is paid for once."
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
    if option.many and given:
        given = ",".join(given)
    if given is not None:
        return given if given is True else _parse(option, given, option.flag)
    in_environment = None if option.typed else os.environ.get(option.environment)
    if in_environment:
        return _parse(option, in_environment, option.environment)
    in_file = config.getini(option.dest) if option.ini else None
    return _parse(option, in_file, f"ini option {option.dest}") if in_file else None


def _in_ini_file(option: Option, config: pytest.Config) -> Any:
    """Return what the ini file has of an option, there or in `addopts`, parsed.

    None: nothing. What a command line has is not looked at.
    """
    words, given = config.getini("addopts"), None
    # Every run asks, in every suite, and to make a parser takes a third of a
    # millisecond.
    if any(word.startswith(option.flag) for word in words):
        added = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        added.add_argument(option.flag, action="append", dest="given")
        given = added.parse_known_args(words)[0].given
    text = config.getini(option.dest)
    if given:
        text = ",".join(given) if option.many else given[-1]
    return _parse(option, text, f"ini option {option.dest}") if text else None


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
