"""All that a terminal shows of a report, from the table to the decision."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.aim import aim_sentences
from pytest_ladder.reporting.sentences.judges import calibrated_quality
from pytest_ladder.reporting.sentences.matrix import (
    details,
    headline,
    outgrown_sentence,
)
from pytest_ladder.reporting.terminal.judges import judge_lines
from pytest_ladder.reporting.terminal.lines import (
    QUIET,
    UNICODE,
    VERDICT_COLOURS,
    WARNING,
    Glyphs,
    Line,
    sentences,
)
from pytest_ladder.reporting.terminal.matrix import matrix_lines


def report_lines(
    report: Report, width: int, glyphs: Glyphs = UNICODE, *, whole: bool = False
) -> list[Line]:
    """Render the matrix, its judges, and users: all of these where `whole`."""
    calibrated = calibrated_quality(report)
    advice = report.decision.recommendation
    lines = matrix_lines(report.matrix, report.info, width, glyphs, calibrated, advice)
    lines += sentences(map(outgrown_sentence, report.outgrown), width, WARNING)
    lines += judge_lines(report, width)
    return [*lines, *_user_lines(report, width, whole=whole)]


def decision_lines(
    report: Report, width: int, *, wrap_headline: bool = False
) -> list[Line]:
    """Say what was decided and why, the headline last.

    The headline is one line, which a search of a log finds, or wrapped for a reader.
    """
    # The looks that decided nothing are in the other reports.
    looks = [look.sentence for look in report.looks if look.decides]
    lines = list(sentences((*looks, *details(report.decision)), width, QUIET))
    lines += sentences(aim_sentences(report), width, QUIET)
    said, advice = headline(report.decision), report.decision.recommendation
    if said is None or advice is None:
        return lines
    markup = {VERDICT_COLOURS[advice.verdict]: True, "bold": True}
    if wrap_headline:
        return [*lines, *sentences([said], width, markup)]
    return [*lines, (said, markup)]


def _user_lines(report: Report, width: int, *, whole: bool) -> Iterator[Line]:
    # Most suites know nothing of users, nor of people who review.
    if report.users is not None:
        from pytest_ladder.reporting.users import sentences_of

        yield from sentences(sentences_of(report, whole=whole), width, {})
    if report.people is not None:
        from pytest_ladder.reporting.terminal.people import people_lines

        people, current = report.people, report.info.current
        yield from ((line, {}) for line in people_lines(people, current, width))
