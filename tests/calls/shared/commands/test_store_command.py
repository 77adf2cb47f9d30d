"""`pytest-ladder store`: tables, roles, who is at work, replies there and back."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from pytest_ladder.calls.shared.transfer import push
from pytest_ladder.calls.store.store import Store
from tests.calls.shared.calls_made import PLACE, call, key_of, opened, row
from tests.calls.shared.commands.checkout import VARIABLE, Checkout, cells
from tests.calls.shared.conftest import Run
from tests.postgres_server import (
    FIRST_RELEASE,
    OWNER,
    WORKER,
    Database,
    PostgresServer,
)

ACTIONS = [
    ("store", "init"),
    ("store", "status"),
    ("store", "pull"),
    ("store", "push"),
    ("store", "prune", "--older-than=90d"),
    ("budget",),
    ("budget", "set", "team", "--usd=5"),
    ("budget", "release", "1"),
]
OWNERS = [
    action
    for action in ACTIONS
    if action not in {("store", "pull"), ("store", "push"), ("budget",)}
]


def old(database: Database, *numbers: object, days: int = 100) -> None:
    keys = [bytes.fromhex(key_of(number)) for number in numbers]
    database.rows(
        "UPDATE replies SET created = now() - make_interval(days => %s) "
        "WHERE key = ANY (%s)",
        days,
        keys,
    )


def test_init_makes_tables_and_a_role_and_says_what_workers_take(
    checkout: Checkout,
) -> None:
    checkout.write(f'[store]\nurl_env = "{VARIABLE}"\nschema = "my team"\n')
    assert "has no tables of this release" in checkout.refused("store", "status")
    said = checkout.run("store", "init", "--worker-role", WORKER)
    where = checkout.database.owner.name
    assert f"{where}, schema my team: tables made (migration 1" in said
    assert f'GRANT SELECT ON "my team".replies TO "{WORKER}";' in said
    assert 'GRANT EXECUTE ON FUNCTION "my team".settle(uuid,' in said
    assert "set_cap" not in said
    host = where.partition("@")[2]
    database = checkout.database.name
    assert f"{VARIABLE}=postgresql://{WORKER}:…@{host}/{database}" in said
    for grant in said.splitlines():
        if grant.startswith("  GRANT"):
            checkout.database.rows(grant)
    checkout.is_worker()
    assert checkout.run("store", "push").startswith("0 new replies in ")


def test_init_again_changes_nothing_and_a_role_without_login_is_told(
    checkout: Checkout,
) -> None:
    push(checkout.database.worker, [row(1)])
    said = checkout.run("store", "init")
    assert "tables were there, and are up to date" in said
    assert "CREATE ROLE evals LOGIN PASSWORD '…' IN ROLE \"ladder_worker\";" in said
    assert checkout.json("store", "status")["replies"] == 1


def test_init_upgrades_tables_of_the_first_release_and_keeps_what_is_in_them(
    checkout: Checkout,
) -> None:
    database = checkout.database
    push(database.worker, [row(1)])
    checkout.run("budget", "set", "team", "--usd=5")
    database.rows(FIRST_RELEASE)
    refused = checkout.refused("budget", "set", "team", "--usd=5", "--per=run")
    assert "older release (version 1 of 2); its owner upgrades them by" in refused
    # Workers go on, as does all that reads.
    assert "1 new reply" in checkout.run("store", "pull")
    assert checkout.json("budget")["ledgers"][0]["cap_usd"] == 5.0
    assert "tables upgraded (migration 2)" in checkout.run("store", "init")
    checkout.run("budget", "set", "team", "--usd=5", "--per=run")
    assert "version 2: 1 reply" in checkout.run("store", "status")


def test_init_of_an_older_release_leaves_newer_tables_alone(checkout: Checkout) -> None:
    checkout.database.rows("UPDATE meta SET version = 1000")
    assert "of a newer release (version 1000" in checkout.refused("store", "init")
    checkout.database.rows("UPDATE meta SET oldest_client = 1000")
    for action in ("status", "pull"):
        assert checkout.refused("store", action).endswith("upgrade pytest-ladder.")


@pytest.mark.parametrize(
    "table", ["meta (key text, value text)", "replies (id integer)"]
)
def test_a_schema_of_somebody_else_is_left_alone(
    checkout: Checkout, table: str
) -> None:
    checkout.database.rows("CREATE SCHEMA theirs")
    checkout.database.rows(f"CREATE TABLE theirs.{table}")
    checkout.write(f'[store]\nurl_env = "{VARIABLE}"\nschema = "theirs"\n')
    refused = checkout.refused("store", "init")
    assert refused.startswith("Schema 'theirs' of the shared store ")
    assert "name another one by `schema` in [store]" in refused
    assert checkout.database.rows(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'theirs'::regnamespace "
        "AND relkind = 'r'"
    ) == [(1,)]


def test_an_owner_that_may_not_create_roles_is_told_what_to_have_done(
    checkout: Checkout, postgres: PostgresServer
) -> None:
    database = checkout.database
    database.rows(f"GRANT CREATE ON DATABASE {database.name} TO {WORKER}")
    checkout.write(f'[store]\nurl_env = "{VARIABLE}"\nschema = "own"\n')
    checkout.is_worker()
    said = checkout.refused("store", "init", "--worker-role", "no_such_role")
    assert 'have an administrator run CREATE ROLE "no_such_role" NOLOGIN' in said
    assert "tables made" in checkout.run("store", "init", "--worker-role", WORKER)


def test_init_says_that_no_run_uses_a_store_that_ladder_toml_does_not_name(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.write("")
    monkeypatch.setenv("LADDER_STORE_URL", checkout.database.owner_url)
    said = checkout.run("store", "init")
    assert 'add [store] with ledger = "team" to ladder.toml' in said


def test_what_is_the_owners_a_workers_role_is_told_in_one_sentence(
    checkout: Checkout,
) -> None:
    checkout.is_worker()
    where = checkout.database.worker.name
    for arguments in OWNERS:
        said = checkout.refused(*arguments)
        assert said.startswith(f"Only the owner of the shared store {where} may do")
        assert f"the role that {VARIABLE} names is not its owner" in said


def test_a_wrong_password_is_one_sentence_without_it(checkout: Checkout) -> None:
    at = urlsplit(checkout.database.owner_url)
    checkout.set(f"postgresql://{OWNER}:s3cret-no@{at.hostname}:{at.port}{at.path}")
    for arguments in ACTIONS:
        said = checkout.refused(*arguments)
        assert 'password authentication failed for user "postgres"' in said
        assert f"correct host, user and password in the variable {VARIABLE}" in said


def test_a_database_out_of_reach_is_one_sentence(checkout: Checkout) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        here = f"127.0.0.1:{bound.getsockname()[1]}"
        checkout.set(f"postgresql://me:s3cret@{here}/evals")
        for arguments in ACTIONS:
            said = checkout.refused(*arguments)
            assert said.startswith(f"The shared store evals@{here} cannot be reached")
            assert "--ladder-store" not in said


def test_no_address_and_no_driver_are_one_sentence(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.set("")
    assert checkout.refused("store", "status") == (
        f"The variable {VARIABLE} is not set, so there is no shared store; set it to "
        "postgresql://user@host:port/database."
    )
    checkout.set("s3cret")
    assert "holds no address of a PostgreSQL" in checkout.refused("budget")
    checkout.is_owner()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = checkout.refused("store", "init")
    assert said == "A shared store needs psycopg: pip install 'pytest-ladder[shared]'."


def test_status_shows_who_is_at_work_and_what_is_under_way(
    checkout: Checkout, run: Run[None]
) -> None:
    database = checkout.database
    assert "nobody is at work" in checkout.run("store", "status")

    async def story() -> None:
        async with (
            opened(database.worker, "night\x1b[31mly", ceiling=8, rpm=60) as one,
            opened(database.worker, "other", place="idle", ceiling=2) as other,
        ):
            permits = [
                (await one.admit(call(n, worst_nano=2_000_000_000))).permit
                for n in range(2)
            ]
            assert permits[0] is not None
            await one.settle(permits[0], 5, row(0))
            await one.pause(PLACE, 100)
            state = checkout.json("store", "status")
            assert [member["calls"] for member in state["members"]] == [1, 0]
            assert not any(member["is_dead"] for member in state["members"])
            (under_way,) = state["calls"]
            assert (under_way["calls"], under_way["reserved_usd"]) == (1, 2.0)
            asked, idle = state["places"]
            assert (asked["inflight"], asked["ceiling"], idle["inflight"]) == (1, 8, 0)
            assert 90 < asked["paused_s"] <= 100
            database.rows("UPDATE members SET seen = '-infinity' WHERE run = 'other'")
            database.rows("UPDATE members SET client = 0 WHERE run <> 'other'")
            said = checkout.run("store", "status")
            assert "\x1b" not in said
            assert "2 processes of 2 runs at work" in said
            table = cells(said)
            assert ["bot", "product", "1"] in [line[:3] for line in table]
            (nightly,) = (line for line in table if line[:1] == ["nightly"])
            assert nightly[1] == socket.gethostname()
            assert " ".join(nightly).endswith("an old client: upgrade it")
            (dead,) = (line for line in table if line[:1] == ["other"])
            assert " ".join(dead).endswith("dead: its calls are being taken from it")
            await other.close()

    run(story())


def test_pull_and_push_copy_what_is_missing_and_replace_nothing(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.is_worker()
    push(checkout.database.worker, [row(n, "theirs") for n in range(2_500)])
    store = Store(tmp_path / ".ladder" / "store.sqlite")
    store.put([row(1, "mine"), row("new", "mine")])
    assert checkout.run("store", "push") == (
        f"1 new reply in {checkout.database.worker.name}; 1 were there.\n"
    )
    assert checkout.run("store", "pull") == (
        "2,499 new replies in .ladder/store.sqlite; 2 were there.\n"
    )
    mine, theirs = store.get(key_of(1)), store.get(key_of(2))
    assert mine is not None
    assert theirs is not None
    assert (mine.text, theirs.text) == ("mine", "theirs")
    store.close()
    kept = checkout.database.rows(
        "SELECT reply FROM replies WHERE key = %s", bytes.fromhex(key_of(1))
    )
    assert kept == [(b'{"text":"theirs"}',)]
    assert checkout.run("store", "push").startswith("0 new replies")


def test_pull_takes_only_what_is_young_by_the_databases_clock(
    checkout: Checkout,
) -> None:
    push(checkout.database.worker, [row(n) for n in range(4)])
    old(checkout.database, 0, days=30)
    old(checkout.database, 1, days=6)
    assert checkout.run("store", "pull", "--since=36h").startswith("2 new replies")
    assert checkout.run("store", "pull", "--since=1w").startswith("1 new reply")
    assert checkout.run("store", "pull").startswith("1 new reply")


def test_prune_deletes_by_age_and_never_what_recordings_name(
    checkout: Checkout, tmp_path: Path
) -> None:
    database = checkout.database
    push(database.worker, [row(n) for n in range(6)])
    old(database, 0, 1, 2, 3)
    (tmp_path / ".git").mkdir()
    for folder, number in ((tmp_path, 0), (tmp_path / "sub", 1)):
        recordings = folder / "recordings" / "tests"
        recordings.mkdir(parents=True)
        (folder / "ladder.toml").write_bytes((tmp_path / "ladder.toml").read_bytes())
        (recordings / "test_x.jsonl").write_text(
            f'{{"case":"c","key":"{key_of(number)}","identity":"i","prompt":"p",'
            '"reply":{"text":"t"}}\n'
        )
    prune = ("store", "prune", "--older-than=90d")
    assert checkout.run(*prune, "--dry-run") == (
        f"2 replies would be deleted from {database.owner.name}; 2 recordings of this "
        "checkout kept theirs.\n"
    )
    assert len(database.rows("SELECT 1 FROM replies")) == 6
    assert checkout.run(*prune).startswith("2 replies deleted from ")
    left = {key.hex() for (key,) in database.rows("SELECT key FROM replies")}
    assert left == {key_of(n) for n in (0, 1, 4, 5)}


def test_prune_deletes_nothing_where_a_recording_cannot_be_read(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(checkout.database.worker, [row(1)])
    old(checkout.database, 1)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "test_x.jsonl").write_text("<<<<<<< HEAD\n")
    prune = ("store", "prune", "--older-than=90d")
    assert "test_x.jsonl:1: not a recording" in checkout.refused(*prune)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "ladder.toml").rename(tmp_path / "away.toml")
    monkeypatch.chdir(outside)
    monkeypatch.setenv("LADDER_STORE_URL", checkout.database.owner_url)
    assert "there is no ladder.toml" in checkout.refused(*prune)
    assert checkout.json("store", "status")["replies"] == 1


def test_an_age_without_a_unit_or_in_months_is_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("90", "3m", "-1d", "d"):
        with pytest.raises(SystemExit, match="2"):
            checkout.tried("store", "prune", f"--older-than={text}")
        assert "does not fit; write" in capsys.readouterr().err


def test_a_role_that_nobody_granted_anything_is_told_who_does(
    checkout: Checkout,
) -> None:
    database = checkout.database
    at = urlsplit(database.worker_url)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE stranger LOGIN PASSWORD 's3cret'")
    try:
        checkout.set(f"postgresql://stranger:s3cret@{at.hostname}:{at.port}{at.path}")
        said = checkout.refused("store", "pull")
        assert "its owner grants that by `pytest-ladder store init`" in said
    finally:
        database.rows("DROP ROLE stranger")
