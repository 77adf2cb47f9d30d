"""The lanes by name, and how each is made; a new one is a file and a line here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from pytest_ladder.calls.contract import Lane
from pytest_ladder.calls.lanes import no_litellm
from pytest_ladder.calls.lanes.scripted import ScriptedLane, ScriptedModel


class LaneNeeds(NamedTuple):
    """What a process has for the lanes that it makes."""

    scripted: dict[str, ScriptedModel]
    """Scripted models by name; fixtures add to it."""
    workers: int
    """Processes of the run that call models."""


def _direct(needs: LaneNeeds) -> Lane:
    from pytest_ladder.calls.lanes.direct import DirectLane

    return DirectLane()


def _litellm(needs: LaneNeeds) -> Lane:
    """Run litellm in child processes, unless the user imported it in this one.

    Then it stays here: what the user registered with it, such as callbacks, must see
    the calls.
    """
    if not no_litellm.is_installed():
        return no_litellm.NoLitellm()
    if "litellm" in sys.modules:
        from pytest_ladder.calls.lanes.litellm_lane import LitellmLane

        return LitellmLane()
    from pytest_ladder.calls.lanes.litellm_children import LitellmChildren

    return LitellmChildren(most=2 if needs.workers == 1 else 1)


LANES: dict[str, Callable[[LaneNeeds], Lane]] = {
    "scripted": lambda needs: ScriptedLane(needs.scripted),
    "direct": _direct,
    "litellm": _litellm,
}
"""How a lane is made, by the name that `lane_of` gives; called once a process."""
