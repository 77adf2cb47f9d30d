"""Texts as tokens, alike for the base model's tokenizer and for our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from tokenizers import Tokenizer

from .prompts import END, Chat
from .training import Example

_KIND = 8
"""Characters that tell a ticket from a question."""


class Coder(Protocol):
    """Turns texts into tokens and back; adds none of its own."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens, without those that begin and end turns."""


class BaseCoder:
    """The tokenizer of transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text


class OwnCoder:
    """The tokenizer that `pretrain` makes."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


def answered(coder: Coder, chat: Chat, weight: float = 0.0) -> Example:
    """Return a prompt with its answer; the tokens of the prompt weigh `weight`."""
    prompt = coder.encode(chat.prompt)
    tokens = prompt + coder.encode(chat.answer + END)
    return Example(tokens, len(prompt), weight, _group(chat))


def _group(chat: Chat) -> str:
    """Name the prompts that begin with the same words."""
    return f"{chat.strategy} {str(chat.messages[-1]['content'])[:_KIND]}"


def packed(
    coder: Coder, texts: Iterable[str], between: int, length: int
) -> list[Example]:
    """Return raw texts one after another, cut every `length` tokens."""
    stream: list[int] = []
    for text in texts:
        stream += [*coder.encode(text), between]
    cuts = range(0, len(stream), length)
    return [Example(piece, 1) for piece in _pieces(stream, cuts, length)]


def _pieces(stream: Sequence[int], cuts: range, length: int) -> list[list[int]]:
    return [list(stream[cut : cut + length]) for cut in cuts if cut + 8 < len(stream)]
