"""Charts: what is drawn, and drawing it."""
