"""Write the training data from the hand-written cores; always the same files.

    python -m examples.support.build.data.make

Run from the root of a clone. Refuses to write data that fail their own checks.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .checks import check
from .cores import HERE
from .judging import pairs
from .shoptext import paragraphs
from .supervised import fact_rows, routing_rows

SEED = 20261122


def main() -> None:
    """Write `train.jsonl`, `shop.txt` and `judge.jsonl`."""
    rows = [*routing_rows(_chance("routing")), *fact_rows(_chance("facts"))]
    _chance("order").shuffle(rows)
    text = paragraphs(_chance("text"))
    judged = pairs(rows, _chance("judge"))
    check(rows, text, judged)
    _write(HERE / "train.jsonl", rows)
    _write(HERE / "judge.jsonl", judged)
    (HERE / "shop.txt").write_text("\n".join(text) + "\n", "utf-8")


def _chance(part: str) -> random.Random:
    # A generator for each part, so that a change of one leaves the others alone.
    return random.Random(f"{SEED} {part}")


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
