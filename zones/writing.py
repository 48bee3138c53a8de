"""Files that a person asked for: whole or not at all, and never over something of theirs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


def refuse_existing(path: Path) -> None:
    """Leave what a person wrote alone.

    Raises:
        PatrolError: there is something of this name.
    """
    if os.path.lexists(path):
        raise PatrolError("exists already", file=path, mend="Name another file, or move this one away.")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all.

    Raises:
        UnavailableError: the folder does not exist, cannot be written or is full.
    """
    draft: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            draft = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot be written: {error.strerror or error}",
            file=path,
            mend="Choose a folder that exists and has room.",
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
