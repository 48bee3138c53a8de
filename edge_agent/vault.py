"""Seals what the box stores about people (plates in cases and messages) with a key that lies beside it, 0600.

A stolen database file alone tells nothing. AES-256-GCM (NIST SP 800-38D), 96-bit random nonce per record.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent.files import create_once
from protocol.errors import PatrolError

_NONCE = 12


class Vault:
    """Seals and opens bytes.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._marking = hashlib.sha256(b"mark" + key).digest()

    def __repr__(self) -> str:
        return "Vault(key hidden)"

    @classmethod
    def open(cls, path: Path) -> Vault:
        """The vault whose key is in `path`; a new key is made there, readable by its owner only, if it is missing.

        The key appears whole or not at all: a disk that is full at the first start must not leave half of one, with
        which no start would ever succeed.

        Raises:
            PatrolError: the file is no key, or cannot be read.
            UnavailableError: a new one cannot be stored.
        """
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                create_once(path, AESGCM.generate_key(256), mode=0o600)
            key = path.read_bytes()
        except OSError as error:
            raise PatrolError(
                f"the key cannot be read: {error.strerror}", file=path, mend="Check its rights."
            ) from error
        if len(key) != 32:
            raise PatrolError(
                "is no key of 32 bytes",
                file=path,
                mend="Restore it from a backup; without it stored cases cannot be read.",
            )
        return cls(key)

    def mark(self, text: str) -> str:
        """A keyed hash by which the same text is found again without being stored (HMAC-SHA-256, 32 hex digits)."""
        return hmac.new(self._marking, text.encode(), hashlib.sha256).hexdigest()[:32]

    def seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        """The bytes as they were.

        Raises:
            PatrolError: sealed with another key, or damaged.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except InvalidTag as error:
            raise PatrolError(
                "stored data does not open with this box's key",
                mend="Restore the key file that belongs to the database.",
            ) from error
