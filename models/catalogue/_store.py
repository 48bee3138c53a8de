"""The user's models folder: files that were fetched or imported, and a catalogue of them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w
from pydantic import ValidationError

from models.catalogue._entry import Entry
from protocol.errors import PatrolError, UnavailableError

FILE_NAME = "catalogue.toml"


def folder() -> Path:
    """``PATROL_MODELS_DIR``, else the user's data folder. It need not exist."""
    given = os.environ.get("PATROL_MODELS_DIR")
    return Path(given) if given else platformdirs.user_data_path("street-patrol") / "models"


def read() -> dict[str, Entry]:
    """Entries of the models folder by name; none where there is no catalogue."""
    path = folder() / FILE_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
    return parse(text, path)


def parse(text: bytes, path: Path) -> dict[str, Entry]:
    """Entries of a catalogue file by name.

    Raises:
        PatrolError: no TOML, an unknown key, a missing or wrong value, or a name that comes twice.
    """
    try:
        data = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PatrolError(f"is no TOML: {error}", file=path) from error
    unknown = sorted(set(data) - {"model"})
    if unknown:
        raise PatrolError("unknown key; only [[model]] tables are known", file=path, field=unknown[0])
    entries: dict[str, Entry] = {}
    for number, table in enumerate(data.get("model", []), start=1):
        try:
            entry = Entry.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PatrolError(
                first["msg"], file=path, field=f"model {number}: {where}".rstrip(": ")
            ) from error
        if entry.name in entries:
            raise PatrolError("the name comes twice", file=path, field=f"model {number}", value=entry.name)
        entries[entry.name] = entry
    return entries


def checked(table: Mapping[str, Any], path: Path, where: str = "") -> Entry:
    """One entry from plain values.

    Raises:
        PatrolError: a value is missing or wrong, naming `path`, `where` and the key.
    """
    try:
        return Entry.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        parts = [where, ".".join(str(part) for part in first["loc"])]
        raise PatrolError(
            first["msg"], file=path, field=": ".join(part for part in parts if part) or None
        ) from error


def add(
    entry: Entry, write: Callable[[Path], Any], complete: Callable[[Entry], Entry] = lambda entry: entry
) -> Path:
    """Put a model into the folder: its file first, then its entry, each whole or not at all.

    Args:
        entry: with `file` set to a name in the folder.
        write: called with the path of a new, empty temporary file beside the final one; fills it.
        complete: called once the file is there; returns the entry with what is known only then.

    Returns:
        The path of the file.

    Raises:
        UnavailableError: the folder cannot be written to.
    """
    assert entry.file is not None
    home = folder()
    target = home / entry.file
    try:
        home.mkdir(parents=True, exist_ok=True)
        replace(target, write)
        # Two commands may add at the same time: each reads what the other wrote.
        with (home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = {**read(), entry.name: complete(entry)}
            tables = [one.model_dump(mode="json", exclude_none=True) for one in entries.values()]
            text = tomli_w.dumps({"model": tables})
            replace(home / FILE_NAME, lambda path: path.write_text(text))
    except OSError as error:
        raise UnavailableError(
            f"cannot be written: {error.strerror or error}",
            file=target,
            mend="Free space, or name another folder in PATROL_MODELS_DIR.",
        ) from error
    return target


def replace(target: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `target`, then give it the name; on any error nothing remains."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
