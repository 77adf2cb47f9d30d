"""Code of the user that a configuration names: `package.module:name`."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown


def imported(spec: str, folder: Path, what: str) -> Any:
    """Import `package.module:name`, also from `folder`; `what` is it in messages.

    Raises `ConfigError` for what is not there, and for what raises.
    """
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{what} {spec} cannot be imported ({error}); correct the name, or put the "
            "module beside the configuration file."
        ) from error
    except Exception as error:
        problem = f"{what} {spec} cannot be imported: {module} raised"
        raise raised(problem, error, folder) from error
    finally:
        sys.path.remove(str(folder))


def raised(problem: str, error: Exception, folder: Path) -> ConfigError:
    """Return the error for what code in `folder` raised, with the line that did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(folder.absolute())]
    line = f" in {shown(Path(own[-1].filename))}:{own[-1].lineno}" if own else ""
    message = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())
    return ConfigError(f"{problem} {message}{line}; correct it there.")
