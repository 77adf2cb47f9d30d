"""Scores and verdicts: how good a reply is, and who said so."""

from __future__ import annotations

import msgspec


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A number in [0, 1] with a reason."""

    value: float
    reason: str = ""
    name: str | None = None
    """None: the row's own score; else one reported beside it."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            what = f"score {self.name!r}" if self.name else "score"
            raise ValueError(
                f"The {what} is {self.value}, outside [0, 1]; rescale it before "
                "you hand it over."
            )
