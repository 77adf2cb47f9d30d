"""One connection for one command: what goes wrong on it is one sentence.

Used on one thread, outside of any loop. What psycopg raises goes no further, for its
frames hold the address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.releases import (
    CALLS_NEED,
    SCHEMA_VERSION,
    check_release,
)
from pytest_ladder.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

FORBIDDEN = "42501"
"""What the database answers to a role that may not do what it asked for."""


class CommandLink:
    """Statements of a command; each is a transaction, unless in a block of one."""

    def __init__(
        self, address: SharedAddress, connection: psycopg.Connection[Any]
    ) -> None:
        self.address = address
        self.connection = connection
        self.schema = quoted(address.schema)
        """The schema's name, as SQL wants it."""

    def rows(
        self, text: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement with `{schema}` in it, and `%s` for each value.

        Or `%b`: then it goes as bytes, in a tenth of the time for a list of keys.
        """
        cursor = self.connection.execute(self._statement(text), values, binary=True)
        return cursor.fetchall() if cursor.description else []

    def each(
        self, kind: type[T], text: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> tuple[T, ...]:
        """Run a query whose columns are called as the fields of a class are."""
        from psycopg.rows import class_row

        with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            return tuple(cursor.execute(self._statement(text), values))

    def _statement(self, text: str) -> LiteralString:
        return as_sql(text.replace("{schema}", self.schema.replace("%", "%%")))


@contextmanager
def commanding(
    address: SharedAddress, *, owners: bool = False, made: bool = True
) -> Iterator[CommandLink]:
    """Connect for the length of a block; `owners`: only an owner may do what is in it.

    Unless `made`, tables may be missing or of another release. Raises `StoreError`
    where it is out of reach or fails, and `ConfigError` where it will not do that.
    """
    connection, refused = address.connected(), None
    # Now it is there: without it `connected` has said how it is installed.
    import psycopg

    try:
        link = CommandLink(address, connection)
        if made:
            ((version, oldest),) = link.rows(
                "SELECT version, oldest_client FROM {schema}.meta"
            )
            needed = SCHEMA_VERSION if owners else CALLS_NEED
            check_release(address, version, oldest, needed)
        yield link
    except psycopg.Error as error:
        refused = _refusal(address, error, owners=owners)
    finally:
        connection.close()
    # Raised out here, so that it has no frames of psycopg behind it.
    if refused is not None:
        raise refused


def _refusal(
    address: SharedAddress, error: psycopg.Error, *, owners: bool
) -> ConfigError | StoreError:
    if not owners or error.sqlstate != FORBIDDEN:
        return address.refusal(error)
    return ConfigError(
        f"Only the owner of the shared store {address.name} may do that "
        f"({address.reason(error)}), and the role that {address.variable} names is not "
        "its owner; set the variable to the owner's address for this command."
    )


def quoted(identifier: str) -> str:
    """Quote a name, as SQL wants it."""
    from psycopg import sql

    return sql.Identifier(identifier).as_string()


def as_sql(text: str) -> LiteralString:
    """Pass on a statement that is made of quoted names and of texts of ours."""
    return text
