"""`pytest-ladder outcomes import --from TOOL FILE`: answers given in another tool."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pytest_ladder.cli.arguments import Given
from pytest_ladder.cli.printing import say
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.review import PairReview
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown


def import_reviews(given: Given, ladder: Ladder) -> int:
    """Add what people answered in a labelling tool to `reviews.jsonl`.

    Nothing is added where anything cannot be read; the same export again adds nothing.
    """
    # Most commands read no exports, and keep no answers.
    from pytest_ladder.real.sources.tools import reviews_of_tool
    from pytest_ladder.review.store import reviews_in

    tool, name = given.tool
    if given.names:
        raise ConfigError(
            f"--from {tool} fills {ladder.review.file}, and no [[outcome]]; leave out "
            f"{given.names[0]}."
        )
    reviews, left_out = reviews_of_tool(tool, Path(name), ladder, given.question)
    kinds = Counter(isinstance(one, PairReview) for one in reviews)
    raters = {one.rater for one in reviews}
    what = " and ".join(
        count(kinds[is_pair], noun)
        for is_pair, noun in ((True, "choice"), (False, "verdict"))
        if kinds[is_pair]
    )
    say(f"{shown(Path(name))}: {what} by {count(len(raters), 'rater')}")
    if left_out:
        parts = [f"{n:,} {reason}" for reason, n in left_out.items()]
        say(f"  left out: {', '.join(parts)}")
    untied = sum(one.is_untied for one in reviews)
    if untied:
        say(
            f"  note: {untied:,} do not say of which text they are, and count whatever "
            "the reply is; put the texts into the tasks."
        )
    if given.dry_run:
        return 0
    answers = reviews_in(ladder.folder / ladder.review.file)
    new = answers.give_all(reviews)
    there = len(reviews) - new
    known = f", {there:,} were there already" if there else ""
    say(f"  {new:,} added to {shown(answers.path)}{known}")
    return 0
