"""Quality by tag in every report: terminal, Markdown, page and matrix.json."""

from __future__ import annotations

from tests.plugin.scratch_suite import ONE_WORKER, Run, Shop
from tests.reporting.test_page_html import data_of, read

ANSWER = """
@pytest.mark.cheap(at_least=0)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text
"""
HOSTILE = "\x1b[31m<b>|de`"


def a_shop_with_tags(shop: Shop, *tags: str) -> None:
    shop.cases(
        [
            {
                "id": f"c{number}",
                "input": f"say {number}",
                "expected": "say" if number % 4 else "other",
                "tags": [tags[number % len(tags)]],
            }
            for number in range(12)
        ]
    )
    shop.test(ANSWER)


@ONE_WORKER
def test_each_report_shows_tags_by_rungs(shop: Shop, run: Run) -> None:
    a_shop_with_tags(shop, "de", "en", "fr")
    result = run("--ladder-live", "--ladder=matrix", "-v")
    result.stdout.fnmatch_lines(
        [
            "tag  rung*cheap*95 % CI*n",
            "de   bot/plain  75.0 %  *-*  4",
            "de   bot/loud   75.0 %  *-*  4",
            "en   bot/plain  75.0 %  *-*  4",
        ]
    )
    tags = shop.matrix("ladder-report")["tags"]
    assert [(tag["tag"], tag["n"]) for tag in tags] == [("de", 4), ("en", 4), ("fr", 4)]
    cell = tags[0]["rungs"][0]["levels"]["cheap"]
    assert (cell["quality"], cell["n"], cell["missed"]) == (0.75, 4, 1)
    assert cell["low"] < 0.75 < cell["high"]
    markdown = (shop.path / "ladder-report/matrix.md").read_text(encoding="utf-8")
    assert "Quality by tag" in markdown
    assert "| de | bot/plain | 75.0 % (" in markdown
    page = (shop.path / "ladder-report/index.html").read_text(encoding="utf-8")
    lines = data_of(page, "summary")["tags"]["lines"]
    assert [line[:2] for line in lines[:2]] == [["de", "bot/plain"], ["de", "bot/loud"]]
    assert lines[0][2].startswith("75.0 % (")


def test_without_v_a_terminal_keeps_to_the_matrix(shop: Shop) -> None:
    a_shop_with_tags(shop, "de")
    shop.run("--ladder-live").stdout.no_fnmatch_line("tag *")


def test_a_tag_from_outside_is_only_text(shop: Shop) -> None:
    a_shop_with_tags(shop, HOSTILE)
    result = shop.run("--ladder-live", "-v")
    assert "\x1b[31m" not in result.stdout.str()
    result.stdout.fnmatch_lines(["<b>|de`*bot/plain*75.0 %*"])
    folder = shop.path / "ladder-report/current"
    markdown = (folder / "matrix.md").read_text(encoding="utf-8")
    assert "| &#60;b&#62;&#124;de&#96; |" in markdown
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "b" not in {element for element, _ in read(page).elements}


def test_a_suite_without_tags_says_nothing_of_them(shop: Shop) -> None:
    shop.test(ANSWER)
    shop.run("--ladder-live", "-v").stdout.no_fnmatch_line("tag *")
    assert shop.matrix()["tags"] == []
    markdown = (shop.path / "ladder-report/current/matrix.md").read_text()
    assert "by tag" not in markdown


def test_the_worst_tag_of_what_ships_is_marked_where_it_is_below_the_whole(
    shop: Shop,
) -> None:
    shop.cases(
        [
            {
                "id": f"c{number}",
                "input": f"say {number}",
                "expected": "other" if number < 12 else "say",
                "tags": ["bad" if number < 12 else "good", "all"],
            }
            for number in range(36)
        ]
    )
    shop.test(ANSWER)
    shop.run("--ladder-live", "--ladder=matrix")
    page = (shop.path / "ladder-report/index.html").read_text(encoding="utf-8")
    tags = data_of(page, "summary")["tags"]
    marked = [tags["lines"][line][:2] for line, _ in tags["worst"]]
    # Neither another rung, nor a tag that is as good as the whole.
    assert marked == [["bad", "bot/plain"]]
