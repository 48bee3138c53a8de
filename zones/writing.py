"""Files that a person asked for: whole or not at all, and never over something of theirs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


def refuse_existing(path: Path) -> None:
    """Leave what a person wrote alone.

    Raises:
        PatrolError: there is something of this name.
    """
    if os.path.lexists(path):
        raise PatrolError("exists already", file=path, mend="Name another file, or move this one away.")


def refuse_unwritable(*paths: Path | None) -> None:
    """Before long work: whether its results can be written where they are wanted.

    Args:
        paths: files to be written later; none and `-`, for stdout, are always right.

    Raises:
        UnavailableError: a folder does not exist or cannot be written.
    """
    for path in paths:
        if path is None or str(path) == "-":
            continue
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise UnavailableError(
                "cannot be written",
                file=path,
                mend="Name a file in a folder that exists and that you may write.",
            )


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file completely or not at all; a file of this name is replaced.

    Raises:
        UnavailableError: the folder does not exist, cannot be written or is full.
    """
    with _draft(path, data, mode) as draft:
        draft.replace(path)


def create_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file completely or not at all, and only if there is none of this name. Of two that race, one wins.

    Raises:
        PatrolError: there is something of this name.
        UnavailableError: the folder does not exist, cannot be written or is full.
    """
    with _draft(path, data, mode) as draft:
        try:
            os.link(draft, path)
        except FileExistsError as error:
            raise PatrolError(
                "exists already", file=path, mend="Name another file, or move this one away."
            ) from error


@contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """The data in a file beside `path`, on the disk before it gets its name; the folder is told afterwards."""
    draft: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            draft = Path(file.name)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield draft
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UnavailableError(
            f"cannot be written: {error.strerror or error}",
            file=path,
            mend="Choose a folder that exists and has room.",
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
