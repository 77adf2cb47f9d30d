"""LoRA (Hu et al. 2021, arXiv:2106.09685): a low-rank change of every projection."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PROJECTIONS = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)
RANK = 8
ALPHA = 16.0


class LoRA(nn.Module):
    """A frozen projection plus `alpha / rank` times b·a, which starts at zero."""

    def __init__(self, projection: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.projection = projection
        self.scale = alpha / rank
        wide = projection.in_features
        self.a = nn.Parameter(torch.randn(rank, wide) / math.sqrt(wide))
        self.b = nn.Parameter(torch.zeros(projection.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        low = functional.linear(x, self.a.to(x.dtype))
        change = functional.linear(low, self.b.to(x.dtype))
        return self.projection(x) + change * self.scale


Adapter = dict[str, LoRA]
"""The changed projections by `LAYER.PROJECTION`."""


def add_adapter(model: Any, rank: int = RANK, alpha: float = ALPHA) -> Adapter:
    """Put an adapter on all projections of a model and return it."""
    adapter: Adapter = {}
    for number, layer in enumerate(model.model.layers):
        for block in (layer.self_attn, layer.mlp):
            for name in PROJECTIONS:
                if hasattr(block, name):
                    changed = LoRA(getattr(block, name), rank, alpha)
                    setattr(block, name, changed)
                    adapter[f"{number}.{name}"] = changed
    return adapter


def parameters(adapter: Adapter) -> list[nn.Parameter]:
    """Return what is trained."""
    return [matrix for lora in adapter.values() for matrix in (lora.a, lora.b)]
