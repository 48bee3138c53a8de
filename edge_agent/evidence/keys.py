"""The agent's own keys: Ed25519 to sign evidence, AES-256 to keep originals closed.

Both are made at the first start, readable by the agent's user alone, and never leave the box. Only the public
half is handed out: the centre keeps it, so that evidence can be checked without trusting the box.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
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

from edge_agent.files import create_once, make_folder
from protocol.errors import PatrolError, UnavailableError

_OWNER_ONLY = 0o600


class AgentKey:
    """The key with which one agent signs its evidence.

    Args:
        private: an Ed25519 private key; use `load_or_create` for the one on disk.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key())

    @classmethod
    def generate(cls) -> AgentKey:
        """A new key that is not stored anywhere."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, path: Path) -> AgentKey:
        """The key in a PEM file; made there, for its owner only (0600), if the file does not exist.

        Raises:
            PatrolError: the file is no Ed25519 private key, or others may read it.
            UnavailableError: it can neither be read nor made.
        """
        if not path.exists():
            private = Ed25519PrivateKey.generate()
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            make_folder(path.parent)
            create_once(path, pem, mode=_OWNER_ONLY)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> AgentKey:
        """The key in a PEM file.

        Raises:
            PatrolError: the file is missing, is no Ed25519 private key, or others may read it.
            UnavailableError: it cannot be read.
        """
        pem = _read_secret(path)
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PatrolError("is not a private key in PEM", file=path, mend=_LOST_KEY) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise PatrolError("is a private key, but not an Ed25519 one", file=path, mend=_LOST_KEY)
        return cls(private)

    def sign(self, data: bytes) -> bytes:
        """64 bytes that only this key can make for these bytes; the same bytes give the same signature."""
        return self._private.sign(data)

    def __repr__(self) -> str:
        return f"AgentKey({self.public.fingerprint})"


class PublicKey:
    """The half of an agent's key that checks signatures."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public
        self.raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicKey:
        """From 32 bytes.

        Raises:
            ValueError: these bytes are no key.
        """
        return cls(Ed25519PublicKey.from_public_bytes(raw))

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """From a PEM file.

        Raises:
            PatrolError: the file is missing or is no Ed25519 public key.
        """
        mend = "Name the file that `patrol evidence key` wrote for this agent"
        try:
            public = load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise PatrolError(f"cannot be read: {error.strerror}", file=path, mend=mend) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise PatrolError("is not a public key in PEM", file=path, mend=mend) from error
        if not isinstance(public, Ed25519PublicKey):
            raise PatrolError("is a public key, but not an Ed25519 one", file=path, mend=mend)
        return cls(public)

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
        return isinstance(other, PublicKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.fingerprint})"


def load_or_create_secret(path: Path) -> bytes:
    """The 32 secret bytes in a file (as hexadecimal text), made there (0600) if the file does not exist.

    Raises:
        PatrolError: the file holds something else, or others may read it.
        UnavailableError: it can neither be read nor made.
    """
    if not path.exists():
        make_folder(path.parent)
        create_once(path, secrets.token_hex(32).encode() + b"\n", mode=_OWNER_ONLY)
    return load_secret(path)


def load_secret(path: Path) -> bytes:
    """The 32 secret bytes in a file (as hexadecimal text).

    Raises:
        PatrolError: the file is missing, holds something else, or others may read it.
        UnavailableError: it cannot be read.
    """
    try:
        secret = bytes.fromhex(_read_secret(path).decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise PatrolError("is not a key of 32 bytes in hexadecimal", file=path, mend=_LOST_KEY)
    return secret


_LOST_KEY = (
    "Restore the file from a backup; if there is none, move it away and the next start makes a new key, "
    "whose public half the centre must be given"
)


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise PatrolError(
                    "holds a secret that other users of this machine may read",
                    file=path,
                    field="permissions",
                    value=f"{mode:04o}",
                    mend=f"Run: chmod 600 {path}",
                )
            return file.read()
    except FileNotFoundError as error:
        raise PatrolError(
            "no such file", file=path, mend="Name the file that the agent made at its first start"
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the file's owner and permissions"
        ) from error
