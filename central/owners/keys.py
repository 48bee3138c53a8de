"""The key that owners and notices are sealed with: a file that only the centre may read, or the environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings

from central.owners.models import OwnersKeyName
from central.project.environment import PREFIX
from notifier.owners import OwnersKey, key_from_file, key_of, new_secret, next_key_file
from protocol.errors import PatrolError, UnavailableError


def key_file() -> Path:
    """Where the key lies, if it is not in the environment."""
    return settings.PATROL.owners_key_file or settings.PATROL.data / "owners.key"


def the_key() -> OwnersKey:
    """The key that fits the database. A fresh installation makes one on first use.

    Raises:
        PatrolError: there is none, others may read it, or the database was sealed with another one.
        UnavailableError: it cannot be read or written.
    """
    known = OwnersKeyName.objects.values_list("name", flat=True).first()
    key = _configured(known)
    if known is None:
        row, _ = OwnersKeyName.objects.get_or_create(pk=1, defaults={"name": key.name})
        known = row.name
    if key.name != known:
        raise PatrolError(
            "the owners in the database were sealed with another key",
            file=None if settings.PATROL.owners_key else key_file(),
            field=PREFIX + "OWNERS_KEY" + ("" if settings.PATROL.owners_key else "_FILE"),
            mend="Give the key that belongs to this database; without it nobody can be warned.",
        )
    return key


def _configured(known: str | None) -> OwnersKey:
    if settings.PATROL.owners_key:
        return key_of(settings.PATROL.owners_key, where=None, field=PREFIX + "OWNERS_KEY")
    path = key_file()
    finish_rotation(path, known)
    if not path.exists() and known is None:
        _make(path)
    return key_from_file(path)


def _make(path: Path) -> None:
    """A new key file; of two processes that start at once, both read the one that was first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_secret() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise UnavailableError(f"the owners' key cannot be written: {error.strerror}", file=path) from error


def finish_rotation(path: Path, known: str | None) -> None:
    """If a change of keys was cut short, make the file fit the database again: the new key waits beside the old one
    until the rows are sealed with it, in one transaction."""
    following = next_key_file(path)
    if known is None or not following.exists():
        return
    try:
        if key_from_file(following).name == known:
            following.replace(path)
    except OSError as error:
        raise UnavailableError(f"the owners' key cannot be replaced: {error.strerror}", file=path) from error
