"""Names in models that are probably misspelt get a word, and break nothing."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.errors import LadderWarning


def said(folder: Path, model: str, *more: str) -> list[str]:
    """Load a ladder with one model, and return what is warned of."""
    text = f'[[model]]\nname = "m"\ntier = "off-the-shelf"\n{model}\n' + "".join(more)
    (folder / "ladder.toml").write_text(text, encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_ladder(folder / "ladder.toml")
    assert all(issubclass(each.category, LadderWarning) for each in caught)
    return [str(each.message) for each in caught]


def test_a_misspelt_parameter_gets_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = 'id = "openai/m"\nparams = { temprature = 0, max_tokens = 5 }'
    assert said(tmp_path, model) == [
        'ladder.toml:5: model "m": params.temprature: this is no parameter that is '
        "known, and is sent as it is; did you mean `temperature`?"
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("max_token", "max_tokens"),
        ("Temperature", "temperature"),
        ("max-completion-tokens", "max_completion_tokens"),
        ("reasoning_efort", "reasoning_effort"),
        ("respone_format", "response_format"),
    ],
)
def test_near_names_are_named(tmp_path: Path, name: str, near: str) -> None:
    (sentence,) = said(tmp_path, f'id = "openai/m"\nparams = {{ "{name}" = 1 }}')
    assert f"did you mean `{near}`?" in sentence


@pytest.mark.parametrize(
    "name", ["top_k", "top_a", "min_p", "seed", "thinking", "my_server_option", "dry"]
)
def test_parameters_of_other_servers_get_no_word(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, f'id = "openai/m"\nparams = {{ {name} = 1 }}') == []


@pytest.mark.parametrize("id_", ["opnai/gpt-5-nano", "OpenAI/gpt-5-nano"])
def test_a_misspelt_provider_gets_a_word(tmp_path: Path, id_: str) -> None:
    (sentence,) = said(tmp_path, f'id = "{id_}"')
    assert f"id: `{id_.partition('/')[0]}` is no provider that is known" in sentence
    assert "did you mean `openai`?" in sentence


@pytest.mark.parametrize(
    "model",
    [
        'id = "openai/gpt-5-nano"',
        'id = "bedrock/anthropic.claude"',
        # By litellm's own list.
        'id = "perplexity/sonar"',
        'id = "gpt-5-nano"',
        'id = "scripted/m"',
        # Any name will do at an address of its own.
        'id = "opnai/m"\napi_base = "http://127.0.0.1:1"',
    ],
)
def test_known_providers_and_own_servers_get_none(tmp_path: Path, model: str) -> None:
    assert said(tmp_path, model) == []


def test_a_judge_gets_the_same_words(tmp_path: Path) -> None:
    judge = '[judge]\nid = "opnai/judge"\nparams = { tempratur = 0 }\n'
    parameter, provider = said(tmp_path, 'id = "openai/m"', judge)
    assert "did you mean `temperature`?" in parameter
    assert "did you mean `openai`?" in provider


def test_litellms_list_is_read_without_loading_it(tmp_path: Path) -> None:
    said(tmp_path, 'id = "opnai/m"')
    script = (
        "import sys, pathlib; from pytest_ladder.config.load import load_ladder\n"
        "load_ladder(pathlib.Path(sys.argv[1]))\n"
        "assert 'litellm' not in sys.modules\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "ladder.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did you mean `openai`?" in done.stderr


def test_votes_of_a_model_that_never_varies_get_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = 'id = "openai/m"\nparams = { temperature = 0 }'
    vote = '[[strategy]]\nname = "s"\nuse = "vote"\n'
    assert said(tmp_path, model, vote) == [
        'ladder.toml:8: strategy "s": use: model "m" votes at temperature = 0, at '
        "which votes hardly differ, and each is paid for; add `params = { temperature "
        "= 0.7 }` here."
    ]
    assert said(tmp_path, model, vote + "params = { temperature = 0.7 }\n") == []
    assert said(tmp_path, model.replace("= 0", "= 0.7"), vote) == []
    assert said(tmp_path, model, vote.replace("vote", "think")) == []
