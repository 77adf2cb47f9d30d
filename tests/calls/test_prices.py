"""Prices: declared ones win, litellm's table comes next, and else they are unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.prices import PriceTable, cost, cost_of, serve_cost
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Price, Serve, Tier

TOKEN = 1e-6
"""litellm's unit: what a dollar per million tokens is per token."""

ENTRIES: dict[str, dict[str, Any]] = {
    "sample_spec": {"input_cost_per_token": 0.0, "max_output_tokens": "a number"},
    "gpt-x": {
        "litellm_provider": "openai",
        "input_cost_per_token": 2.5 * TOKEN,
        "output_cost_per_token": 10 * TOKEN,
        "cache_read_input_token_cost": 1.25 * TOKEN,
        "max_output_tokens": 16384,
        "max_tokens": 128000,
    },
    "groq/llama": {
        "litellm_provider": "groq",
        "input_cost_per_token": 0.05 * TOKEN,
        "output_cost_per_token": 0.08 * TOKEN,
        "max_tokens": 8192,
    },
    "anthropic.claude-x": {
        "litellm_provider": "bedrock_converse",
        "input_cost_per_token": 3 * TOKEN,
        "output_cost_per_token": 15 * TOKEN,
        "cache_creation_input_token_cost": 3.75 * TOKEN,
        "cache_read_input_token_cost": 0.3 * TOKEN,
        "input_cost_per_token_above_200k_tokens": 6 * TOKEN,
        "output_cost_per_token_above_200k_tokens": 22.5 * TOKEN,
        "input_cost_per_token_above_200k_tokens_batches": 3 * TOKEN,
    },
    "ollama/llama3": {
        "litellm_provider": "ollama",
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
    },
    "fireworks_ai/accounts/fireworks/models/llama-x": {
        "litellm_provider": "fireworks_ai",
        "input_cost_per_token": 0.9 * TOKEN,
        "output_cost_per_token": 0.9 * TOKEN,
    },
    "fireworks_ai/accounts/fireworks/models/glm-x": {
        "litellm_provider": "fireworks_ai",
        "input_cost_per_token": 0.6 * TOKEN,
        "output_cost_per_token": 2 * TOKEN,
        "cache_read_input_token_cost": 0.1 * TOKEN,
    },
    "dall-e": {"litellm_provider": "openai", "input_cost_per_pixel": 1e-8},
}
CLAUDE = Price(input=3, output=15, cached_input=0.3, cache_write=3.75)


@pytest.fixture
def table(tmp_path: Path) -> PriceTable:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(ENTRIES))
    return PriceTable(file)


def model_of(model_id: str, **fields: Any) -> Model:
    return Model(name="m", tier=Tier.OFF_THE_SHELF, id=model_id, **fields)


@pytest.mark.parametrize(
    ("model_id", "price"),
    [
        ("gpt-x", Price(input=2.5, output=10, cached_input=1.25)),
        ("openai/gpt-x", Price(input=2.5, output=10, cached_input=1.25)),
        ("groq/llama", Price(input=0.05, output=0.08)),
        ("bedrock/anthropic.claude-x", CLAUDE),
        ("anthropic.claude-x", CLAUDE),
    ],
)
def test_the_table_knows_ids_with_and_without_their_provider(
    table: PriceTable, model_id: str, price: Price
) -> None:
    known = table.price_of(model_of(model_id))
    assert known is not None
    assert known[0] == price
    assert known[1].startswith("litellm 1.")


@pytest.mark.parametrize(
    "model_id",
    [
        "nobody/nothing",
        "llama",
        "hosted_vllm/gpt-x",  # self-hosted: not at OpenAI's price
        "local/gpt-x",
        "local/smollm2-135m",
        "scripted/gpt-x",
        "ollama/llama3",  # listed with 0: it runs on one's own machine
        "dall-e",
        "sample_spec",
    ],
)
def test_an_unknown_price_is_none_and_never_zero(
    table: PriceTable, model_id: str
) -> None:
    model = model_of(model_id)
    assert table.price_of(model) is None
    assert cost_of(model, Usage(input=9, output=9), 1.0, table) == (None, None)


def test_a_declared_price_wins_even_if_it_is_zero(table: PriceTable) -> None:
    free = Price(input=0, output=0)
    model = model_of("gpt-x", price=free)
    assert table.price_of(model) == (free, "ladder.toml")
    assert cost_of(model, Usage(input=9, output=9), None, table) == (0, "ladder.toml")


def test_long_prompts_cost_more_where_the_table_says_so(table: PriceTable) -> None:
    model = model_of("bedrock/anthropic.claude-x")
    short, _ = cost_of(model, Usage(input=200_000, output=100), None, table)
    long, _ = cost_of(model, Usage(input=200_001, output=100), None, table)
    assert short == pytest.approx((200_000 * 3 + 100 * 15) / 1e6)
    assert long == pytest.approx((200_001 * 6 + 100 * 22.5) / 1e6)


@pytest.mark.parametrize(
    ("model_id", "limit"),
    [("gpt-x", 16384), ("groq/llama", 8192), ("sample_spec", None), ("none", None)],
)
def test_the_longest_reply_is_known_where_the_table_knows_it(
    table: PriceTable, model_id: str, limit: int | None
) -> None:
    assert table.max_output_tokens(model_of(model_id)) == limit


USED = Usage(input=1200, cached_input=800, output=250)


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        # methods.md V16
        (Price(input=0.15, cached_input=0.075, output=0.60), USED, 0.000270),
        (Price(input=0.15, output=0.60), USED, 0.000330),
        (CLAUDE, Usage(input=1000, cached_input=600, cache_write=300), 0.001605),
        (CLAUDE, Usage(output=1000, reasoning=900), 0.015),
        (CLAUDE, Usage(input=5, cached_input=10), 0.000003),
        (CLAUDE, Usage(), 0.0),
    ],
)
def test_a_call_costs_its_tokens(price: Price, usage: Usage, usd: float) -> None:
    assert cost(price, usage) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("serve", "usage", "busy_s", "usd"),
    [
        # methods.md V16: $2.5 an hour at 1800 tokens a second, per million tokens
        (
            Serve(usd_per_hour=2.5, tokens_per_second=1800, utilisation=1),
            Usage(input=600_000, output=400_000),
            None,
            0.385802,
        ),
        (
            Serve(usd_per_hour=2.5, tokens_per_second=1800),
            Usage(input=600_000, output=400_000),
            7.0,
            1.286008,
        ),
        (Serve(usd_per_hour=3.6, utilisation=0.5), Usage(input=9), 2.0, 0.004),
        (Serve(usd_per_hour=3.6, utilisation=0.5), None, 2.0, 0.004),
        (Serve(usd_per_hour=3.6), Usage(input=9), None, None),
    ],
)
def test_a_self_hosted_call_costs_its_time(
    serve: Serve, usage: Usage | None, busy_s: float | None, usd: float | None
) -> None:
    expected = None if usd is None else pytest.approx(usd, abs=1e-6)
    assert serve_cost(serve, usage, busy_s) == expected


def test_a_served_model_is_not_priced_by_the_table(table: PriceTable) -> None:
    model = model_of("gpt-x", serve=Serve(usd_per_hour=3.6, utilisation=0.5))
    usd, source = cost_of(model, Usage(input=9), 2.0, table)
    assert usd == pytest.approx(0.004)
    assert source == "ladder.toml"
    assert cost_of(model, Usage(input=9), None, table) == (None, None)


def test_each_request_and_each_image_may_have_a_price_of_its_own(
    table: PriceTable,
) -> None:
    price = Price(input=1.0, output=1.0, request=0.01, image=0.002)
    model, usage = model_of("gpt-x", price=price), Usage(input=1000)
    assert cost_of(model, usage, None, table)[0] == pytest.approx(0.011)
    several, _ = cost_of(model, usage, None, table, requests=2, images=3)
    assert several == pytest.approx(0.027)


def test_a_reply_without_usage_has_no_known_cost(table: PriceTable) -> None:
    assert cost_of(model_of("gpt-x"), None, 1.0, table) == (None, None)


@pytest.mark.parametrize(
    "model_id",
    [
        "gpt-4o",
        "openai/gpt-5-nano",
        "openai/gpt-4.1-mini",
        "anthropic/claude-sonnet-4-5",
        "gemini/gemini-2.5-pro",
        "vertex_ai/gemini-2.5-pro",
        "bedrock/anthropic.claude-sonnet-4-20250514-v1:0",
        "deepseek/deepseek-chat",
        "mistral/mistral-large-latest",
        "azure/gpt-4o",
    ],
)
@pytest.mark.parametrize("prompt_tokens", [1_000, 250_000])
# litellm's own: pydantic warns of a type that it declares.
@pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
def test_the_table_agrees_with_litellm(
    litellm: Any, model_id: str, prompt_tokens: int
) -> None:
    model = model_of(model_id)
    usage = Usage(input=prompt_tokens, cached_input=400, output=500)
    usd, _ = cost_of(model, usage, None, PriceTable())
    expected = litellm.cost_per_token(
        model=model_id,
        prompt_tokens=prompt_tokens,
        completion_tokens=500,
        cache_read_input_tokens=400,
    )
    assert usd == pytest.approx(sum(expected))
    limit = litellm.get_model_info(model_id)["max_output_tokens"]
    assert PriceTable().max_output_tokens(model) == limit


@pytest.mark.parametrize(("name", "usd"), [("llama-x", 0.000945), ("glm-x", 0.00082)])
def test_cached_tokens_cost_half_on_fireworks_unless_they_have_a_price(
    table: PriceTable, name: str, usd: float
) -> None:
    model = Model(
        name="f",
        tier=Tier.OFF_THE_SHELF,
        id=f"fireworks_ai/accounts/fireworks/models/{name}",
    )
    usage = Usage(input=1200, cached_input=800, output=250)
    found, _ = cost_of(model, usage, None, table)
    assert found == pytest.approx(usd)


@pytest.mark.parametrize("output", [-1000, -1])
def test_tokens_that_no_answer_can_have_make_no_cost(
    table: PriceTable, output: int
) -> None:
    usage = Usage(input=0, output=output)
    model = Model(name="x", tier=Tier.OFF_THE_SHELF, id="openai/gpt-x")
    assert cost_of(model, usage, None, table) == (None, None)
