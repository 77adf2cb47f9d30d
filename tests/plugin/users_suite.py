"""A scratch suite whose ladder declares outcomes of real use; no model is asked."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.real.aggregates import write_aggregate
from tests.decide.real.experiments import TOLD, arm, escalated, june
from tests.plugin.scratch_suite import Shop

LADDER = """\
current = "bot/few"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "scripted/bot"

[[strategy]]
name = "few"

[[strategy]]
name = "rag"
prompt = "Look up: {{input}}"

[[experiment]]
name = "june"
variants = {{ few = "bot/few", rag = "bot/rag" }}

[[outcome]]
name = "resolved"
experiment = "june"
kind = "rate"
table = "traffic/resolved.csv"
primary = true
bar = 0.05

[[outcome]]
name = "escalated"
experiment = "june"
kind = "rate"
goal = "down"
guardrail = 0.02
table = "traffic/escalated.csv"

[[outcome]]
name = "csat"
experiment = "june"
kind = "rating"
scale = [0, 10]
nps = true
ratings = "traffic/csat.csv"
"""
CSAT = june(
    arm("bot/few", 250, 40, sum_squares=2000, counts=(2, 0, 0, 1, 3, 6, 9, 8, 6, 3, 2)),
    arm("bot/rag", 320, 40, sum_squares=2700, counts=(0, 0, 0, 0, 1, 3, 4, 8, 9, 8, 7)),
    name="csat",
    kind="rating",
    scale=(0, 10),
)
IMPORTED = (TOLD, escalated(100, 110), CSAT)

CHEAP = """
CASES = [{"id": f"c{n}", "input": f"q{n}"} for n in range(12)]

@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases=CASES, task=lambda case, llm: f"{llm.rung.id} {case.input}")
def test_answers(reply, case):
    assert reply.text.endswith(case.input)
"""
REAL = """
@pytest.mark.real
def test_users_get_help(outcomes):
    resolved = outcomes["resolved"]
    assert resolved.low >= 0.09, resolved
"""


def users_suite(
    shop: Shop, test: str = CHEAP + REAL, imported: Iterable[Aggregate] = IMPORTED
) -> None:
    """Write the suite, with the outcomes that are imported."""
    shop.ladder(LADDER)
    shop.test(test)
    for aggregate in imported:
        write_aggregate(shop.path, aggregate)
