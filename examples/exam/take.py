"""Put a test of MMLU's form in the place of this exam: `python -m examples.exam.take`.

It reads a folder with MMLU as its authors publish it (CSV without a header: question,
four choices, a letter; the subject is the file's name), or as the Hugging Face hub has
it (Parquet, JSON lines, or CSV with a header: question, subject, choices, answer), and
writes the splits `test` and `dev` as `cases.jsonl` and `dev.jsonl` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.cases.choices import expected_letters
from pytest_ladder.cases.load import load_cases
from pytest_ladder.errors import ConfigError

FOLDER = Path(__file__).parent
SPLITS = {"test": "cases.jsonl", "dev": "dev.jsonl"}
LETTERS = "ABCD"
COLUMNS = 6
"""Of a CSV of the authors: a question, four choices, a letter."""

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Take both splits, or nothing. Raises `SystemExit` with what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the folder that was downloaded")
    parser.add_argument("--to", type=Path, default=FOLDER, help="default: this example")
    given = parser.parse_args(arguments)
    try:
        taken = {split: rows_of(given.source, split) for split in SPLITS}
    except (ConfigError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    for split, rows in taken.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (given.to / SPLITS[split]).write_text("".join(lines), encoding="utf-8")
        subjects = {row["subject"] for row in rows}
        print(  # noqa: T201 - a command
            f"{given.to / SPLITS[split]}: {len(rows):,} questions of "
            f"{len(subjects)} subjects"
        )


def rows_of(source: Path, split: str) -> list[Row]:
    """Read a split from all its files. Raises `ValueError` or `ConfigError`."""
    files = [path for path in sorted(source.rglob("*.*")) if _is_of(path, split)]
    rows = [row for path in files for row in _read(path, split)]
    if not rows:
        raise ValueError(
            f"{source}: no file of the split `{split}`; it is called {split}/….csv, "
            f"{split}-….parquet or {split}.jsonl."
        )
    return rows


def _is_of(path: Path, split: str) -> bool:
    """Tell whether a file is of a split: `anatomy_dev.csv`, `test-00000.parquet`."""
    kinds = {".csv", ".json", ".jsonl", ".parquet"}
    named = rf"(?:.*_)?{split}(?:-.*)?"
    return path.suffix in kinds and re.fullmatch(named, path.stem) is not None


def _read(path: Path, split: str) -> Iterator[Row]:
    if path.suffix == ".csv" and not _has_header(path):
        yield from _read_without_header(path, split)
        return
    for case in load_cases(path.name, folder=path.parent, where=str(path)):
        if isinstance(case.expected, str) and case.expected.isdecimal():
            # In a CSV it is a text; `2` is an index here, and not the choice `2`.
            case = msgspec.structs.replace(case, expected=int(case.expected))
        # Of a case without a right choice it says which, and in which file.
        right = LETTERS.index(*expected_letters(case))
        subject = str(case.metadata.get("subject", "")) or path.stem
        yield _row(case.text, subject, case.choices, right)


def _has_header(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.reader(file), [])
    return "question" in {cell.strip().casefold() for cell in first}


def _read_without_header(path: Path, split: str) -> Iterator[Row]:
    subject = path.stem.removesuffix(f"_{split}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        for cells in reader:
            letter = cells[-1].strip() if len(cells) == COLUMNS else ""
            if letter not in LETTERS or not letter:
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, the last "
                    f"{cells[-1:]}; a row is a question, four choices and a letter."
                )
            yield _row(cells[0], subject, cells[1:5], LETTERS.index(letter))


def _row(question: str, subject: str, choices: Any, right: int) -> Row:
    """Write a row as the hub has it, its subject also as a tag, for shots."""
    subject = subject.replace("_", " ")
    return {
        "question": question,
        "subject": subject,
        "choices": list(choices),
        "answer": right,
        "tags": [subject],
    }


if __name__ == "__main__":
    main()
