"""ladder.toml: found, read and checked."""
