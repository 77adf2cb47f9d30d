"""Options with their twins, and the one sentence that each mistake gets."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.session.options import OPTIONS
from pytest_ladder.session.settings import Settings, read_settings
from tests.plugin.scratch_suite import ANSWER, LADDER, Shop

FREE = """
@pytest.mark.cheap{level}
@pytest.mark.ladder{ladder}
def test_one(rung):
    pass
"""


def settings(shop: Shop, *arguments: str) -> Settings:
    config = shop.pytester.parseconfig(*arguments)
    return read_settings(config)


def usage_error(result: pytest.RunResult) -> str:
    """Return the only sentence of a run that never started."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    assert "Traceback" not in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    return lines[0].removeprefix("ERROR: ")


@pytest.mark.parametrize(
    ("option", "field", "values", "parsed"),
    [
        ("", "mode", ("matrix", "current", "matrix"), ("matrix", "current", "matrix")),
        (
            "-rungs",
            "rungs",
            ("a/*", "b/*", "c/*,d"),
            (("a/*",), ("b/*",), ("c/*", "d")),
        ),
        ("-samples", "samples", ("2", "3", "4"), (2, 3, 4)),
        ("-concurrency", "concurrency", ("2", "3", "4"), (2, 3, 4)),
        ("-missing", "missing", ("skip", "fail", "skip"), ("skip", "fail", "skip")),
        ("-store", "store", ("auto", "local", "auto"), ("auto", "local", "auto")),
    ],
)
def test_command_line_beats_environment_beats_ini_file(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    field: str,
    values: tuple[str, ...],
    parsed: tuple[Any, ...],
) -> None:
    dest = f"ladder{option.replace('-', '_')}"
    given, around, written = values
    shop.write("pytest.ini", f"[pytest]\n{dest} = {written}\n")
    assert getattr(settings(shop), field) == parsed[2]
    monkeypatch.setenv(dest.upper(), around)
    assert getattr(settings(shop), field) == parsed[1]
    assert getattr(settings(shop, f"--ladder{option}={given}"), field) == parsed[0]


def test_paths_beat_each_other_the_same_way(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.toml", "b.toml", "c.toml"):
        shop.write(name, "")
    shop.write("pytest.ini", "[pytest]\nladder_config = a.toml\nladder_report = a\n")
    found = settings(shop)
    assert (found.config, found.report) == (shop.path / "a.toml", shop.path / "a")
    monkeypatch.setenv("LADDER_CONFIG", "b.toml")
    monkeypatch.setenv("LADDER_REPORT", "b")
    found = settings(shop)
    assert (found.config, found.report) == (shop.path / "b.toml", shop.path / "b")
    found = settings(shop, "--ladder-config=c.toml", "--ladder-report=c")
    assert (found.config, found.report) == (shop.path / "c.toml", shop.path / "c")


@pytest.mark.parametrize("name", ["live", "plan"])
def test_switches_have_an_environment_twin(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert getattr(settings(shop), name) is False
    assert getattr(settings(shop, f"--ladder-{name}"), name) is True
    for text, value in (("1", True), ("true", True), ("0", False), ("", False)):
        monkeypatch.setenv(f"LADDER_{name.upper()}", text)
        assert getattr(settings(shop), name) is value


@pytest.mark.parametrize("name", ["live", "refresh"])
def test_no_file_makes_a_run_spend(shop: Shop, name: str) -> None:
    shop.write("pytest.ini", f"[pytest]\nladder_{name} = true\n")
    shop.test(ANSWER)
    result = shop.run()
    assert shop.server.count == 0
    result.stdout.fnmatch_lines([f"*Unknown config option: ladder_{name}*"])


def test_every_option_begins_with_ladder(shop: Shop) -> None:
    for option in OPTIONS:
        assert option.flag.startswith("--ladder")
        assert option.dest.startswith("ladder")
        assert option.environment.startswith("LADDER")
    help_text = shop.run("--help").stdout.str()
    assert all(option.flag in help_text for option in OPTIONS)


def test_the_markers_are_registered(shop: Shop) -> None:
    listed = shop.run("--markers").stdout.str()
    for name in ("cheap", "judged", "real", "ladder"):
        assert f"@pytest.mark.{name}(" in listed
    shop.test(ANSWER)
    shop.run("--strict-markers", "--co").assert_outcomes()


@pytest.mark.parametrize(
    ("arguments", "environment", "ini", "sentence"),
    [
        ("--ladder=all", {}, "", "--ladder is 'all'; choose one of: current, matrix*"),
        ("--ladder-samples=0", {}, "", "--ladder-samples is '0'; give a whole number*"),
        ("--ladder-samples=two", {}, "", "--ladder-samples is 'two'; give a whole *"),
        ("--ladder-missing=no", {}, "", "--ladder-missing is 'no'; choose one of: *"),
        ("--ladder-refresh", {}, "", "--ladder-refresh*needs --ladder-live*"),
        ("--ladder-config=no.toml", {}, "", "--ladder-config:*no file no.toml*"),
        ("", {"LADDER_CONCURRENCY": "-1"}, "", "LADDER_CONCURRENCY is '-1'; give a *"),
        ("", {"LADDER_LIVE": "yes"}, "", "LADDER_LIVE is 'yes'; set it to 1 or 0."),
        ("", {}, "ladder = all", "ini option ladder is 'all'; choose one of: *"),
        ("", {}, "ladder_samples = 1.5", "ini option ladder_samples is '1.5'; give *"),
    ],
)
def test_a_bad_value_is_one_sentence(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    environment: dict[str, str],
    ini: str,
    sentence: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shop.write("pytest.ini", f"[pytest]\n{ini}\n")
    shop.test(ANSWER)
    said = usage_error(shop.run(*arguments.split()))
    pytest.LineMatcher([said]).fnmatch_lines([sentence])


@pytest.mark.parametrize(
    ("level", "ladder", "sentence"),
    [
        (
            "(atleast=0.5)",
            "",
            "*test_one: @pytest.mark.cheap does not know 'atleast'; "
            "did you mean at_least?",
        ),
        ("(0.5)", "", "*@pytest.mark.cheap takes keywords only, such as at_least=…"),
        ("(at_least=-1)", "", "*at_least=-1 is not a share in *.*"),
        ("(at_least=90)", "", "*at_least=90 is not a share in *.*"),
        ("(at_least='all')", "", "*at_least='all' is not a share in *.*"),
        (
            "",
            "(case='x.jsonl')",
            "*@pytest.mark.ladder does not know 'case'; did you mean cases?",
        ),
        ("", "(wait=1)", "*@pytest.mark.ladder does not know 'wait'; *"),
        ("", "('cases.jsonl')", "*takes keywords only, such as cases=…"),
        ("", "(samples=0)", "*samples=0 is not a whole number from 1.*"),
        ("", "(samples='two')", "*samples='two' is not a whole number from 1.*"),
        ("", "(samples=1.5)", "*samples=1.5 is not a whole number from 1.*"),
        ("", "(weight='heavy')", "*weight='heavy'*"),
        ("", "(weight=-1)", "*weight=-1*"),
        ("", "(weight=1e10)", "*weight=10000000000.0 is not a number from 0 to 1e9*"),
        ("", "(weight=float('nan'))", "*weight=nan*"),
        ("", "(miss='KeyError')", "*miss='KeyError' must name exception types.*"),
        ("", "(task='app')", "*task='app'*"),
        ("\n@pytest.mark.judged", "", "*is marked cheap and judged; a test has one*"),
        ("", "(cases='nowhere.jsonl')", "*nowhere.jsonl*"),
        ("", "(cases=[])", "*test_shop.py: case 1: there are no cases*"),
        ("", "(cases=[{'expected': 'x'}])", "*test_shop.py: case 1*no `input`*"),
        ("", "(cases=7)", "*no source of cases*"),
    ],
)
def test_a_mistake_in_a_marker_is_one_sentence(
    shop: Shop, level: str, ladder: str, sentence: str
) -> None:
    shop.test(FREE.format(level=level, ladder=ladder or "()"))
    said = usage_error(shop.run("--ladder-live"))
    assert "test_shop.py" in said or "nowhere.jsonl" in said
    escaped = sentence.replace("[", "[[]")
    pytest.LineMatcher([said]).fnmatch_lines([escaped])


def test_a_test_of_replies_without_cases_says_what_to_add(shop: Shop) -> None:
    shop.test("@pytest.mark.cheap\ndef test_one(reply):\n    pass\n")
    said = usage_error(shop.run())
    assert "test_shop.py::test_one uses `case` or `reply` but has no cases" in said
    assert "@pytest.mark.ladder(cases='cases.jsonl')" in said


def test_mistakes_of_several_tests_are_named_together(shop: Shop) -> None:
    shop.test(
        FREE.format(level="(at_least=2)", ladder="()")
        + FREE.format(level="", ladder="(samples=0)").replace("test_one", "test_two")
    )
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "test_one" in result.stderr.str()
    assert "test_two" in result.stderr.str()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('current = "bot/plain"', 'current = "bot/plane"', "*ladder.toml:1: current*"),
        ("tier =", "teir =", "*ladder.toml:*teir*did you mean*tier*"),
        ('"off-the-shelf"', '"off-shelf"', "*ladder.toml:*off-shelf*off-the-shelf*"),
        ('name = "loud"', 'name = "plain"', "*ladder.toml:*plain*"),
        ("[[model]]", "[[model]", "*ladder.toml:*"),
        (
            'prompt = "{{input}}!"',
            'prompt = "{{question}}!"',
            "*ladder.toml:*question*",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_one_sentence(
    shop: Shop, old: str, new: str, sentence: str
) -> None:
    assert old in LADDER
    shop.ladder(LADDER.replace(old, new))
    shop.test(ANSWER)
    said = usage_error(shop.run("--ladder=matrix", "--ladder-live"))
    pytest.LineMatcher([said]).fnmatch_lines([sentence])


def test_two_configurations_in_one_folder_are_a_mistake(shop: Shop) -> None:
    shop.write("pyproject.toml", "[tool.pytest-ladder]\n")
    shop.test(ANSWER)
    assert "keep one of them" in usage_error(shop.run())


def test_a_mistake_in_a_case_file_names_its_line(shop: Shop) -> None:
    shop.write("cases.jsonl", '{"input": "say blue"}\n{"input": \n')
    shop.test(ANSWER)
    assert "cases.jsonl:2" in usage_error(shop.run())


def test_over_processes_mistakes_are_seen_as_well(shop: Shop) -> None:
    shop.ladder(LADDER.replace("tier =", "teir ="))
    shop.test(ANSWER)
    result = shop.run("-n2")
    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    result.stdout.fnmatch_lines(["*ladder.toml:*teir*did you mean*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*Traceback*")


def test_over_processes_bad_options_stop_the_run_at_once(shop: Shop) -> None:
    shop.test(ANSWER)
    assert "choose one of" in usage_error(shop.run("-n2", "--ladder=all"))


def test_a_configuration_that_no_test_needs_is_not_read(shop: Shop) -> None:
    shop.write("ladder.toml", "this is no TOML")
    shop.test("def test_one():\n    pass\n")
    shop.run().assert_outcomes(passed=1)


def test_the_plan_spends_nothing_and_names_hosts(shop: Shop) -> None:
    shop.test(ANSWER)
    result = shop.run("--ladder-plan", "--ladder=matrix")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert shop.server.count == 0
    result.stdout.fnmatch_lines(["*bot/plain*", "*bot/loud*"])
    assert "127.0.0.1" in result.stdout.str()
    assert not (shop.path / ".ladder").exists()
    assert not (shop.path / "ladder-report").exists()
