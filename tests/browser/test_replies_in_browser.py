"""What a case asks and expects, its replies as cards, and the words that differ."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pytest_ladder.core.row import Outcome
from pytest_ladder.core.score import Level
from pytest_ladder.reporting.against import held_against
from tests.browser.sample_reports import sample_report, without_exchanges
from tests.browser.tabs import Tab, written

BEFORE = "Your order arrives within five working days, and costs 45 €."
AFTER = "Your order arrives within 3 working days, and costs 45 € at most."


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = sample_report(2, 2, 12)
    texts = {"smol/zero-shot": BEFORE, "smol/few-shot": AFTER}
    rows = [
        msgspec.structs.replace(row, text=texts.get(row.rung, row.text), why=None)
        for row in report.rows
    ]
    whole = msgspec.structs.replace(report, rows=rows)
    cases = whole.cases
    whole = msgspec.structs.replace(without_exchanges(whole), cases=cases)
    return written(tmp_path_factory.mktemp("page"), whole)


def test_a_case_shows_question_answers_and_what_differs(
    tab: Tab, page_file: Path
) -> None:
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.open(page_file)
    row = tab.page.locator("#grid tbody tr").first
    asked, expected, answer = row.locator("td.text").all_inner_texts()
    assert expected == " ".join(asked.split()[:3])
    assert answer
    row.locator(".cell").first.click()
    detail = tab.page.locator("#detail")
    assert detail.locator(".d-asked .said").all_inner_texts() == [asked, expected]
    card = detail.locator(".d-row")
    assert card.count() == 1, "both tests are of one reply"
    assert card.locator(".d-verdicts b").all_inner_texts() == [
        "test_answer",
        "test_tone",
    ]
    tab.page.select_option("#d-rung-1", "1")
    assert detail.locator("del").all_inner_texts() == ["five"]
    assert detail.locator("ins").all_inner_texts() == ["3", " at most"]
    assert detail.locator(".said.reply").all_inner_texts()[2:] == [BEFORE, AFTER]
    # Where hardly a word is the same, marks would be in the way.
    tab.page.select_option("#d-rung-1", "2")
    assert detail.locator("ins, del").count() == 0
    tab.page.keyboard.press("Escape")
    tab.page.set_viewport_size({"width": 800, "height": 900})
    assert not row.locator("td.text").first.is_visible()
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("", "", []),
        ("a b", "a b", [["=", "a b"]]),
        ("", "new", [["+", "new"]]),
        ("a x c", "a y c", [["=", "a "], ["-", "x"], ["+", "y"], ["=", " c"]]),
        ("返品の期限は", "返品の期日は", None),
    ],
)
def test_an_edit_script_gives_both_texts_back(
    tab: Tab, before: str, after: str, parts: list[list[str]] | None
) -> None:
    script = Path("pytest_ladder/reporting/html/assets/diff.js").read_text("utf-8")
    found = tab.page.evaluate(
        f"([a, b]) => {{ {script}; return differences(a, b); }}", [before, after]
    )
    assert parts is None or found == parts
    assert "".join(text for kind, text in found if kind != "+") == before
    assert "".join(text for kind, text in found if kind != "-") == after


def test_a_case_that_broke_shows_the_reply_before_beside_todays(
    tab: Tab, tmp_path: Path
) -> None:
    base = sample_report(2, 2, 12)
    passed = next(
        row
        for row in base.rows
        if row.score == 1 and row.level is Level.CHEAP and "<" not in row.text
    )
    before = msgspec.structs.replace(passed, text=BEFORE)
    after = msgspec.structs.replace(
        passed, outcome=Outcome.MISSED, score=0.0, text=AFTER
    )
    rows = {
        name: [one if row is passed else row for row in base.rows]
        for name, one in (("before", before), ("after", after))
    }
    old = msgspec.structs.replace(base, rows=rows["before"])
    new = msgspec.structs.replace(base, rows=rows["after"])
    tab.open(written(tmp_path, held_against(new, old, "git:main")))
    assert "Against git:main" in tab.text("#against-lead")
    assert tab.text("#against-table tbody th") == passed.rung
    tab.page.select_option("#f-show", "broken")
    assert tab.text("#cases-count") == "1 case of 12"
    tab.page.locator("#moved-table tbody button").click()
    card = tab.page.locator("#detail .d-row.before")
    assert "100.0 % → 0.0 %" in card.inner_text()
    assert card.locator("del").all_inner_texts() == ["five"]
    assert tab.page.locator("#detail ins").all_inner_texts() == ["3", " at most"]
    assert tab.complaints == []


def test_a_score_of_nothing_is_no_pass_and_votes_say_all_that_is_odd(
    tab: Tab, tmp_path: Path
) -> None:
    """As `score(checks.choice(…))` leaves it: the test passes, and nothing is right."""
    base = sample_report(2, 2, 12)
    wrong = next(row for row in base.rows if row.level is Level.CHEAP and row.replies)
    (bill,) = wrong.replies
    bill = msgspec.structs.replace(bill, flag="tied, truncated", cost_usd=6.9e-5)
    scored = msgspec.structs.replace(
        wrong, outcome=Outcome.PASSED, score=0.0, why=None, replies=(bill,)
    )
    rows = [
        scored
        if row is wrong
        else msgspec.structs.replace(row, outcome=Outcome.PASSED, score=1.0, why=None)
        for row in base.rows
        if row.level is Level.CHEAP
    ]
    tab.open(written(tmp_path, msgspec.structs.replace(base, rows=rows)))
    tab.page.select_option("#f-show", "missed")
    assert tab.text("#cases-count") == "1 case of 12"
    tab.page.locator("#grid tbody .cell", has_text="\N{MULTIPLICATION SIGN}").click()
    card = tab.page.locator("#detail .d-row")
    assert card.locator(".chip").all_inner_texts() == ["scored 0 %"]
    told = "Reply (votes are tied: the first answer counts; truncated)"
    assert card.locator("h4").first.inner_text() == told
    assert "cost $69.00 per million replies" in card.inner_text()
    assert tab.complaints == []
