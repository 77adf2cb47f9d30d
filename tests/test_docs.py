"""The pages in docs/ hold what the code refers to."""

from __future__ import annotations

import re
from pathlib import Path

from docs.draw_verdicts import pictures, svg
from docs.show_promotions import PAGE, promotions, quoting

ROOT = Path(__file__).parents[1]
METHODS = ROOT / "docs" / "methods.md"

NUMBER = r"\d+(?:\.\d+)?"
# `docs/methods.md §4.1 and §4.2`, and how older code says it: `methods.md 4.1`,
# `section 3.8`, `(methods, section 3.8)`.
CITATION = re.compile(
    rf"(?:methods(?:\.md|\snote)?,?\s+(?:§|section\s+)?|\bsection\s+)({NUMBER})"
    rf"((?:\s*(?:,|and|to)\s+§{NUMBER})*)"
)


def citations() -> set[tuple[str, str]]:
    """Return (file, section) for each section of the methods that code cites."""
    found = set()
    for path in (ROOT / "pytest_ladder").rglob("*.py"):
        text = re.sub(r"\s*\n\s*(?:# )?", " ", path.read_text(encoding="utf-8"))
        for first, more in CITATION.findall(text):
            for section in (first, *re.findall(NUMBER, more)):
                found.add((str(path.relative_to(ROOT)), section))
    return found


def test_each_section_of_the_methods_that_code_cites_exists() -> None:
    text = METHODS.read_text(encoding="utf-8")
    sections = set(re.findall(rf"^##+ ({NUMBER})\.? ", text, re.MULTILINE))
    cited = citations()
    assert len(cited) > 30
    assert sorted(c for c in cited if c[1] not in sections) == []


def test_the_sections_of_the_methods_are_in_order() -> None:
    text = METHODS.read_text(encoding="utf-8")
    numbers = re.findall(rf"^##+ ({NUMBER})\.? ", text, re.MULTILINE)
    ordered = [tuple(map(int, number.split("."))) for number in numbers]
    assert ordered == sorted(set(ordered))


def test_pages_name_tests_and_benchmarks_that_exist() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`((?:tests|benchmarks)/[\w./-]+)`", text):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_the_pictures_of_verdicts_are_what_the_code_decides() -> None:
    """Else run `python -m docs.draw_verdicts`, and look at them and at their page."""
    page = (ROOT / "docs/pass-fail-undecided.md").read_text(encoding="utf-8")
    drawn = list(pictures())
    for picture in drawn:
        file = ROOT / "docs" / f"{picture.name}.svg"
        assert file.read_text(encoding="utf-8") == svg(picture)
        assert f"]({picture.name}.svg)" in page
    said = {line.sentence for picture in drawn for line in picture.lines}
    quoted = re.findall(r"^(?:gate: )?[A-Z]{4,}: .*$", page, re.MULTILINE)
    assert len(quoted) == 6
    assert set(quoted) <= said


def test_a_promotion_passes_fails_and_stays_undecided_as_its_page_shows() -> None:
    """Else run `python -m docs.show_promotions`, and read the page again."""
    checks = [
        (one.result.verdict, {check.kind for check in one.result.checks[-2:]})
        for one in promotions()
    ]
    verdicts = [verdict for verdict, _ in checks]
    assert verdicts == ["pass", "fail", "undecided"]
    assert all(kinds == {"users", "guardrail"} for _, kinds in checks)
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- quoted -->\n") == len(verdicts) + 1
    assert page == quoting(page)
