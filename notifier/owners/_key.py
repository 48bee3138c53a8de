"""The key of the owners' table: 32 random bytes in a file that only its owner may read, or in a variable."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from notifier._secrets import secret_from_environment, secret_from_file
from protocol.errors import PatrolError, UnavailableError

_SIZE = 32
_NONCE = 12


@dataclass(frozen=True, slots=True)
class OwnersKey:
    """Two keys derived from one secret: one names plates, one seals rows.

    `name` says which key it is without giving anything of it away.
    """

    name: str
    _index: bytes = field(repr=False)
    _seal: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> OwnersKey:
        """Derive from 32 secret bytes."""

        def derived(purpose: bytes) -> bytes:
            return HKDF(SHA256(), 32, salt=None, info=b"street-patrol owners " + purpose).derive(secret)

        return cls(hashlib.sha256(derived(b"name")).hexdigest()[:16], derived(b"index"), derived(b"seal"))

    def index(self, kind: str, value: str) -> bytes:
        """Keyed HMAC-SHA256 of a value: equal for equal values, tells nothing without the key."""
        return hmac.digest(self._index, f"{kind}\0{value}".encode(), "sha256")

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        """Encrypt with AES-256-GCM; opens only together with `bound_to`."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._seal).encrypt(nonce, content, bound_to)

    def unseal(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            ValueError: another key, or the row was changed.
        """
        try:
            return AESGCM(self._seal).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
        except InvalidTag:
            raise ValueError("cannot be opened with this key, or was changed") from None


def new_secret() -> str:
    """A fresh secret as it stands in a key file."""
    return base64.b64encode(secrets.token_bytes(_SIZE)).decode("ascii")


def key_of(text: str, *, where: object, field: str) -> OwnersKey:
    """The key in a file's or variable's text.

    Raises:
        PatrolError: it is no key.
    """
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _SIZE:
        raise PatrolError(
            "holds no key (32 bytes in base64)",
            file=where,
            field=field,
            mend="Make one with `patrol owners init-key`, or restore the file from a backup.",
        )
    return OwnersKey.of(secret)


def key_from_file(path: Path) -> OwnersKey:
    """Read a key file.

    Raises:
        PatrolError: others may read it, or it holds no key.
        UnavailableError: it cannot be read.
    """
    return key_of(secret_from_file(path, field="owners.key_file"), where=path, field="owners.key_file")


def key_from_environment(name: str) -> OwnersKey:
    """Read a key from an environment variable.

    Raises:
        PatrolError: it is not set, or holds no key.
    """
    field = "owners.key_env"
    return key_of(secret_from_environment(name, field=field), where=None, field=field)


def write_key_file(path: Path, secret: str, *, replace: bool = False) -> None:
    """Write a key file, mode 0600, whole or not at all.

    Raises:
        PatrolError: the file exists and `replace` is false.
        UnavailableError: it cannot be written.
    """
    if path.exists() and not replace:
        raise PatrolError(
            "exists already; a table sealed with it would be lost",
            file=path,
            mend="Change keys with `patrol owners rotate`, or name another file.",
        )
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{secret}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        scratch.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise UnavailableError(f"cannot be written: {error.strerror}", file=path) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
