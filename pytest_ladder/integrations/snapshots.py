"""Snapshots of replies: `assert reply == snapshot`, by syrupy.

In a conftest, or in a test file:

    from pytest_ladder.integrations.snapshots import snapshot  # noqa: F401

Tests outside a ladder keep syrupy's own fixture.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.disk.files import inside
from pytest_ladder.errors import ConfigError, MissingSnapshot
from pytest_ladder.judging.jury import Jury
from pytest_ladder.session.ladder_test import rung_of
from pytest_ladder.session.state import session_of
from pytest_ladder.text.untrusted import plain_lines

try:
    from syrupy.assertion import SnapshotAssertion
    from syrupy.data import SnapshotCollection, SnapshotCollections
    from syrupy.exceptions import SnapshotDoesNotExist, TaintedSnapshotError
    from syrupy.extensions.amber import AmberDataSerializer, AmberSnapshotExtension
    from syrupy.extensions.amber.serializer import MalformedAmberFile
    from syrupy.location import PyTestLocation
except ModuleNotFoundError:
    raise ConfigError(
        "Snapshots of replies need syrupy; run pip install 'pytest-ladder[snapshots]'."
    ) from None

FOLDER = "__replies__"
"""Beside the test file, and apart from syrupy's: a run sees only its own rungs."""
_EMPTY = "(an empty reply)"

Likeness = float | Callable[[str, str], Any]
"""A share of words in (0, 1], or `f(received, stored)` that returns bool or Verdict."""


class _ReplyFiles(AmberDataSerializer):
    """Reads a damaged file as one without snapshots, which syrupy lets end the run."""

    @classmethod
    def read_file(cls, filepath: str) -> SnapshotCollection:
        try:
            return super().read_file(filepath)
        except (UnicodeDecodeError, MalformedAmberFile):
            return SnapshotCollection(location=filepath, tainted=True)


class ReplyExtension(AmberSnapshotExtension):
    """Keeps the replies of each rung in a file of its own, to be read and compared.

    `__replies__/MODEL/STRATEGY/test_file.ambr` with one entry per test and case: two
    rungs differ by `diff -r`, and a model that was exchanged by `git diff`.
    """

    serializer_class = _ReplyFiles
    alike: Likeness | None = None
    """How texts are compared that differ; None: they must not."""

    def serialize(self, data: Any, **options: Any) -> str:
        """Write the text of a reply as people read it, anything else as syrupy does."""
        text = data.text if isinstance(data, Reply) else data
        if not isinstance(text, str):
            return super().serialize(data, **options)
        if options.get("matcher"):
            text = options["matcher"](data=text, path=())
        return readable(text) or _EMPTY

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Tell whether two texts say the same, by their words or as the user chose."""
        received, stored = str(serialized_data), str(snapshot_data)
        if received.split() == stored.split():
            return True
        if self.alike is None:
            return False
        if callable(self.alike):
            return bool(self.alike(received, stored))
        return likeness(received, stored) >= self.alike

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the folder of a rung, beside the test file."""
        rung = rung_of(test_location.item)
        if rung is None:
            return super().dirname(test_location=test_location)
        folder = Path(test_location.filepath).parent / FOLDER
        return str(inside(folder, rung.model.name, rung.strategy.name))

    @classmethod
    def get_snapshot_name(
        cls, *, test_location: PyTestLocation, index: int | str = 0
    ) -> str:
        """Name a snapshot by test and case; its file says which rung."""
        name = super().get_snapshot_name(test_location=test_location, index=index)
        rung = rung_of(test_location.item)
        if rung is None:
            return name
        # Parameters are named in order, and rungs come first.
        return name.replace(f"[{rung.id}-", "[", 1).replace(f"[{rung.id}]", "", 1)

    @classmethod
    def discovery_dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return where unused snapshots are searched for: in the one file alone."""
        return cls.get_location(test_location=test_location, index=0)

    def discover_snapshots(
        self,
        *,
        test_location: PyTestLocation,
        ignore_extensions: list[str] | None = None,
    ) -> SnapshotCollections:
        """Find the snapshots of a file, if all tests of the rung are to run.

        Else syrupy would take those of the others for unused.
        """
        collections, item = SnapshotCollections(), test_location.item
        location = self.get_location(test_location=test_location, index=0)
        if not Path(location).exists():
            return collections
        session, rung = session_of(item.config), rung_of(item)
        selected = sum(
            other.path == item.path and rung_of(other) is rung
            for other in item.session.items
        )
        if 0 < session.module_items(item.path) == selected:
            collections.add(self.read_snapshot_collection(snapshot_location=location))
        return collections


class ReplySnapshot(SnapshotAssertion):
    """A snapshot that a ladder test compares its reply with."""

    def __call__(
        self, *, alike: Likeness | None = None, **options: Any
    ) -> ReplySnapshot:
        """Set for one comparison: `alike`, and syrupy's `name`, `matcher` and others.

        `alike` is asked only where the words differ: a number in (0, 1] is the share
        of words that must be the same in the same order; a function gets the text
        received and the text stored.
        """
        if not callable(alike) and alike is not None and not 0 < alike <= 1:
            raise ConfigError(
                f"snapshot(alike={alike!r}) is not a share of words in (0, 1]."
            )
        super().__call__(**options)
        if isinstance(self.extension, ReplyExtension):
            self.extension.alike = alike
        return self

    def __eq__(self, other: object) -> bool:
        """Compare, and raise where there is nothing to compare with.

        What goes wrong in a comparison is raised, too: it is no miss of the model.
        """
        __tracebackhide__ = True
        try:
            self._check()
            matched = super().__eq__(other)
        finally:
            if isinstance(self.extension, ReplyExtension):
                self.extension.alike = None
        problem = self.executions[self.num_executions - 1].exception
        if problem is not None:
            raise problem
        return matched

    __hash__ = None  # type: ignore[assignment]

    def _check(self) -> None:
        """Look for the snapshot, unless it is to be written."""
        __tracebackhide__ = True
        item = self.test_location.item
        record = session_of(item.config).running.record
        if record is None:
            return
        if record.item.test.pack and not isinstance(self.index, str):
            raise ConfigError(
                f"{item.nodeid} has all its cases in one item (pack=True), so name "
                "the snapshot: snapshot(name=case.id)."
            )
        if self.update_snapshots:
            return
        try:
            self.session.recall_snapshot(self.extension, self.test_location, self.index)
            return
        except TaintedSnapshotError:
            problem = "is damaged, or of another version of syrupy"
        except SnapshotDoesNotExist:
            if self.update_new_snapshots_only:
                return
            problem = "does not exist"
        name = self.extension.get_snapshot_name(
            test_location=self.test_location, index=self.index
        )
        message = (
            f"The snapshot of {record.item.rung.id} for {name} {problem}; "
            "--snapshot-update writes it."
        )
        if not record.item.is_current:
            pytest.skip(message)
        raise MissingSnapshot(message)


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What a reply is compared with; outside a ladder syrupy's own."""
    if rung_of(snapshot.test_location.item) is None:
        return snapshot
    # Here, where it fails the one test: syrupy asks again when the session ends.
    ReplyExtension.dirname(test_location=snapshot.test_location)
    return ReplySnapshot(
        session=snapshot.session,
        extension_class=ReplyExtension,
        test_location=snapshot.test_location,
        update_snapshots=snapshot.update_snapshots,
        update_new_snapshots_only=snapshot.update_new_snapshots_only,
    )


def readable(text: str) -> str:
    """Return a text in one form of Unicode (NFC), without controls, line by line."""
    return "\n".join(plain_lines(unicodedata.normalize("NFC", text))).strip("\n")


def likeness(received: str, stored: str) -> float:
    """Share of words that two texts have in common, in order; 1: all.

    Twice the words matched over the words of both (`difflib`).
    """
    matcher = difflib.SequenceMatcher(None, received.split(), stored.split(), False)
    return matcher.ratio()


def same_facts(judge: Jury, case: Case | None = None) -> Callable[[str, str], Any]:
    """Compare by the judge: the reply states what the snapshot states.

    For `snapshot(alike=same_facts(judge, case))`. The rubric is `correctness`, and the
    snapshot what it expects.
    """

    def ask(received: str, stored: str) -> Any:
        question = "" if case is None else case.input
        about = Case(id="snapshot", input=question, expected=stored)
        return judge(received, judge="correctness", case=about)

    return ask
