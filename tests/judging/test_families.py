"""A judge of the model's own family is recognised by its id."""

from __future__ import annotations

import pytest

from pytest_ladder.judging.verdicts import same_family


@pytest.mark.parametrize(
    ("judge", "model", "same"),
    [
        ("openai/gpt-5-mini", "openai/gpt-4o", True),
        ("openai/o3", "azure/gpt-4.1", True),
        ("openai/gpt-5", "openai/gpt-5", True),
        ("anthropic/claude-sonnet-4-5", "bedrock/anthropic.claude-3-haiku", True),
        ("openai/gpt-5", "anthropic/claude-sonnet-4-5", False),
        ("gemini/gemini-2.5-pro", "ollama/gemma3", True),
        ("together_ai/meta-llama/Llama-3-70b", "ollama/llama3.2", True),
        ("ollama/llama3", "ollama/qwen3", False),
        ("mistral/mistral-small", "mistral/codestral-latest", True),
        ("mistral/magistral-medium", "openrouter/mistralai/mixtral-8x7b", True),
        ("groq/deepseek-r1-distill-llama-70b", "ollama/llama3", True),
        ("groq/deepseek-r1-distill-llama-70b", "deepseek/deepseek-chat", True),
        ("local/smollm2-135m", "local/smollm2-360m", True),
        ("local/weights/judge.gguf", "local/other/judge.gguf", True),
        ("local/llama.gguf", "local/smollm2-135m", False),
        ("openai/whatever-x", "openai/whatever-y", False),
        ("hosted_vllm/dolphin", "hosted_vllm/delphi", False),
        ("hosted_vllm/delphi", "azure/phi-4", False),
        ("xai/grok-4", "groq/gpt-oss-120b", False),
    ],
)
def test_families_are_told_by_ids(judge: str, model: str, same: bool) -> None:
    assert same_family(judge, model) is same
    assert same_family(model, judge) is same
