"""The kinds of strategies by name, and the strategies of a ladder at work.

A new kind is a file with a `Prompter`, and a line of the table here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.calls.asker import Talk
from pytest_ladder.calls.chat import make_request
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.reply import Reply, Retrieved
from pytest_ladder.core.rung import Price, Rung, Strategy
from pytest_ladder.decide.cost import use_usd
from pytest_ladder.decide.estimates import Expected
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.prompting.prompter import Estimate, Prompt, Prompter, StrategyNeeds
from pytest_ladder.prompting.single_turn import SingleTurn
from pytest_ladder.text.phrases import did_you_mean, kind_of, listed

if TYPE_CHECKING:
    from pytest_ladder.prompting.retrieval import Corpus

_HERE = "pytest_ladder.prompting"
STRATEGIES = {
    "single-turn": f"{_HERE}.single_turn:SingleTurn",
    "think": f"{_HERE}.think:Think",
    "vote": f"{_HERE}.vote:VoteOver",
    "refine": f"{_HERE}.refine:Refine",
    "tools": f"{_HERE}.tools:Tools",
}
"""What a strategy is at work, by its `use`: loaded where there is such a strategy."""


@functools.cache
def prompter_class(use: str, folder: Path) -> type[Prompter]:
    """Return the class that a strategy uses, by name or as `package.module:Class`.

    Raises `ConfigError` for an unknown name and for what is no `Prompter`.
    """
    if use == "single-turn":
        return SingleTurn
    if use in STRATEGIES:
        module, _, name = STRATEGIES[use].partition(":")
        known: type[Prompter] = getattr(importlib.import_module(module), name)
        return known
    if ":" not in use:
        kinds = f"it is one of {listed(STRATEGIES)}, or a class of your own as "
        raise ConfigError(
            f"`{use}` is no kind of strategy; "
            + did_you_mean(use, STRATEGIES, f'{kinds}"package.module:Class".')
        )
    from pytest_ladder.prompting.user_code import imported

    found = imported(use, folder, "the strategy")
    if not (isinstance(found, type) and issubclass(found, Prompter)):
        raise ConfigError(
            f"the strategy {use} is no class of strategies; derive it from "
            "pytest_ladder.Prompter or pytest_ladder.SingleTurn."
        )
    if inspect.isabstract(found):
        missing = listed(sorted(found.__abstractmethods__))
        raise ConfigError(f"the strategy {use} lacks {missing}; write it.")
    options: Any = found.options
    if not (isinstance(options, type) and issubclass(options, Strategy)):
        raise ConfigError(
            f"the `options` of the strategy {use} are no keys of a strategy; derive "
            "them from pytest_ladder.Strategy."
        )
    return found


class Strategies:
    """The strategies of a ladder at work; any thread may ask.

    Examples and corpora are read when a strategy is first used.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._folder = ladder.folder
        self._needs = StrategyNeeds(ladder.path, self._corpus)
        self._prompters: dict[Strategy, Prompter] = {}
        self._corpora: dict[tuple[Path, str | None, str | None], Corpus] = {}
        self._offered: dict[Strategy, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def prompter(self, strategy: Strategy) -> Prompter:
        """Return a strategy at work; raises `ConfigError` for files it cannot use."""
        prompter = self._prompters.get(strategy)
        if prompter is None:
            with self._lock:
                if strategy not in self._prompters:
                    made = self._class_of(strategy)(strategy, self._needs)
                    self._prompters[strategy] = made
                prompter = self._prompters[strategy]
        return prompter

    def check(self, strategy: Strategy) -> None:
        """Read all files that a strategy names; raises `ConfigError` for mistakes."""
        self.prompter(strategy)
        self._offered_by(strategy)

    def talk(
        self,
        rung: Rung,
        case: Case,
        sample: int = 1,
        params: Mapping[str, Any] | None = None,
    ) -> Talk[Reply]:
        """Put a case to the model of a rung: yields requests, and returns the reply.

        `params` overlay those of every call. Raises `ConfigError` for files or cases
        that the strategy cannot use.
        """
        if not isinstance(case, Case):
            # A user's own fixture `case` wins over the plugin's.
            raise ConfigError(
                f"the case is {kind_of(case)} and no Case, as of a fixture `case` of "
                "your own; return pytest_ladder.Case(id=…, input=…), or rename it."
            )
        conversation = self.prompter(rung.strategy).begun(case)
        retrieved: list[Retrieved] = []
        try:
            request = self._requests(rung, sample, params or {})
            prompt = next(conversation)
            while True:
                asked = request.next(prompt)
                retrieved += prompt.retrieved
                prompt = conversation.send((yield asked))
        except StopIteration as end:
            reply = end.value
        if not isinstance(reply, Reply):
            raise LadderError(
                f'The strategy "{rung.strategy.name}" returned {kind_of(reply)}; '
                "return the reply to its last call."
            )
        passages = _each_once(retrieved)
        if passages == reply.retrieved:
            return reply
        return msgspec.structs.replace(reply, retrieved=passages)

    def known_requests(self, rung: Rung, case: Case, sample: int = 1) -> list[Request]:
        """Return the requests that are known before anything is asked.

        Raises `ConfigError` for files or cases that the strategy cannot use.
        """
        prompter = self.prompter(rung.strategy)
        try:
            prompts = prompter.known(case)
        except LadderError:
            raise
        except Exception as error:
            from pytest_ladder.prompting.user_code import raised

            problem = f'The strategy "{rung.strategy.name}" raised'
            raise raised(problem, error, self._folder) from error
        return [self._requests(rung, sample, {}).next(prompt) for prompt in prompts]

    def known_passages(self, rung: Rung, case: Case) -> tuple[Retrieved, ...]:
        """Return what is retrieved before anything is asked."""
        prompts = self.prompter(rung.strategy).known(case)
        return _each_once(part for prompt in prompts for part in prompt.retrieved)

    def estimate(self, strategy: Strategy) -> Estimate:
        """Say what one conversation takes; reads no corpus."""
        estimate: Any = self._class_of(strategy).estimate(strategy, self._folder)
        if not isinstance(estimate, Estimate):
            raise ConfigError(
                f'The strategy "{strategy.name}" estimates {kind_of(estimate)}; return '
                "a pytest_ladder.Estimate."
            )
        return estimate

    def all_is_known(self, strategy: Strategy) -> bool:
        """Tell whether all its requests are known before anything is asked."""
        return self._class_of(strategy).is_known

    def expected_usd(
        self,
        rung: Rung,
        price: Price | None,
        prompt_tokens: float | None = None,
        reply_tokens: float | None = None,
    ) -> float | None:
        """USD that one reply is expected to cost, building left out; None: unknown.

        By the configuration, or by lengths that are known better than that.
        """
        estimate = self.estimate(rung.strategy)
        tokens = estimate.prompt_tokens if prompt_tokens is None else prompt_tokens
        return use_usd(rung, price, tokens, estimate.calls, reply_tokens)

    def _requests(
        self, rung: Rung, sample: int, params: Mapping[str, Any]
    ) -> _Requests:
        usual, strategy, form_from = rung.params, rung.strategy, ""
        if offered := self._offered_by(strategy):
            usual = {**usual, **offered}
            if strategy.response_format is not None:
                from pytest_ladder.prompting.offered import place_of_form

                form_from = place_of_form(strategy, self._needs.path)
        return _Requests(rung, usual, sample, params, form_from)

    def _offered_by(self, strategy: Strategy) -> dict[str, Any]:
        """Return the parameters by which tools are offered and a form is asked."""
        if strategy.response_format is None and not strategy.tools:
            # Most strategies name no code and no schema.
            return {}
        if strategy not in self._offered:
            from pytest_ladder.prompting.offered import offered_params

            self._offered[strategy] = offered_params(strategy, self._needs.path)
        return self._offered[strategy]

    def _class_of(self, strategy: Strategy) -> type[Prompter]:
        return prompter_class(strategy.use, self._folder)

    def _corpus(self, path: Path, strategy: Strategy) -> Corpus:
        """Read a corpus once for each way to search it; called under the lock."""
        words = {"stopwords": strategy.stopwords, "stemmer": strategy.stemmer}
        key = (path, strategy.stopwords, strategy.stemmer)
        if key not in self._corpora:
            from pytest_ladder.prompting.retrieval import Corpus

            self._corpora[key] = Corpus(path, **words)
        return self._corpora[key]


def expected_usd_by(ladder: Ladder) -> Expected:
    """Return what says what a reply costs by a ladder's prices and prompts."""
    strategies, prices = Strategies(ladder), PriceTable()

    def expected_usd(
        rung: Rung, prompt_tokens: float | None, reply_tokens: float | None
    ) -> float | None:
        found = prices.price_of(rung.model)
        price = None if found is None else found[0]
        return strategies.expected_usd(rung, price, prompt_tokens, reply_tokens)

    return expected_usd


def _each_once(passages: Iterable[Retrieved]) -> tuple[Retrieved, ...]:
    """Leave out what a later call of a conversation shows again."""
    return tuple(dict.fromkeys(passages))


class _Requests:
    """Makes the requests of one conversation of its prompts, in their order."""

    def __init__(
        self,
        rung: Rung,
        usual: Mapping[str, Any],
        sample: int,
        params: Mapping[str, Any],
        form_from: str,
    ) -> None:
        self._rung = rung
        self._usual = usual
        self._sample = sample
        self._params = params
        self._form_from = form_from
        self._is_alongside = False

    def next(self, prompt: Prompt) -> Request:
        """Return the request of a prompt, with those that are made alongside it.

        Raises `ConfigError` for what is no prompt, as a strategy of the user's own may
        yield.
        """
        if not isinstance(prompt, Prompt):
            raise ConfigError(
                f'The strategy "{self._rung.strategy.name}" yielded {kind_of(prompt)}; '
                "yield a pytest_ladder.Prompt."
            )
        request = self._plain(prompt)
        if prompt.alongside or self._is_alongside:
            request = msgspec.structs.replace(
                request,
                alongside=tuple(map(self._plain, prompt.alongside)),
                is_alongside=self._is_alongside,
            )
        self._is_alongside = bool(prompt.alongside)
        return request

    def _plain(self, prompt: Prompt) -> Request:
        left_out = prompt.without
        usual = self._usual
        if left_out:
            usual = {name: x for name, x in usual.items() if name not in left_out}
        params = {**prompt.params, **self._params}
        request = make_request(
            self._rung.model,
            prompt.messages,
            params,
            self._sample,
            draw=prompt.draw,
            usual=usual,
        )
        is_own = "response_format" in usual and "response_format" not in params
        if self._form_from and is_own:
            request = msgspec.structs.replace(request, form_from=self._form_from)
        return request
