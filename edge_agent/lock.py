"""One agent per data folder: two would each warn and fine on their own."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from protocol.errors import UnavailableError

_NAME = "agent.lock"


class FolderLock:
    """Holds a folder for this process until `release`, or until the process ends in whatever way.

    Args:
        folder: made if it does not exist.

    Raises:
        UnavailableError: another agent holds it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(
                f"the data folder cannot be written: {error.strerror}",
                file=folder,
                mend="Check the path, its owner and its rights.",
            ) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise UnavailableError(
                "another agent works on this data folder",
                file=folder,
                mend="Stop that agent, or give this one a folder of its own.",
            ) from error

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._handle)
