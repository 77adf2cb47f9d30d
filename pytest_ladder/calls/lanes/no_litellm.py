"""Where litellm is not installed: its models fail, in a sentence that names the fix.

litellm and what it brings weigh as much as all else together, and most ladders call
models that speak OpenAI's protocol. So it is an extra.
"""

from __future__ import annotations

import importlib.util
import sys

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.errors import CallError

INSTALL = "pip install 'pytest-ladder[litellm]'"
FIX = (
    f"run {INSTALL}, or, if the provider speaks OpenAI's protocol, set "
    'lane = "direct" with its `api_base`.'
)
"""How a model that needs litellm can be called."""


def is_installed() -> bool:
    """Tell whether litellm can be imported; does not import it."""
    return sys.modules.get("litellm") is not None or (
        importlib.util.find_spec("litellm") is not None
    )


class NoLitellm:
    """The lane in place of litellm's: it sends nothing."""

    async def open(self) -> None:
        """Do nothing: each call says what is missing."""

    async def send(self, request: Request, address: str | None) -> Answer:
        """Raise `CallError`, which is not worth another try."""
        raise CallError(
            f"Model {request.model.name!r} needs litellm, which is not installed; {FIX}"
        )

    async def close(self) -> None:
        """Do nothing: nothing was opened."""
