"""`pytest-ladder cases pull`: cases that people keep in MLflow become a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pytest_ladder.cases.as_rows import check_is_jsonl, json_lines
from pytest_ladder.cli.arguments import Given, Subparsers, add_command, whole
from pytest_ladder.cli.printing import ProgressLine, say
from pytest_ladder.disk.files import write_atomically, writing
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain
from pytest_ladder.tracking.mlflow_cases import Pulled, pull

_DESCRIPTION = """\
Write the records of an evaluation dataset of MLflow, or the traces of an experiment, as
a file of cases, in the order in which they were made: git is their source from then on,
and collecting tests needs no server. Which server is said by MLFLOW_TRACKING_URI; what
it wants to let you in comes from the environment, too, and is never written. What a
model answered is never taken for what is expected: that comes from expectations alone.
"""
_EXAMPLES = """\
examples:
  pytest-ladder cases pull mlflow:support -o cases.jsonl
  pytest-ladder cases pull "mlflow-traces:support?tag.ok = 'yes'" -o new.jsonl
"""
_MOST = 10_000


def add_pull_to(actions: Subparsers) -> None:
    """Add the action to `pytest-ladder cases`."""
    parser = add_command(
        actions,
        "pull",
        "write cases that people keep in MLflow as JSONL",
        _DESCRIPTION,
        _EXAMPLES,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="mlflow:DATASET, or mlflow-traces:EXPERIMENT, which may end with ?FILTER",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="where to write; it ends with .jsonl",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the file if it is there already"
    )
    parser.add_argument(
        "--most",
        type=whole,
        default=_MOST,
        metavar="N",
        help=f"how many records or traces, at most, the newest (default: {_MOST:,})",
    )
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    output: Path = given.output
    check_is_jsonl(output)
    if output.exists() and not given.replace:
        raise ConfigError(
            f"{shown(output)} exists already; name another file, or replace it with "
            "--replace and look at `git diff`."
        )
    progress = ProgressLine()

    def tell(done: int) -> None:
        progress(given.source, done / given.most, f"{done:,} read")

    try:
        pulled = pull(given.source, given.most, tell)
    finally:
        progress.end()
    if not pulled.cases:
        for line in _left_out(pulled):
            say(line)
        raise ConfigError(
            f"{pulled.name} holds no case that fits, of {pulled.read:,} read; nothing "
            "was written."
        )
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, json_lines(pulled.cases))
    written = count(len(pulled.cases), "case")
    say(f"{written} of {pulled.name} written to {shown(output)}")
    having = sum(case.expected is not None for case in pulled.cases)
    say(f"with expected: {having:,}" if having else "with expected: none")
    if pulled.more:
        say(f"there are more than {pulled.read:,}, the newest; --most takes more")
    for line in _left_out(pulled):
        say(line)
    return 0


def _left_out(pulled: Pulled) -> Iterator[str]:
    for reason, number in Counter(reason for _, reason in pulled.left_out).items():
        first = next(name for name, why in pulled.left_out if why == reason)
        yield f"left out: {number:,} ({first} first): {plain(reason)}"
