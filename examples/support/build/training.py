"""Training: batches up to a number of tokens, and one loop.

The prompts of a batch begin alike, and what they begin with is computed once for all:
the same sums at half the price.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_SHUFFLED_BY = 8
"""Tokens of noise on lengths, so that an epoch's batches differ from the last one's."""
_TOLD_EVERY_S = 15.0


class Example(NamedTuple):
    """Tokens, the first `prompt` of which weigh `weight` in the loss, the rest 1."""

    tokens: list[int]
    prompt: int
    weight: float = 0.0
    group: str = ""
    """Only examples of a group are put into a batch."""


class Recipe(NamedTuple):
    """How a model is trained."""

    rate: float
    """Highest learning rate, reached after `warmup` steps; falls to 0 linearly."""
    warmup: int
    batch: int
    """Tokens to compute in a step, padding included."""
    decay: float = 0.0
    """Weight decay."""
    autocast: bool = False
    """Whether weights of 32 bits are multiplied with 16."""


class Run(NamedTuple):
    """What a training took."""

    steps: int
    tokens: int
    """Computed ones, without padding."""
    seconds: float
    """By the clock."""
    cpu_seconds: float
    """Of the processor, all threads together."""
    loss: float
    """Mean over the last tenth of the steps."""


Batch = list[Example]


def batches(
    epoch: Callable[[], Sequence[Example]],
    *,
    tokens: int,
    size: int,
    chance: random.Random,
) -> list[Batch]:
    """Return batches with `tokens` tokens to compute in all, padding not counted.

    `epoch` is asked for examples again and again; the last batch may go beyond.
    """
    chosen: list[Batch] = []
    seen = 0
    while seen < tokens:
        for batch in _epoch_batches(epoch(), size, chance):
            if seen >= tokens:
                break
            chosen.append(batch)
            seen += _computed(batch)
    return chosen


def train(
    model: Any, weights: Sequence[nn.Parameter], work: Sequence[Batch], recipe: Recipe
) -> Run:
    """Train `weights` on batches, one step each, and tell how it goes."""
    optimizer = torch.optim.AdamW(
        weights, lr=recipe.rate, betas=(0.9, 0.95), weight_decay=recipe.decay
    )
    model.train()
    begun, cpu, told, losses, tokens = time.time(), time.process_time(), 0.0, [], 0
    for step, batch in enumerate(work):
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, step, len(work))
        loss = _loss(model, batch, autocast=recipe.autocast)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        tokens += _computed(batch)
        passed = time.time() - begun
        if passed - told > _TOLD_EVERY_S or step + 1 == len(work):
            told = passed
            _tell(step + 1, len(work), losses, passed, tokens)
    seconds, cpu_seconds = time.time() - begun, time.process_time() - cpu
    last = losses[-max(1, len(losses) // 10) :]
    return Run(len(work), tokens, seconds, cpu_seconds, sum(last) / len(last))


def _epoch_batches(
    examples: Sequence[Example], size: int, chance: random.Random
) -> list[Batch]:
    """Put examples of a group and of similar length together, in random order."""
    noisy = [
        ((e.group, len(e.tokens) + chance.random() * _SHUFFLED_BY), e) for e in examples
    ]
    made: list[Batch] = []
    batch: Batch = []
    for _, example in sorted(noisy, key=lambda pair: pair[0]):
        if batch and (batch[0].group != example.group or _too_many(batch, size)):
            made.append(batch)
            batch = []
        batch.append(example)
    made.append(batch)
    chance.shuffle(made)
    return made


def _too_many(batch: Batch, size: int) -> bool:
    """Tell whether one more example would be more than `size` tokens to compute."""
    longest, shared = max(len(e.tokens) for e in batch), _shared(batch)
    return shared + (longest - shared) * (len(batch) + 1) > size


def _computed(batch: Batch) -> int:
    """Return the tokens to compute for a batch, without padding."""
    shared = _shared(batch)
    return shared + sum(len(example.tokens) - shared for example in batch)


def _shared(batch: Batch) -> int:
    """Return how many tokens, which weigh nothing, all examples begin with.

    0 for one example, and where they begin differently.
    """
    if len(batch) < 2 or any(example.weight for example in batch):
        return 0
    most = min(example.prompt for example in batch) - 1
    columns = zip(*(example.tokens[:most] for example in batch), strict=True)
    alike = itertools.takewhile(lambda column: len(set(column)) == 1, columns)
    return sum(1 for _ in alike)


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    return recipe.rate * min(1.0, (step + 1) / recipe.warmup) * (1 - step / steps)


def _loss(model: Any, batch: Batch, *, autocast: bool) -> Tensor:
    """Return the weighted mean loss of the tokens that weigh anything."""
    shared = _shared(batch)
    tokens, weights = _padded(batch, shared)
    inputs, targets, weights = tokens[:, :-1], tokens[:, 1:], weights[:, 1:]
    kept = weights > 0
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        # Padding stands on the right, where a causal model does not look.
        hidden = model.model(
            input_ids=inputs,
            past_key_values=_beginning(model, batch, shared) if shared else None,
            use_cache=bool(shared),
        ).last_hidden_state
        logits = model.lm_head(hidden[kept])
    each = functional.cross_entropy(logits.float(), targets[kept], reduction="none")
    return (each * weights[kept]).sum() / weights[kept].sum()


def _beginning(model: Any, batch: Batch, shared: int) -> Any:
    """Compute what a batch begins with; gradients flow through it as well."""
    from transformers import DynamicCache

    cache = DynamicCache()
    tokens = torch.tensor([batch[0].tokens[:shared]])
    model.model(input_ids=tokens, past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(len(batch))
    return cache


def _padded(batch: Batch, start: int) -> tuple[Tensor, Tensor]:
    """Return the tokens from `start` on, and what each weighs."""
    longest = max(len(example.tokens) for example in batch) - start
    tokens = torch.zeros((len(batch), longest), dtype=torch.long)
    weights = torch.zeros((len(batch), longest))
    for row, example in enumerate(batch):
        length = len(example.tokens) - start
        tokens[row, :length] = torch.tensor(example.tokens[start:])
        weights[row, : example.prompt - start] = example.weight
        weights[row, example.prompt - start : length] = 1.0
    return tokens, weights


def _tell(
    step: int, steps: int, losses: Sequence[float], seconds: float, tokens: int
) -> None:
    recent = losses[-20:]
    print(
        f"step {step}/{steps}, loss {sum(recent) / len(recent):.3f}, "
        f"{seconds:.0f} s, {tokens / seconds:.0f} tokens/s",
        flush=True,
    )
