"""Rubrics: what a judge is asked to decide; the library and the user's own texts."""

from __future__ import annotations

import functools
import hashlib
import tomllib
from pathlib import Path
from typing import Literal, get_args

import msgspec

from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed

Scale = Literal["binary", "graded"]
"""Pass or fail; or grades from 1 to 5, which become scores from 0 to 1."""
Need = Literal["expected", "context", "retrieved", "guidelines"]
"""What a judge is shown beside question and reply.

`context` are the passages that the model was shown, else those of the case;
`retrieved` only the former.
"""

OWN = "own"
"""Name of a rubric that a user wrote and did not name."""
PROMPT_VERSION = 1
"""Rises with every change of the words around a rubric: they move verdicts, too."""

_FOLDER = Path(__file__).with_name("rubrics")
_FENCE = "+++\n"


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand above a rubric's text, in TOML between two lines of `+++`."""

    name: str = OWN
    version: str = ""
    scale: Scale = "binary"
    needs: tuple[Need, ...] = ()
    shown: tuple[Need, ...] = ()
    each: Literal["reply", "passage"] = "reply"


class Rubric(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a reply passes, and what a judge must know to decide it."""

    name: str
    version: str = ""
    text: str
    scale: Scale = "binary"
    needs: tuple[Need, ...] = ()
    """Without these there is no verdict."""
    shown: tuple[Need, ...] = ()
    """What else a judge is shown where there is such a thing."""
    each: Literal["reply", "passage"] = "reply"
    """`passage`: each retrieved passage is judged; the score is the share that pass."""

    @property
    def is_graded(self) -> bool:
        """Whether a verdict may be anything between pass and fail."""
        return self.scale == "graded" or self.each == "passage"

    @property
    def hash(self) -> str:
        """Changes with everything that may change a verdict, names aside."""
        unnamed = msgspec.structs.replace(self, name="", version="")
        content = msgspec.json.encode([PROMPT_VERSION, unnamed])
        return hashlib.sha256(content).hexdigest()[:12]

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return "your rubric" if self.name == OWN else f"the rubric {self.name!r}"

    @property
    def id(self) -> str:
        """`name@version#hash`, for rows and reports."""
        named = f"{self.name}@{self.version}" if self.version else self.name
        return f"{named}#{self.hash}"


def library() -> tuple[str, ...]:
    """Name the rubrics that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.md")))


def text_of(rubric_id: str) -> str:
    """Return the text of a rubric of the library by its `id`; empty: it has none."""
    name = rubric_id.partition("@")[0]
    if name not in library():
        return ""
    ids = {load(name, scale).id for scale in get_args(Scale)}
    return _of_library(name).text if rubric_id in ids else ""


def shows_expected(rubric_id: str) -> bool:
    """Whether judges by a rubric see what a case expects; those of one's own do."""
    name = rubric_id.partition("@")[0]
    if name not in library():
        return True
    rubric = _of_library(name)
    return "expected" in (*rubric.needs, *rubric.shown)


def load(rubric: str | Rubric, scale: Scale | None = None) -> Rubric:
    """Return a rubric of the library by its name, or make one of a text.

    A text may begin with a header, as the files of the library do. `scale` overrides
    the rubric's own. Raises `ConfigError` for an unknown name and a broken header.
    """
    loaded = _from_text(rubric) if isinstance(rubric, str) else rubric
    return loaded if scale is None else msgspec.structs.replace(loaded, scale=scale)


def _from_text(text: str) -> Rubric:
    if text.lstrip().startswith(_FENCE):
        return _parsed(text.lstrip(), "the rubric")
    text = text.strip()
    if len(text.split()) > 1:
        return Rubric(name=OWN, text=text, shown=("expected",))
    if text in library():
        return _of_library(text)
    known = f"there are {listed(library())}; a text of your own is a sentence."
    raise ConfigError(
        f"No rubric is called {text!r}; {did_you_mean(text, library(), known)}"
    )


@functools.cache
def _of_library(name: str) -> Rubric:
    path = _FOLDER / f"{name}.md"
    return _parsed(path.read_text(encoding="utf-8"), path.name)


def _parsed(text: str, label: str) -> Rubric:
    header, fence, body = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
    if not fence:
        raise ConfigError(f"{label}: the header has no end; close it with a line +++.")
    try:
        values = msgspec.convert(tomllib.loads(header), _Header)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{label}: the header cannot be read ({error}); it may hold "
            f"{listed(_Header.__struct_fields__)}."
        ) from error
    if not body.strip():
        raise ConfigError(f"{label}: there is no text below the header; write it.")
    return Rubric(text=body.strip(), **msgspec.structs.asdict(values))
