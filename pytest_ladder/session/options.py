"""The options of a run: each typed, in the environment, or in an ini file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Commands, which start without pytest, use what stands here, too.
    import pytest

REPORT_FOLDER = "ladder-report"
"""Where a report goes by default, in pytest's root folder."""
MODES = ("current", "matrix", "climb", "litmus")
MISSING = ("fail", "skip")
STORES = ("auto", "local")
YES_OR_NO = ("yes", "no")


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
    """False for what makes a run spend, which no file in a repository may do.

    And for what is of one machine alone.
    """
    many: bool = False
    """Whether it takes several values: given more than once, or with commas."""
    typed: bool = False
    """Whether it is only ever typed: neither ini file nor environment set it."""

    @property
    def flag(self) -> str:
        """The option as typed."""
        return "--ladder" if self.name == "mode" else f"--ladder-{self.name}"

    @property
    def dest(self) -> str:
        """Its name in pytest's options and in ini files."""
        name = self.name.replace("-", "_")
        return "ladder" if name == "mode" else f"ladder_{name}"

    @property
    def environment(self) -> str:
        """Its name in the environment."""
        return self.dest.upper()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _several(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(text)
    return parts


def _seed(text: str) -> int | str:
    if text == "new":
        return text
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _cases(text: str) -> int | float:
    """Read how many cases: a number, or a share such as `10%` as a float."""
    if not text.rstrip().endswith("%"):
        return _positive(text)
    share = float(text.rstrip()[:-1]) / 100
    if not 0 < share <= 1:
        raise ValueError(text)
    return share


def _shard(text: str) -> tuple[int, int] | str:
    from pytest_ladder.session import shard

    return shard.typed(text)


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
        parse=_several,
        expects="a pattern, such as 'smol/*'",
        many=True,
        help="only the rungs that match, such as 'smol/*' or '*/rag'; given more than "
        "once, or with commas, those that match any.",
    ),
    Option(
        name="try",
        metavar="ID",
        parse=_several,
        expects="the id of a model, such as openai/gpt-5-nano",
        ini=False,
        many=True,
        help="hold a model that is not configured, or several, against what ships: any "
        "litellm or local id, with the strategies of current's model.",
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
        name="cases",
        metavar="N|N%",
        parse=_cases,
        expects="a number of cases from 1, or a share of them such as 10%",
        help="only so many cases of the suite, drawn at random: the same for every "
        "test and rung, clusters whole; a larger N has those of a smaller one.",
    ),
    Option(
        name="shard",
        metavar="K/N|auto",
        parse=_shard,
        expects="K/N, the K-th of N shards with K from 1 to N, such as 3/20, or auto",
        ini=False,
        help="only the K-th of N equal parts of the cases, the same on every rung, "
        "clusters whole, for `pytest-ladder merge` to join; auto reads which one this "
        "is from the variables of CI, Kubernetes, AWS Batch or Slurm.",
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
        name="store",
        metavar="auto|local",
        choices=STORES,
        help="the store that [store] names, where its variable is set (auto, the "
        "default), or this machine's own alone (local).",
    ),
    Option(
        name="seed",
        metavar="N|new",
        parse=_seed,
        expects="a whole number from 0, or new",
        help="seed of the case order of a climb; a new one counts as an attempt.",
    ),
    Option(
        name="finish",
        metavar="yes|no",
        choices=YES_OR_NO,
        help="whether a climb runs the rung that passed to its end (yes, the default), "
        "or stops when it is sure enough (no).",
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
        name="env-file",
        metavar="FILE",
        ini=False,
        typed=True,
        help="set variables, such as keys, from a file of KEY=VALUE lines, unless they "
        "are set.",
    ),
    Option(
        name="report",
        metavar="DIR",
        help="where the report goes (default: ladder-report, and in it current, climb "
        "or litmus where the mode is one of these, or try).",
    ),
)


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
                option.flag,
                dest=option.dest,
                action="append" if option.many else "store",
                metavar=option.metavar,
                help=option.help,
            )
        if option.ini:
            parser.addini(option.dest, option.help)


def set_variables(config: pytest.Config) -> None:
    """Set those of `--ladder-env-file`; called before any conftest.py is loaded.

    Raises `pytest.UsageError`.
    """
    name = config.known_args_namespace.ladder_env_file
    if name is not None:
        from pytest_ladder.session import env_file

        env_file.load(config, name, {option.environment for option in OPTIONS})
