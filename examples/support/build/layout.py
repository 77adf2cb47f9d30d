"""What llama.cpp calls the weights of a llama, and how it orders them."""

from __future__ import annotations

from typing import Any

import numpy as np

Numbers = np.ndarray[Any, Any]

PARTS = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""llama.cpp's names of the parts of a layer by those of transformers."""

_OUTSIDE = {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}


def gguf_name(key: str) -> str | None:
    """Return llama.cpp's name of a weight; None: the output, which is the input's."""
    parts = key.split(".")
    if parts[0] == "lm_head":
        return None
    if parts[1] == "layers":
        return f"blk.{parts[2]}.{PARTS[parts[-2]]}.weight"
    return _OUTSIDE[parts[1]]


def to_gguf(name: str, rows: Numbers, config: Any) -> Numbers:
    """Put the rows of queries and keys in llama.cpp's order.

    It rotates each number of a head with its neighbour; transformers rotates the
    first half of the head with the second.
    """
    heads = _heads(name, config)
    if heads is None:
        return rows
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def from_gguf(name: str, rows: Numbers, config: Any) -> Numbers:
    """Undo `to_gguf`."""
    heads = _heads(name, config)
    if heads is None:
        return rows
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _heads(name: str, config: Any) -> int | None:
    heads: dict[str, int] = {
        "q_proj": config.num_attention_heads,
        "k_proj": config.num_key_value_heads,
    }
    return heads.get(name)
