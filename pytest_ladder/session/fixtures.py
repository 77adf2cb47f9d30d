"""The fixtures that tests use; pytest loads this file in every suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.session.state import running_item, session_of

if TYPE_CHECKING:
    from pytest_ladder.calls.lanes.scripted import ScriptedModel
    from pytest_ladder.core.case import Case
    from pytest_ladder.core.reply import Reply
    from pytest_ladder.core.rung import Rung
    from pytest_ladder.core.score import Verdict
    from pytest_ladder.judging.jury import Jury
    from pytest_ladder.session.llm import Llm
    from pytest_ladder.session.outcomes import Outcomes
    from pytest_ladder.session.session import LadderSession

# pytest reads a fixture's docstring to users, in `pytest --fixtures`.
NAMES = (
    *("rung", "case", "reply", "llm", "score", "judge", "verdict", "outcomes"),
    "ladder_env",
)


@pytest.fixture(scope="session")
def rung() -> Rung:
    """The rung under test: a model with a prompting strategy."""
    item = running_item()
    parameters = _parameters(item)
    if "rung" not in parameters:
        raise _not_a_ladder_test(item)
    value: Rung = parameters["rung"]
    return value


# To look a fixture up takes pytest, for each test, half the time that a replayed reply
# takes. So those that each test has anew do not rest on `rung`.


@pytest.fixture
def case() -> Case:
    """The case under test: its input, what is expected, and its context."""
    item = running_item()
    parameters = _parameters(item)
    if "rung" not in parameters:
        raise _not_a_ladder_test(item)
    # A packed test has all its cases in one item, and gets each in its turn.
    value: Case = parameters.get("case")  # type: ignore[assignment]
    return value


@pytest.fixture
def reply(case: Case) -> Reply:
    """The reply of the rung, or of the user's task, to the case."""
    __tracebackhide__ = True
    running = _session().running
    if running.record is None:
        raise _not_a_ladder_test(running_item())
    # In a packed test there is no case yet, and so no reply.
    return running.reply(case) if case is not None else None


@pytest.fixture(scope="session")
def llm(rung: Rung) -> Llm:
    """The rung's model: `llm(prompt)`, `await llm.acall(prompt)`, `llm.ask(case)`."""
    return _session().running.llm(rung)


@pytest.fixture(scope="session")
def ladder_env(rung: Rung) -> Iterator[dict[str, str]]:
    """The environment of an app that starts once a rung: our address, no real key."""
    session = _session()
    opened, _ = session.running.ladder_and_rung()
    with session.apps.env_of_rung(rung, opened) as env:
        yield env


@pytest.fixture(scope="session")
def score(rung: Rung) -> Callable[..., None]:
    """Score a reply in [0, 1]: `score(0.8, "why")` or `score("faithfulness", 0.8)`."""
    from pytest_ladder.core.score import named_score, score_from

    session = _session()

    def note(first: Any, second: Any = "", reason: str = "") -> None:
        __tracebackhide__ = True
        if isinstance(first, str):
            session.running.note_score(named_score(first, second, reason))
        else:
            session.running.note_score(score_from(first, second))

    return note


@pytest.fixture(scope="session")
def judge(rung: Rung) -> Jury:
    """Grade a reply: `judge(reply, rubric="…")` or `judge(reply, judge="relevance")`.

    With `case=` the judge sees the question, and what is expected where it needs that.
    """
    return _session().running.judge()


@pytest.fixture
def verdict(case: Case, reply: Reply) -> Verdict:
    """The verdict on the reply, by the rubric or judge of the `judged` marker."""
    __tracebackhide__ = True
    # In a packed test there is no case yet, and so no verdict.
    return _session().running.verdict(reply, case) if case is not None else None


@pytest.fixture(scope="session")
def outcomes(rung: Rung) -> Outcomes:
    """What users of the rung did: `outcomes["resolved"].low >= 0.09`."""
    from pytest_ladder.session.outcomes import Outcomes

    return Outcomes(_session().running.ladder_and_rung)


@pytest.fixture(scope="session")
def scripted() -> Callable[..., ScriptedModel]:
    """Put a scripted model behind `id = "scripted/NAME"`: `scripted(NAME, replies)`."""
    from pytest_ladder.calls.lanes.scripted import ScriptedModel

    session = _session()

    def register(name: str, replies: Any) -> ScriptedModel:
        session.engine.scripted[name] = ScriptedModel(replies)
        return session.engine.scripted[name]

    return register


@pytest.fixture
def _ladder_sample() -> int:
    """The number of the sample: it tells the samples of a case apart."""
    number: int = _parameters(running_item())["_ladder_sample"]
    return number


def _session() -> LadderSession:
    return session_of(running_item().config)


def _parameters(item: pytest.Item) -> dict[str, Any]:
    """Return what a test is parametrized with."""
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else callspec.params


def _not_a_ladder_test(item: pytest.Item) -> Exception:
    """Explain what a test lacks that uses a fixture of the plugin."""
    from pytest_ladder.errors import ConfigError

    if any(item.get_closest_marker(level) for level in ("cheap", "judged", "real")):
        return ConfigError(
            f"{item.nodeid} has no ladder.toml in or above {item.path.parent}; "
            "`pytest-ladder init` writes one."
        )
    return ConfigError(
        f"{item.nodeid} has no level, so it runs on no rung; mark it "
        "@pytest.mark.cheap."
    )
