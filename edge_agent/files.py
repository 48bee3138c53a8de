"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import UnavailableError

TEMPORARY = ".tmp"
"""Suffix of files that are being written; what a crash leaves of them is removed by `sweep`."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal into the one error that a person can act on.

    Raises:
        UnavailableError: the disk is full, read-only, failing or forbidden.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UnavailableError(
                "the disk is full, nothing was stored",
                file=path,
                mend="Free some space, or purge old cases: patrol evidence purge --help",
            ) from error
        raise UnavailableError(
            f"cannot be written: {error.strerror}",
            file=path,
            mend="Check the folder's owner and permissions and the disk's health",
        ) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o640) -> None:
    """Write a file so that a reader, or the next start after a crash, finds the old one or the new one, whole.

    Raises:
        UnavailableError: it cannot be stored; what was there before is still there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with storage_errors(path):
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def create_once(path: Path, data: bytes, *, mode: int) -> bool:
    """Write a file unless there is one already; False if there was. Of two that race, one wins.

    Raises:
        UnavailableError: it cannot be stored.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with storage_errors(path):
        write_atomically(draft, data, mode=mode)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, and have the disk remember them.

    Raises:
        UnavailableError: it cannot be made.
    """
    if path.is_dir():
        return
    with storage_errors(path):
        if path.parent != path:
            make_folder(path.parent)
        path.mkdir(mode=0o750, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have the disk remember which files a folder holds."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what a crash left of files that were being written in a folder."""
    for leftover in folder.glob(f".*{TEMPORARY}"):
        with storage_errors(leftover):
            leftover.unlink(missing_ok=True)
