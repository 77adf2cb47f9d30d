"""`[store]` names a variable; whether it is used depends on that and on an option."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.config.load import load_ladder
from pytest_ladder.config.store import read_store, shared_store
from pytest_ladder.core.ladder import StoreConfig
from pytest_ladder.errors import ConfigError
from tests.config.test_config_mistakes import SMOL

URL = "postgresql://me:hunter2@db.internal:6432/evals?sslmode=require"


def written(folder: Path, text: str) -> Path:
    path = folder / "ladder.toml"
    path.write_text(SMOL + text, encoding="utf-8")
    return path


def test_a_store_is_used_where_its_variable_is_set_unless_local_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '[store]\nurl_env = "TEAM_PG"\nledger = "team"\n')
    store = load_ladder(path).store
    assert store == StoreConfig(url_env="TEAM_PG", ledger="team") == read_store(path)
    assert shared_store(store, "auto") is None
    monkeypatch.setenv("TEAM_PG", "")
    assert shared_store(store, "auto") is None
    monkeypatch.setenv("TEAM_PG", URL)
    address = shared_store(store, "auto")
    assert address is not None
    assert (address.name, address.schema) == ("evals@db.internal:6432", "ladder")
    assert "hunter2" not in repr(address)
    assert shared_store(store, "local") is None


def test_without_the_table_nothing_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADDER_STORE_URL", URL)
    path = written(tmp_path, "")
    assert load_ladder(path).store is read_store(path) is None
    assert shared_store(None, "auto") is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://", "postgres@localhost"),
        ("postgres://me@db", "me@db"),
        ("postgresql://me:a%40b%2Fc@db:5432/evals", "evals@db"),
        ("postgresql://me:a#b?c:d@db:6432/my%20evals", "my evals@db:6432"),
        ("postgresql://me:hunter2@[2001:db8::1]:6432/evals", "evals@2001:db8::1:6432"),
        ("postgresql://[::1]/evals", "evals@::1"),
        ("postgresql://me@%2Fvar%2Frun/evals", "evals@/var/run"),
        ("postgresql:///evals?host=/var/run&port=6432", "evals@/var/run:6432"),
        ("postgresql://db/evals?dbname=a+b&user=me&password=c", "a+b@db"),
        ("postgresql://me@one:6432,two:6433/evals", "evals@one,two:6432,6433"),
        ("postgresql:///?user=me&hostaddr=127.0.0.1", "me@127.0.0.1"),
    ],
)
def test_a_store_is_named_as_libpq_reads_its_address(url: str, name: str) -> None:
    assert SharedAddress(url, "ladder", variable="TEAM_PG").name == name
    read = conninfo_to_dict(url)
    host = read.get("host") or read.get("hostaddr") or "localhost"
    port = str(read.get("port") or "5432")
    database = read.get("dbname") or read.get("user") or "postgres"
    assert name == f"{database}@{host}" + (f":{port}" if port != "5432" else "")


@pytest.mark.parametrize("url", ["postgresql://me:hun/ter2@db", "postgres://[::1/db"])
def test_what_libpq_cannot_use_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match=r"TEAM_PG holds no address"):
        SharedAddress(url, "ladder", variable="TEAM_PG").connected()


@pytest.mark.parametrize("value", ["db.internal:5432/evals", "me:hunter2@db.internal"])
def test_a_variable_without_an_address_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("LADDER_STORE_URL", value)
    with pytest.raises(ConfigError, match=r"LADDER_STORE_URL holds no") as caught:
        shared_store(StoreConfig(), "auto")
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        f'url_env = "{URL}"',
        f'url = "{URL}"',
        'url_env = "host=db.internal user=me password=hunter2"',
        'url_env = "me:hunter2@db.internal"',
        'password = "hunter2"',
        'ledger = "postgresql://hunter2@db"',
    ],
)
@pytest.mark.parametrize("read", [read_store, load_ladder])
def test_an_address_in_the_file_is_refused_and_never_repeated(
    tmp_path: Path, line: str, read: object
) -> None:
    path = written(tmp_path, f"[store]\n{line}\n")
    assert callable(read)
    with pytest.raises(ConfigError, match=r"ladder\.toml:6: store\.") as caught:
        read(path)
    assert "hunter2" not in str(caught.value)
    assert "variable" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ('urlenv = "X"', "did you mean `url_env`"),
        ('schema = ""', "1 to 63 bytes"),
        ('schema = "PG_mine"', "does not begin with"),
        (f'schema = "{"ä" * 32}"', "1 to 63 bytes"),
        ('ledger = "run:nightly"', 'such as "team"'),
        ('ledger = " "', 'such as "team"'),
        ("ledger = 3", "a text in quotes"),
    ],
)
def test_a_mistake_in_the_table_names_its_line(
    tmp_path: Path, line: str, fix: str
) -> None:
    path = written(tmp_path, f"[store]\n{line}\n")
    with pytest.raises(ConfigError, match=r"ladder\.toml:6: store\.") as caught:
        load_ladder(path)
    assert fix in str(caught.value)
