"""The value types of the project, all frozen; nothing here does I/O."""
