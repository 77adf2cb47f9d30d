"""What a configuration must obey beyond the types of its values."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_ladder.config.source import Place, Source, decode
from pytest_ladder.core.ladder import Gate, Objective, Require
from pytest_ladder.core.rung import GOLD, Model, Rung, Strategy, is_spec
from pytest_ladder.errors import ConfigError, warn
from pytest_ladder.prompting.strategies import STRATEGIES, prompter_class
from pytest_ladder.prompting.templates import compile_template
from pytest_ladder.text.phrases import did_you_mean, listed

_NAME = re.compile(r"[A-Za-z0-9._-]+")


class _Range(NamedTuple):
    low: float
    high: float
    says: str
    above_low: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.above_low else value >= self.low
        return math.isfinite(value) and above and value <= self.high


_PRICE = _Range(0, math.inf, "USD per million tokens, 0 or more")
_NOT_NEGATIVE = _Range(0, math.inf, "a number that is 0 or more")
_POSITIVE = _Range(0, math.inf, "a number above 0", above_low=True)
_COUNT = _Range(1, math.inf, "a whole number from 1 on")
_SHARE = _Range(0, 1, "a share between 0 and 1")

_RANGES: dict[str, dict[Place, _Range]] = {
    "model": {
        ("price", "input"): _PRICE,
        ("price", "output"): _PRICE,
        ("price", "cached_input"): _PRICE,
        ("price", "cache_write"): _PRICE,
        ("price", "request"): _NOT_NEGATIVE,
        ("price", "image"): _NOT_NEGATIVE,
        ("serve", "usd_per_hour"): _NOT_NEGATIVE,
        ("serve", "tokens_per_second"): _POSITIVE,
        ("serve", "utilisation"): _Range(0, 1, "a share above 0, at most 1", True),
        ("build", "usd"): _NOT_NEGATIVE,
        ("build", "hours"): _NOT_NEGATIVE,
        ("build", "examples"): _NOT_NEGATIVE,
        ("build", "tokens"): _NOT_NEGATIVE,
        ("build", "people_hours"): _NOT_NEGATIVE,
        ("build", "usd_per_hour"): _NOT_NEGATIVE,
        ("limits", "concurrency"): _COUNT,
        ("limits", "rpm"): _COUNT,
        ("limits", "tpm"): _COUNT,
    },
    "strategy": {("shots",): _COUNT, ("top_k",): _COUNT},
    "objective": {
        ("quality",): _SHARE,
        ("volume",): _COUNT,
        ("latency_p95_s",): _POSITIVE,
        ("usd_per_1k",): _NOT_NEGATIVE,
        ("build_hours",): _NOT_NEGATIVE,
        ("min_n",): _COUNT,
        ("tolerance",): _SHARE,
        ("right_usd",): _POSITIVE,
        ("wrong_usd",): _NOT_NEGATIVE,
        ("chance",): _SHARE,
    },
    "require": {("at_least",): _SHARE, ("latency_p95_s",): _POSITIVE},
    "gate": {
        ("quality_drop",): _SHARE,
        ("cost",): _NOT_NEGATIVE,
        ("latency_p95",): _NOT_NEGATIVE,
        ("non_inferiority",): _SHARE,
        ("real_drop",): _NOT_NEGATIVE,
        ("real_days",): _COUNT,
    },
}


def read_strategies(source: Source, count: int, top: type[Any]) -> tuple[Strategy, ...]:
    """Decode each strategy as what it uses wants it; `top` is the kind of the file."""
    read = []
    for index in range(count):
        place = ("strategy", index)
        use = source.get((*place, "use"))
        options = Strategy
        if isinstance(use, str):
            try:
                options = prompter_class(use, source.path.parent).options
            except ConfigError as error:
                raise source.error((*place, "use"), str(error)) from error
        _check_keys_of_kind(source, place, options)
        read.append(decode(source, options, place, top))
    return tuple(read)


def _check_keys_of_kind(source: Source, place: Place, options: type[Strategy]) -> None:
    """Say which kind of strategy a key belongs to, where it is one of another kind."""
    table = source.get(place)
    keys = (
        table.keys() - {*options.__struct_fields__} if isinstance(table, dict) else ()
    )
    for key in sorted(keys):
        folder = source.path.parent
        named = [
            f'use = "{use}"'
            for use in STRATEGIES
            if key in prompter_class(use, folder).options.__struct_fields__
        ]
        if named:
            raise source.error(
                (*place, key),
                f"this key belongs to {listed(named)}; write that, or remove the key.",
            )


def check_strategies(
    source: Source, strategies: Sequence[Strategy], models: Sequence[Model]
) -> None:
    """Check every strategy, and that every model has one."""
    check_names(source, "strategy", [strategy.name for strategy in strategies])
    names = [model.name for model in models]
    for index, strategy in enumerate(strategies):
        place = ("strategy", index)
        check_ranges(source, place, strategy, "strategy")
        used = prompter_class(strategy.use, source.path.parent)
        if (problem := used.problem(strategy)) is not None:
            key, said = problem
            raise source.error((*place, key), said)
        _check_prompts(source, place, strategy)
        _check_examples(source, place, strategy)
        _check_retrieval(source, place, strategy)
        for position, glob in enumerate(strategy.models):
            if not any(fnmatch.fnmatchcase(name, glob) for name in names):
                raise source.error(
                    (*place, "models", position),
                    f"`{glob}` matches no model; the models are {listed(names)}.",
                )
        # A model with which what the strategy uses makes little sense.
        doubts = (used.doubt(strategy, m) for m in models if suits(strategy, m))
        for doubt in filter(None, doubts):
            warn(str(source.error((*place, "use"), doubt)), str(source.path))
    for index, model in enumerate(models):
        if not any(suits(strategy, model) for strategy in strategies):
            raise source.error(
                ("model", index),
                "no strategy is for this model; add its name to the `models` of one.",
            )


def suits(strategy: Strategy, model: Model) -> bool:
    """Whether a strategy is for a model."""
    globs = strategy.models
    return not globs or any(fnmatch.fnmatchcase(model.name, glob) for glob in globs)


def check_rung(
    source: Source,
    key: str,
    named: str,
    rungs: Sequence[Rung],
    planned: Sequence[Rung],
) -> Rung:
    """Return the rung that `current`, or another key, names."""
    ids = {rung.id: rung for rung in rungs}
    if named in ids:
        return ids[named]
    if any(rung.id == named for rung in planned):
        raise source.error(
            (key,),
            f"`{named}` is planned and cannot be called; name a rung that is built, or "
            "remove `planned` of its model.",
        )
    raise source.error(
        (key,),
        f"`{named}` is not a rung; "
        + did_you_mean(named, ids, f"the rungs are {listed(ids)}."),
    )


def check_objective(source: Source, objective: Objective) -> None:
    """Check the kind, the numbers, and that the kind has those it needs."""
    # Most suites decide nothing, and need no decisions at their start.
    from pytest_ladder.decide.objectives.table import OBJECTIVES

    kind = OBJECTIVES.get(objective.kind)
    if kind is None:
        known = sorted(OBJECTIVES)
        fix = did_you_mean(objective.kind, known, f"choose one of {listed(known)}.")
        raise source.error(
            ("objective", "kind"), f"`{objective.kind}` is unknown; {fix}"
        )
    check_ranges(source, ("objective",), objective, "objective")
    for needed in kind.needs:
        if getattr(objective, needed) is None:
            raise source.error(
                ("objective", "kind"),
                f'"{objective.kind}" needs `{needed}`; add it to [objective].',
            )
    for index, require in enumerate(objective.require):
        _check_require(source, ("objective", "require", index), require)
    if (problem := kind.problem(objective)) is not None:
        key, said = problem
        raise source.error(("objective", key), said)


def _check_require(source: Source, place: Place, require: Require) -> None:
    check_ranges(source, place, require, "require")
    asked = (require.at_least, require.latency_p95_s)
    if asked.count(None) != 1:
        raise source.error(
            place,
            "it needs `at_least` or `latency_p95_s`, and not both; write a "
            "[[objective.require]] for each.",
        )
    if require.at_least is not None and require.name == "":
        raise source.error(
            place,
            "it names no rows; add `level`, `test` or `tag`, or raise the `quality` of "
            "[objective].",
        )
    for key in ("test", "tag"):
        if getattr(require, key) == "":
            raise source.error((*place, key), "it is empty; write a name.")


def check_gate(source: Source, gate: Gate) -> None:
    """Check the margins."""
    check_ranges(source, ("gate",), gate, "gate")


def check_names(source: Source, table: str, names: Sequence[str]) -> None:
    """Check that names fit into ids of tests, and that none is used twice."""
    for index, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise source.error(
                (table, index, "name"),
                f"{name!r} cannot be a name; use letters from A to Z, digits, "
                "`.`, `_` and `-`.",
            )
        if not name.strip("."):
            # A name becomes a folder, of snapshots.
            raise source.error(
                (table, index, "name"),
                f"{name!r} cannot be a name, because it is that of a folder above; add "
                "a letter or a digit.",
            )
        if name in names[:index]:
            raise source.error(
                (table, index, "name"),
                f'"{name}" is already the name of {table} {names.index(name) + 1}; '
                "rename one.",
            )


def check_path(source: Source, place: Place, relative: str, kind: str) -> Path:
    """Return where `relative` leads; `kind` is `file` or `file or folder`."""
    path = source.path.parent / relative
    if path.is_file() if kind == "file" else path.exists():
        return path
    raise source.error(
        place,
        f"there is no {kind} `{relative}` (looked at {path.absolute()}); create it or "
        "correct the path, which is relative to the configuration file.",
    )


def check_ranges(source: Source, place: Place, table: object, kind: str) -> None:
    """Check the numbers of a table; `kind` says which ranges hold."""
    for steps, allowed in _RANGES[kind].items():
        value: Any = table
        for step in steps:
            value = getattr(value, str(step), None)
        if value is not None and not allowed.holds(value):
            raise source.error(
                (*place, *steps), f"{value} is out of range; write {allowed.says}."
            )


def _check_prompts(source: Source, place: Place, strategy: Strategy) -> None:
    fields = set[str]()
    for key in ("prompt", "system"):
        try:
            fields |= compile_template(getattr(strategy, key) or "", "").fields
        except ConfigError as error:
            problem = str(error).removeprefix(": ")
            raise source.error((*place, key), problem) from error
    if not fields:
        key = "prompt" if strategy.prompt_file is None else "prompt_file"
        raise source.error(
            (*place, key),
            "it shows nothing of the case, so that every case would get the same "
            "message; write {input} where the case's input belongs.",
        )


def _check_examples(source: Source, place: Place, strategy: Strategy) -> None:
    if strategy.examples is not None:
        check_path(source, (*place, "examples"), strategy.examples, "file")
        return
    for key in ("shots", "select"):
        if source.get((*place, key)) is not None:
            raise source.error(
                (*place, key),
                f"`{key}` needs `examples`; name the file with the examples, or "
                f"remove `{key}`.",
            )


def _check_retrieval(source: Source, place: Place, strategy: Strategy) -> None:
    corpus, retriever = strategy.corpus, strategy.retriever
    if corpus is not None and retriever is not None:
        raise source.error(
            (*place, "retriever"),
            "`corpus` and `retriever` exclude each other; keep `corpus` for BM25 over "
            "documents, or `retriever` for a function of your own.",
        )
    _check_languages(source, place, strategy)
    if source.get((*place, "top_k")) is not None:
        _check_top_k(source, place, strategy)
    if retriever not in (None, GOLD) and not is_spec(str(retriever)):
        raise source.error(
            (*place, "retriever"),
            f'`{retriever}` names no function; write "package.module:function", or '
            '"gold" for the context of the case itself.',
        )
    if corpus is not None:
        from pytest_ladder.prompting.retrieval import SUFFIXES as DOCUMENTS

        path = check_path(source, (*place, "corpus"), corpus, "file or folder")
        if path.is_file() and path.suffix.lower() not in DOCUMENTS:
            raise source.error(
                (*place, "corpus"),
                f"`{corpus}` is no kind of document that can be read; use "
                f"{listed(DOCUMENTS)}, or a folder of them.",
            )


def _check_languages(source: Source, place: Place, strategy: Strategy) -> None:
    for key in ("stopwords", "stemmer"):
        language = getattr(strategy, key)
        if language is None:
            continue
        if strategy.corpus is None:
            raise source.error(
                (*place, key),
                f"`{key}` needs `corpus`; add one, or remove `{key}`.",
            )
        # Loads what knows them, which such a strategy needs anyway.
        from pytest_ladder.prompting.search import languages_of

        try:
            known = languages_of(key)
        except ImportError as error:
            raise source.error(
                (*place, key),
                f"`{key}` needs the package {error.name}, which is not installed; "
                "install PyStemmer, or remove the key.",
            ) from None
        if language not in known:
            raise source.error(
                (*place, key),
                f"`{language}` is no language that it knows; "
                + did_you_mean(language, known, f"write one of {', '.join(known)}."),
            )


def _check_top_k(source: Source, place: Place, strategy: Strategy) -> None:
    if not strategy.retrieves:
        raise source.error(
            (*place, "top_k"),
            "`top_k` needs `corpus` or `retriever`; add one, or remove `top_k`.",
        )
    if strategy.retriever == GOLD:
        raise source.error(
            (*place, "top_k"),
            'the retriever "gold" shows the whole context of a case; remove `top_k`.',
        )
