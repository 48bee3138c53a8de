"""The folder in which the web processes of one machine add up what they measure (see `central.project.metrics`).

It is emptied by the first web process that finds no other alive, so that files of processes long gone do not pile up:
Prometheus takes that as a restart, which it is.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from protocol.errors import UnavailableError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client looks for it when it is imported, and never again."""

_held: IO[str] | None = None


def share(folder: Path) -> None:
    """Take part in the folder until this process ends. Call it before `central.project.metrics` is imported.

    Raises:
        UnavailableError: the folder cannot be used.
    """
    global _held
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _held = (folder / ".lock").open("w")
        try:
            fcntl.flock(_held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another one is at work, or empties it
        else:
            for old in folder.glob("*.db"):
                old.unlink(missing_ok=True)
        fcntl.flock(_held, fcntl.LOCK_SH)
    except OSError as error:
        raise UnavailableError(
            f"the folder of measurements cannot be used: {error.strerror}", file=folder
        ) from error
    os.environ[VARIABLE] = str(folder)
