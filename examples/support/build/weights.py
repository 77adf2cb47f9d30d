"""The base model: SmolLM2-135M-Instruct, fetched and unpacked by pytest-ladder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from pytest_ladder.calls.local import weights

from .layout import from_gguf, gguf_name

NAME = "smollm2-135m"

# The file is on disk; transformers must not ask anyone for it.
os.environ["HF_HUB_OFFLINE"] = "1"


def base_file() -> Path:
    """Return the GGUF file, downloading it (93 MB, once) if need be."""
    return weights.fetch(NAME, print)


def base_tokenizer() -> Any:
    """Return the tokenizer of the base model."""
    from transformers import AutoTokenizer

    file = base_file()
    return AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)


def base_model() -> Any:
    """Return the model with frozen weights of 16 bits (bfloat16)."""
    from transformers import LlamaForCausalLM

    reader = gguf.GGUFReader(base_file())
    model = LlamaForCausalLM(_config(reader))
    found = {tensor.name: tensor for tensor in reader.tensors}
    state = {
        key: torch.from_numpy(_numbers(key, found, model.config))
        for key in model.state_dict()
    }
    model.load_state_dict(state)
    model.requires_grad_(False)
    return model.to(torch.bfloat16)


def _config(reader: gguf.GGUFReader) -> Any:
    from transformers import LlamaConfig

    def told(key: str) -> Any:
        field = reader.get_field(key)
        assert field is not None, key
        return field.contents()

    return LlamaConfig(
        vocab_size=len(told("tokenizer.ggml.tokens")),
        hidden_size=told("llama.embedding_length"),
        intermediate_size=told("llama.feed_forward_length"),
        num_hidden_layers=told("llama.block_count"),
        num_attention_heads=told("llama.attention.head_count"),
        num_key_value_heads=told("llama.attention.head_count_kv"),
        max_position_embeddings=told("llama.context_length"),
        rms_norm_eps=told("llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={
            "rope_type": "default",
            "rope_theta": told("llama.rope.freq_base"),
        },
        tie_word_embeddings=True,
        bos_token_id=told("tokenizer.ggml.bos_token_id"),
        eos_token_id=told("tokenizer.ggml.eos_token_id"),
    )


def _numbers(key: str, found: dict[str, Any], config: Any) -> np.ndarray[Any, Any]:
    tensor = found[gguf_name(key) or "token_embd.weight"]
    numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    ordered = from_gguf(key.split(".")[-2], numbers, config)
    return np.array(ordered, np.float32)
