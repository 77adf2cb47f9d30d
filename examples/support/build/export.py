"""GGUF files for llama.cpp: of an adapter, and of a model made from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import Tokenizer

from .layout import PARTS, Numbers, gguf_name, to_gguf
from .lora import ALPHA, Adapter
from .pretrain import END, SPECIAL, START

BASE = "SmolLM2-135M-Instruct"
TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def export_adapter(adapter: Adapter, config: Any, target: Path, about: str) -> None:
    """Write an adapter of the base model, 16 bits a number."""
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    writer.add_name(target.stem)
    writer.add_description(f"modified: LoRA adapter of {BASE}; {about}")
    writer.add_license("apache-2.0")
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, BASE)
    writer.add_base_model_organization(0, "HuggingFaceTB")
    for key, lora in adapter.items():
        number, name = key.split(".")
        # Only rows change places, and the rows of b·a are those of b.
        b = to_gguf(name, _numbers(lora.b), config)
        place = f"blk.{number}.{PARTS[name]}.weight"
        writer.add_tensor(f"{place}.lora_a", _numbers(lora.a).astype(np.float16))
        writer.add_tensor(f"{place}.lora_b", np.ascontiguousarray(b, np.float16))
    _write(writer)


def export_model(model: Any, tokenizer: Tokenizer, target: Path, about: str) -> None:
    """Write a whole model with its tokenizer, 16 bits a number."""
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name(target.stem)
    writer.add_description(about)
    writer.add_license("mit")
    _add_shape(writer, model.config)
    _add_tokenizer(writer, tokenizer)
    for key, tensor in model.state_dict().items():
        name = gguf_name(key)
        if name is not None:
            numbers = to_gguf(key.split(".")[-2], _numbers(tensor), model.config)
            kind = np.float32 if numbers.ndim == 1 else np.float16
            writer.add_tensor(name, np.ascontiguousarray(numbers, kind))
    _write(writer)


def _add_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    known = tokenizer.get_vocab()
    kinds = gguf.TokenType
    tokens = sorted(known, key=known.__getitem__)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [kinds.CONTROL if token in SPECIAL else kinds.NORMAL for token in tokens]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(START)
    writer.add_eos_token_id(END)
    writer.add_pad_token_id(START)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def _numbers(tensor: Any) -> Numbers:
    numbers: Numbers = tensor.detach().float().numpy()
    return numbers


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
