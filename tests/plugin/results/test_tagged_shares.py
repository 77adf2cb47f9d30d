"""Stacked markers of a level, one for each tag: shares of their own for some cases."""

from __future__ import annotations

import shutil

import pytest

from tests.plugin.scratch_suite import (
    CHANGED,
    JUDGE,
    LADDER,
    ONE_WORKER,
    TONE,
    Run,
    Shop,
)

STACKED = """
@pytest.mark.ladder(cases="cases.jsonl"{options})
{markers}
def test_answer(reply, case):
    assert case.expected in reply.text
"""
GERMAN = '@pytest.mark.cheap(at_least={share}, tag="de")'
NAME = "test_shop.py::test_answer[bot/plain] share[de]"


def a_case(name: str, *tags: str, right: bool = True) -> dict[str, object]:
    expected = name if right else "something else"
    return {"id": name, "input": name, "expected": expected, "tags": list(tags)}


CASES = [
    a_case("eins", "de"),
    a_case("zwei", "de", "safety"),
    a_case("drei", "de", right=False),
    a_case("one", "en"),
    a_case("two", "en"),
    a_case("three", "en"),
]


@pytest.fixture
def tagged(shop: Shop) -> Shop:
    """Return a shop whose six cases have tags; one of the three German ones misses."""
    shop.cases(CASES)
    return shop


def stacked(*markers: str, options: str = "") -> str:
    return STACKED.format(markers="\n".join(markers), options=options)


def failures(result: pytest.RunResult) -> list[str]:
    lines = [line for line in result.outlines if line.startswith("FAILED")]
    return [line.split(" - ")[0].removeprefix("FAILED ") for line in lines]


def test_a_tag_has_a_share_beside_that_of_all(tagged: Shop, run: Run) -> None:
    tagged.test(stacked("@pytest.mark.cheap(at_least=0.8)", GERMAN.format(share=0.9)))
    result = run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ test_answer[[]bot/plain[]] share[[]de[]] _*",
            "2 of 3 passed; at_least=0.9 needs 3 of 3.*--lf.",
            "*1 failed, 5 passed, 1 missed*",
        ]
    )
    assert failures(result) == [NAME]
    # `--lf` takes up the miss, which by itself is more than the tag allows.
    again = run("--lf")
    assert failures(again) == [NAME]
    again.stdout.fnmatch_lines(["0 of 1 passed (a part of its 3); at_least=0.9 *"])


@pytest.mark.parametrize(
    ("markers", "failing"),
    [
        (["cheap(at_least=0.8)", 'cheap(at_least=0.6, tag="de")'], []),
        (["cheap(at_least=0.9)", 'cheap(at_least=0.6, tag="de")'], ["share"]),
        (["cheap(at_least=0.9)", 'cheap(at_least=0.7, tag="de")'], ["share", "[de]"]),
        # Without a share of all, the cases of a tag alone may miss.
        (['cheap(at_least=0.6, tag="de")'], []),
        (["cheap", 'cheap(at_least=0.6, tag="de")'], []),
        (["cheap", 'cheap(at_least=0.6, tag="en")'], ["-drei"]),
        # One of several tags is enough to allow a miss, and each has its share.
        (['cheap(at_least=0, tag="de")', 'cheap(at_least=1, tag="safety")'], []),
        (["cheap(at_least=0.5)", 'cheap(at_least=1.0, tag="de")'], ["[de]"]),
        (["cheap(at_least=0.5)", 'cheap(at_least=1, tag="safety")'], []),
    ],
)  # fmt: skip
def test_each_share_passes_or_fails_by_itself(
    tagged: Shop, markers: list[str], failing: list[str]
) -> None:
    tagged.test(stacked(*(f"@pytest.mark.{marker}" for marker in markers)))
    result = tagged.run("--ladder-live")
    ends = {
        "share": "[bot/plain] share",
        "[de]": "[bot/plain] share[de]",
        "-drei": "[bot/plain-drei]",
    }
    wanted = [f"test_shop.py::test_answer{ends[name]}" for name in failing]
    assert failures(result) == wanted
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if failing else 0)


def test_the_order_of_the_markers_does_not_matter(tagged: Shop) -> None:
    whole, german = "@pytest.mark.cheap(at_least=0.8)", GERMAN.format(share=0.6)
    for markers in ((whole, german), (german, whole)):
        tagged.test(stacked(*markers))
        assert tagged.run("--ladder-live").ret == pytest.ExitCode.OK


def test_on_a_subset_a_tag_fails_by_its_misses_alone(tagged: Shop, run: Run) -> None:
    tagged.test(stacked("@pytest.mark.cheap(at_least=0.5)", GERMAN.format(share=0.6)))
    result = run("--ladder-live", "-k", "drei or one")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "*test_answer[[]bot/plain[]] share: partial, 2 of 6 ran",
            "*test_answer[[]bot/plain[]] share[[]de[]]: partial, 1 of 3 ran",
        ]
    )
    # None of its cases was selected, so that there is nothing to say.
    other = run("--ladder-live", "-k", "one")
    other.stdout.no_fnmatch_line("*share[[]de[]]*")


def test_samples_and_parameters_count_for_a_tag_as_for_all(tagged: Shop) -> None:
    tagged.test(
        """
@pytest.mark.ladder(cases="cases.jsonl", samples=2)
@pytest.mark.cheap(at_least=0)
@pytest.mark.cheap(at_least=0.9, tag="de")
@pytest.mark.parametrize("end", ["", "x"])
def test_answer(reply, case, end):
    assert case.expected + end in reply.text
"""
    )
    result = tagged.run("--ladder-live")
    result.stdout.fnmatch_lines(
        ["4 of 12 passed; at_least=0.9 needs 11 of 12.*"]
    )  # fmt: skip


@ONE_WORKER
def test_a_packed_test_has_shares_by_tag(tagged: Shop, run: Run) -> None:
    markers = ("@pytest.mark.cheap(at_least=0.8)", GERMAN.format(share=0.9))
    tagged.test(stacked(*markers, options=", pack=True"))
    result = run("--ladder-live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "de: 2 of 3 passed; at_least=0.9 allows 0 misses:",
            "  drei: assert 'something else' in 'drei'",
        ]
    )


@pytest.mark.parametrize(("tag", "fails"), [("de", False), ("en", True)])
def test_a_packed_test_allows_misses_of_a_tag_alone(
    tagged: Shop, tag: str, fails: bool
) -> None:
    markers = ("@pytest.mark.cheap", f'@pytest.mark.cheap(at_least=0.5, tag="{tag}")')
    tagged.test(stacked(*markers, options=", pack=True"))
    result = tagged.run("--ladder-live")
    result.assert_outcomes(failed=int(fails), passed=int(not fails))


def test_a_climb_holds_the_rung_that_ships_to_the_share_of_a_tag(
    tagged: Shop, run: Run
) -> None:
    goal = '[objective]\nkind = "good-enough"\nquality = 0.8\n'
    tagged.ladder(LADDER + goal)
    tagged.test(stacked("@pytest.mark.cheap(at_least=0.8)", GERMAN.format(share=0.9)))
    result = run("--ladder-live", "--ladder=climb", "--ladder-rungs=bot/plain")
    assert failures(result) == [NAME]
    # Other rungs are data.
    other = run("--ladder-live", "--ladder=matrix", "--ladder-rungs=bot/loud")
    assert failures(other) == []


@ONE_WORKER
def test_a_tag_with_a_share_is_a_suite_of_the_gate(shop: Shop, run: Run) -> None:
    shop.cases([a_case(f"{n}", "de" if n % 2 else "en") for n in range(24)])
    shop.test(
        """
@pytest.mark.ladder(cases="cases.jsonl")
@pytest.mark.cheap(at_least=0)
@pytest.mark.cheap(at_least=0, tag="de")
def test_answer(reply, case):
    assert reply.text == case.input or "en" in case.tags
"""
    )
    shop.run("--ladder-live")
    shutil.copytree(shop.path / "ladder-report/current", shop.path / "before")
    shop.ladder(CHANGED)
    result = run("--ladder-live", "--ladder-baseline=before")
    result.stdout.fnmatch_lines(["*quality, cheap, tag de: 100.0 % * -> 0.0 % *"])
    (gate,) = (g for g in shop.matrix()["gates"] if g["name"].endswith("tag de"))
    assert gate["verdict"] == "fail"


def test_a_judged_test_stacks_as_well(shop: Shop) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.cases([a_case("blue", "de"), a_case("red", "en")])
    marker = '@pytest.mark.judged(at_least=0.5, tag="{tag}")\ndef test_tone'
    shop.test(TONE.replace("def test_tone", marker.format(tag="de")))
    result = shop.run("--ladder-plan")
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        (
            'cheap(at_least=0.9, tag="dee")',
            'test_shop.py:3: test_answer: cheap(tag=\'dee\'): none of its 6 cases has '
            "this tag; did you mean `de`? Their tags are `de`, `en`, `safety`.",
        ),
        (
            'cheap(at_least=0.9, tag=["de"])',
            "test_shop.py:3: test_answer: cheap(tag=['de']) is no tag; write one tag",
        ),
        ('cheap(tag="de")', "cheap(tag='de') asks for no share; add `at_least=`."),
        ('cheap(at_least=2, tag="de")', "at_least=2 is not a share in [0, 1]."),
        ('cheap(at_least=0.9, tags="de")', "does not know 'tags'; did you mean tag?"),
        (
            'cheap(at_least=0.9, tag="de")\n@pytest.mark.cheap(at_least=0.8, tag="de")',
            "two markers of cheap are about tag='de'; drop one.",
        ),
        (
            'judged(at_least=0.9, tag="de")',
            "is marked cheap and judged; a test has one level",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_marker_is_one_sentence(
    tagged: Shop, marker: str, said: str
) -> None:
    tagged.test(stacked("@pytest.mark.cheap(at_least=0.8)", f"@pytest.mark.{marker}"))
    result = tagged.run("--ladder-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert tagged.server.count == 0


def test_a_plan_names_an_unknown_tag_as_well(tagged: Shop) -> None:
    tagged.test(stacked('@pytest.mark.cheap(at_least=0.9, tag="DE ")'))
    result = tagged.run("--ladder-plan")
    assert "did you mean `de`?" in result.stderr.str()


def test_a_rubric_belongs_to_the_marker_without_a_tag(tagged: Shop) -> None:
    tagged.test(
        '@pytest.mark.ladder(cases="cases.jsonl")\n'
        '@pytest.mark.judged(at_least=0.5, tag="de", rubric="It is polite.")\n'
        "def test_tone(verdict):\n    assert verdict\n"
    )
    result = tagged.run("--ladder-live")
    said = "judged(tag='de') is about a share alone, and cannot say `rubric`; write"
    assert said in result.stderr.str()


def test_cases_of_a_parametrize_and_markers_of_a_class_count_as_well(
    tagged: Shop,
) -> None:
    tagged.test(
        """
CASES = [{"input": f"{n}", "tags": ["de"] if n < 3 else ["en"]} for n in range(6)]

@pytest.mark.cheap(at_least=0.5)
@pytest.mark.cheap(at_least=0.9, tag="en")
@pytest.mark.ladder
class TestAnswers:
    @pytest.mark.cheap(at_least=0.6, tag="en")
    @pytest.mark.cheap(at_least=0.9, tag="de")
    @pytest.mark.parametrize("case", CASES)
    def test_answer(self, reply, case):
        assert case.text not in "05"
"""
    )
    result = tagged.run("--ladder-live")
    (failed,) = failures(result)
    assert failed.endswith("test_answer[bot/plain] share[de]")


def test_a_marker_of_a_file_passes_over_tests_without_cases(tagged: Shop) -> None:
    tagged.test(
        'pytestmark = [pytest.mark.cheap(at_least=0.6, tag="de"), '
        'pytest.mark.ladder(cases="cases.jsonl")]\n'
        "def test_answer(reply, case):\n    assert case.expected in reply.text\n"
        "@pytest.mark.ladder(cases=None)\n"
        'def test_free(llm):\n    assert llm("x")\n'
    )
    assert tagged.run("--ladder-live").ret == pytest.ExitCode.OK
