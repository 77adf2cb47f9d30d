"""Fingerprints of rungs: what users met is still what is configured, or it is stale.

A fingerprint covers prompt, examples, corpus, model identity and parameters, and holds
no address, no price and no name. What a strategy does not set takes no part, so that
new keys of later versions make no older outcome stale.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import tempfile
from collections.abc import Callable, Collection, Container, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.calls.store.archive import TRANSPORT_PARAMS, model_identity
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.aggregate import UNKNOWN
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.making import settings_of
from pytest_ladder.core.rung import Rung, Strategy, is_spec
from pytest_ladder.disk import git
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.text.phrases import shown

_Digest = Callable[[Path], str]

_LENGTH = 12
"""Hexadecimal digits: two rungs of one ladder never share them by chance."""


def fingerprints(
    ladder: Ladder,
    ignore: Collection[str] = (),
    rungs: Container[str] | None = None,
) -> dict[str, str]:
    """Return the fingerprint of each rung, by id; `ignore` names parts left out.

    `UNKNOWN` where files of a rung cannot be read. `rungs`: of these only, if they
    are there.
    """
    # Strategies share corpora, and hashing one takes most of the time.
    digest = functools.cache(functools.partial(_digest, folder=ladder.folder))
    return {
        rung.id: _fingerprint(rung, ladder.folder, ignore, digest)
        for rung in ladder.rungs
        if rungs is None or rung.id in rungs
    }


def _fingerprint(
    rung: Rung, folder: Path, ignore: Collection[str], digest: _Digest
) -> str:
    kept = {name: make for name, make in _PARTS.items() if name not in ignore}
    try:
        parts = {name: make(rung, folder, digest) for name, make in kept.items()}
    except (LadderError, OSError):
        return UNKNOWN
    parts = {name: part for name, part in parts.items() if part is not None}
    encoded = msgspec.json.encode(parts, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:_LENGTH]


def deployed_fingerprints(
    ladder: Ladder, reference: str | None, ignore: Collection[str] = ()
) -> dict[str, str]:
    """Return the fingerprints as they were at a git reference; None: as they are.

    Raises `ConfigError` for a reference that names no commit, or one without this
    configuration.
    """
    if reference is None:
        return fingerprints(ladder, ignore)
    with _checked_out(ladder, reference) as path:
        return fingerprints(load_ladder(path), ignore)


def _prompt(rung: Rung, folder: Path, digest: _Digest) -> Any:
    return [rung.strategy.use, rung.strategy.system, rung.strategy.prompt]


def _options(rung: Rung, folder: Path, digest: _Digest) -> Any:
    """Return what is set of the form of replies, and of what a strategy uses."""
    strategy = rung.strategy
    # Older versions had tools as an option of what used them.
    common = set(Strategy.__struct_fields__) - {"tools"}
    own = [f for f in settings_of(type(strategy)) if f.name not in common]
    values = {field.name: getattr(strategy, field.name) for field in own}
    options = {f.name: values[f.name] for f in own if values[f.name] != f.default}
    form = strategy.response_format
    if form is not None:
        # Code is told by its name, as retrievers are.
        options["response_format"] = form if is_spec(form) else digest(folder / form)
    return options or None


def _examples(rung: Rung, folder: Path, digest: _Digest) -> Any:
    strategy = rung.strategy
    if strategy.examples is None:
        return None
    return [digest(folder / strategy.examples), strategy.shots, strategy.select]


def _corpus(rung: Rung, folder: Path, digest: _Digest) -> Any:
    strategy = rung.strategy
    if strategy.retriever is not None:
        return [strategy.retriever, strategy.top_k]
    if strategy.corpus is None:
        return None
    spoken = [key for key in (strategy.stopwords, strategy.stemmer) if key is not None]
    return [digest(folder / strategy.corpus), strategy.top_k, *spoken]


def _model(rung: Rung, folder: Path, digest: _Digest) -> Any:
    return model_identity(rung.model, folder)


def _params(rung: Rung, folder: Path, digest: _Digest) -> Any:
    params = rung.params.items()
    return {name: x for name, x in params if name not in TRANSPORT_PARAMS} or None


_PARTS: dict[str, Callable[[Rung, Path, _Digest], Any]] = {
    "prompt": _prompt,
    "options": _options,
    "examples": _examples,
    "corpus": _corpus,
    "model": _model,
    "params": _params,
}
"""What a fingerprint covers; a part that is None takes no part."""


def _digest(path: Path, folder: Path) -> str:
    """Hash a file, or the documents of a corpus, with their names.

    Whatever the ends of lines that git checks out.
    """
    files = [path]
    if path.is_dir():
        # Not every strategy has a corpus.
        from pytest_ladder.prompting.retrieval import documents

        files = sorted(documents(path))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes().replace(b"\r\n", b"\n")
        name = file.relative_to(folder).as_posix().encode()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


@contextlib.contextmanager
def _checked_out(ladder: Ladder, reference: str) -> Iterator[Path]:
    """Put the ladder's folder as it was into a temporary one; yield its file there."""
    # Every run has fingerprints, and few imports go back in time.
    import tarfile

    where = f"{shown(ladder.path)}: deployed"
    if reference.startswith("-"):
        raise ConfigError(f"{where}: `{reference}` names no commit; write a tag.")
    packed = git.ask(ladder.folder, "archive", "--format=tar", reference, ".")
    if packed is None:
        raise ConfigError(
            f"{where}: git knows no `{reference}` with this folder in it; fetch it (a "
            "shallow clone has only the newest commit), or correct the reference."
        )
    with tempfile.TemporaryDirectory(prefix="pytest-ladder-deployed-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        path = Path(folder) / ladder.path.name
        if not path.is_file():
            raise ConfigError(
                f"{where}: there is no {ladder.path.name} at `{reference}`; name a "
                "reference that has it."
            )
        yield path
