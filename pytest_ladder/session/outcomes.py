"""The fixture `outcomes`: what users did, on the rung under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from pytest_ladder.decide.real.states import missing_sentence
from pytest_ladder.decide.real.users import Users
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.measured import Measured, measured_of
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.text.phrases import did_you_mean, listed, shown


class Outcomes(Mapping[str, Measured]):
    """Outcomes by name; the names are all that the configuration declares."""

    def __init__(self, running: Callable[[], tuple[OpenLadder, str]]) -> None:
        """`running` returns the ladder and the rung of the test that runs."""
        self._running = running

    def __getitem__(self, name: str) -> Measured:
        """Return an outcome; the test is skipped where no user has met its rung."""
        __tracebackhide__ = True
        found = self._find(name)
        if found is None:
            opened, rung = self._running()
            outcome = next(one for one in opened.ladder.outcomes if one.name == name)
            if outcome.kind == "preference":
                pytest.skip(f"{name}: what people prefer is told by the report alone")
            if outcome in opened.users.missing:
                pytest.skip(missing_sentence(outcome))
            pytest.skip(f"no user has met {rung}: {name} is not known of it")
        return found

    def __contains__(self, name: object) -> bool:
        return name in [*self]

    def __iter__(self) -> Iterator[str]:
        opened, _ = self._running()
        return (outcome.name for outcome in opened.ladder.outcomes)

    def __len__(self) -> int:
        return len(self._running()[0].ladder.outcomes)

    def get(self, name: str, default: Measured | None = None) -> Measured | None:  # type: ignore[override]
        """Return an outcome, or `default` where no user has met the rung."""
        return self._find(name) or default

    def _find(self, name: str) -> Measured | None:
        opened, rung = self._running()
        known = {outcome.name: outcome for outcome in opened.ladder.outcomes}
        if name not in known:
            rest = f"the outcomes are {listed(known)}."
            if not known:
                rest = f"declare one in {shown(opened.ladder.path)}."
            raise ConfigError(
                f'no [[outcome]] is named "{name}"; {did_you_mean(name, known, rest)}'
            )
        users: Users = opened.users
        state = next((one for one in users.outcomes if one.name == name), None)
        return None if state is None else measured_of(known[name], state, rung)
