"""Levels of evaluation: who says what is good."""

from __future__ import annotations

import enum


class Level(enum.StrEnum):
    """Who grades a reply: plain code, an LLM judge, or the real world."""

    CHEAP = "cheap"
    JUDGED = "judged"
    REAL = "real"
