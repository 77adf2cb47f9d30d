"""What moved since another run: by rung and by case, with paired intervals."""

from __future__ import annotations

import msgspec
import pytest

from pytest_ladder.core.row import Exchange, Outcome, Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.against import cases_against, rungs_against
from pytest_ladder.reporting.against import held_against
from pytest_ladder.reporting.against_text import against_lines, against_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.against import against_json
from pytest_ladder.stats.paired import gain_interval
from tests.cli.written_report import PASSING, a_bill, a_report, a_row, some_rows

ORDER = list(PASSING)


def flipped(row: Row, **fields: object) -> Row:
    passes = row.outcome is Outcome.MISSED
    return msgspec.structs.replace(
        row,
        outcome=Outcome.PASSED if passes else Outcome.MISSED,
        score=float(passes),
        **fields,
    )


def changed() -> list[Row]:
    """Of small/plain 3 of 20 passes break and 1 miss is fixed, of tuned/rag 2."""
    rows = []
    for row in some_rows():
        number = int(row.case[1:])
        moved = {"small/plain": (0, 1, 2, 39), "tuned/rag": (38, 39)}
        rows.append(flipped(row) if number in moved.get(row.rung, ()) else row)
    return rows


def test_every_case_is_broken_fixed_or_unchanged_and_the_worst_rung_comes_first() -> (
    None
):
    rungs = rungs_against(some_rows(), changed(), ORDER)
    told = {one.rung: (one.broken, one.fixed, one.unchanged) for one in rungs}
    assert told["small/plain"] == (3, 1, 36)
    assert told["tuned/rag"] == (0, 2, 38)
    assert told["small/rag"] == (0, 0, 40)
    assert rungs[0].rung == "small/plain"
    (level,) = rungs[0].levels
    assert (level.before.value, level.after.value) == (0.5, 0.45)
    expected = gain_interval([-1.0] * 3 + [1.0] + [0.0] * 36)
    assert level.change == pytest.approx(-0.05)
    assert (level.low, level.high) == pytest.approx(expected)
    assert rungs[0].cost.change == pytest.approx(0)


def test_cases_are_sorted_by_how_many_rungs_they_broke_on() -> None:
    head = [
        flipped(row) if row.case == "c05" and row.rung != "tuned/rag" else row
        for row in changed()
    ]
    cases = cases_against(rungs_against(some_rows(), head, ORDER), ORDER)
    assert cases[0].case == "c05"
    assert cases[0].broken == ("small/plain", "small/rag", "tuned/plain")
    assert [one.case for one in cases[1:4]] == ["c00", "c01", "c02"]
    last = {one.case: one.fixed for one in cases if not one.broken}
    assert last == {"c39": ("small/plain", "tuned/rag"), "c38": ("tuned/rag",)}


def test_a_case_that_is_another_one_or_broke_is_no_regression() -> None:
    base = [a_row("small/plain", n, case_hash="old") for n in range(20)]
    head = [
        flipped(row, case_hash="new" if int(row.case[1:]) < 5 else "old")
        if int(row.case[1:]) < 6
        else row
        for row in base
    ]
    (rung,) = rungs_against(base, head, ORDER)
    assert (rung.broken, rung.fixed, rung.unchanged) == (1, 0, 14)
    assert len(rung.unpaired.changed) == 5


def test_changes_name_models_prompts_cases_and_rungs() -> None:
    base = a_report(id="before")
    rows = [
        msgspec.structs.replace(row, replies=(a_bill("other", int(row.case[1:])),))
        if row.rung == "small/rag"
        else row
        for row in some_rows(["small/plain", "small/rag", "tuned/plain"])
        if row.case != "c07"
    ]
    head = held_against(a_report(rows), base, "git:main")
    assert head.against is not None
    told = "\n".join(head.against.changes)
    assert "1 rung is gone: tuned/rag" in told
    assert "another prompt or parameter: small/rag (39 of 39 cases)" in told
    assert "1 case dropped: c07" in told
    dearer = [
        msgspec.structs.replace(model, id="openai/other", price=None)
        if model.name == "small"
        else model
        for model in base.models
    ]
    assert all(isinstance(model, Model) for model in dearer)
    other = msgspec.structs.replace(base, models=tuple(dearer))
    found = held_against(other, base, "A").against
    assert found is not None
    assert found.changes == (
        "Model small: id openai/small → openai/other, "
        "price (input 1, output 2) → none.",
    )


def test_all_renderings_have_the_same_figures_and_no_reply_in_matrix_json() -> None:
    base = a_report(id="before")
    report: Report = held_against(a_report(changed()), base, "ladder-baseline")
    assert report.against is not None
    wide = "\n".join(against_lines(report.against, 200))
    narrow = list(against_lines(report.against, 80))
    page = "\n\n".join(against_markdown(report.against))
    for text in (wide, page):
        assert "50.0 % → 45.0 %, -5.0 points" in text
    assert max(map(len, narrow)) <= 80
    assert any(
        line.startswith("small/plain") and "-5.0 points" in line for line in narrow
    )
    assert "broken: c00 on small/plain" in narrow
    told = str(against_json(report.against))
    assert "'broken': 3" in told
    assert "blue" not in told


def test_what_a_prompt_says_now_is_told_where_both_texts_are_known() -> None:
    rows = some_rows(["small/plain"])

    def asked(key: str, text: str) -> Report:
        messages = {"role": "system", "content": text}, {"role": "user", "content": "x"}
        bill = a_bill(key, 0)
        report = a_report(
            [msgspec.structs.replace(row, replies=(bill,)) for row in rows[:1]]
        )
        exchange = Exchange(key=bill.key, messages=messages, text="a")
        return msgspec.structs.replace(report, exchanges={bill.key: exchange})

    before = asked("old", "Sort the ticket. Answer in one word, please.")
    after = asked("new", "Sort the ticket. Answer as JSON, please.")
    against = held_against(after, before, "git:main").against
    assert against is not None
    assert (
        'What small/plain was asked: "… ticket. Answer in one word, …" → "… ticket. '
        'Answer as JSON, …".' in against.changes
    )
    same = held_against(asked("new", "Sort."), asked("old", "Sort."), "x").against
    assert same is not None
    assert (
        "What small/plain was asked: the words are the same, so a parameter."
        in same.changes
    )
