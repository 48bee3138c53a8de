"""Keys of those who publish zones: Ed25519 (RFC 8032), private halves in PEM files that only their owner may read.

An agent is given the public halves that it trusts, as PEM files or as one line, ``ed25519:`` and 43 characters of
base64. There is no default key: without one nothing is published.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from protocol.errors import PatrolError, UnavailableError
from zones.writing import create_new

_LINE = "ed25519:"

_MAX_BYTES = 64 * 1024
"""A key in PEM has a few hundred bytes."""


class PublisherKey:
    """The half of a publisher's key that checks signatures.

    Args:
        raw: 32 bytes.

    Raises:
        ValueError: these bytes are no key.
    """

    def __init__(self, raw: bytes) -> None:
        self._public = Ed25519PublicKey.from_public_bytes(raw)
        self.raw = raw

    @classmethod
    def from_line(cls, line: str) -> PublisherKey:
        """From ``ed25519:…``.

        Raises:
            ValueError: the line is no key.
        """
        text = line.strip().removeprefix(_LINE)
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error
        if not line.strip().startswith(_LINE) or len(raw) != 32:
            raise ValueError(f"not {_LINE} and 43 characters of base64")
        return cls(raw)

    @classmethod
    def load(cls, path: Path) -> PublisherKey:
        """From a PEM file with the public half, or with both.

        Raises:
            PatrolError: the file is missing or holds no Ed25519 key, or is a private key that others may read.
            UnavailableError: it cannot be read.
        """
        pem = _read(path)
        if b"PRIVATE KEY" in pem:
            return SigningKey.load(path).public
        try:
            public = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise PatrolError("is no public key in PEM", file=path, mend=_MAKE) from error
        if not isinstance(public, Ed25519PublicKey):
            raise PatrolError("is a public key, but no Ed25519 one", file=path, mend=_MAKE)
        return cls(public.public_bytes_raw())

    @property
    def line(self) -> str:
        """The key on one line, as agents are given it."""
        return _LINE + base64.b64encode(self.raw).decode().rstrip("=")

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the unpadded base64 of the raw key's hash, as SSH writes fingerprints."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.raw).digest()).decode().rstrip("=")

    @property
    def pem(self) -> str:
        """The key as a PEM file's text."""
        return self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether this key's private half signed these bytes."""
        try:
            self._public.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublisherKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublisherKey({self.fingerprint})"


class SigningKey:
    """The half of a publisher's key that signs.

    Args:
        private: an Ed25519 private key; use `load` for one on disk.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublisherKey(private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key that is not stored anywhere."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in a PEM file.

        Raises:
            PatrolError: the file is missing, holds no Ed25519 private key, or others may read it.
            UnavailableError: it cannot be read.
        """
        pem = _read(path, secret=True)
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PatrolError(
                "is no private key in PEM, or needs a password", file=path, mend=_MAKE
            ) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise PatrolError("is a private key, but no Ed25519 one", file=path, mend=_MAKE)
        return cls(private)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner may read (0600).

        Raises:
            PatrolError: there is something of this name.
            UnavailableError: it cannot be written.
        """
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        create_new(path, pem, mode=0o600)

    def sign(self, data: bytes) -> bytes:
        """64 bytes that only this key can make for these bytes; the same bytes give the same signature."""
        return self._private.sign(data)

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"


def trusted_keys(entries: Iterable[str], folder: Path | None = None) -> frozenset[PublisherKey]:
    """The keys that a configuration trusts.

    Args:
        entries: ``ed25519:…`` lines, or paths of PEM files.
        folder: where relative paths begin; else the working folder.

    Raises:
        PatrolError: an entry is neither, or its file holds no key.
        UnavailableError: a file cannot be read.
    """
    keys = set()
    for number, entry in enumerate(entries, start=1):
        if entry.startswith(_LINE):
            try:
                keys.add(PublisherKey.from_line(entry))
            except ValueError as error:
                raise PatrolError(
                    f"is no public key: {error}", field=f"trusted key {number}", value=entry, mend=_MAKE
                ) from error
        else:
            path = Path(entry)
            keys.add(PublisherKey.load(path if folder is None else folder / path))
    return frozenset(keys)


_MAKE = (
    "`patrol zones key new FILE` makes a pair; agents are given FILE.pub, or the line that `key show` prints."
)


def _read(path: Path, *, secret: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if secret and mode & 0o077:
                raise PatrolError(
                    "holds a secret that other users of this machine may read",
                    file=path,
                    field="permissions",
                    value=f"{mode:04o}",
                    mend=f"Run: chmod 600 {path}",
                )
            return file.read(_MAX_BYTES)
    except FileNotFoundError as error:
        raise PatrolError("the key file does not exist", file=path, mend=_MAKE) from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the file's owner and permissions."
        ) from error
