"""docs/reference.md is up to date and complete; the code of getting started runs."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import pytest_ladder
from docs.generate_reference import commands, filled, fixture_functions
from pytest_ladder import plugin
from pytest_ladder.cases.formats import READERS
from pytest_ladder.cases.names import FIELD_OF
from pytest_ladder.cli.main import main
from pytest_ladder.config.load import load_ladder
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.jury import standard_of
from pytest_ladder.prompting.templates import FIELDS
from pytest_ladder.session.options import OPTIONS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [*sorted(DOCS.parent.glob("*.md")), *sorted(DOCS.glob("*.md"))]
PAGE = (DOCS / "reference.md").read_text(encoding="utf-8")
STARTED = (DOCS / "getting-started.md").read_text(encoding="utf-8")

MODEL = '[[model]]\nname = "m"\ntier = "off-the-shelf"\nid = "scripted/echo"\n'
WITH_WRONG_KEY = {
    "Top level": "wombat = 1\n" + MODEL,
    "[[model]]": MODEL + "wombat = 1\n",
    "[[model]] price.": MODEL + "price = { wombat = 1 }\n",
    "[[model]] serve.": MODEL + "serve = { wombat = 1 }\n",
    "[[model]] build.": MODEL + "build = { wombat = 1 }\n",
    "[[model]] limits.": MODEL + "limits = { wombat = 1 }\n",
    "[[strategy]]": MODEL + '[[strategy]]\nname = "s"\nwombat = 1\n',
    "[objective]": MODEL + "[objective]\nwombat = 1\n",
    "[judge]": MODEL + "[judge]\nwombat = 1\n",
    "[gate]": MODEL + "[gate]\nwombat = 1\n",
    "[[experiment]]": MODEL + "[[experiment]]\nwombat = 1\n",
    "[[outcome]]": MODEL + "[[outcome]]\nwombat = 1\n",
    "[review]": MODEL + "[review]\nwombat = 1\n",
    "[gateway]": MODEL + "[gateway]\nwombat = 1\n",
    "[store]": MODEL + "[store]\nwombat = 1\n",
    "[report]": MODEL + "[report]\nwombat = 1\n",
    "[log]": MODEL + "[log]\nwombat = 1\n",
}
"""By the section of the page and the table within it."""


def section(title: str) -> str:
    """Return what stands below a heading, up to the next of its size."""
    found = re.search(rf"^(#+) `?{re.escape(title)}.*?(?=^\1 |\Z)", PAGE, re.M | re.S)
    assert found is not None, f"docs/reference.md has no section {title}"
    return found[0]


def first_cells(text: str) -> set[str]:
    """Return the first cell of each row of the tables in a text, without its quotes."""
    return set(re.findall(r"^\| `?(.*?)`? \|", text, re.MULTILINE))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", STARTED, re.DOTALL)


def test_the_page_is_what_the_generator_writes() -> None:
    told = "docs/reference.md is old; run: python -m docs.generate_reference"
    assert filled(PAGE) == PAGE, told


def test_no_meaning_is_missing() -> None:
    empty = [line for line in PAGE.splitlines() if line.endswith("|  |")]
    assert not empty, f"say what these are in a docstring: {empty}"


def test_every_option_is_documented_with_its_twins() -> None:
    options = section("Options")
    for option in OPTIONS:
        (row,) = re.findall(rf"^\| `{option.flag}[=`].*$", options, re.MULTILINE)
        assert (f"`{option.environment}`" in row) != option.typed
        assert (f"`{option.dest}`" in row) == option.ini


@pytest.mark.parametrize("marker", plugin.MARKERS, ids=lambda text: text[:6])
def test_every_keyword_of_a_marker_is_documented(
    marker: str, pytester: pytest.Pytester
) -> None:
    """The keywords that pytest shows, and those that the plugin says it knows."""
    signature = marker.partition("): ")[0] + ")"
    (function,) = ast.parse(f"def {signature}: ...").body
    assert isinstance(function, ast.FunctionDef)
    name = function.name
    keywords = {argument.arg for argument in function.args.kwonlyargs}
    (pytester.path / "ladder.toml").write_text(MODEL, encoding="utf-8")
    level = "" if name != "ladder" else "@pytest.mark.cheap\n"
    pytester.makepyfile(
        f"import pytest\n\n{level}@pytest.mark.{name}(wombat=1)\ndef test_it(llm): ..."
    )
    result = pytester.runpytest_inprocess()
    (known,) = re.findall(r"'wombat'; known: (.*)\.", str(result.errlines))
    assert (
        keywords
        == set(known.split(", "))
        == first_cells(section(f"{name}("))
        - {
            "keyword",
            "---",
        }
    )


def test_every_fixture_is_documented() -> None:
    names = [function.name for function in fixture_functions()]
    assert names
    for name in names:
        assert f"\n### `{name}`\n" in section("Fixtures")


@pytest.mark.parametrize("place", WITH_WRONG_KEY)
def test_every_key_of_the_configuration_is_documented(
    place: str, tmp_path: Path
) -> None:
    """The keys that the error for a wrong one lists."""
    (tmp_path / "ladder.toml").write_text(WITH_WRONG_KEY[place], encoding="utf-8")
    with pytest.raises(ConfigError, match="nown keys") as caught:
        load_ladder(tmp_path / "ladder.toml")
    keys = re.findall("`(.*?)`", str(caught.value).split("nown keys")[1])
    title, _, table = place.partition(" ") if place[0] == "[" else (place, "", "")
    text = section(title)
    assert keys
    for key in keys:
        in_prose = title == "[judge]" and f"`{key}`" in text
        assert f"{table}{key}" in first_cells(text) or in_prose


def test_every_field_of_a_case_and_its_synonyms_are_documented() -> None:
    text = section("Cases")
    for name in (*FIELD_OF, *READERS):
        assert f"`{name}`" in text


def test_every_field_of_a_template_is_documented() -> None:
    for name in FIELDS:
        assert f"`{{{name}}}`" in section("[[strategy]]")


def test_every_judge_of_the_library_is_documented() -> None:
    page = (DOCS / "judging.md").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="there are") as caught:
        standard_of(judge="wombat")
    names = re.findall("`([a-z_]+)`", str(caught.value))
    assert len(names) > 5
    for name in names:
        assert f"`{name}`" in page


def test_every_public_name_is_documented() -> None:
    assert set(pytest_ladder.__all__) <= first_cells(section("Public names"))


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = re.findall(r"^    ([a-z]+)\b", capsys.readouterr().out, re.MULTILINE)
    assert set(shown) == {name.split()[0] for name in commands()}
    for name in commands():
        assert f"### `pytest-ladder {name}`" in section("Commands")


def test_the_python_code_of_getting_started_runs(pytester: pytest.Pytester) -> None:
    """Against the scripted echo model, which needs neither network nor key."""
    (pytester.path / "ladder.toml").write_text(MODEL, encoding="utf-8")
    case = '{"id": "days", "input": "45 days", "expected": "45 days"}'
    (pytester.path / "cases.jsonl").write_text(case, encoding="utf-8")
    pytester.makepyfile("\n".join(blocks("python")))
    pytester.runpytest_inprocess().assert_outcomes(passed=4)


def test_the_configuration_of_getting_started_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "ladder.toml").write_text(text, encoding="utf-8")
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb/refunds.md").write_text("# Refunds\n45 days", encoding="utf-8")
    example = '{"input": "How long?", "expected": "45 days"}\n'
    (tmp_path / "examples.jsonl").write_text(example, encoding="utf-8")
    assert len(load_ladder(tmp_path / "ladder.toml").rungs) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text):
        if link and "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_modules_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"python -m ((?:tests|docs|benchmarks)[.\w]*)", text):
        file = DOCS.parent / f"{module.replace('.', '/')}.py"
        assert file.exists(), f"{page.name} runs {module}"


def test_the_page_names_every_extra_and_all_is_all_but_two() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    ours = {"all", "build", *(name for name in extras if name.startswith("dev"))}
    table = PAGE.partition("\n## Extras\n")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(extras) - ours
    (everything,) = extras["all"]
    assert set(re.findall(r"\w+", everything.partition("[")[2])) == (
        set(extras) - ours - {"parquet", "shared", "otel", "mlflow"}
    )
