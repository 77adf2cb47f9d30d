"""The gate: a change against a baseline, paired and with a margin."""
