"""What users did, as Markdown: a table of outcomes by rungs, and the sentences."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.users import interval_text, user_sentences
from pytest_ladder.text.markdown import table_row, within
from pytest_ladder.text.untrusted import markdown_text

MOST_BYTES = 6_000
"""Of all sentences on users."""


def users_markdown(users: Users) -> Iterator[str]:
    """Yield the heading, the table, and what follows from it."""
    if not users.outcomes and not users.missing:
        return
    yield "### Users"
    rungs = list(
        dict.fromkeys(one.rung for state in users.outcomes for one in state.rungs)
    )
    if rungs:
        heads = [_head(state) for state in users.outcomes]
        lines = [
            table_row(["rung", *heads]),
            table_row(["---", *["---:"] * len(heads)]),
            *(
                table_row(
                    [
                        markdown_text(rung),
                        *(_cell(state, rung) for state in users.outcomes),
                    ]
                )
                for rung in rungs
            ),
        ]
        yield "\n".join(lines)
    sentences = [
        f"- {markdown_text(text, MOST_BYTES)}" for text in user_sentences(users)
    ]
    kept, left = within(sentences, MOST_BYTES)
    if left:
        kept.append(f"- {left} more in `matrix.json`.")
    yield "\n".join(kept)


def _head(state: OutcomeState) -> str:
    better = "more is better" if state.goal == "up" else "less is better"
    primary = ", level real" if state.is_primary else ""
    return f"{markdown_text(state.name)} ({better}{primary})"


def _cell(state: OutcomeState, rung: str) -> str:
    one = state.of(rung)
    if one is None:
        return ""
    if one.value is None:
        return f"withheld (n={one.units:,})"
    said = (
        f"{state.text(one.value.value)} ({interval_text(state, one)}, n={one.units:,})"
    )
    return f"{said}, *{one.mark}*" if one.mark else said
