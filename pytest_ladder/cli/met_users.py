"""What users did after a run, taken into its report."""

from __future__ import annotations

import msgspec

from pytest_ladder.cli.printing import say
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.making import making_of
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import with_outcomes
from pytest_ladder.text.phrases import listed, shown


def met_by(report: Report, ladder: Ladder) -> Report:
    """Take in what users did that was imported after the run.

    Of a rung that is made otherwise in this ladder the report has other scores.
    """
    if not ladder.outcomes:
        return report
    # Most ladders know nothing of users.
    from pytest_ladder.real.aggregates import declared_of

    declared = declared_of(ladder)
    made = {
        rung.id: msgspec.json.decode(msgspec.json.encode(making_of(rung)))
        for rung in ladder.rungs
    }
    other = [
        rung
        for rung, making in report.makings.items()
        if rung in made and made[rung] != making
    ]
    if other:
        say(
            f"{listed(other)}: {shown(ladder.path)} asks otherwise than this report "
            "did; what users did decides nothing of it here."
        )
    prints = {
        name: {rung: told for rung, told in of.items() if rung not in other}
        for name, of in declared.prints.items()
    }
    declared = msgspec.structs.replace(declared, prints=prints)
    return with_outcomes(report, declared)
