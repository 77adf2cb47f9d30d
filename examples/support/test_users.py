"""What June's users did with the replies: invented, see simulate_june.py."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _june(outcomes):
    if "resolved" not in outcomes:
        pytest.skip("ladder.toml alone knows of June")


@pytest.mark.real
def test_users_get_help(outcomes):
    resolved = outcomes["resolved"]
    assert resolved.low >= 0.30, resolved


@pytest.mark.real
def test_no_more_of_them_need_a_person_than_before(outcomes):
    escalated = outcomes["escalated"]
    assert not escalated.control.worse, escalated
