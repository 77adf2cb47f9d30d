"""Rungs: a model with a strategy, and what both are made of."""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec


class Tier(enum.StrEnum):
    """How a model was made, from the cheapest way to the dearest."""

    OFF_THE_SHELF = "off-the-shelf"
    FINE_TUNED = "fine-tuned"
    CONTINUED_PRETRAINED = "continued-pretrained"
    PRETRAINED = "pretrained"


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `ladder.toml`: a key that is not a field is refused."""


class Price(Table, frozen=True, kw_only=True):
    """USD per million tokens."""

    input: float
    """Of prompt tokens, 0 or more."""
    output: float
    """Of completion tokens, 0 or more."""
    cached_input: float | None = None
    """Of prompt tokens read from a cache; None: the price of `input`."""
    cache_write: float | None = None
    """Of prompt tokens written to a cache; None: the price of `input`."""


class Build(Table, frozen=True, kw_only=True):
    """What making the model cost, once."""

    usd: float = 0.0
    """Dollars, 0 or more; spread over the `volume` of the objective."""
    hours: float = 0.0
    """Calendar time, 0 or more."""
    examples: int = 0
    """Training examples that were needed."""


class Serve(Table, frozen=True, kw_only=True):
    """What a self-hosted model costs to run."""

    usd_per_hour: float
    """Dollars for an hour of the machine, 0 or more."""
    tokens_per_second: float | None = None
    """Throughput of one machine, above 0; None: measured on each call."""
    utilisation: float = 0.3
    """Share of the hour in which the machine answers, in (0, 1]."""


class Limits(Table, frozen=True, kw_only=True):
    """What a provider allows."""

    concurrency: int | None = None
    """Calls at once, from 1; None: starts modest and grows while all is well."""
    rpm: int | None = None
    """Requests per minute, from 1; None: no limit."""
    tpm: int | None = None
    """Tokens per minute, from 1; None: no limit."""


class Endpoint(Table, frozen=True, kw_only=True):
    """What answers calls: which model, where, and at what price."""

    id: str
    """Any litellm id, `local/<name>`, `local/<path>.gguf` or `scripted/<name>`."""
    price: Price | None = None
    """USD per million tokens; None: those of litellm's table, or `serve`."""
    serve: Serve | None = None
    """What a self-hosted model costs to run; instead of `price`."""
    params: dict[str, Any] = {}
    """Parameters of every call, such as `temperature` and `max_tokens`."""
    limits: Limits = Limits()
    """What a provider allows."""
    adapter: str | None = None
    """A LoRA adapter for a local model, relative to the configuration file."""
    api_base: str | None = None
    """Address of a server that speaks OpenAI's protocol; it begins with http."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key."""
    revision: str | None = None
    """A checkpoint, a deployment or a date: replies are kept for each on its own."""
    lane: Literal["direct", "litellm"] | None = None
    """How it is called; None: `direct` for OpenAI's protocol, else `litellm`."""

    def __repr__(self) -> str:
        # pytest prints it in front of a failed assertion, maybe into a public log, and
        # addresses and parameters may hold a secret.
        return f"{type(self).__name__}({self.id!r})"

    @property
    def is_local(self) -> bool:
        """Whether pytest-ladder serves it on this machine."""
        return self.id.startswith("local/")

    @property
    def is_scripted(self) -> bool:
        """Whether a test sets its answers: they cost nothing, and none is stored."""
        return self.id.startswith("scripted/")


class Model(Endpoint, frozen=True, kw_only=True):
    """A concrete model in a tier, with what making it cost."""

    name: str
    """Of letters, digits, `.`, `_` and `-`; the first half of the rung's id."""
    tier: Tier
    """How the model was made."""
    build: Build | None = None
    """What making the model cost, once; None: nothing."""
    stream: bool = False
    """Whether replies are streamed, so that the time to the first token is known."""

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.id!r})"


class Strategy(Table, frozen=True, kw_only=True):
    """How a case becomes messages."""

    name: str
    """Of letters, digits, `.`, `_` and `-`; the second half of the rung's id."""
    system: str | None = None
    """The system message, a template as `prompt` is; None: there is none."""
    prompt: str = "{input}"
    """Template of the user message, over the fields of the case."""
    examples: str | None = None
    """File with few-shot examples, relative to the configuration file."""
    shots: int = 8
    """Examples that are shown, from 1; needs `examples`."""
    select: Literal["first", "similar"] = "first"
    """Which examples are shown: the first of the file, or those like the case."""
    corpus: str | None = None
    """Folder or file with documents to retrieve from (md, txt, jsonl), by BM25."""
    retriever: str | None = None
    """`package.module:function`, or `gold` for the case's own context."""
    top_k: int = 3
    """Passages that are shown, from 1; needs `corpus` or `retriever`."""
    models: tuple[str, ...] = ()
    """Patterns (`fnmatch`) of names of models it is used with; empty: all."""

    @property
    def retrieves(self) -> bool:
        """Whether the strategy shows the model retrieved passages."""
        return self.corpus is not None or self.retriever is not None


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """A model with a strategy."""

    model: Model
    """The model, as `ladder.toml` declares it."""
    strategy: Strategy
    """The strategy, as `ladder.toml` declares it."""

    @property
    def id(self) -> str:
        """`model/strategy`, the rung's name everywhere."""
        return f"{self.model.name}/{self.strategy.name}"

    @property
    def tier(self) -> Tier:
        """How the rung's model was made."""
        return self.model.tier
