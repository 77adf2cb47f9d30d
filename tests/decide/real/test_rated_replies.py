"""A level held against the thumbs of single replies."""

from __future__ import annotations

import random

import msgspec
import pytest

from pytest_ladder.core.row import Row
from pytest_ladder.decide.real.replies import RatedReplies, rated_replies
from pytest_ladder.reporting.report import report_on
from pytest_ladder.stats.proxy import same_rung_interval
from tests.decide.ladders import Made, passes, rows_of
from tests.decide.real.experiments import FEW, RAG, TOLD, declared, report


def rated(few: int, rag: int, *, fits: bool) -> list[Row]:
    """Return 40 replies a rung of which so many passed; thumbs that fit, or a draw."""
    made = {rung: Made(scores=passes(n, 40)) for rung, n in ((FEW, few), (RAG, rag))}
    rows = rows_of(made)
    return [
        msgspec.structs.replace(
            row, thumb=bool(row.score) if fits else n % 2 == 0, cluster=f"u{n % 20}"
        )
        for n, row in enumerate(rows)
    ]


def only(rows: list[Row]) -> RatedReplies:
    (found,) = rated_replies(rows)
    return found


def test_a_level_that_likes_what_users_like_tells_replies_apart() -> None:
    found = only(rated(20, 30, fits=True))
    assert (found.n, found.up, found.auc, found.disliked) == (80, 50, 1.0, ())
    assert found.low is not None
    assert found.low == pytest.approx(20 / 23.84, abs=1e-3)
    assert found.high == 1.0


def test_one_that_tells_rungs_apart_tells_no_replies_apart() -> None:
    """All thumbs of a rung are up, and all its replies pass: that is no evidence."""
    rows = rated(0, 40, fits=True)
    found = only(rows)
    assert (found.auc, found.low, found.pooled) == (None, None, 1.0)
    assert "no rung has both liked and disliked ones" in found.sentence


def test_a_coin_is_said_to_be_one() -> None:
    found = only(rated(20, 20, fits=False))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert "50 % is no better than a coin" in found.sentence
    assert len(found.disliked) == 20
    assert "Passed and disliked: " in found.sentence


def test_scores_of_users_own_replies_foretell_no_outcome_of_theirs() -> None:
    own = report(declared(TOLD))
    rows = [msgspec.structs.replace(row, thumb=True) for row in own.rows]
    mixed = report_on(own.info, own.matrix, [*own.rows, *rows], declared=declared(TOLD))
    for found, levels in ((own, 1), (mixed, 1)):
        assert found.users is not None
        assert len(found.users.proxies) == levels
    assert own.users is not None
    assert mixed.users is not None
    assert mixed.users.proxies == own.users.proxies
    assert [one.n for one in mixed.users.replies] == [100]
    alone = report_on(own.info, own.matrix, rows, declared=declared(TOLD))
    assert alone.users is not None
    assert alone.users.proxies == ()


def test_replies_without_a_thumb_are_none() -> None:
    rows = [msgspec.structs.replace(row, thumb=None) for row in rated(1, 1, fits=True)]
    assert [*rated_replies(rows)] == []


def test_the_interval_takes_users_as_a_whole() -> None:
    """Each user says all of it four times: of four people it would be more."""
    draw = random.Random(3)
    liked = [draw.random() < 0.5 for _ in range(60)]
    scores = [float(draw.random() < (0.7 if like else 0.4)) for like in liked]
    thumbs = [int(like) for like in liked]
    proxy, outcome = 4 * scores, 4 * thumbs
    together = same_rung_interval(proxy, outcome, ["a"] * 240, [*range(60)] * 4)
    apart = same_rung_interval(proxy, outcome, ["a"] * 240, range(240))
    assert together is not None
    assert apart is not None
    assert together.low < apart.low < apart.high < together.high
    assert together.high - together.low > 1.4 * (apart.high - apart.low)
    assert same_rung_interval(scores[:9], thumbs[:9], ["a"] * 9, range(9)) is None
