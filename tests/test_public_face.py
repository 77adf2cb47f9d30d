"""What scripts, editors and shells get: reports as values, schemas, the version."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_ladder
from docs.generate_reference import SCHEMAS
from pytest_ladder.cli.main import main
from pytest_ladder.reporting.schemas import as_text, schemas
from tests.cli.written_report import a_report, matrix_of, written
from tests.reporting.test_case_texts import with_cases

ROOT = Path(__file__).parents[1]


def check(value: Any, name: str) -> None:
    jsonschema.validate(value, json.loads((SCHEMAS / name).read_text("utf-8")))


def test_a_report_is_read_as_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path / "ladder-report", with_cases(a_report()))
    report = pytest_ladder.read_report(str(folder))
    assert report.rungs[0].id == "small/plain"
    assert len(report.rows) == 160
    assert report.decision.recommendation is not None
    assert report.decision.recommendation.rung == "small/rag"
    assert report.cases[0].wanted == '{"colour": "blue"}'
    assert report.run.git_sha == "abc"

    # With pandas: tests/metrics/test_report_frame.py.
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(pytest_ladder.LadderError, match="pip install pandas"):
        report.to_pandas()
    with pytest.raises(pytest_ladder.ConfigError, match="no report here"):
        pytest_ladder.read_report(tmp_path)


def test_dir_shows_the_public_names_and_no_module_is_loaded_for_it() -> None:
    assert set(dir(pytest_ladder)) == {*pytest_ladder.__all__, "__version__"}
    code = "import pytest_ladder, sys; dir(pytest_ladder); print(len(sys.modules))"
    code += "; assert 'msgspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_version_is_printed_by_every_way_to_start_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = f"pytest-ladder {metadata.version('pytest-ladder')}\n"
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == said
    module = [sys.executable, "-m", "pytest_ladder", "--version"]
    assert (
        subprocess.run(module, check=True, capture_output=True).stdout.decode() == said
    )


def test_shipped_schemas_are_those_of_the_types() -> None:
    for name, schema in schemas().items():
        assert (SCHEMAS / name).read_text("utf-8") == as_text(schema), (
            "write them anew: python -m docs.generate_reference"
        )
        jsonschema.validators.validator_for(schema).check_schema(schema)


def test_what_is_written_fits_its_schema_and_a_mistake_does_not(tmp_path: Path) -> None:
    for path in ROOT.glob("examples/support/*.toml"):
        table = tomllib.loads(path.read_text("utf-8"))
        check(table, "ladder.schema.json")
    with pytest.raises(jsonschema.ValidationError, match="wombat"):
        check({**table, "wombat": 1}, "ladder.schema.json")
    for line in (ROOT / "examples/support/cases.jsonl").read_text("utf-8").splitlines():
        check(json.loads(line), "case.schema.json")
    with pytest.raises(jsonschema.ValidationError, match="input"):
        check({"question": "?"}, "case.schema.json")
    check(matrix_of(written(tmp_path, a_report())), "matrix.schema.json")
    example = ROOT / "examples/support/results/matrix.json"
    check(json.loads(example.read_bytes()), "matrix.schema.json")
