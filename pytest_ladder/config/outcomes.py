"""What `[[experiment]]`, `[[outcome]]` and `[review]` must obey beyond their types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_ladder.config.rules import check_names
from pytest_ladder.config.source import Place, Source
from pytest_ladder.core.outcomes import (
    SOURCES,
    Experiment,
    RealOutcome,
    ReviewConfig,
)
from pytest_ladder.core.rung import Rung
from pytest_ladder.text.phrases import did_you_mean, listed

_ONLY_OF: dict[str, tuple[str, ...]] = {
    "per": ("ratio",),
    "within_hours": ("rate", "mean", "ratio"),
    "value": ("rate", "mean", "ratio", "thumbs"),
    "missing": ("mean",),
    "range": ("mean", "ratio"),
    "before": ("rate", "mean"),
    "column": ("rating", "thumbs"),
    "scale": ("rating",),
    "nps": ("rating",),
    "score": ("rate", "mean", "ratio", "rating", "thumbs"),
    "traces": ("rating", "thumbs"),
    "rung_from": ("rating", "thumbs"),
}
"""Keys that say something of some kinds of outcome only."""

_ONLY_WITH: dict[str, tuple[str, ...]] = {
    "event": ("events",),
    "per": ("events",),
    "value": ("events", "units"),
    "within_hours": ("events",),
    "missing": ("events",),
    "before": ("events", "units"),
    "column": ("ratings",),
    "no_answer": ("ratings",),
    "score": ("ratings", "table"),
    "traces": ("ratings",),
    "rung_from": ("ratings",),
    "decimal": SOURCES,
}
"""Keys that say something of some sources only."""


_MOST_GRADES = 100


def check_experiments(
    source: Source,
    experiments: Sequence[Experiment],
    rungs: Sequence[Rung],
    current: Rung | None,
) -> None:
    """Check every experiment: its variants, shares, control and days."""
    check_names(source, "experiment", [one.name for one in experiments])
    ids = [rung.id for rung in rungs]
    for index, experiment in enumerate(experiments):
        place = ("experiment", index)
        _check_variants(source, place, experiment, ids)
        _check_shares(source, place, experiment)
        _check_control(
            source, place, experiment, None if current is None else current.id
        )
        if experiment.exposures is not None:
            _check_inside(source, (*place, "exposures"), experiment.exposures)
        _check_zone(source, place, experiment)
        if experiment.days is not None and experiment.days[0] > experiment.days[1]:
            raise source.error(
                (*place, "days"),
                f"{experiment.days[0]} is after {experiment.days[1]}; write the first "
                "day first.",
            )
        if (experiment.analysis == "fixed") != (experiment.units is not None):
            raise source.error(
                (*place, "analysis"),
                '"fixed" needs `units`, the units of each variant at which it is '
                'decided, and "sequential" has none; say both or neither.',
            )
        if experiment.units is not None and experiment.units < 2:
            raise source.error(
                (*place, "units"),
                f"{experiment.units} is out of range; write a whole number from 2 on.",
            )


def check_outcomes(
    source: Source, outcomes: Sequence[RealOutcome], experiments: Sequence[Experiment]
) -> None:
    """Check every outcome: its source, and that its keys belong to its kind."""
    check_names(source, "outcome", [outcome.name for outcome in outcomes])
    known = {experiment.name: experiment for experiment in experiments}
    for index, outcome in enumerate(outcomes):
        place = ("outcome", index)
        if outcome.experiment is not None and outcome.experiment not in known:
            among = f"the experiments are {listed(known)}."
            raise source.error(
                (*place, "experiment"),
                f"`{outcome.experiment}` is no experiment; "
                + did_you_mean(
                    outcome.experiment,
                    known,
                    among if known else "add it as [[experiment]].",
                ),
            )
        _check_source(source, place, outcome, known)
        _check_keys(source, place, outcome)
        _check_numbers(source, place, outcome)
        _check_scale(source, place, outcome)
    _check_primary(source, outcomes)


def check_review(source: Source, review: ReviewConfig) -> None:
    """Check what is asked of people."""
    if review.raters < 1:
        raise source.error(
            ("review", "raters"),
            f"{review.raters} is out of range; write a whole number from 1 on.",
        )
    if not review.question.strip():
        raise source.error(("review", "question"), "it is empty; write a question.")
    _check_inside(source, ("review", "file"), review.file)


def _check_zone(source: Source, place: Place, experiment: Experiment) -> None:
    if experiment.zone is None:
        return
    # Few experiments name one.
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(experiment.zone)
    except (ValueError, OSError, KeyError) as error:
        raise source.error(
            (*place, "zone"),
            f"`{experiment.zone}` is no time zone that is known here; write one such "
            'as "Europe/Berlin" or "UTC".',
        ) from error


def _check_variants(
    source: Source, place: Place, experiment: Experiment, ids: Sequence[str]
) -> None:
    for variant, rung in experiment.variants.items():
        if rung and rung not in ids:
            raise source.error(
                (*place, "variants", variant),
                f"`{rung}` is not a rung; "
                + did_you_mean(rung, ids, f"the rungs are {listed(ids)}."),
            )
    met = [rung for rung in experiment.variants.values() if rung]
    if len(met) < 2:
        raise source.error(
            (*place, "variants"),
            "an experiment compares two rungs or more; name the rung of each variant, "
            "or declare the outcome without an experiment.",
        )
    twice = next((rung for rung in met if met.count(rung) > 1), None)
    if twice is not None:
        raise source.error(
            (*place, "variants"),
            f"`{twice}` is the rung of two variants; users that met the same rung "
            "cannot be told apart: name it once, and leave the other out with an "
            'empty text, "".',
        )


def _check_shares(source: Source, place: Place, experiment: Experiment) -> None:
    shares = experiment.shares
    if shares is None:
        return
    for variant, share in shares.items():
        if variant not in experiment.variants:
            raise source.error(
                (*place, "shares", variant),
                f"`{variant}` is no key of `variants`; "
                + did_you_mean(
                    variant,
                    experiment.variants,
                    f"the variants are {listed(experiment.variants)}.",
                ),
            )
        if not 0 <= share <= 1:
            raise source.error(
                (*place, "shares", variant),
                f"{share} is out of range; write a share between 0 and 1.",
            )
    without = [name for name in experiment.variants if name not in shares]
    if without:
        raise source.error(
            (*place, "shares"),
            f"{listed(without)} has no share; write one for each variant, 0 for one "
            "that should get nobody.",
        )
    total = math.fsum(shares.values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise source.error(
            (*place, "shares"),
            f"they add up to {total:g}; make them add up to 1, one for each variant.",
        )


def _check_control(
    source: Source, place: Place, experiment: Experiment, current: str | None
) -> None:
    variants = experiment.variants
    if experiment.control is None:
        if current not in variants.values():
            raise source.error(
                (*place, "variants"),
                "none of the variants is the rung that ships, so that nobody knows "
                f'what is the control; add control = "{next(iter(variants))}", or the '
                "name of another variant.",
            )
    elif not variants.get(experiment.control):
        met = [variant for variant, rung in variants.items() if rung]
        raise source.error(
            (*place, "control"),
            f"`{experiment.control}` is no variant with a rung; "
            + did_you_mean(experiment.control, met, f"choose one of {listed(met)}."),
        )


def _check_source(
    source: Source, place: Place, outcome: RealOutcome, known: dict[str, Experiment]
) -> None:
    named = [key for key in SOURCES if getattr(outcome, key) is not None]
    if outcome.kind == "preference":
        if named:
            raise source.error(
                (*place, named[0]),
                f"preferences come from reviews; remove `{named[0]}`.",
            )
        return
    if len(named) != 1:
        problem = f"{listed(named)} exclude each other" if named else "it has no data"
        raise source.error(place, f"{problem}; name exactly one of {listed(SOURCES)}.")
    for key in (*named, "before", "traces"):
        if (glob := getattr(outcome, key)) is not None:
            _check_inside(source, (*place, key), glob)
    if outcome.events is None:
        return
    experiment = known.get(outcome.experiment or "")
    if experiment is None or experiment.exposures is None:
        raise source.error(
            (*place, "events"),
            f"{outcome.name} reads events, which need an [[experiment]] with "
            "`exposures`; or give `units`, `table` or `ratings`.",
        )
    if outcome.event is None:
        raise source.error(
            (*place, "events"), "add `event`, the name of the event that counts."
        )


def _check_keys(source: Source, place: Place, outcome: RealOutcome) -> None:
    """Refuse keys that would say nothing, and ask for those that are needed."""
    written = source.get(place)
    for table, own, what in (
        (_ONLY_OF, outcome.kind, "kind"),
        (_ONLY_WITH, outcome.source, ""),
    ):
        for key, fitting in table.items():
            if key in written and own not in fitting:
                among = " or ".join(
                    f'{what} = "{one}"' if what else f"`{one}`" for one in fitting
                )
                raise source.error(
                    (*place, key), f"`{key}` goes with {among} only; remove it."
                )
    needed = {
        ("mean", "events"): "value",
        ("ratio", "events"): "per",
        ("rating", "ratings"): "scale",
    }.get((outcome.kind, outcome.source or ""))
    if needed is not None and getattr(outcome, needed) is None:
        raise source.error(
            (*place, "kind"), f'a "{outcome.kind}" needs `{needed}`; add it.'
        )
    if outcome.kind in ("rating", "thumbs") and outcome.source == "events":
        raise source.error(
            (*place, "events"),
            f'"{outcome.kind}" is read from `ratings`, `units` or `table`; rename it.',
        )
    if outcome.kind in ("rate", "mean", "ratio") and outcome.source == "ratings":
        raise source.error(
            (*place, "ratings"),
            f'"{outcome.kind}" is read from `events`, `units` or `table`; rename it, '
            'or write kind = "rating".',
        )


def _check_numbers(source: Source, place: Place, outcome: RealOutcome) -> None:
    for key in ("within_hours", "guardrail", "bar"):
        value = getattr(outcome, key)
        least = -math.inf if key == "bar" else 0
        if value is not None and (not math.isfinite(value) or value < least):
            fix = "a finite number" if key == "bar" else "a number from 0 on"
            raise source.error((*place, key), f"{value} is out of range; write {fix}.")
    if outcome.within_hours == 0:
        raise source.error(
            (*place, "within_hours"), "0 is out of range; write a number above 0."
        )
    if outcome.range is not None:
        worst, best = outcome.range
        if not (math.isfinite(worst) and math.isfinite(best)) or worst == best:
            raise source.error(
                (*place, "range"),
                f"{worst:g} to {best:g} is no range; write [lowest, highest].",
            )


def _check_scale(source: Source, place: Place, outcome: RealOutcome) -> None:
    scale = outcome.scale or ()
    words = [step for step in scale if isinstance(step, str)]
    numbers = [step for step in scale if not isinstance(step, str)]
    if outcome.nps and (words or numbers != [0, 10]):
        raise source.error(
            (*place, "nps"), "a net promoter score has scale = [0, 10]; correct one."
        )
    if outcome.scale is None or len(words) == len(scale) == len({*words}) >= 2:
        return
    are_whole = all(math.isfinite(step) and step == int(step) for step in numbers)
    if words or len(numbers) != 2 or not are_whole or not numbers[0] < numbers[1]:
        raise source.error(
            (*place, "scale"),
            "write the lowest and the highest grade, such as [1, 5], or the words from "
            "worst to best.",
        )
    if numbers[1] - numbers[0] > _MOST_GRADES:
        raise source.error(
            (*place, "scale"),
            f"{numbers[0]:g} to {numbers[1]:g} are too many grades to count each; "
            'write kind = "mean", with `units`.',
        )


def _check_primary(source: Source, outcomes: Sequence[RealOutcome]) -> None:
    chosen = [n for n, outcome in enumerate(outcomes) if outcome.primary]
    if len(chosen) > 1:
        first, second = (outcomes[n].name for n in chosen[:2])
        raise source.error(
            ("outcome", chosen[1], "primary"),
            f"outcomes {first} and {second} are both primary; keep one.",
        )
    for n in chosen:
        if not outcomes[n].is_quality:
            raise source.error(
                ("outcome", n, "primary"),
                f"{outcomes[n].name} has no range, so it is no quality; give range = "
                "[lowest, highest].",
            )


def _check_inside(source: Source, place: Place, glob: str) -> None:
    """Refuse paths that lead out of the ladder's folder."""
    path = PurePosixPath(glob.replace("\\", "/"))
    if not glob.strip() or not glob.isprintable():
        raise source.error(place, "it names no file; write a path.")
    if path.is_absolute() or ".." in path.parts or glob[1:2] == ":":
        raise source.error(
            place,
            f"`{glob}` leads out of the folder of the configuration file; write a path "
            "below it.",
        )
