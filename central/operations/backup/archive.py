"""The file of a backup: a plain tar of the database, the pictures, a list of hashes, and last a manifest.

Plain, so that any machine can open it in ten years; pictures and dumps are compressed already. Read and written from front
to end: memory does not grow with the number of pictures, and a file that ends too early is seen by its missing manifest.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from protocol.errors import PatrolError, UnavailableError

FORMAT = 1
PRODUCT = "street-patrol"
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
CHUNK = 2**20

MEDIA = ("evidence", "thumbnails", "attachments", "attachment-thumbnails")
"""Folders under the data folder that belong to the database's rows. Everything else there is a key or made anew."""

_MEMBER = re.compile(
    r"database\.(?:sqlite3|pgdump)|media/(?:" + "|".join(MEDIA) + r")/[0-9a-f]{2}/[0-9a-f]{64}\.jpg"
)
_LIMIT = 64 * 2**20
"""A manifest is a few KiB; more is none."""

Progress = Callable[[int], None]
"""Told of bytes as they pass."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        format: of the file.
        product: `street-patrol`.
        version: the one that wrote it.
        made_at: UTC, ISO 8601.
        engine: `sqlite` or `postgresql`.
        migrations: those that were applied.
        counts: rows of each table.
        cases: how many cases.
        digest: of all heads of histories, as `audit verify` prints it.
        keys: a fingerprint of each key that was there; the keys themselves are not in the backup.
        files: how many pictures.
        bytes: of everything but the two lists.
        sums_sha256: of `SHA256SUMS`.
        gone: pictures that a sweep deleted while the backup was made.
    """

    format: int
    product: str
    version: str
    made_at: str
    engine: str
    migrations: list[str]
    counts: dict[str, int]
    cases: int
    digest: str
    keys: dict[str, str]
    files: int = 0
    bytes: int = 0
    sums_sha256: str = ""
    gone: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Writer:
    """Writes members in order; `finish` makes it whole."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK)  # noqa: SIM115
        self._progress = progress
        self._sums = tempfile.TemporaryFile()  # noqa: SIM115
        self.files = 0
        self.bytes = 0

    def add(self, name: str, path: Path) -> None:
        """Add a file.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read, or the backup cannot be written.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            reader = _Hashing(file, self._progress)
            self._put(name, size, reader)
        self._sums.write(f"{reader.digest.hexdigest()}  {name}\n".encode())
        self.files += name.startswith("media/")
        self.bytes += size

    def finish(self, manifest: Callable[[int, int, str], Manifest]) -> Manifest:
        """Write the hashes and the manifest, made of (files, bytes, hash of the hashes)."""
        size = self._sums.tell()
        self._sums.seek(0)
        reader = _Hashing(self._sums, lambda _: None)
        self._put(SUMS, size, reader)
        made = manifest(self.files, self.bytes, reader.digest.hexdigest())
        text = json.dumps(made.as_dict(), ensure_ascii=False, indent=1).encode()
        self._put(MANIFEST, len(text), io.BytesIO(text))
        self.close()
        return made

    def close(self) -> None:
        """Again does nothing."""
        self._tar.close()
        self._sums.close()

    def _put(self, name: str, size: int, data: Any) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, data)
        self._tar.members.clear()  # it would remember each of a million


def read(path: Path, progress: Progress, take: Callable[[str, IO[bytes]], None] | None = None) -> Manifest:
    """Read a backup from front to end, compare every hash, and return its manifest.

    Args:
        path: the file.
        progress: told of bytes.
        take: given each member but the lists, to read; what it leaves unread is read here.

    Raises:
        PatrolError: it is no backup, is damaged, or is of a form that this version does not know.
        UnavailableError: it cannot be read.
    """
    manifest: Manifest | None = None
    sums_sha256 = ""
    files = size = 0
    try:
        with (
            path.open("rb") as file,
            tempfile.TemporaryFile() as sums,
            tarfile.open(fileobj=file, mode="r|", bufsize=CHUNK) as tar,
        ):
            for info, data in _members(tar):
                if manifest is not None:
                    raise _damaged(path, "something follows the manifest")
                if info.name == MANIFEST:
                    manifest = _manifest(path, data.read(_LIMIT))
                    continue
                if info.name == SUMS:
                    sums_sha256 = _compare(path, data, sums)
                    continue
                if sums_sha256 or not info.isreg() or not _MEMBER.fullmatch(info.name):
                    raise _damaged(path, f"a member that does not belong there: {info.name[:100]!r}")
                reader = _Hashing(data, progress)
                if take is not None:
                    take(info.name, reader)  # type: ignore[arg-type]
                while reader.read(CHUNK):
                    pass
                sums.write(f"{reader.digest.hexdigest()}  {info.name}\n".encode())
                files += info.name.startswith("media/")
                size += info.size
    except tarfile.TarError as error:
        raise _damaged(path, f"it is no tar, or was cut off: {error}") from error
    except OSError as error:
        raise UnavailableError(f"the backup cannot be read: {error.strerror or error}", file=path) from error
    if manifest is None:
        raise _damaged(path, "it has no manifest, so it was cut off or never finished")
    if (files, size, sums_sha256) != (manifest.files, manifest.bytes, manifest.sums_sha256):
        raise _damaged(path, "it does not hold what its manifest says")
    return manifest


class _Hashing:
    """A file read and hashed at once."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        data = self._file.read(size)
        self.digest.update(data)
        self._progress(len(data))
        return data


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for info in tar:
        data = tar.extractfile(info)
        yield info, data if data is not None else io.BytesIO()
        tar.members.clear()


def _compare(path: Path, told: IO[bytes], found: IO[bytes]) -> str:
    """The hash of the list, after comparing it line by line with what was read."""
    found.seek(0)
    digest = hashlib.sha256()
    rest = b""
    while chunk := told.read(CHUNK):
        digest.update(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if found.readline().rstrip(b"\n") != line:
                name = line.decode("utf-8", "replace").partition("  ")[2]
                raise _damaged(path, f"{name} is missing or was changed")
    if rest or found.readline():
        raise _damaged(path, "the list of hashes is not whole")
    return digest.hexdigest()


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        told = json.loads(text)
    except ValueError as error:
        raise _damaged(path, "its manifest is no JSON") from error
    names = {each.name for each in fields(Manifest)}
    if not isinstance(told, dict) or told.get("product") != PRODUCT:
        raise PatrolError("this is not a backup of street-patrol", file=path)
    if told.get("format") != FORMAT:
        raise PatrolError(
            "this backup has a form that this version does not know",
            file=path,
            value=told.get("format"),
            mend="Restore it with the version that made it, or a newer one",
        )
    if set(told) != names:
        raise _damaged(path, "its manifest lacks something")
    return Manifest(**told)


def _damaged(path: Path, problem: str) -> PatrolError:
    return PatrolError(
        f"the backup is damaged: {problem}", file=path, mend="Take another copy of it, or an earlier backup"
    )
