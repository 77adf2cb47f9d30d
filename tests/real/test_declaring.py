"""What `[[experiment]]` and `[[outcome]]` may not say is told with place and fix."""

from __future__ import annotations

import pytest

from pytest_ladder import ConfigError
from pytest_ladder.config.load import load_ladder
from tests.real.suite import EXPOSURES, JUNE, RESOLVED, Suite

TWO = RESOLVED.replace('"resolved"', '"csat"', 1)
RATING = '[[outcome]]\nname = "csat"\nkind = "rating"\nratings = "c.csv"\n'
MEAN = RESOLVED.replace('"rate"', '"mean"') + 'value = "value"\n'
TABLE = '[[outcome]]\nname = "t"\nexperiment = "june"\nkind = "rate"\ntable = "t.csv"\n'
BOTH = JUNE + EXPOSURES

MISTAKES = {
    "a rung that is none": (
        JUNE.replace("bot/rag", "bot/ragg") + TABLE,
        'experiment "june": variants.treatment: `bot/ragg` is not a rung; did you mean '
        "`bot/rag`?",
    ),
    "one variant": (
        JUNE.replace('treatment = "bot/rag"', 'treatment = ""') + TABLE,
        "an experiment compares two rungs or more; name the rung of each variant, or "
        "declare the outcome without an experiment.",
    ),
    "a rung of two variants": (
        JUNE.replace("bot/rag", "bot/few") + TABLE,
        "`bot/few` is the rung of two variants; users that met the same rung cannot be "
        'told apart: name it once, and leave the other out with an empty text, "".',
    ),
    "shares that do not add up": (
        JUNE + "shares = { control = 0.5, treatment = 0.4 }\n" + TABLE,
        "they add up to 0.9; make them add up to 1, one for each variant.",
    ),
    "a share of another name": (
        JUNE + "shares = { control = 0.5, treatmnt = 0.5 }\n" + TABLE,
        "`treatmnt` is no key of `variants`; did you mean `treatment`?",
    ),
    "a variant without a share": (
        JUNE + "shares = { control = 1.0 }\n" + TABLE,
        "`treatment` has no share; write one for each variant, 0 for one that should "
        "get nobody.",
    ),
    "a share below 0": (
        JUNE + "shares = { control = -0.5, treatment = 1.5 }\n" + TABLE,
        "-0.5 is out of range; write a share between 0 and 1.",
    ),
    "a control that is none": (
        JUNE + 'control = "contrl"\n' + TABLE,
        "`contrl` is no variant with a rung; did you mean `control`?",
    ),
    "days the wrong way round": (
        JUNE + 'days = ["2026-06-28", "2026-06-01"]\n' + TABLE,
        "2026-06-28 is after 2026-06-01; write the first day first.",
    ),
    "a fixed analysis without units": (
        JUNE + 'analysis = "fixed"\n' + TABLE,
        '"fixed" needs `units`, the units of each variant at which it is decided, and '
        '"sequential" has none; say both or neither.',
    ),
    "exposures out of the folder": (
        JUNE + 'exposures = "../seen.csv"\n' + RESOLVED,
        "`../seen.csv` leads out of the folder of the configuration file; write a path "
        "below it.",
    ),
    "an absolute path": (
        BOTH + RESOLVED.replace("traffic/events", "/traffic/events"),
        "`/traffic/events.csv` leads out of the folder of the configuration file; "
        "write a path below it.",
    ),
    "a path with a NUL": (
        BOTH + RESOLVED.replace("traffic/events", "traffic\\u0000/events"),
        "it names no file; write a path.",
    ),
    "no path": (BOTH + RESOLVED.replace("traffic/events.csv", ""), "it names no file"),
    "an experiment that is none": (
        BOTH + RESOLVED.replace('"june"', '"jun"'),
        "`jun` is no experiment; did you mean `june`?",
    ),
    "two sources": (
        BOTH + RESOLVED + 'units = "u.csv"\n',
        "`events`, `units` exclude each other; name exactly one of `events`, `units`, "
        "`table`, `ratings`.",
    ),
    "no source": (
        BOTH + '[[outcome]]\nname = "x"\nkind = "rate"\n',
        "it has no data; name exactly one of `events`, `units`, `table`, `ratings`.",
    ),
    "events without an experiment": (
        RESOLVED.replace('experiment = "june"\n', ""),
        "resolved reads events, which need an [[experiment]] with `exposures`; or give "
        "`units`, `table` or `ratings`.",
    ),
    "events without exposures": (
        JUNE + RESOLVED,
        "resolved reads events, which need an [[experiment]] with `exposures`; or give "
        "`units`, `table` or `ratings`.",
    ),
    "events without the event": (
        BOTH + RESOLVED.replace('event = "resolved"\n', ""),
        "add `event`, the name of the event that counts.",
    ),
    "two primary outcomes": (
        BOTH + RESOLVED + "primary = true\n" + TWO + "primary = true\n",
        "outcomes resolved and csat are both primary; keep one.",
    ),
    "a primary mean without a range": (
        BOTH + MEAN + "primary = true\n",
        "resolved has no range, so it is no quality; give range = [lowest, highest].",
    ),
    "a mean without its value": (
        BOTH + RESOLVED.replace('"rate"', '"mean"'),
        'a "mean" needs `value`; add it.',
    ),
    "a ratio without its denominator": (
        BOTH + RESOLVED.replace('"rate"', '"ratio"'),
        'a "ratio" needs `per`; add it.',
    ),
    "a rating without its scale": (RATING, 'a "rating" needs `scale`; add it.'),
    "a scale of one": (
        RATING + "scale = [5, 5]\n",
        "write the lowest and the highest grade, such as [1, 5], or the words from "
        "worst to best.",
    ),
    "a scale of parts": (
        RATING + "scale = [0.5, 5]\n",
        "write the lowest and the highest grade, such as [1, 5], or the words from "
        "worst to best.",
    ),
    "a scale of a billion": (
        RATING + "scale = [0, 1_000_000_000]\n",
        '0 to 1e+09 are too many grades to count each; write kind = "mean", with '
        "`units`.",
    ),
    "a net promoter score of five": (
        RATING + "scale = [1, 5]\nnps = true\n",
        "a net promoter score has scale = [0, 10]; correct one.",
    ),
    "a net promoter score of words": (
        RATING + 'scale = ["bad", "good"]\nnps = true\n',
        "a net promoter score has scale = [0, 10]; correct one.",
    ),
    "a key of another kind": (
        BOTH + RESOLVED + 'per = "opened"\n',
        '`per` goes with kind = "ratio" only; remove it.',
    ),
    "a key of another source": (
        JUNE + TABLE + "within_hours = 3\n",
        "`within_hours` goes with `events` only; remove it.",
    ),
    "hours that are none": (
        BOTH + RESOLVED + "within_hours = 0\n",
        "0 is out of range; write a number above 0.",
    ),
    "a margin below 0": (
        BOTH + RESOLVED + "guardrail = -0.01\n",
        "-0.01 is out of range; write a number from 0 on.",
    ),
    "a bar that is no number": (
        BOTH + RESOLVED + "bar = nan\n",
        "nan is out of range; write a finite number.",
    ),
    "a range of nothing": (
        BOTH + MEAN + "range = [3, 3]\n",
        "3 to 3 is no range; write [lowest, highest].",
    ),
    "files of preferences": (
        '[[outcome]]\nname = "liked"\nkind = "preference"\nratings = "r.csv"\n',
        "preferences come from reviews; remove `ratings`.",
    ),
    "an outcome twice": (BOTH + RESOLVED + RESOLVED, "resolved"),
    "a name that is a path": (
        BOTH + RESOLVED.replace('name = "resolved"', 'name = "../resolved"'),
        "../resolved",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration_names_its_line_and_the_fix(
    suite: Suite, mistake: str
) -> None:
    toml, sentence = MISTAKES[mistake]
    suite.ladder(toml)

    with pytest.raises(ConfigError) as raised:
        load_ladder(suite.folder / "ladder.toml")

    assert sentence in str(raised.value)
    assert str(raised.value).startswith("ladder.toml:")


def test_only_outcome_is_the_primary_one_by_itself(suite: Suite) -> None:
    suite.ladder(BOTH, RESOLVED)
    assert (primary := load_ladder(suite.folder / "ladder.toml").primary)
    assert primary.name == "resolved"
