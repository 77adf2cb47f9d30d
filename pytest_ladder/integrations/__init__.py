"""Support for syrupy, Hypothesis and pytest-benchmark; each needs its extra."""
