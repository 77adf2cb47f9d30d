"""Retrieval: passages of a corpus, of a function, or the context of the case."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pytest_ladder.cases.fields import TEXT_KEYS
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Retrieved
from pytest_ladder.core.rung import GOLD
from pytest_ladder.disk.files import json_lines, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed, shown

SUFFIXES = (".md", ".txt", ".jsonl")
"""Suffixes of documents."""

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document."""

    source: str
    """The document's file relative to the corpus, or the source its row names."""
    text: str
    id: str = ""
    """What else names it, if anything does."""


class Retriever(Protocol):
    """Finds what the model should read before it answers."""

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return the passages for a case, the best first."""


class Corpus:
    """Documents searched by BM25; read and indexed once, when it is made."""

    def __init__(
        self, path: Path, *, stopwords: str | None = None, stemmer: str | None = None
    ) -> None:
        from pytest_ladder.prompting.search import Index, Words

        self._passages = read_passages(path)
        words = Words(stopwords=stopwords, stemmer=stemmer)
        self._index = Index([passage.text for passage in self._passages], words)

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return passages that share a word with the case, the best first."""
        positions = self._index.best(case.text, top_k)
        return _ranked(self._passages[position] for position in positions)


class Gold:
    """The context of the case itself: what a perfect retrieval would find."""

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return all of the case's context, whatever `top_k` says."""
        # Where every passage has a source, the metrics of retrieval can use it.
        named = len(case.relevant) == len(case.context)
        sources = case.relevant if named else (GOLD,) * len(case.context)
        return _ranked(
            Passage(source=source, text=text)
            for source, text in zip(sources, case.context, strict=True)
        )


class Function:
    """A function of the user: `f(query, top_k)`, also with `case`, returns passages."""

    def __init__(self, spec: str, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        # Most suites have no code of their own in a strategy.
        from pytest_ladder.prompting.user_code import imported

        self._call: Callable[..., Any] = imported(spec, folder, "the retriever")
        if not callable(self._call):
            raise ConfigError(f"the retriever {spec} is no function; name one.")
        if inspect.iscoroutinefunction(self._call):
            raise self._is_async()
        self._takes_case = _takes_case(spec, self._call)

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return the first `top_k` passages that the function returns."""
        try:
            more = [case] if self._takes_case else []
            returned = self._call(case.text, top_k, *more)
        except Exception as error:
            from pytest_ladder.prompting.user_code import raised

            problem = f"the retriever {self._spec} raised"
            raise raised(problem, error, self._folder) from error
        if inspect.iscoroutine(returned):
            returned.close()
            raise self._is_async()
        if not isinstance(returned, list | tuple):
            raise ConfigError(
                f"the retriever {self._spec} returned {kind_of(returned)}; return a "
                "list of passages."
            )
        return _ranked(self._passage(item) for item in returned[:top_k])

    def _passage(self, item: Any) -> Passage:
        if isinstance(item, str):
            # A text without a source is at least traced to who returned it.
            return Passage(source=self._spec, text=item)
        if isinstance(item, dict):
            return self._of_dict(item)
        if isinstance(item, list | tuple) and len(item) == 2:
            source, text = item
        else:
            source, text = None, None
        if isinstance(text, str) and isinstance(source, str):
            return Passage(source=source, text=text)
        raise self._is_no_passage(item)

    def _of_dict(self, item: dict[str, Any]) -> Passage:
        named = [item.get(key) for key in ("source", "id")]
        # Numbers are the keys of many databases.
        names = [str(n) if type(n) is int else n for n in named if n is not None]
        text = _text_in(item)
        if not isinstance(text, str) or not all(isinstance(n, str) for n in names):
            raise self._is_no_passage(item)
        id_ = "" if named[1] is None else names[-1]
        return Passage(source=names[0] if names else self._spec, text=text, id=id_)

    def _is_no_passage(self, item: Any) -> ConfigError:
        return ConfigError(
            f"the retriever {self._spec} returned a passage that is {kind_of(item)}; "
            'return texts, (source, text) pairs or {"source": …, "text": …}.'
        )

    def _is_async(self) -> ConfigError:
        return ConfigError(
            f"the retriever {self._spec} is async; write a plain function, for example "
            "one that calls asyncio.run."
        )


def read_passages(path: Path) -> list[Passage]:
    """Read a folder of documents, or one, and cut it into passages.

    Hidden files are left out. Raises `ConfigError`.
    """
    files = [path] if path.is_file() else list(documents(path))
    passages = [passage for file in files for passage in _read(file, path)]
    if not passages:
        raise ConfigError(
            f"{shown(path)}: the corpus holds no text; put documents there that end in "
            f"{listed(SUFFIXES)}."
        )
    return passages


def documents(folder: Path) -> Iterator[Path]:
    """Yield the documents of a corpus, in one order on every machine."""
    found: list[tuple[str, ...]] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        parts = Path(where).relative_to(folder).parts
        found += [
            (*parts, name)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    for path in itertools.starmap(folder.joinpath, sorted(found)):
        if path.is_file():
            yield path


def _read(file: Path, corpus: Path) -> Iterator[Passage]:
    from pytest_ladder.prompting.chunking import chunk

    name = file.name if file == corpus else file.relative_to(corpus).as_posix()
    label = shown(file)
    text = read_text(file, label)
    if file.suffix.lower() != ".jsonl":
        for part in chunk(text):
            yield Passage(source=name, text=part)
        return
    for line, row in json_lines(text, label):
        document = _text_in(row) if isinstance(row, dict) else None
        if not isinstance(document, str):
            raise ConfigError(
                f"{label}:{line}: the row has no text; write an object with a `text` "
                f"(or {listed(TEXT_KEYS[1:])})."
            )
        source = row.get("source", row.get("id"))
        for part in chunk(document, str(row.get("title") or "")):
            yield Passage(
                source=f"{name}#{line}" if source is None else str(source), text=part
            )


def _text_in(row: dict[str, Any]) -> Any:
    return next((row[key] for key in TEXT_KEYS if key in row), None)


def _ranked(passages: Iterable[Passage]) -> tuple[Retrieved, ...]:
    return tuple(
        Retrieved(source=passage.source, rank=rank, text=passage.text, id=passage.id)
        for rank, passage in enumerate(passages, start=1)
    )


def _takes_case(spec: str, function: Callable[..., Any]) -> bool:
    """Tell whether a function wants the case as well: as its third argument.

    A third one with a default and another name than `case` is the user's own. Raises
    `ConfigError` for a function that can be called neither way.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Some callables written in C do not tell.
        return False
    third = [*signature.parameters.values()][2:3]
    named = any(p.name == "case" and p.kind in _POSITIONAL for p in third)
    if not named and _fits(signature, 2):
        return False
    if _fits(signature, 3):
        return True
    raise ConfigError(
        f"the retriever {spec} takes {signature}, and is called with the text of "
        "the case and `top_k`; write a function of two arguments. A third one named "
        "`case` gets the case itself."
    )


def _fits(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
