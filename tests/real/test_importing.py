"""`outcomes import` writes sums that a run can read, the same ones every time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.real.suite import EXPOSURES, JUNE, LADDER, RESOLVED, Suite, event, events

BOTH = (JUNE, EXPOSURES, RESOLVED)
DAY = "2026-06-03T09:00:00Z\n"
MINUTES = """\
[[outcome]]
name = "minutes"
experiment = "june"
kind = "mean"
events = "traffic/events.csv"
event = "closed"
value = "value"
"""
USERS = '[[outcome]]\nname = "spent"\nkind = "mean"\nunits = "units-*.csv"\n'


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_what_is_written_is_the_design_s_example(suite: Suite) -> None:
    suite.ladder(*BOTH, "within_hours = 72\n")
    suite.june(56)
    suite.write(
        "traffic/events.csv",
        events(*(event(n) for n in (0, 1, 3)), event(5), event(5), event(7, hours=-1)),
    )

    aggregate = suite.imported("resolved")

    prints = [one.pop("fingerprint") for one in aggregate["variants"]]
    assert len(set(prints)) == 2
    digests = [one.pop("sha256") for one in aggregate["sources"]]
    assert all(len(digest) == 64 for digest in digests)
    assert [*aggregate["looks"][0].pop("differences")] == ["treatment"]
    assert aggregate == {
        "schema": "pytest-ladder-outcome/1",
        "name": "resolved",
        "kind": "rate",
        "experiment": "june",
        "unit": "user_id",
        "assigned": "random",
        "control": "control",
        "from": "2026-06-01",
        "to": "2026-06-28",
        "looks": [{"to": "2026-06-28", "units": 50}],
        "variants": [
            {
                "variant": "control",
                "rung": "bot/few",
                "share": 0.5,
                "units": 26,
                "sum": 1,
                "sum_squares": 1,
            },
            {
                "variant": "treatment",
                "rung": "bot/rag",
                "share": 0.5,
                "units": 24,
                "sum": 3,
                "sum_squares": 3,
            },
        ],
        "dropped": {
            "duplicate row": 1,
            "event before exposure": 1,
            "exposed too late": 6,
        },
        "sources": [
            {"name": "traffic/exposures.csv", "rows": 56},
            {"name": "traffic/events.csv", "rows": 6},
        ],
    }


def test_the_same_files_give_the_same_bytes(suite: Suite) -> None:
    suite.ladder(*BOTH, USERS)
    suite.june()
    suite.write("traffic/events.csv", events(event(1)))
    rows = "".join(f"u{n},bot/few,{n / 7}\n" for n in range(9))
    units = suite.write("units-1.csv", f"user,variant,value\n{rows}")
    suite.run("import")
    folder = suite.folder / "outcomes"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(first) == 2

    units.touch()
    suite.run("import")

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_what_is_imported_along_changes_no_outcome(suite: Suite) -> None:
    """Other events of the same file say nothing of how long one was watched."""
    suite.ladder(*BOTH, "within_hours = 24\n", MINUTES)
    suite.june()
    suite.write(
        "traffic/events.csv", events(event(1), event(2, "closed", "3", hours=200))
    )

    alone = suite.imported("resolved")["variants"]
    suite.run("import")

    assert suite.aggregate("resolved")["variants"] == alone


VALUES = st.lists(
    st.tuples(st.sampled_from(["control", "treatment"]), st.floats(-1e6, 1e6)),
    min_size=10,
    max_size=30,
)


@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(VALUES, st.data())
def test_splitting_a_file_and_turning_the_parts_round_changes_no_sum(
    suite: Suite, values: list[tuple[str, float]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(values)))
    suite.ladder(
        JUNE,
        'exposures = "seen-*.csv"\n',
        MINUTES.replace("traffic/events.csv", "did-*.csv"),
    )
    seen = [f"u{n},{v},2026-06-01T09:00:00Z\n" for n, (v, _) in enumerate(values)]
    did = [event(n, "closed", repr(x), hours=3) for n, (_, x) in enumerate(values)]
    found = []
    for parts in ([seen + did], [seen[at:] + did[at:], seen[:at] + did[:at]]):
        for old in suite.folder.glob("*.csv"):
            old.unlink()
        (suite.folder / "outcomes/minutes.json").unlink(missing_ok=True)
        for number, rows in enumerate(parts):
            first = "".join(row for row in rows if row in seen)
            last = "".join(row for row in rows if row not in seen)
            suite.write(f"seen-{number}.csv", f"user_id,variant,timestamp\n{first}")
            suite.write(f"did-{number}.csv", events(last))
        found.append(suite.imported("minutes")["variants"])

    assert found[0] == found[1]


def test_units_in_several_variants_are_left_out_and_more_than_one_per_cent_warn(
    suite: Suite,
) -> None:
    suite.ladder(*BOTH)
    suite.june(100)
    path = suite.folder / "traffic/exposures.csv"
    again = "".join(f"\nu{n},treatment,2026-06-03T09:00:00Z" for n in (0, 2))
    path.write_text(path.read_text() + again + "\nu1,treatment,2026-06-05T09:00:00Z")
    suite.write("traffic/events.csv", events(event(0), event(1)))

    said = suite.run("import")

    assert said.status == 0
    assert suite.run("check").status == 1
    assert (
        "  warning: june: 2 of 100 units (2.0 %) met several variants and are left "
        "out; above 1.0 % nothing is decided."
    ) in said.out.splitlines()
    units = [one["units"] for one in suite.aggregate("resolved")["variants"]]
    assert units == [48, 50]


def test_votes_and_surveys_know_the_units_of_their_experiment(suite: Suite) -> None:
    """By its own name for their column; who met several is left out of both."""
    answers = '[[outcome]]\nexperiment = "june"\nratings = "{0}"\nname = "{1}"\n'
    votes = answers.format("votes.jsonl", "thumbs") + 'kind = "thumbs"\n'
    survey = answers.format("csat.csv", "csat") + 'kind = "rating"\nscale = [1, 5]\n'
    suite.ladder(JUNE + 'unit = "Pupil"\n' + EXPOSURES, votes, survey)
    met = "".join(f"p{n},{('control', 'treatment')[n % 2]}," + DAY for n in range(20))
    suite.write(
        "traffic/exposures.csv", f"Pupil,variant,timestamp\n{met}p0,treatment,{DAY}"
    )
    voted = [{"user": f"p{n}", "thumb": "up", "rung": "bot/few"} for n in (0, 2, 4)]
    suite.lines("votes.jsonl", voted + [{**one, "user": "p6"} for one in voted])
    told = "".join(f"p{n},4\n" for n in range(20))
    suite.write("csat.csv", f"Pupil,rating\n{told}")

    assert suite.run("import").status == 0

    assert suite.aggregate("thumbs")["variants"][0]["units"] == 3
    assert [one["units"] for one in suite.aggregate("csat")["variants"]] == [9, 10]
    dropped = suite.aggregate("thumbs")["dropped"]
    assert dropped["of a unit of several variants"] == 1


def test_a_broken_split_is_imported_with_a_warning(suite: Suite) -> None:
    suite.ladder(JUNE + "shares = { control = 0.8, treatment = 0.2 }\n", *BOTH[1:])
    suite.june(200)
    suite.write("traffic/events.csv", events(event(0)))

    said = suite.run("import")

    assert said.status == 0
    assert (
        "  warning: june: the split is broken: 100 and 100 units where 80:20 was "
        "planned (p 3e-26); nothing is decided by it. Usual causes: bots, redirects, "
        "exposures that are logged for one variant later than for the other, users "
        "that one variant loses."
    ) in said.out.splitlines()
    assert (suite.folder / "outcomes/resolved.json").is_file()
    assert suite.run("check").status == 1


def test_the_split_is_that_of_who_was_exposed_and_not_of_who_answered(
    suite: Suite,
) -> None:
    """Only treated units closed anything: of them the mean, of all the split."""
    suite.ladder(JUNE, EXPOSURES, MINUTES, 'missing = "skip"\n')
    suite.june(200)
    suite.write(
        "traffic/events.csv",
        events(*(event(n, "closed", "4") for n in range(1, 200, 2))),
    )

    said = suite.run("check")

    assert said.status == 0
    assert said.out.splitlines()[1:3] == [
        "  bot/few (control): no users yet",
        "  bot/rag (treatment): 4 (3.92 to 4.08, 100 users of 100 that were asked)",
    ]


def test_units_of_a_variant_that_should_have_none_are_a_leak(suite: Suite) -> None:
    variants = 'beta = "", control = "bot/few"'
    shares = "shares = { beta = 0.0, control = 0.5, treatment = 0.5 }\n"
    suite.ladder(
        JUNE.replace('control = "bot/few"', variants) + shares, EXPOSURES, RESOLVED
    )
    suite.june(40)
    path = suite.folder / "traffic/exposures.csv"
    path.write_text(path.read_text() + "\nv1,beta,2026-06-05T09:00:00Z")
    suite.write("traffic/events.csv", events(event(0)))

    said = suite.run("check")

    assert said.status == 1
    assert (
        '  warning: june: 1 units are in "beta", whose share is 0; nothing is decided '
        "until it is known why."
    ) in said.out.splitlines()


def test_a_glob_without_a_match_is_no_data_yet(suite: Suite) -> None:
    suite.ladder(USERS)

    said = suite.run("import")

    assert said == (0, "spent: no data yet; nothing matches units-*.csv.\n", "")
    assert not (suite.folder / "outcomes").exists()


def test_sums_of_fewer_than_five_units_are_withheld(suite: Suite) -> None:
    suite.ladder(USERS)
    rows = "".join(f"u{n},bot/few,{n}\n" for n in range(4))
    more = "".join(f"v{n},bot/rag,{n}\n" for n in range(5))
    suite.write("units-1.csv", f"user,variant,value\n{rows}{more}")

    said = suite.run("import")

    few, rag = suite.aggregate("spent")["variants"]
    assert few == {
        "variant": "bot/few",
        "rung": "bot/few",
        "units": 4,
        "fingerprint": few["fingerprint"],
    }
    assert rag["sum"] == 10
    assert "  bot/few: withheld (4 users)" in said.out.splitlines()


def test_each_import_with_new_data_is_a_look(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.write("traffic/events.csv", events(event(1)))
    for units in (20, 20, 40):
        suite.june(units)
        suite.run("import")
    suite.write("traffic/events.csv", events(event(1), event(3)))

    said = suite.run("import")

    looks = suite.aggregate("resolved")["looks"]
    assert [(look["to"], look["units"]) for look in looks] == [
        ("2026-06-20", 20),
        ("2026-06-28", 40),
        ("2026-06-28", 40),
    ]
    # Each keeps what it told of the treatment, with the interval that held then.
    told = [look["differences"]["treatment"] for look in looks]
    assert [apart for apart, _, _ in told] == [0.1, 0.05, 0.1]
    assert all(low < apart < high for apart, low, high in told)
    assert said.out.splitlines()[2].startswith("  bot/rag (treatment): 5.0 % (0.9 %")
    assert " → 10.0 % (2.8 % to 30.1 %, 20 users)" in said.out.splitlines()[2]


def test_files_that_changed_since_the_import_are_one_line(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.june(20)
    did = suite.write("traffic/events.csv", events(event(1)))
    assert suite.run("show").out == (
        "resolved: nothing is imported yet; run pytest-ladder outcomes import "
        "resolved.\n"
    )
    suite.run("import")
    assert "changed" not in suite.run("show").out

    imported = (suite.folder / "outcomes/resolved.json").stat().st_mtime
    os.utime(did, (imported + 5, imported + 5))

    assert suite.run("show").out.splitlines()[3] == (
        "resolved is of 2026-06-20; events changed since: run pytest-ladder "
        "outcomes import resolved."
    )


def test_a_rung_that_changed_is_stale_until_another_experiment_begins(
    suite: Suite,
) -> None:
    suite.ladder(*BOTH)
    suite.june(20)
    suite.write("traffic/events.csv", events(event(1)))
    first = suite.imported("resolved")["variants"]
    changed = "".join((LADDER, *BOTH)).replace("Please:", "Kindly:")
    suite.write("ladder.toml", changed)

    said = suite.run("import")

    assert suite.aggregate("resolved")["variants"] == first
    assert (
        "  note: `bot/rag` changed since users met it, so this decides nothing; say "
        "`deployed` in its [[experiment]], or delete outcomes/resolved.json where "
        "users met what is configured now."
    ) in said.out.splitlines()

    suite.write("ladder.toml", changed.replace("june", "july"))

    assert "changed since" not in suite.run("import").out
    few, rag = suite.aggregate("resolved")["variants"]
    assert few["fingerprint"] == first[0]["fingerprint"]
    assert rag["fingerprint"] != first[1]["fingerprint"]


def test_a_rung_that_is_renamed_and_changed_stays_what_users_met(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.june(20)
    suite.write("traffic/events.csv", events(event(1)))
    first = suite.imported("resolved")["variants"]
    renamed = "".join((LADDER, *BOTH)).replace("rag", "docs")
    suite.write("ladder.toml", renamed)

    assert "changed since" not in suite.run("import").out
    assert suite.aggregate("resolved")["variants"][1]["rung"] == "bot/docs"

    again = renamed.replace("docs", "books").replace("Please:", "Kindly:")
    suite.write("ladder.toml", again)
    assert "`bot/books` changed since users met it" in suite.run("import").out
    prints = [one["fingerprint"] for one in suite.aggregate("resolved")["variants"]]
    assert prints == [one["fingerprint"] for one in first]


def test_deployed_is_the_ladder_of_a_git_reference(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.june(20)
    suite.write("traffic/events.csv", events(event(1)))
    then = suite.imported("resolved")["variants"]
    git(suite.folder, "init", "-q")
    git(suite.folder, "add", "ladder.toml")
    git(suite.folder, "commit", "-qm", "as users met it")
    git(suite.folder, "tag", "v1")
    (suite.folder / "outcomes/resolved.json").unlink()
    new = "".join((LADDER, JUNE, EXPOSURES, 'deployed = "v1"\n', RESOLVED))
    suite.write("ladder.toml", new.replace("Please:", "Kindly:"))

    aggregate = suite.imported("resolved")

    assert aggregate["variants"] == then
    assert aggregate["deployed"] == "v1"
    suite.write("ladder.toml", new.replace('"v1"', '"v2"'))
    assert suite.run("import").err == (
        "pytest-ladder: ladder.toml: deployed: git knows no `v2` with this folder in "
        "it; fetch it (a shallow clone has only the newest commit), or correct the "
        "reference.\n"
    )


def test_a_part_may_change_without_making_an_outcome_stale(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, 'ignore = ["prompt"]\n', RESOLVED)
    suite.june(20)
    suite.write("traffic/events.csv", events(event(1)))
    suite.run("import")
    path = suite.folder / "ladder.toml"
    path.write_text(path.read_text().replace("Please:", "Kindly:"))

    assert "changed since" not in suite.run("import").out


def test_rows_of_users_that_git_tracks_are_refused_and_tables_are_not(
    suite: Suite,
) -> None:
    table = '[[outcome]]\nname = "t"\nexperiment = "june"\nkind = "rate"\n'
    suite.ladder(*BOTH, table + 'table = "t.csv"\n')
    suite.june()
    suite.write("traffic/events.csv", events(event(1)))
    suite.write("t.csv", "variant,n,successes\ncontrol,99,2\ntreatment,98,3\n")
    git(suite.folder, "init", "-q")
    git(suite.folder, "add", "-f", "t.csv", "traffic/events.csv")

    said = suite.run("import")

    assert said.err == (
        "pytest-ladder: traffic/events.csv is tracked by git; rows of users do not "
        "belong in a repository: run git rm --cached traffic/events.csv, and add it to "
        ".gitignore.\n"
    )
    assert suite.run("import", "t").status == 0


def test_a_link_to_tracked_rows_is_refused_too(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.june()
    suite.write("kept/events.csv", events(event(1)))
    (suite.folder / "traffic/events.csv").symlink_to("../kept/events.csv")
    git(suite.folder, "init", "-q")
    git(suite.folder, "add", "-f", "kept/events.csv")

    assert "kept/events.csv is tracked by git" in suite.run("import").err


def test_a_link_out_of_the_folder_is_refused(
    suite: Suite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "events.csv"
    outside.write_text(events(event(1)))
    suite.ladder(*BOTH)
    suite.june()
    (suite.folder / "traffic/events.csv").symlink_to(outside)

    assert suite.run("import").err == (
        "pytest-ladder: ladder.toml: [[outcome]] resolved: events: traffic/events.csv "
        "leads out of the folder of the configuration file; put the file itself "
        "there.\n"
    )


def test_a_packed_file_that_grows_beyond_reason_is_refused(suite: Suite) -> None:
    suite.ladder(JUNE, 'exposures = "seen.csv.gz"\n', RESOLVED)
    suite.write("traffic/events.csv", events(event(1)))
    row = b"u1,control,2026-06-01T09:00:00Z\n"
    suite.write("seen.csv.gz", b"user_id,variant,timestamp\n" + row * (2**22 // 30))

    said = suite.run("import")

    assert said.status == 1
    assert "it unpacks to more than any text does" in said.err


def test_a_file_edited_by_hand_is_told_by_what_is_wrong(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.june(20)
    suite.write("traffic/events.csv", events(event(1)))
    suite.run("import")
    path = suite.folder / "outcomes/resolved.json"
    whole = path.read_text()
    again = "run pytest-ladder outcomes import resolved again."
    for old, new, problem in (
        ('"sum": 1,', '"sum": 300,', "treatment has 300 successes of 10 units"),
        (
            "outcome/1",
            "outcome/9",
            'its schema is "pytest-ladder-outcome/9" and this '
            'version reads "pytest-ladder-outcome/1"',
        ),
        ('"resolved"', '"solved"', "it is named solved, which is another outcome"),
    ):
        path.write_text(whole.replace(old, new))
        said = suite.run("show")
        assert (
            said.err == f"pytest-ladder: outcomes/resolved.json: {problem}; {again}\n"
        )
        assert said.status == 2


def test_a_range_clips_and_is_counted(suite: Suite) -> None:
    suite.ladder(
        JUNE, EXPOSURES, MINUTES, "range = [0, 10]\n", USERS, "range = [0, 10]"
    )
    suite.june()
    suite.write(
        "traffic/events.csv", events(event(1, "closed", "40"), event(2, "closed", "4"))
    )
    rows = "".join(f"u{n},bot/few,{n * 3}\n" for n in range(6))
    suite.write("units-1.csv", f"user,variant,value\n{rows}")

    said = suite.run("import")

    assert said.out.splitlines().count("  clipped to the range: 1 value") == 1
    assert said.out.splitlines().count("  clipped to the range: 2 values") == 1
    assert suite.aggregate("minutes")["variants"][1]["sum"] == 10
    assert suite.aggregate("spent")["variants"][0]["sum"] == 3 + 6 + 9 + 10 + 10


def test_the_time_before_exposure_is_summed_beside(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, MINUTES, 'before = "traffic/before.csv"\n')
    suite.june()
    suite.write(
        "traffic/events.csv", events(event(1, "closed", "5"), event(3, "closed", "2"))
    )
    suite.write(
        "traffic/before.csv",
        "user_id,value,timestamp\n"
        "u1,3,2026-05-01T00:00:00Z\nu1,1,2026-05-02T00:00:00Z\n"
        "u3,9,2026-06-20T00:00:00Z\nnobody,9,2026-05-02T00:00:00Z\n",
    )

    treatment = suite.imported("minutes")["variants"][1]

    assert (treatment["before_sum"], treatment["before_sum_squares"]) == (4, 16)
    assert treatment["before_cross"] == 20
    assert suite.aggregate("minutes")["dropped"]["before, after exposure"] == 1


def test_votes_of_a_user_are_one_unit_and_the_last_by_time_counts(suite: Suite) -> None:
    """RW14: 16 of 23 thumbs, by ten users; exports often begin with the newest."""
    users = ["1110", "0", "11", "001", "1", "10", "11111", "0", "1", "101"]
    votes = [
        {"trace": f"{n}-{k}", "user": f"u{n}", "thumb": thumb, "rung": "bot/few"}
        for n, thumbs in enumerate(users)
        for k, thumb in enumerate(thumbs)
    ]
    dated = [vote | {"timestamp": "2026-06-02T00:00:00Z"} for vote in votes]
    first = votes[0] | {"timestamp": "2026-06-01T00:00:00Z", "thumb": "0"}
    suite.ladder('[[outcome]]\nname = "thumbs"\nkind = "thumbs"\nratings = "t.jsonl"\n')
    suite.lines("t.jsonl", [*dated, first])

    aggregate = suite.imported("thumbs")

    (few,) = aggregate["variants"]
    assert (few["units"], few["sum"], few["per_sum"]) == (10, 16, 23)
    assert aggregate["dropped"] == {"replaced by a later one": 1}
    assert suite.run("show").out.splitlines()[1] == (
        "▸ bot/few  69.6 %  47.3-85.3  10 users"
    )


def test_no_unit_and_no_word_of_a_user_is_written_or_said(suite: Suite) -> None:
    """Neither by a good import, nor by one that stops at any of these cells."""
    person, words = "sentinel-7f3@example.org", "sentinel words of a user, quite long"
    survey = (
        '[[outcome]]\nname = "csat"\nexperiment = "june"\nkind = "rating"\n'
        'ratings = "csat.csv"\nscale = [1, 5]\n'
    )
    suite.ladder(*BOTH, survey, 'column = "grade"\n')
    suite.june(20)
    exposures = suite.folder / "traffic/exposures.csv"
    good = exposures.read_text() + f"\n{person},control,2026-06-03T09:00:00Z\n"
    exposures.write_text(good)
    did = events(event(1), f"{person},resolved,,2026-06-04T09:00:00Z\n")
    suite.write("traffic/events.csv", did)
    answers = "user,grade,why\n" + f'{person},4,"{words}"\n' * 2
    suite.write("csat.csv", answers)

    said = [suite.run("import"), suite.run("show")]
    assert said[0].status == 0
    for name, content in (
        ("csat.csv", answers.replace("4", f'"{words}"')),
        ("csat.csv", answers.replace("4", person)),
        ("traffic/events.csv", did.replace("2026-06-04T09:00:00Z", person)),
        ("traffic/events.csv", did + f"{person},resolved\n"),
        ("traffic/exposures.csv", good.replace("control,2026-06-03", f"{person},x")),
        ("traffic/exposures.csv", good + f'"{person},control,"x\n'),
    ):
        suite.write(name, content)
        said.append(suite.run("import"))
        assert said[-1].status == 1
        suite.write("csat.csv", answers)
        suite.write("traffic/events.csv", did)
        suite.write("traffic/exposures.csv", good)
    written = [path.read_text() for path in (suite.folder / "outcomes").iterdir()]
    assert len(written) == 2
    assert "sentinel" not in "".join([*written, *(one.out + one.err for one in said)])


def test_signs_that_steer_a_terminal_never_reach_it(suite: Suite) -> None:
    suite.ladder(*BOTH)
    suite.write(
        "traffic/exposures.csv",
        "user_id,variant,timestamp\nu,\x1b[31mred\u202e,2026-06-01\n",
    )

    said = suite.run("check")

    assert said.status == 1
    assert "\x1b" not in said.err
    assert "\u202e" not in said.err


@pytest.mark.parametrize("dry", [True, False])
def test_a_dry_run_and_a_check_write_nothing(suite: Suite, dry: bool) -> None:
    suite.ladder(*BOTH)
    suite.june()
    suite.write("traffic/events.csv", events(event(1)))

    said = suite.run(*(("import", "--dry-run") if dry else ("check",)))

    assert said.status == 0
    assert said.out.splitlines()[0] == "resolved: 13 rows of 2 files"
    assert not (suite.folder / "outcomes").exists()


def test_one_broken_file_keeps_all_outcomes_from_being_written(suite: Suite) -> None:
    suite.ladder(*BOTH, USERS)
    suite.june()
    suite.write("traffic/events.csv", events(event(1)))
    suite.write("units-1.csv", "user,variant,value\nu1,bot/few,many\n")

    said = [suite.run("import"), suite.run("check")]

    assert said[0] == said[1]
    assert said[0].status == 1
    assert not (suite.folder / "outcomes").exists()
    assert suite.run("import", "resolved").status == 0


def test_plan_says_how_many_users_and_days_it_takes(suite: Suite) -> None:
    suite.ladder(*BOTH)

    said = suite.run("plan", "--rate", ".60", "--effect", ".03", "--per-day", "400")

    assert said.out.splitlines() == [
        "To tell 60.0 % from 63.0 % with 80 % power:",
        '  4,129 users an arm, 21 days, looked at once (analysis = "fixed")',
        "  8,190 users an arm, 41 days, looked at every day (analysis = "
        '"sequential", the default)',
    ]


def test_an_outcome_that_nobody_declared_is_told_with_the_near_ones(
    suite: Suite,
) -> None:
    suite.ladder(*BOTH)

    said = suite.run("import", "resolvd")

    assert said.status == 2
    assert said.err == (
        'pytest-ladder: no [[outcome]] is named "resolvd"; did you mean `resolved`? '
        "The outcomes are `resolved`.\n"
    )


def test_a_bar_shows_on_a_terminal_how_far_the_reading_is(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    suite.ladder(*BOTH)
    suite.june(45_000)
    suite.write("traffic/events.csv", events(event(1)))
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True, raising=False)

    said = suite.run("check")

    assert "[" in said.err
    assert "traffic/exposures.csv: 2" in said.err
    assert said.err.endswith("\r")


def test_json_is_read_back_as_it_was_written(suite: Suite) -> None:
    """Counts have no point, and nothing is NaN."""
    suite.ladder(*BOTH)
    suite.june()
    suite.write("traffic/events.csv", events(event(1)))
    suite.run("import")

    text = (suite.folder / "outcomes/resolved.json").read_text()

    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" == text
    assert ".0" not in text
