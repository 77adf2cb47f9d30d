"""A tiny llama from scratch, with a tokenizer of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
START, _, END = range(3)
"""Token ids: the first begins a text, the last ends an answer."""

VOCABULARY = 2048
WIDTH, LAYERS, HEADS, INNER = 192, 4, 6, 512
CONTEXT = 2048
ROPE_BASE = 10000.0


def new_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Train a byte-level BPE on texts.

    llama.cpp knows its way of cutting words as `smollm`: digits one by one, then the
    pattern of GPT-2.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def new_model(vocabulary: int) -> Any:
    """Return an untrained model for so many tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        tie_word_embeddings=True,
        bos_token_id=START,
        eos_token_id=END,
    )
    return LlamaForCausalLM(config)
