"""What a scripted judge answers."""

from __future__ import annotations

from typing import Any


def passes(reason: str = "it is right") -> dict[str, Any]:
    return {"reason": reason, "verdict": "pass"}


def fails(reason: str = "it is wrong") -> dict[str, Any]:
    return {"reason": reason, "verdict": "fail"}


def grades(grade: int, reason: str = "so so") -> dict[str, Any]:
    return {"reason": reason, "grade": grade}


def prefers(place: str, reason: str = "clearer") -> dict[str, Any]:
    return {"reason": reason, "better": place}
