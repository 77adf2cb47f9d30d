from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = [
    "agreement",
    "exact",
    "experiments",
    "intervals",
    "latency",
    "paired",
    "proxy",
    "sequential",
]


def heavy_after(code: str) -> str:
    code += "; print(*{'numpy', 'scipy'} & {*__import__('sys').modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_check_for_heavy_imports_would_see_one() -> None:
    assert heavy_after("import numpy") == "numpy"


@pytest.mark.parametrize("module", MODULES)
def test_importing_statistics_loads_neither_scipy_nor_numpy(module: str) -> None:
    assert heavy_after(f"import pytest_ladder.stats.{module}") == ""


@pytest.mark.parametrize(
    "call",
    [
        "intervals.wilson(8, 10)",
        "intervals.quality_interval([1, 0, 0.5])",
        "intervals.certified_floor(50, 0.8)",
        "latency.percentile([1, 2, 3], 0.95)",
        "latency.percentile_interval([1, 2, 3], 0.95)",
        "paired.mcnemar_midp(11, 3)",
        "paired.holm([0.01, 0.02])",
        "experiments.difference(*2 * [experiments.moments(9, 9, 11)])",
        "experiments.sample_ratio([821, 812, 776], [0.5, 0.25, 0.25])",
        "experiments.two_proportions(312, 2400, 262, 2380)",
        "experiments.always_valid(0.02, 0.009, 4780)",
        "proxy.superiority_of([3, 5, 12, 30, 20], [6, 9, 18, 25, 12])",
        "proxy.superiority([1, 2, 3], [4, 5, 6])",
    ],
)
def test_what_every_report_needs_runs_on_the_standard_library(call: str) -> None:
    module = call.split(".")[0]
    assert heavy_after(f"from pytest_ladder.stats import {module}; {call}") == ""
