"""The value types of the project, all frozen; nothing here does I/O.

Modules with structs do without `from __future__ import annotations`: msgspec has to
compile each annotation that is a text, anew in every process.
"""
