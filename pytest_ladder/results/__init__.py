"""What a finished test means: rows, shares, reports, recordings, the exit status."""
