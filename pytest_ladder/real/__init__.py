"""Level 3: raw files of real use become aggregates, the only thing that a run reads."""
