"""Where the names of points go, so that every point has one and none covers another.

Labels are tried beside their point first, then further out with a line that leads to
it. What is taken is kept as a bitmap, which makes a try cheap: a page places the labels
of each volume, once for all volumes at which they lie alike. After Kittivorawong,
Moritz, Wongsuphasawat and Heer, "Fast and flexible overlap detection for chart labeling
with occupancy bitmap" (2020).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.reporting.charts.parts import Record

if TYPE_CHECKING:
    from pytest_ladder.decide.objectives.kind import Line

CELL = 3
"""Pixels of a cell of the bitmap."""
HEIGHT = 14
"""Pixels of a line of text."""
LETTER = 6.6
"""Pixels of a letter, on average."""
MARK = 8
"""Pixels from the middle of a point to where a label may begin."""
LEADS = (18, 28, 40, 54, 70, 90, 112)
"""Pixels of the lines that lead to a label, each tried in turn."""
DIRECTIONS = 16
"""In which a line may lead away from a point."""

FEW = 6
"""Up to so many points are all named."""

Scale = Callable[[float], float]
"""Where a value lies in pixels, from the left or from the top."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""
Spot = tuple[int, int, int, int, str]
"""Middle of a label and end of the line to it, in pixels from its point; the text.

The line ends where it began where there is none.
"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A point that needs a label."""

    x: float
    """Pixels from the left."""
    y: float
    """Pixels from the top."""
    texts: tuple[str, ...]
    """What it may be called, the best first; the last one is always found a place."""


def spots_of(
    points: Sequence[Record], lines: Sequence[Line], width: int, height: int
) -> list[Spot]:
    """Place the labels of points in a chart of so many pixels.

    The recommended and the current rung, the front and what is planned bear their names
    where there is room, and all rungs where they are few; others a number.
    """
    if not points:
        return []
    marks = ("recommended", "current", "planned", "on_front")
    rank = sorted(
        range(len(points)),
        key=lambda n: (
            *(not points[n][mark] for mark in marks),
            -points[n]["quality"],
        ),
    )
    x_of, y_of = scales(points, lines, width, height)
    places = [(x_of(point["usd"]), y_of(point["quality"])) for point in points]
    wanted = []
    for n in rank:
        number = str(points[n]["number"])
        is_named = len(points) <= FEW or any(points[n][mark] for mark in marks)
        texts = (f"{number} {points[n]['rung']}", number) if is_named else (number,)
        wanted.append(Wanted(x=places[n][0], y=places[n][1], texts=texts))
    taken: list[Box] = []
    for line in lines:
        if line.of == "quality":
            y = y_of(line.at)
            taken += [(0, y - 16, 90, y), (0, y - 1, width, y + 1)]
        elif line.of == "cost" and line.at > 0:
            taken.append((x_of(line.at) - 1, 0, x_of(line.at) + 1, height))
    # The lines of the front go across, then up.
    front = sorted(places[n] for n in rank if points[n]["on_front"])
    for (left, low), (right, high) in itertools.pairwise(front):
        taken += [(left, low - 1, right, low + 1), (right - 1, high, right + 1, low)]
    avoided: list[Box] = []
    for point, (x, y) in zip(points, places, strict=True):
        avoided.append((x_of(point["usd_low"]), y, x_of(point["usd_high"]), y))
        avoided.append((x, y_of(point["high"]), x, y_of(point["low"])))
    placed = place(tuple(wanted), width, height, tuple(taken), tuple(avoided))
    return [spot for _, spot in sorted(zip(rank, placed, strict=True))]


def scales(
    points: Sequence[Record], lines: Sequence[Line], width: int, height: int
) -> tuple[Scale, Scale]:
    """Say about where a chart draws costs and qualities: it takes in all of both."""
    bars = [line.at for line in lines if line.of == "quality"]
    caps = [math.log(line.at) for line in lines if line.of == "cost" and line.at > 0]
    left = min([math.log(point["usd_low"]) for point in points] + caps)
    right = max([math.log(point["usd_high"]) for point in points] + caps)
    bottom = min([point["low"] for point in points] + bars)
    top = max([point["high"] for point in points] + bars)
    across = (width - 2 * 36) / ((right - left) or 1)
    down = (height - 2 * 12) / ((top - bottom) or 1)
    return (
        lambda usd: 36 + (math.log(usd) - left) * across,
        lambda quality: 12 + (top - quality) * down,
    )


@functools.lru_cache(maxsize=16)
def place(
    wanted: tuple[Wanted, ...],
    width: int,
    height: int,
    taken: tuple[Box, ...] = (),
    avoided: tuple[Box, ...] = (),
) -> tuple[Spot, ...]:
    """Give a place to each label in a chart of this size, the first ones first.

    `taken` are boxes to keep free: left, top, right, bottom; `avoided` those to keep
    free where a label has another place.
    """
    bitmap, intervals = _Bitmap(width, height), _Bitmap(width, height)
    for box in avoided:
        intervals.take(box)
    for box in taken:
        bitmap.take(box)
    for point in wanted:
        x, y = point.x, point.y
        bitmap.take((x - MARK, y - MARK, x + MARK, y + MARK))
    return tuple([_spot(point, bitmap, intervals) for point in wanted])


class _Bitmap:
    """Which cells of a chart are taken: a whole number for each row of cells."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._rows = [0] * (height // CELL + 1)

    def take(self, box: Box) -> None:
        mask = self._mask(box)
        for row in self._span(box):
            self._rows[row] |= mask

    def is_free(self, box: Box) -> bool:
        left, top, right, bottom = box
        if left < 0 or top < 0 or right > self._width or bottom > self._height:
            return False
        mask = self._mask(box)
        return not any(self._rows[row] & mask for row in self._span(box))

    def _span(self, box: Box) -> range:
        first, last = int(box[1] // CELL), int(box[3] // CELL)
        return range(max(first, 0), min(last + 1, len(self._rows)))

    @staticmethod
    def _mask(box: Box) -> int:
        first, last = max(int(box[0] // CELL), 0), max(int(box[2] // CELL), 0)
        return (1 << (last + 1)) - (1 << first)


def _spot(point: Wanted, bitmap: _Bitmap, intervals: _Bitmap) -> Spot:
    for text, is_picky in itertools.product(point.texts, (True, False)):
        half = (LETTER * len(text) + 4) / 2
        for dx, dy, leads in _OFFSETS:
            # A label grows away from its point.
            x = dx + math.copysign(half, dx) if abs(dx) > 1 else 0.0
            box = (
                point.x + x - half,
                point.y + dy - HEIGHT / 2,
                point.x + x + half,
                point.y + dy + HEIGHT / 2,
            )
            if bitmap.is_free(box) and (intervals.is_free(box) or not is_picky):
                bitmap.take(box)
                end = (round(dx), round(dy)) if leads else (0, 0)
                return round(x), round(dy), *end, text
    return 0, -MARK - HEIGHT // 2, 0, 0, point.texts[-1]


def _offsets() -> list[tuple[float, float, bool]]:
    """Give where labels begin, as seen from their point, and whether a line leads."""
    beside = MARK + 1.0
    above = MARK + HEIGHT / 2
    near = [
        *((-beside, -above + 4), (beside, above - 4), (beside, 0.0), (-beside, 0.0)),
        *((0.0, -above), (0.0, above), (beside, -above + 4), (-beside, above - 4)),
    ]
    turns = [math.tau * (n + 0.5) / DIRECTIONS for n in range(DIRECTIONS)]
    far = [(r * math.cos(a), r * math.sin(a)) for r in LEADS for a in turns]
    return [(*at, False) for at in near] + [(*at, True) for at in far]


_OFFSETS = _offsets()
