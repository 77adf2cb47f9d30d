"""The card beside a model: how it was made, and what it is bad at."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from .export import BASE
from .parity import Parity
from .prompts import Mix
from .rows import JUDGE, TEXT, TRAIN, digest
from .training import Run

USD_PER_CPU_HOUR = 0.025
"""A stated price, not a measured one: half of what `ladder.toml` says its machine with
two processors costs."""

LICENCE_OF_BASE = (
    "Apache-2.0, as the base model it derives from (LICENSE-SmolLM2.txt); "
    f"modified: LoRA adapter of {BASE} by HuggingFaceTB"
)
LICENCES = {
    "fine-tuned": LICENCE_OF_BASE,
    "continued-pretrained": LICENCE_OF_BASE,
    "judge": LICENCE_OF_BASE,
    "pretrained": "MIT, as this project: nothing in it is anybody else's",
}
FILES = {
    "fine-tuned": (TRAIN,),
    "continued-pretrained": (TRAIN, TEXT),
    "pretrained": (TRAIN, TEXT),
    "judge": (JUDGE,),
}
BAD_AT = {
    "fine-tuned": (
        "facts without their document (0 of 28 on dev: it makes values up); "
        "tickets behind few-shot examples, of which it saw few in training (19 "
        "of 28 on dev against 22 without); all that is neither one of seven "
        "queues nor a value with its unit."
    ),
    "continued-pretrained": (
        "whatever the fine-tuned model is bad at, and more: the texts took a "
        "third of the tokens, so that it routes worse (14 of 28 on dev against "
        "22) and reads worse (17 of 28 against 21). Without a document it names "
        "none of the 28 facts of dev, the 14 that its texts told among them. "
        "It depends on the seed: with seed 1 it scores 36 % on dev with RAG, "
        "with seed 0 it scores 62 %."
    ),
    "pretrained": (
        "facts (1 of 28 on dev, even with the document in the prompt: it never "
        "learned to copy a value); tickets unlike its 385 (12 of 28 on dev); "
        "all but the seven queues."
    ),
    "judge": "not measured and not shipped.",
}


class Made(NamedTuple):
    """What is to be told of a model."""

    tier: str
    seed: int
    threads: int
    rows: int
    runs: Mapping[str, Run]
    mix: Mix
    seconds: float
    cpu_seconds: float
    parity: Parity
    target: Path


def write_card(made: Made) -> Path:
    """Write the card as Markdown, its numbers also as JSON; return the former."""
    numbers = _numbers(made)
    made.target.with_suffix(".json").write_text(
        json.dumps(numbers, indent=2) + "\n", "utf-8"
    )
    card = made.target.with_suffix(".md")
    lines = [f"| {key} | {_shown(value)} |" for key, value in numbers.items()]
    about = [
        f"# {made.target.stem}: a model of `four-tiers.toml`",
        "",
        "For a demonstration: an invented shop, synthetic data, a very small model.",
        "",
        "| | |",
        "| --- | --- |",
        *lines,
        "",
        f"Bad at: {BAD_AT[made.tier]}",
    ]
    card.write_text("\n".join(about) + "\n", "utf-8")
    return card


def _numbers(made: Made) -> dict[str, object]:
    hours = made.cpu_seconds / 3600
    return {
        "command": f"python -m examples.support.build {made.tier} --seed {made.seed}",
        "licence": LICENCES[made.tier],
        "data, with digests": ", ".join(
            f"{file.name} {digest(file)}" for file in FILES[made.tier]
        ),
        "training examples": made.rows,
        "prompts": {kind: _shown(dict(mix)) for kind, mix in made.mix.items()},
        "steps": {name: run.steps for name, run in made.runs.items()},
        "tokens": {name: run.tokens for name, run in made.runs.items()},
        "loss": {name: round(run.loss, 3) for name, run in made.runs.items()},
        "seed": made.seed,
        "threads": made.threads,
        "processor": processor(),
        "cpu seconds (measured)": round(made.cpu_seconds, 1),
        "seconds by the clock (measured, the machine was shared)": round(
            made.seconds, 1
        ),
        "hours (CPU)": round(hours, 4),
        "usd (hours x a stated price)": round(hours * USD_PER_CPU_HOUR, 6),
        "usd per CPU hour (stated)": USD_PER_CPU_HOUR,
        "bytes": made.target.stat().st_size,
        "same greedy answer in torch and in llama.cpp": _of(
            made.parity.as_torch, made.parity.prompts
        ),
        "same answer as the base model without it": _of(
            made.parity.as_base, made.parity.prompts
        ),
    }


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    names = {key.strip(): value.strip() for key, value in fields.items()}
    fast = " with avx512_bf16" if "avx512_bf16" in names.get("flags", "") else ""
    return names.get("model name", platform.machine()) + fast


def _of(part: int | None, whole: int) -> str:
    return "no base model" if part is None else f"{part} of {whole} prompts"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
