"""Unmasked pictures, encrypted, for the term in which an inquiry may ask for them.

File: ``SPO1``, 8 bytes that name the key, 12 bytes nonce, AES-256-GCM ciphertext. The case, the picture's name
and the hash of the picture are authenticated with it, so that no file opens in another's place.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent.evidence.canonical import digest
from edge_agent.evidence.manifest import Manifest, Original
from edge_agent.files import make_folder, write_atomically
from protocol.errors import PatrolError, UnavailableError

FOLDER = "originals"
_MAGIC = b"SPO1"
_KEY_ID = 8
_NONCE = 12


class Vault:
    """Closes and opens originals with one secret key.

    Args:
        secret: 32 bytes, from `keys.load_or_create_secret`.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)
        # A separate hash: the name of a key must not help anyone who looks for the key.
        self.key_id = hashlib.blake2b(secret, digest_size=_KEY_ID, person=b"spo-key-id").hexdigest()

    def close(self, case_folder: Path, case_id: str, name: str, file_stem: str, picture: bytes) -> Original:
        """Store a picture encrypted in a case's folder.

        Raises:
            UnavailableError: it cannot be stored.
        """
        sha256 = digest(picture)
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, picture, _bound_to(case_id, name, sha256))
        file = f"{FOLDER}/{file_stem}.enc"
        make_folder(case_folder / FOLDER)
        write_atomically(case_folder / file, _MAGIC + bytes.fromhex(self.key_id) + nonce + sealed, mode=0o600)
        return Original(file=file, sha256=sha256, size=len(picture), key_id=self.key_id)

    def open(self, case_folder: Path, manifest: Manifest) -> bytes:
        """The JPEG bytes of a manifest's original.

        Raises:
            PatrolError: there is none, another key closed it, or it was altered.
            UnavailableError: it cannot be read.
        """
        original = manifest.original
        if original is None:
            raise PatrolError(
                "has no original: nothing was hidden in it, so the picture itself is the original",
                file=case_folder,
                field=manifest.name,
            )
        path = case_folder / original.file
        if original.key_id != self.key_id:
            raise PatrolError(
                "was closed with another key",
                file=path,
                field="key_id",
                value=original.key_id,
                mend=f"This key is {self.key_id}; name the file of the other one",
            )
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
        head = len(_MAGIC) + _KEY_ID
        try:
            picture = self._cipher.decrypt(
                data[head : head + _NONCE],
                data[head + _NONCE :],
                _bound_to(manifest.case_id, manifest.name, original.sha256),
            )
        except (InvalidTag, ValueError) as error:
            raise PatrolError("was altered or cut short", file=path) from error
        if data[:head] != _MAGIC + bytes.fromhex(self.key_id) or digest(picture) != original.sha256:
            raise PatrolError("was altered", file=path)
        return picture

    def __repr__(self) -> str:
        return f"Vault({self.key_id})"


def _bound_to(case_id: str, name: str, sha256: str) -> bytes:
    return "\n".join(("street-patrol/original/1", case_id, name, sha256)).encode()
