"""Parity: llama.cpp answers with an exported model as torch did before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import msgspec
import torch

from pytest_ladder.calls.local.servers import Servers

from .coding import Coder
from .prompts import Chat

_LONGEST = 12
"""Tokens of an answer."""


class Parity(NamedTuple):
    """How many greedy answers are the same."""

    prompts: int
    as_torch: int
    as_base: int | None
    """The same as those of the model without its adapter; None: it has none."""


def compare(
    chats: Sequence[Chat], by_torch: Sequence[str], gguf: Path, adapter: Path | None
) -> Parity:
    """Ask llama.cpp, and the base model if there is an adapter."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder) / "servers", os.getpid())
        try:
            here = _answers(servers.address(gguf, adapter), chats)
            base = None if adapter is None else servers.address(gguf, None)
            alone = None if base is None else _answers(base, chats)
        finally:
            servers.stop_all()
    for chat, one, other in zip(chats, by_torch, here, strict=True):
        if one != other:
            asked = chat.messages[-1]["content"][-60:]
            print(f"differs: {asked!r}: torch {one!r}, llama.cpp {other!r}")
    return Parity(
        len(chats),
        _same(by_torch, here),
        None if alone is None else _same(alone, here),
    )


def greedy(model: Any, tokenizer: Coder, chats: Sequence[Chat]) -> list[str]:
    """Return torch's answers."""
    model.float().eval()
    answers = []
    for chat in chats:
        ids = tokenizer.encode(chat.prompt)
        with torch.no_grad():
            made = model.generate(
                torch.tensor([ids]),
                attention_mask=torch.ones((1, len(ids)), dtype=torch.long),
                max_new_tokens=_LONGEST,
                do_sample=False,
                pad_token_id=0,
                eos_token_id=2,
            )
        answers.append(tokenizer.decode(made[0, len(ids) :].tolist()).strip())
    return answers


def _answers(address: str, chats: Sequence[Chat]) -> list[str]:
    return [_answer(address, chat) for chat in chats]


def _answer(address: str, chat: Chat) -> str:
    body = {"messages": chat.messages, "max_tokens": _LONGEST, "temperature": 0}
    request = Request(
        f"{address.rstrip('/')}/v1/chat/completions",
        msgspec.json.encode(body),
        {"content-type": "application/json"},
    )
    with urlopen(request, timeout=300) as reply:
        said = msgspec.json.decode(reply.read())
    text: str = said["choices"][0]["message"]["content"]
    return text.strip()


def _same(some: Sequence[str], others: Sequence[str]) -> int:
    return sum(one == other for one, other in zip(some, others, strict=True))
