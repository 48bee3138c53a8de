"""Secrets come from a file that only its owner may read, or from the environment; never from configuration."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


def secret_from_file(path: Path, *, field: str) -> str:
    """The first line of a file that only its owner may read.

    Raises:
        PatrolError: others may read it, or it is empty.
        UnavailableError: it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise PatrolError("is no text in UTF-8", file=path, field=field) from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, field=field, mend="Check the path and its owner."
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PatrolError(
            "holds a secret but others may read it", file=path, field=field, mend=f"Run: chmod 600 {path}"
        )
    line = text.partition("\n")[0].strip()
    if not line:
        raise PatrolError("is empty", file=path, field=field, mend="Write the secret on its first line.")
    return line


def secret_from_environment(name: str, *, field: str) -> str:
    """The value of an environment variable.

    Raises:
        PatrolError: it is not set or empty.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise PatrolError(
            "the environment variable that should hold the secret is not set",
            field=field,
            value=name,
            mend=f"Set {name} in the environment of the program.",
        )
    return value
