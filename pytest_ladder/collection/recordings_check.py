"""Which recordings the collected tests need, and which no test needs.

For `pytest-ladder recordings`; no model is called. What a free-form test or a task asks
for is only known when it runs: recordings that may be theirs are never taken for spare.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.changed import change_of
from pytest_ladder.calls.store.recordings import Recording, scan
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.collection.inventory import Inventory, KeptRecordings, Missing
from pytest_ladder.collection.known_calls import asker_of_kept, known_calls
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Level
from pytest_ladder.disk import git
from pytest_ladder.errors import ConfigError, JudgeError, MissingReply
from pytest_ladder.session.ladder_test import LadderItem, LadderTest
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.pytest_internals import (
    all_fixture_definitions,
    argument_names,
)
from pytest_ladder.session.session import LadderSession


def take_stock(
    session: LadderSession, items: Sequence[pytest.Item]
) -> Iterator[Inventory]:
    """Compare recordings with what the collected items need, ladder by ladder.

    `items` are those that were not deselected. Only files that were collected whole
    have spare recordings, and files of tests that are gone.
    """
    # Plugins shuffle tests; what is found is listed the same way each time.
    tests = sorted(session.items_of(items), key=lambda item: item.nodeid)
    here = session.config.invocation_params.dir
    # An argument of pytest names a folder, a file, or tests in it after `::`.
    roots = [(here / arg.partition("::")[0]).resolve() for arg in session.config.args]
    for opened in session.opened:
        of_ladder = [item for item in tests if item.test.opened is opened]
        if of_ladder and not opened.current.model.is_scripted:
            yield _Stock(session, opened, of_ladder).inventory(roots)


@dataclass
class _Module:
    """What is known of the needs of one test file."""

    path: Path
    items: int = 0
    keys: set[str] = field(default_factory=set)
    """Of the replies that its tests are known to need."""
    open: list[LadderTest] = field(default_factory=list)
    """Its tests whose requests are only known when they run."""
    unfinished: dict[str, str] = field(default_factory=dict)
    """By case, a test of it whose strategy asks on by replies that are not recorded."""
    unjudged: dict[str, str] = field(default_factory=dict)
    """By case, a test of it whose request to a judge is not known.

    Because the reply is not recorded that the judge would see.
    """


class _Stock:
    """Compares the recordings of one ladder with what its tests need."""

    def __init__(
        self, session: LadderSession, opened: OpenLadder, items: list[LadderItem]
    ) -> None:
        self._session = session
        self._opened = opened
        self._items = items
        folder = opened.archive.recordings.folder
        scanned = {path: scan(path) for path in sorted(folder.rglob("*.jsonl"))}
        self._damaged = [line for _, damaged in scanned.values() for line in damaged]
        self._files = {
            path.relative_to(folder).as_posix().removesuffix(".jsonl"): (path, readable)
            for path, (readable, _) in scanned.items()
        }
        """By test file, without suffix: the path of its recordings, and they."""
        self._recorded: Mapping[str, Recording] = {
            recording.key: recording
            for readable, _ in scanned.values()
            for recording in readable
        }
        self._modules: dict[str, _Module] = {}
        self._missing: dict[str, Missing] = {}
        self._doubtful: dict[str, Missing] = {}
        self._checked = _checked(items) if opened.has_funnel else set()

    def inventory(self, roots: list[Path]) -> Inventory:
        """Compare what is recorded with what is needed."""
        for item in self._items:
            self._note(item)
        spare, kept = {}, []
        for name, (path, recordings) in self._files.items():
            if not self._may_be_pruned(name, roots):
                continue
            unneeded = [each for each in recordings if not self._serves(name, each)]
            users = [self._possible_user(name, each) for each in unneeded]
            pairs = zip(unneeded, users, strict=True)
            unused = [recording for recording, user in pairs if not user]
            if unused:
                spare[path] = unused
            tests = [user for user in users if user]
            if tests:
                kept.append(KeptRecordings(path, len(tests), tests[0]))
        missing, doubtful = self._missing, self._doubtful
        return Inventory(
            opened=self._opened,
            recorded=sum(len(recordings) for _, recordings in self._files.values()),
            missing=list(self._with_changes()),
            doubtful=[each for key, each in doubtful.items() if key not in missing],
            spare=spare,
            kept=kept,
            damaged=self._damaged,
            unknown_to_git=self._unknown_to_git(),
        )

    def _note(self, item: LadderItem) -> None:
        """Note what an item needs, as far as that is known before it runs."""
        test = item.test
        module = self._modules.setdefault(test.module, _Module(test.path))
        module.items += 1
        if _is_open(item) and test not in module.open:
            module.open.append(test)
        if not test.uses_reply or test.task is not None or item.has_own_retriever:
            return
        for case, sample in item.cases_and_samples:
            known = known_calls(
                self._opened,
                item.rung,
                case,
                sample,
                functools.partial(self._need, item=item, case=case),
            )
            if not known.is_all:
                module.unfinished[case.id] = test.nodeid
            if test.judged is not None:
                self._note_verdict(item, case, known.reply)

    def _note_verdict(self, item: LadderItem, case: Case, reply: Reply | None) -> None:
        """Note what a judge would be asked about a reply."""
        test, rung = item.test, item.rung
        judged = test.judged
        assert judged is not None
        if judged.grades_retrieval and not rung.strategy.retrieves:
            return
        module = self._modules[test.module]
        if reply is None:
            module.unjudged[case.id] = test.nodeid
            return
        doubt = (case.source, case.id) in self._checked

        def look_up(request: Request) -> StoredReply | None:
            return self._need(request, item, case, judge=True, doubt=doubt)

        jury = self._opened.jury(asker_of_kept(look_up))
        try:
            requests = judged.requests(jury, reply, case)
            answers = [look_up(request) for request in requests]
            if requests and None not in answers:
                # An answer that cannot be used is asked for once more.
                judged.verdict(jury, reply, case)
        except (ConfigError, JudgeError, MissingReply):
            module.unjudged[case.id] = test.nodeid

    def _need(
        self,
        request: Request,
        item: LadderItem,
        case: Case,
        *,
        judge: bool = False,
        doubt: bool = False,
    ) -> StoredReply | None:
        """Note that a reply is needed; returns it where it was kept."""
        archive = self._opened.archive
        key = archive.key(request)
        self._modules[item.test.module].keys.add(key)
        recording = self._recorded.get(key)
        if recording is not None:
            return recording.reply
        kept = archive.store.get(key)
        missing = self._doubtful if doubt else self._missing
        if not item.test.external and not request.model.is_scripted:
            place = (item.nodeid, item.test.path, judge, kept is not None)
            found = Missing(*place, case.id, item.test.module, request)
            missing.setdefault(key, found)
        return kept

    def _with_changes(self) -> Iterator[Missing]:
        """Yield what is missing, with the recording that each had before, if any."""
        of_cases = defaultdict(list)
        for name, (_, readable) in self._files.items():
            for recording in readable:
                of_cases[name, recording.case].append(recording)
        taken = {key for module in self._modules.values() for key in module.keys}
        for missing in self._missing.values():
            of_case = of_cases.get((missing.module, missing.case))
            change = None
            # Where a strategy asks on, the recordings may be of what it asks next.
            asks_on = missing.case in self._modules[missing.module].unfinished
            if of_case and not missing.judge and not asks_on:
                archive = self._opened.archive
                change = change_of(missing.request, archive, of_case, taken)
            if change is not None:
                taken.add(change.recording.key)
            yield missing._replace(change=change)

    def _may_be_pruned(self, name: str, roots: list[Path]) -> bool:
        """Tell whether all that may need the recordings of a file was collected."""
        module = self._modules.get(name)
        if module is not None:
            return module.items == self._session.module_items(module.path)
        test_file = self._opened.ladder.folder / f"{name}.py"
        elsewhere = Path(f"/{name}.py")
        gone = not test_file.exists() and not elsewhere.exists()
        return gone and any(test_file.is_relative_to(root) for root in roots)

    def _serves(self, name: str, recording: Recording) -> bool:
        """Tell whether a known request needs a recording of this file.

        A test may have moved here from a file whose recordings still serve it.
        """
        users = self._users.get(recording.key, set())
        return name in users or any(
            recording.key not in self._keys_in.get(user, ()) for user in users
        )

    def _possible_user(self, name: str, recording: Recording) -> str | None:
        """Name a test that may need a recording, though no known request does."""
        module = self._modules.get(name)
        if module is not None and module.open:
            return module.open[0].nodeid
        if module is not None:
            waiting = module.unjudged if recording.judge else module.unfinished
            test = waiting.get(recording.case)
            if test is not None:
                return test
        users = (t for t in self._without_recordings if _is_labelled(recording, t))
        return next((user.nodeid for user in users), None)

    def _unknown_to_git(self) -> list[Path]:
        """Return files that git lacks, though it has a test that needs them.

        Where it does not know the test, either, no commit lacks anything.
        """
        known = git.tracked(self._opened.archive.recordings.folder)
        if known is None:
            return []
        names = [name for name in self._files if f"{name}.jsonl" not in known]
        rest = self._files.keys() - set(names)
        kept = {key for name in rest for key in self._keys_in[name]}
        paths = {name: module.path for name, module in self._modules.items()}
        return [
            self._files[name][0]
            for name in names
            if any(
                git.tracked(paths[user].parent, paths[user].name)
                for user in self._users_of(name, kept)
            )
        ]

    def _users_of(self, name: str, kept: AbstractSet[str]) -> set[str]:
        """Name the test files that need, or may need, more of a file than was kept."""
        recordings = [each for each in self._files[name][1] if each.key not in kept]
        users: set[str] = set()
        for recording in recordings:
            users |= self._users.get(recording.key, set())
            if name in self._modules and self._possible_user(name, recording):
                users.add(name)
        return users

    @functools.cached_property
    def _users(self) -> dict[str, set[str]]:
        """The test files that are known to need a reply, by its key."""
        users = defaultdict(set)
        for name, module in self._modules.items():
            for key in module.keys:
                users[key].add(name)
        return users

    @functools.cached_property
    def _keys_in(self) -> dict[str, set[str]]:
        """The keys that are recorded for each test file."""
        return {
            name: {recording.key for recording in recordings}
            for name, (_, recordings) in self._files.items()
        }

    @functools.cached_property
    def _without_recordings(self) -> list[LadderTest]:
        """Tests of unknown requests that were never recorded where they are now.

        Those that were have all that they used in the recordings of their own file.
        """
        tests = []
        for name, module in self._modules.items():
            _, own = self._files.get(name, (None, ()))
            tests += [
                test
                for test in module.open
                if not any(_is_labelled(recording, test) for recording in own)
            ]
        return tests


def _checked(items: list[LadderItem]) -> set[tuple[str, str]]:
    """Return the cases that a cheap check may keep from the judge.

    In any sample: a check of one counts for the same reply in another.
    """
    return {
        (case.source, case.id)
        for item in items
        if item.test.level is Level.CHEAP
        for case, _ in item.cases_and_samples
    }


def _is_labelled(recording: Recording, test: LadderTest) -> bool:
    """Tell whether a recording may have been made for a test, wherever that was."""
    if test.cases:
        return any(case.id == recording.case for case in test.cases)
    name = recording.case.partition("[")[0].rpartition("::")[2]
    return name == test.nodeid.rpartition("::")[2]


def _is_open(item: LadderItem) -> bool:
    """Tell whether an item's requests are only known when it runs."""
    test = item.test
    if item.makes_unknown_requests or (test.uses_reply and item.has_own_retriever):
        return True
    # By `request` a test, or a fixture of its suite, can use any other fixture.
    if "request" in argument_names(item.function):
        return True
    root = item.function.config.rootpath
    return any(
        "request" in definition.argnames and _is_of_the_suite(definition.func, root)
        for definitions in all_fixture_definitions(item.function).values()
        for definition in definitions
    )


def _is_of_the_suite(function: Any, root: Path) -> bool:
    code = getattr(function, "__code__", None)
    path = Path(code.co_filename) if code is not None else root
    return path.is_relative_to(root) and "site-packages" not in path.parts
