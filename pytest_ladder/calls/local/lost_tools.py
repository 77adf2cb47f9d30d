"""Local models that never see the tools they are offered, and a sentence on each.

llama.cpp writes a prompt by the chat template of the model. One that knows no tools
leaves them out, also where `tool_choice` requires a call, and the answer looks like any
other. So the first call with tools asks the server what its template can, once for
each model of a process; a replay calls nobody, and says nothing.
"""

from __future__ import annotations

import hashlib
import urllib.request
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_ladder.core.rung import Model
from pytest_ladder.disk.files import write_atomically

_FOLDER = "lost-tools"
_PATIENCE_S = 10.0


class _TemplateAbilities(msgspec.Struct):
    supports_tools: bool | None = None
    """None: a release of llama.cpp that does not say."""


class _Properties(msgspec.Struct):
    """What a server says of itself under `/props`."""

    chat_template_caps: _TemplateAbilities = msgspec.field(
        default_factory=_TemplateAbilities
    )


def note_lost_tools(address: str, model: Model, folder: Path) -> None:
    """Note it in the run's folder if the template of a server's model knows no tools.

    Blocks. A server that does not say is taken to know them.
    """
    # It is on this machine: no proxy leads there.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, msgspec.MsgspecError):
        with opener.open(f"{address}/props", timeout=_PATIENCE_S) as answer:
            told = msgspec.json.decode(answer.read(), type=_Properties)
        if told.chat_template_caps.supports_tools is False:
            path = folder / _FOLDER
            path.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(model.name.encode()).hexdigest()[:16]
            write_atomically(path / name, model.name.encode())


def lost_tools(folder: Path) -> list[str]:
    """Return a sentence on each model of a run that never saw its tools.

    `folder` is what the processes of the run share.
    """
    paths = (folder / _FOLDER).glob("*")
    return [
        f"The model {name!r} was offered tools and never saw them: its chat template "
        "knows none, and llama.cpp leaves them out without a word. What was measured "
        "is the prompt without tools; take a model whose template has them."
        for name in sorted(path.read_text(encoding="utf-8") for path in paths)
    ]
