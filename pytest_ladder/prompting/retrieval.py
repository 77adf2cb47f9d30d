"""Retrieval: passages of a corpus, of a function, or the context of the case."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pytest_ladder.cases.load import TEXT_KEYS
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Retrieved
from pytest_ladder.disk.files import json_lines, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed, shown

SUFFIXES = (".md", ".txt", ".jsonl")
"""Suffixes of documents."""

GOLD = "gold"
"""The retriever that shows the context of the case itself."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document."""

    source: str
    """The document's file relative to the corpus, or the source its row names."""
    text: str


class Retriever(Protocol):
    """Finds what the model should read before it answers."""

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return the passages for a case, the best first."""


class Corpus:
    """Documents searched by BM25; read and indexed once, when it is made."""

    def __init__(self, path: Path) -> None:
        from pytest_ladder.prompting.search import Index

        self._passages = read_passages(path)
        self._index = Index([passage.text for passage in self._passages])

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
    """A function of the user: `f(query, top_k)` returns passages."""

    def __init__(self, spec: str, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._call = _imported(spec, folder)
        if inspect.iscoroutinefunction(self._call):
            raise self._is_async()
        _check_signature(spec, self._call)

    def search(self, case: Case, top_k: int) -> tuple[Retrieved, ...]:
        """Return the first `top_k` passages that the function returns."""
        try:
            returned = self._call(case.text, top_k)
        except Exception as error:
            problem = f"the retriever {self._spec} raised"
            raise _raised(problem, error, self._folder) from error
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
            text, source = _text_in(item), item.get("source", self._spec)
        elif isinstance(item, list | tuple) and len(item) == 2:
            source, text = item
        else:
            source, text = None, None
        if isinstance(text, str) and isinstance(source, str):
            return Passage(source=source, text=text)
        raise ConfigError(
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
    files = [path] if path.is_file() else list(_documents(path))
    passages = [passage for file in files for passage in _read(file, path)]
    if not passages:
        raise ConfigError(
            f"{shown(path)}: the corpus holds no text; put documents there that end in "
            f"{listed(SUFFIXES)}."
        )
    return passages


def _documents(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).parts):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not hidden:
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
        Retrieved(source=passage.source, rank=rank, text=passage.text)
        for rank, passage in enumerate(passages, start=1)
    )


def _imported(spec: str, folder: Path) -> Callable[[str, int], Any]:
    """Import `package.module:function`, also from `folder`."""
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the retriever {spec} cannot be imported ({error}); correct the name, or "
            f"put the module beside the configuration in {shown(folder)}."
        ) from error
    except Exception as error:
        problem = f"the retriever {spec} cannot be imported: {module} raised"
        raise _raised(problem, error, folder) from error
    finally:
        sys.path.remove(str(folder))
    if not callable(function):
        raise ConfigError(f"the retriever {spec} is no function; name one.")
    retriever: Callable[[str, int], Any] = function
    return retriever


def _check_signature(spec: str, function: Callable[[str, int], Any]) -> None:
    """Refuse a function that cannot be called with a query and a number."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Some callables written in C do not tell.
        return
    try:
        signature.bind("query", 3)
    except TypeError:
        raise ConfigError(
            f"the retriever {spec} takes {signature}, and is called with the text of "
            "the case and `top_k`; write a function of two arguments."
        ) from None


def _raised(problem: str, error: Exception, folder: Path) -> ConfigError:
    """Return the error for what code in `folder` raised, with the line that did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(folder.absolute())]
    line = f" in {shown(Path(own[-1].filename))}:{own[-1].lineno}" if own else ""
    message = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())
    return ConfigError(f"{problem} {message}{line}; correct it there.")
