"""The models: what each is trained on, for how long, and how it is written."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import export, lora, pretrain, weights
from .coding import BaseCoder, Coder, OwnCoder, answered, packed
from .prompts import Chat, Kitchen, Mix
from .rows import dev_rows, judged_pairs, shop_text, training_rows
from .training import Example, Recipe, Run, batches, train
from .verdicts import STRATEGY, asked

TOKENS = 75_000
"""Training tokens of the fine-tuned and of the continued-pretrained model, raw text
and prompts together: both take the same compute."""
RAW_TOKENS = TOKENS // 3
"""Those of the continued-pretrained model that are raw text."""
MIX: Mix = {
    "routing": {"zero-shot": 0.86, "rag": 0.08, "few-shot-rag": 0.03, "few-shot": 0.03},
    "facts": {"rag": 0.1, "few-shot-rag": 0.02},
}
JUDGE_TOKENS = 140_000
SCRATCH_TOKENS = 1_400_000
SCRATCH_MIX: Mix = {
    "routing": {"zero-shot": 0.8, "rag": 0.2},
    "facts": {"rag": 0.25},
}

ADAPTING = Recipe(rate=1e-3, warmup=10, batch=500)
FROM_SCRATCH = Recipe(rate=2e-3, warmup=50, batch=1024, decay=0.05, autocast=True)

_PIECE = 128
_CHECKED = 16
_ASKED = 0.02
"""What a token of a question weighs beside one of an answer, from scratch."""


class Built(NamedTuple):
    """A trained model, written to a file."""

    runs: dict[str, Run]
    """By what was trained on."""
    rows: int
    """Training examples with an answer."""
    mix: Mix
    checked: list[Chat]
    """Prompts to compare llama.cpp with torch on."""
    model: Any
    coder: Coder


def fine_tuned(seed: int, target: Path) -> Built:
    """Adapt the base model to the shop's tickets and questions."""
    return _adapted(seed, target, raw_tokens=0)


def continued_pretrained(seed: int, target: Path) -> Built:
    """Read the shop's texts first, then do the same with the tokens that are left."""
    return _adapted(seed, target, raw_tokens=RAW_TOKENS)


def pretrained(seed: int, target: Path) -> Built:
    """Train a tiny model from nothing, on texts and prompts at once."""
    rows, chance = training_rows(), random.Random(seed)
    kitchen, text = Kitchen(rows), shop_text()
    chats = [kitchen.chat(row, "zero-shot") for row in rows]
    tokenizer = pretrain.new_tokenizer([*text, *(c.prompt + c.answer for c in chats)])
    coder = OwnCoder(tokenizer)
    raw = packed(coder, text, pretrain.START, _PIECE)

    def epoch() -> list[Example]:
        mixed = kitchen.mixed(rows, SCRATCH_MIX, chance)
        return [*raw, *(_told(coder, chat) for chat in mixed)]

    model = pretrain.new_model(tokenizer.get_vocab_size())
    work = batches(epoch, tokens=SCRATCH_TOKENS, size=FROM_SCRATCH.batch, chance=chance)
    run = train(model, list(model.parameters()), work, FROM_SCRATCH)
    about = "a tiny llama trained from scratch for an invented tea shop"
    export.export_model(model, tokenizer, target, about)
    return Built(
        {"texts and prompts": run},
        len(rows),
        SCRATCH_MIX,
        _checked(),
        model,
        coder,
    )


def _told(coder: Coder, chat: Chat) -> Example:
    """Return an example; of a plain prompt the question teaches words as well.

    Not of a prompt with documents: their facts must not come in by this door.
    """
    return answered(coder, chat, _ASKED if chat.strategy == "zero-shot" else 0.0)


def judge(seed: int, target: Path) -> Built:
    """Adapt the base model to verdicts on whether a reply says what was expected."""
    pairs, chance = judged_pairs(), random.Random(seed)
    model, coder, adapter = _base()
    chats = [asked(pair) for pair in pairs]
    examples = [answered(coder, chat) for chat in chats]
    run = _adapt(model, adapter, lambda: examples, JUDGE_TOKENS, chance)
    about = "tells whether a reply says what was expected"
    export.export_adapter(adapter, model.config, target, about)
    mix: Mix = {"verdicts": {STRATEGY: 1.0}}
    checked = chats[:: len(chats) // _CHECKED]
    return Built({"verdicts": run}, len(pairs), mix, checked, model, coder)


def _adapted(seed: int, target: Path, *, raw_tokens: int) -> Built:
    rows, chance = training_rows(), random.Random(seed)
    kitchen = Kitchen(rows)
    model, coder, adapter = _base()
    between = coder.encode(pretrain.SPECIAL[0])[0]
    raw = packed(coder, shop_text(), between, _PIECE) if raw_tokens else []

    def prompts() -> list[Example]:
        mixed = kitchen.mixed(rows, MIX, chance)
        return [answered(coder, chat) for chat in mixed]

    sources: dict[str, tuple[Callable[[], list[Example]], int]] = {
        "texts": (lambda: raw, raw_tokens),
        "prompts": (prompts, TOKENS - raw_tokens),
    }
    runs = {
        name: _adapt(model, adapter, epoch, tokens, chance)
        for name, (epoch, tokens) in sources.items()
        if tokens
    }
    about = "routes tickets and states facts of an invented tea shop"
    export.export_adapter(adapter, model.config, target, about)
    return Built(runs, len(rows), MIX, _checked(), model, coder)


def _base() -> tuple[Any, Coder, lora.Adapter]:
    model, coder = weights.base_model(), BaseCoder(weights.base_tokenizer())
    return model, coder, lora.add_adapter(model)


def _checked() -> list[Chat]:
    """Return prompts of the dev split, by all strategies in turn."""
    rows = dev_rows()
    few = rows[:: len(rows) // _CHECKED]
    kitchen, strategies = Kitchen(few), itertools.cycle(MIX["routing"])
    return [kitchen.chat(row, name) for row, name in zip(few, strategies, strict=False)]


def _adapt(
    model: Any,
    adapter: lora.Adapter,
    epoch: Callable[[], list[Example]],
    tokens: int,
    chance: random.Random,
) -> Run:
    work = batches(epoch, tokens=tokens, size=ADAPTING.batch, chance=chance)
    return train(model, lora.parameters(adapter), work, ADAPTING)


RECIPES: Mapping[str, Callable[[int, Path], Built]] = {
    "fine-tuned": fine_tuned,
    "continued-pretrained": continued_pretrained,
    "pretrained": pretrained,
    "judge": judge,
}
