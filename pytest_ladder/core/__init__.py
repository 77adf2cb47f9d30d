"""The words of the project as frozen value types; nothing here does I/O."""
