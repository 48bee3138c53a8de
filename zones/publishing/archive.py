"""Where published zones of one camera are kept: numbered versions that are never touched again, and the one in force.

```
cam1/
  current.toml            what agents read: a copy of the newest version, replaced in one step
  versions/000001.toml    written once, read-only
  versions/000002.toml    names the SHA-256 of version 1
```

Publishing goes in two steps, each whole or not at all: the new version gets its number (of two that race, one gets
it), then `current.toml` is replaced. What is cut off before the second leaves the old one in force, and the history
says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError
from zones.files import parse_zone_file
from zones.publishing.keys import PublisherKey, SigningKey
from zones.publishing.signed import Head, SignedZones, open_head, open_signed, read_bytes, read_signed, sign
from zones.writing import create_new, write_whole

CURRENT = "current.toml"
_VERSIONS = "versions"
_LOCK = ".lock"
_NAME = re.compile(r"(\d{6,9})\.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the history.

    Attributes:
        head: who, when, why.
        path: its file.
        sha256: hash of the whole file.
        text: the author's zone file.
    """

    head: Head
    path: Path
    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a history that is not as it was written.

    Attributes:
        version: where it shows; None for the folder as a whole.
        problem: what is wrong.
        in_force: whether it concerns `current.toml` alone, which the next publishing replaces.
    """

    version: int | None
    problem: str
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """All that a folder says of its past.

    Attributes:
        entries: versions that can be read, oldest first.
        current: the version in force, None before the first.
        faults: what does not fit; empty where every version is as it was published.
        unfinished: versions newer than the one in force: their publishing was cut off, or the older one was put back by
            hand.
    """

    entries: tuple[Entry, ...]
    current: int | None
    faults: tuple[Fault, ...]
    unfinished: tuple[int, ...]

    @property
    def head(self) -> Entry | None:
        """The newest version."""
        return self.entries[-1] if self.entries else None


class Archive:
    """The published zones of one camera.

    Args:
        folder: made by the first `publish`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.current_path = folder / CURRENT
        self._versions = folder / _VERSIONS

    def current(self) -> SignedZones | None:
        """The version in force, verified; None before the first.

        Raises:
            PatrolError: it was changed.
            UnavailableError: it cannot be read.
        """
        if not os.path.lexists(self.current_path):
            return None
        return read_signed(self.current_path)

    def numbers(self) -> list[int]:
        """The versions that are there, ascending; from their names alone.

        Raises:
            UnavailableError: the folder cannot be read.
        """
        try:
            names = [path.name for path in self._versions.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UnavailableError(
                f"cannot be read: {error.strerror}",
                file=self._versions,
                mend="Check the path and its rights.",
            ) from error
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def path_of(self, version: int) -> Path:
        """Where a version is, or would be."""
        return self._versions / f"{version:06d}.toml"

    def version(self, number: int) -> SignedZones:
        """One version, verified.

        Raises:
            PatrolError: there is none of this number, or it was changed.
        """
        known = self.numbers()
        if number not in known:
            there = (
                f"There are versions {known[0]} to {known[-1]}." if known else "Nothing was published yet."
            )
            raise PatrolError(
                "there is no such version", file=self.folder, field="version", value=number, mend=there
            )
        found = read_signed(self.path_of(number))
        if found.head.version != number:
            raise PatrolError(f"holds version {found.head.version}", file=self.path_of(number), mend=_RESTORE)
        return found

    def history(
        self, trusted: Collection[PublisherKey] | None = None, *, contains: Collection[str] = ()
    ) -> History:
        """Read everything, and check that it is what was published.

        Args:
            trusted: keys that may have signed; None: any.
            contains: hashes, or beginnings of them, of versions that must be there: what agents tell in their health, or
                what was written down elsewhere. Only by such a hash can it be noticed that the newest versions were cut
                off together with `current.toml`.

        Raises:
            UnavailableError: the folder cannot be read.
        """
        entries: list[Entry] = []
        faults: list[Fault] = []
        before: tuple[int, str] | None = None
        expected = 1
        for number in self.numbers():
            faults.extend(
                Fault(missing, "is missing") for missing in range(expected, min(number, expected + 20))
            )
            expected = number + 1
            try:
                data = read_bytes(self.path_of(number))
                head, body = open_head(data, name=self.path_of(number), trusted=trusted)
                entry = Entry(
                    head, self.path_of(number), hashlib.sha256(data).hexdigest(), body.decode("utf-8")
                )
            except (PatrolError, UnicodeDecodeError) as error:
                faults.append(
                    Fault(number, error.problem if isinstance(error, PatrolError) else "is no text")
                )
                before = None
                continue
            if head.version != number:
                faults.append(Fault(number, f"its file holds version {head.version}: the order was changed"))
            elif number == 1 and head.previous is not None:
                faults.append(Fault(1, "names a version before it: the beginning was cut off"))
            elif number > 1 and head.previous is None:
                faults.append(Fault(number, "begins a history of its own"))
            elif before is not None and before[0] == number - 1 and head.previous != before[1]:
                faults.append(
                    Fault(number, f"does not follow version {before[0]}: one of the two was exchanged")
                )
            if entries and entries[0].head.camera != head.camera:
                faults.append(Fault(number, f"is for camera {head.camera}, not {entries[0].head.camera}"))
            before = (number, entry.sha256)
            entries.append(entry)
        current, more = self._check_current(entries, trusted)
        faults.extend(more)
        for wanted in contains:
            if len(wanted) < 8 or not any(entry.sha256.startswith(wanted.lower()) for entry in entries):
                faults.append(Fault(None, f"no version has the hash {wanted}"))
        unfinished = tuple(e.head.version for e in entries if e.head.version > (current or 0))
        return History(tuple(entries), current, tuple(faults), unfinished)

    def _check_current(
        self, entries: list[Entry], trusted: Collection[PublisherKey] | None
    ) -> tuple[int | None, list[Fault]]:
        if not os.path.lexists(self.current_path):
            # Before the first version came into force there was none.
            return None, [Fault(None, f"{CURRENT} is missing", True)] if len(entries) > 1 else []
        try:
            data = read_bytes(self.current_path)
            head, _ = open_head(data, name=self.current_path, trusted=trusted)
        except PatrolError as error:
            return None, [Fault(None, f"{CURRENT} {error.problem}", True)]
        same = next((entry for entry in entries if entry.head.version == head.version), None)
        if same is None:
            return head.version, [
                Fault(head.version, f"is in force, but its file in {_VERSIONS}/ cannot be read")
            ]
        if same.sha256 != hashlib.sha256(data).hexdigest():
            return head.version, [
                Fault(head.version, f"{CURRENT} is another file than the version of this number", True)
            ]
        return head.version, []

    def publish(
        self,
        text: str,
        key: SigningKey,
        *,
        camera: str,
        at_ms: Millis,
        author: str,
        reason: str,
        restores: int | None = None,
        expected: int | None,
    ) -> SignedZones:
        """Make a zone file the next version, and put it in force.

        Args:
            text: the zone file.
            key: signs it.
            camera: whose zones they are.
            at_ms: now.
            author, reason: who publishes it, and why.
            restores: the version whose zones these are again.
            expected: the version in force when the author looked (None: none). If another came since, nothing is published.

        Raises:
            PatrolError: the zones are not valid or of another camera, the history is damaged, or somebody else published
                meanwhile.
            UnavailableError: the folder cannot be written; the old version is in force.
        """
        zones = parse_zone_file(text, name=CURRENT)
        if zones.camera is not None and zones.camera != camera:
            raise PatrolError(
                f"the zones belong to camera {zones.camera}, not {camera}",
                field="camera",
                mend="Choose the other camera, or correct `camera` in the file.",
            )
        with self._locked():
            past = self.history()
            first = next((fault for fault in past.faults if not fault.in_force), None)
            if first is not None:
                where = "" if first.version is None else f"version {first.version} "
                raise PatrolError(
                    f"the history is damaged: {where}{first.problem}", file=self.folder, mend=_RESTORE
                )
            head = past.head
            if head is not None and head.head.camera != camera:
                raise PatrolError(
                    f"holds zones of camera {head.head.camera}, not {camera}",
                    file=self.folder,
                    mend="Use one folder for each camera.",
                )
            if past.current != expected:
                raise self._overtaken(past)
            number = 1 if head is None else head.head.version + 1
            data = sign(
                text,
                key,
                camera=camera,
                version=number,
                at_ms=at_ms,
                author=author,
                reason=reason,
                previous=None if head is None else head.sha256,
                restores=restores,
            )
            # Read back as an agent will: what cannot be verified is not published.
            published = open_signed(data, name=self.path_of(number), trusted=(key.public,))
            try:
                create_new(self.path_of(number), data, mode=0o444)
            except UnavailableError:
                raise
            except (
                PatrolError
            ) as error:  # without the lock (a network file system), the number itself decides
                raise self._overtaken(self.history()) from error
            write_whole(self.current_path, data)
        return published

    def _overtaken(self, past: History) -> PatrolError:
        if past.current is None or past.head is None:
            return PatrolError(
                "nothing is published there now", file=self.folder, mend="Look, and publish again."
            )
        by = next((e.head for e in past.entries if e.head.version == past.current), past.head.head)
        return PatrolError(
            f"{by.author} has published version {by.version} meanwhile: {by.reason}",
            file=self.folder,
            mend="Look at it with `patrol zones history`, take over what is right, and publish again.",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One publisher at a time; the lock goes with the process."""
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(
                f"cannot be written: {error.strerror}",
                file=self.folder,
                mend="Choose a folder that you may write.",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._sweep()
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        """Remove what a publisher that was cut off left half written. Only whoever holds the lock writes here."""
        for leftover in (*self.folder.glob(f".{CURRENT}.*"), *self._versions.glob(".*.toml.*")):
            leftover.unlink(missing_ok=True)


_RESTORE = "Restore the folder from a backup; `patrol zones history --verify` lists all that is wrong."
