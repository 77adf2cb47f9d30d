"""Rungs: a model with a strategy, and what both are made of."""

import enum
import functools
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pytest_ladder.core.params import overlaid

GOLD = "gold"
"""The retriever that shows the context of the case itself."""
_SPEC = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"


def is_spec(text: str) -> bool:
    """Whether a text has the form `package.module:name`."""
    return re.fullmatch(_SPEC, text) is not None


class Tier(enum.StrEnum):
    """How a model was made, from the cheapest way to the dearest."""

    OFF_THE_SHELF = "off-the-shelf"
    FINE_TUNED = "fine-tuned"
    CONTINUED_PRETRAINED = "continued-pretrained"
    PRETRAINED = "pretrained"


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `ladder.toml`: a key that is not a field is refused."""


class Price(Table, frozen=True, kw_only=True):
    """USD per million tokens, and beside them per request and image."""

    input: float
    """Of prompt tokens, 0 or more."""
    output: float
    """Of completion tokens, 0 or more."""
    cached_input: float | None = None
    """Of prompt tokens read from a cache; None: the price of `input`."""
    cache_write: float | None = None
    """Of prompt tokens written to a cache; None: the price of `input`."""
    request: float = 0.0
    """USD of each request, whatever its length."""
    image: float = 0.0
    """USD of each image that is sent, beside its tokens."""


class Build(Table, frozen=True, kw_only=True):
    """What making the model cost, once."""

    usd: float = 0.0
    """Dollars without those for people's hours, 0 or more; both are spread over the
    `volume` of the objective."""
    hours: float = 0.0
    """Calendar time, 0 or more."""
    examples: int = 0
    """Training examples that were needed."""
    tokens: int = 0
    """Tokens it was trained on."""
    people_hours: float = 0.0
    """Hours that people worked on labels, examples and training; needs
    `usd_per_hour`."""
    usd_per_hour: float | None = None
    """What such an hour costs in dollars, 0 or more."""

    @property
    def total_usd(self) -> float:
        """Dollars, those for people's hours included."""
        return self.usd + self.people_hours * (self.usd_per_hour or 0.0)


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


class Named(Table, frozen=True, kw_only=True):
    """What has a name that stands for it: a model or a strategy of a rung."""

    if TYPE_CHECKING:  # No field here, which would come before those of `Endpoint`.
        name: str

    def __str__(self) -> str:
        return self.name

    def __contains__(self, text: str) -> bool:
        """Whether a text is part of its name, as in `"rag" in rung.strategy`."""
        return text in self.name

    def __eq__(self, other: object) -> bool:
        """Compare with another of its kind by all it says, with a text by its name."""
        if isinstance(other, str):
            return self.name == other
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.name)


class Endpoint(Table, frozen=True, kw_only=True):
    """What answers calls: which model, where, and at what price."""

    id: str
    """Any litellm id, `local/<name>`, `local/<path>.gguf` or `scripted/<name>`."""
    price: Price | None = None
    """USD per million tokens; None: `serve`, or litellm's table if it is installed."""
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


class Model(Named, Endpoint, frozen=True, kw_only=True):
    """A concrete model in a tier, with what making it cost."""

    id: str = ""
    """Any litellm id, `local/<name>`, `local/<path>.gguf` or `scripted/<name>`; only a
    model that is `planned` may be without."""
    name: str
    """Of letters, digits, `.`, `_` and `-`; the first half of the rung's id."""
    tier: Tier
    """How the model was made."""
    build: Build | None = None
    """What making the model cost, once; None: nothing, or of a `planned` one nobody
    knows."""
    planned: bool = False
    """Whether it is not built yet: it is never called, and `build`, `price` and `serve`
    are estimates of what it would cost."""
    stream: bool = False
    """Whether replies are streamed, so that the time to the first token is known."""

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.id!r})"


class Strategy(Named, frozen=True, kw_only=True):
    """How a case becomes messages."""

    name: str
    """Of letters, digits, `.`, `_` and `-`; the second half of the rung's id."""
    use: str = "single-turn"
    """How it talks to the model: one call, several, or a class of your own
    (docs/strategies.md)."""
    system: str | None = None
    """The system message, a template as `prompt` is; None: there is none."""
    system_file: str | None = None
    """Text file with the system message, relative to the configuration file; instead of
    `system`."""
    prompt: str = "{input}"
    """Template of the user message, over the fields of the case."""
    prompt_file: str | None = None
    """Text file with that template; instead of `prompt`."""
    examples: str | None = None
    """File with few-shot examples, relative to the configuration file."""
    shots: int = 8
    """Examples that are shown, from 1; needs `examples`."""
    select: Literal["first", "similar", "same-tag", "same-cluster"] = "first"
    """Which: the first, those like the case (extra `rag`), or of its tag or cluster."""
    corpus: str | None = None
    """Documents (md, txt, jsonl), a folder or one; searched by BM25 (extra `rag`)."""
    stopwords: str | None = None
    """Language whose stop words BM25 passes over, as `english`; None: it weighs all."""
    stemmer: str | None = None
    """Language by whose stems BM25 compares words, as `english`; None: whole words."""
    retriever: str | None = None
    """`package.module:function`, or `gold` for the case's own context."""
    top_k: int = 3
    """Passages that are shown, from 1; needs `corpus` or `retriever`."""
    models: tuple[str, ...] = ()
    """Patterns (`fnmatch`) of names of models it is used with; empty: all."""
    params: dict[str, Any] = {}
    """Parameters of its calls, such as `temperature`; each wins over its model's."""
    response_format: str | None = None
    """The form of replies: a file with a JSON schema, or a pydantic model as
    `package.module:Model`."""
    tools: tuple[str, ...] = ()
    """Functions that the model is offered, as `package.module:function`; called only
    with `use = "tools"`."""

    @property
    def retrieves(self) -> bool:
        """Whether the strategy shows the model retrieved passages."""
        return self.corpus is not None or self.retriever is not None

    @property
    def searches(self) -> bool:
        """Whether the strategy searches texts by BM25."""
        similar = self.examples is not None and self.select == "similar"
        return self.corpus is not None or similar


SETTINGS = frozenset(
    {"prompt_file", "system_file", "params", "response_format", "tools"}
)
"""Keys of a strategy that set more than its prompt, or say it elsewhere."""


class Rung(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A model with a strategy."""

    model: Model
    """The model, as `ladder.toml` declares it; compares with its name."""
    strategy: Strategy
    """The strategy, as `ladder.toml` declares it; compares with its name."""

    def __str__(self) -> str:
        return self.id

    @functools.cached_property
    def id(self) -> str:
        """`model/strategy`, the rung's name everywhere."""
        return f"{self.model.name}/{self.strategy.name}"

    @property
    def tier(self) -> Tier:
        """How the rung's model was made."""
        return self.model.tier

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """Parameters of the strategy's calls: its own win over those of the model."""
        own = self.strategy.params
        return overlaid(self.model.params, own) if own else self.model.params
