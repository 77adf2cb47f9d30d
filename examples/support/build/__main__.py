"""Rebuild a model of the example from the data in this folder, on a CPU.

    pip install -e ".[build]"
    python -m examples.support.build fine-tuned --seed 0

Run from the root of a clone. Writes `models/NAME.gguf` with its card; the same seed
on the same processor gives the same model.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from .card import Made, write_card
from .parity import Parity, compare, greedy
from .recipes import RECIPES, Built
from .rows import EXAMPLE
from .weights import base_file


def main() -> None:
    """Build one model, compare it with its export, and write its card."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    target = asked.out / f"{asked.model}.gguf"
    begun, cpu = time.time(), time.process_time()
    built = RECIPES[asked.model](asked.seed, target)
    seconds, cpu_seconds = time.time() - begun, time.process_time() - cpu
    parity = _parity(built, target, whole=asked.model == "pretrained")
    made = Made(
        tier=asked.model,
        seed=asked.seed,
        threads=asked.threads,
        rows=built.rows,
        runs=built.runs,
        mix=built.mix,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        parity=parity,
        target=target,
    )
    print(write_card(made).read_text("utf-8"))
    print(f"built in {seconds:.0f} s ({cpu_seconds:.0f} CPU seconds): {target}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.support.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=EXAMPLE / "models")
    return parser.parse_args()


def _parity(built: Built, target: Path, *, whole: bool) -> Parity:
    """Compare torch with llama.cpp."""
    said = greedy(built.model, built.coder, built.checked)
    gguf, adapter = (target, None) if whole else (base_file(), target)
    return compare(built.checked, said, gguf, adapter)


if __name__ == "__main__":
    main()
