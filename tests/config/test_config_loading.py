from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.core.ladder import Gate, JudgeConfig, Objective
from pytest_ladder.core.rung import Limits, Price, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError

DESIGN = """
current = "smol/few-shot"

[objective]
kind = "good-enough"
quality = 0.85
level = "cheap"
volume = 100_000
latency_p95_s = 2.0
usd_per_1k = 0.50

[[model]]
name = "smol"
tier = "off-the-shelf"
id = "local/smollm2-135m"
price = { input = 0.02, output = 0.04 }
params = { temperature = 0, max_tokens = 48 }
limits = { concurrency = 8, rpm = 600, tpm = 100_000 }

[[model]]
name = "smol-ft"
tier = "fine-tuned"
id = "local/smollm2-135m"
adapter = "adapters/support-lora.gguf"
build = { usd = 0.35, hours = 0.1, examples = 800 }
serve = { usd_per_hour = 0.05 }

[[model]]
name = "big"
tier = "off-the-shelf"
id = "hosted_vllm/big"
api_base = "http://127.0.0.1:8000/v1"
api_key_env = "BIG_KEY"

[[strategy]]
name = "zero-shot"
system = "You answer customers of Tanuki Tea."
prompt = "{input}"

[[strategy]]
name = "few-shot"
examples = "examples.jsonl"
shots = 8
select = "first"

[[strategy]]
name = "rag"
corpus = "kb/"
top_k = 3
models = ["smol*"]

[judge]
id = "openai/gpt-5-mini"

[gate]
undecided = "fail"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kb").mkdir()
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "support-lora.gguf").write_bytes(b"")
    (tmp_path / "examples.jsonl").write_text("")
    (tmp_path / "ladder.toml").write_text(DESIGN)
    return tmp_path


def test_the_file_of_the_design_loads_as_written(folder: Path) -> None:
    ladder = load_ladder(folder / "ladder.toml")
    assert ladder.folder == folder
    assert [rung.id for rung in ladder.rungs] == [
        "smol/zero-shot",
        "smol/few-shot",
        "smol/rag",
        "smol-ft/zero-shot",
        "smol-ft/few-shot",
        "smol-ft/rag",
        "big/zero-shot",
        "big/few-shot",
    ]
    assert ladder.current == ladder.rungs[1]
    assert ladder.objective == Objective(
        kind="good-enough", quality=0.85, latency_p95_s=2.0, usd_per_1k=0.5
    )
    assert ladder.objective is not None
    assert ladder.objective.level is Level.CHEAP
    assert ladder.judge == JudgeConfig(id="openai/gpt-5-mini")
    assert ladder.gate == Gate(undecided="fail", quality_drop=0.02)
    smol = ladder.models[0]
    assert smol.price == Price(input=0.02, output=0.04)
    assert smol.params == {"temperature": 0, "max_tokens": 48}
    assert smol.limits == Limits(concurrency=8, rpm=600, tpm=100_000)
    assert ladder.models[1].tier is Tier.FINE_TUNED


def test_pyproject_holds_the_same_table(folder: Path) -> None:
    top, tables = DESIGN.split("[objective]", 1)
    tables = ("[objective]" + tables).replace("[[", "[[tool.pytest-ladder.")
    tables = tables.replace("\n[o", "\n[tool.pytest-ladder.o")
    tables = tables.replace("[objective]", "[tool.pytest-ladder.objective]")
    tables = tables.replace("\n[judge]", "\n[tool.pytest-ladder.judge]")
    tables = tables.replace("\n[gate]", "\n[tool.pytest-ladder.gate]")
    (folder / "pyproject.toml").write_text("[tool.pytest-ladder]" + top + tables)
    own = load_ladder(folder / "ladder.toml")
    shared = load_ladder(folder / "pyproject.toml")
    assert shared.rungs == own.rungs
    assert shared.objective == own.objective
    assert shared.current == own.current


def test_only_a_model_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "ladder.toml"
    path.write_text(
        '\ufeff[[model]]\nname = "m"\ntier = "pretrained"\nid = "scripted/m"\n',
        encoding="utf-8",
    )
    ladder = load_ladder(path)
    assert [rung.id for rung in ladder.rungs] == ["m/zero-shot"]
    assert ladder.strategies[0].prompt == "{input}"
    assert (ladder.current, ladder.objective, ladder.judge) == (None, None, None)
    assert ladder.gate == Gate()


def test_nothing_in_the_file_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEA", "expanded")
    path = tmp_path / "ladder.toml"
    path.write_text(
        '[[model]]\nname = "m"\ntier = "pretrained"\nid = "scripted/$TEA"\n'
        '[[strategy]]\nname = "s"\nsystem = "${TEA} ~ {input}"\n'.replace(
            "${", "${{"
        ).replace("TEA} ~", "TEA}} ~")
    )
    ladder = load_ladder(path)
    assert ladder.models[0].id == "scripted/$TEA"
    assert ladder.strategies[0].system == "${{TEA}} ~ {input}"


def test_models_may_share_an_id_when_parameters_or_revisions_differ(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ladder.toml"
    path.write_text(
        "".join(
            f'[[model]]\nname = "m{n}"\ntier = "pretrained"\nid = "openai/m"\n{line}\n'
            for n, line in enumerate(
                (
                    "",
                    "params = { temperature = 1 }",
                    'revision = "b"\napi_base = "http://127.0.0.1:1"',
                    'revision = "c"\napi_base = "http://127.0.0.1:2/"',
                )
            )
        )
    )
    assert len(load_ladder(path).models) == 4


def test_the_nearest_configuration_upward_is_found(folder: Path) -> None:
    inner = folder / "tests" / "unit"
    inner.mkdir(parents=True)
    assert find_ladder(inner) == folder / "ladder.toml"
    (folder / "tests" / "pyproject.toml").write_text(
        "[[tool.pytest-ladder.model]]\nname = 'm'\n"
    )
    assert find_ladder(inner) == folder / "tests" / "pyproject.toml"
    (inner / "ladder.toml").write_text("")
    assert find_ladder(inner) == inner / "ladder.toml"


def test_other_peoples_pyproject_files_are_passed_by(folder: Path) -> None:
    inner = folder / "a"
    inner.mkdir()
    for text in (
        "[project]\nname = 'x'\n",
        "[project]\nname = 'x'\ndependencies = ['pytest-ladder']\n",
        "this is broken, and has pytest-ladder in it",
        "tool = 1  # pytest-ladder\n",
    ):
        (inner / "pyproject.toml").write_text(text)
        assert find_ladder(inner) == folder / "ladder.toml"


def test_a_broken_pyproject_of_ours_is_found_and_its_line_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    inner = folder / "a"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.pytest-ladder]\ncurrent 1\n")
    found = find_ladder(inner)
    assert found == inner / "pyproject.toml"
    with pytest.raises(ConfigError, match=r"a/pyproject\.toml:2: this is not valid"):
        load_ladder(found)


def test_two_configurations_in_one_folder_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "pyproject.toml").write_text("[tool.pytest-ladder]\n")
    with pytest.raises(ConfigError) as caught:
        find_ladder(folder)
    assert str(caught.value) == (
        "ladder.toml and [tool.pytest-ladder] in pyproject.toml are in one folder; "
        "keep one of them."
    )


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    # Above the temporary folder there may be anything, so only its kind is known.
    assert find_ladder(tmp_path) not in {
        tmp_path / "ladder.toml",
        tmp_path / "pyproject.toml",
    }


def test_importing_configuration_and_prompting_loads_no_heavy_library() -> None:
    code = (
        "import sys, pytest_ladder.config.load, pytest_ladder.cases.load, "
        "pytest_ladder.prompting.strategies as _;"
        "print([m for m in ('numpy', 'bm25s', 'yaml', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_planned_models_stand_apart_and_need_nothing_that_is_not_there_yet(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ladder.toml"
    path.write_text(
        """
[[model]]
name = "smol"
tier = "off-the-shelf"
id = "local/smollm2-135m"

[[model]]
name = "tuned"
tier = "fine-tuned"
planned = true
id = "local/smollm2-135m"
adapter = "adapters/not-there-yet.gguf"
build = { usd = 300 }

[[strategy]]
name = "plain"

[[strategy]]
name = "loud"
models = ["smol"]
""",
        encoding="utf-8",
    )
    ladder = load_ladder(path)
    assert [model.name for model in ladder.models] == ["smol"]
    assert [rung.id for rung in ladder.rungs] == ["smol/plain", "smol/loud"]
    assert [rung.id for rung in ladder.planned] == ["tuned/plain"]
