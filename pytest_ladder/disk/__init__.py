"""Files, SQLite and git: what lies on the disk, without knowing what it means."""
