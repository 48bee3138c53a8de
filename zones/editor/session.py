"""The file that is being edited: read, compared, saved whole or not at all, never over somebody else's change."""

from __future__ import annotations

import difflib
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError
from zones.editor.rendering import Data, Rendered, plain, render
from zones.files import judge_zone_data, read_zone_data
from zones.writing import write_whole

_BOM = b"\xef\xbb\xbf"
_MAX_BYTES = 4 * 1024 * 1024
_REMEMBERED = 32
"""Versions of the file whose text is kept, for pages that still show them."""

_ENDINGS = (".toml", ".json", ".geojson")


class ChangedOnDiskError(PatrolError):
    """The file is no longer what it was when it was opened. HTTP 409."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A zone file as it was read.

    Attributes:
        digest: SHA-256 of its bytes, "" where there is no file yet.
        text: its text, "\\n" at line ends, "" where there is no file yet.
        data: what it says, dates as text; not judged.
        bom, crlf: how its text was written, to be kept.
    """

    digest: str
    text: str
    data: Data
    bom: bool = False
    crlf: bool = False


class Session:
    """One zone file, open in an editor. May be used from several threads.

    Args:
        path: the file; need not exist.
        starting: what a file that does not exist begins with; None where it must exist.

    Raises:
        PatrolError: the file cannot be read or parsed, or does not exist and there is nothing to begin with.
    """

    def __init__(self, path: Path, starting: Data | None = None) -> None:
        if path.suffix.lower() not in _ENDINGS:
            raise PatrolError("is no zone file by its name", file=path, mend="Name it *.toml or *.json.")
        self.path = path
        self._starting = starting
        self._lock = threading.Lock()
        self._known: dict[str, Opened] = {}
        self._opened = self._read()

    @property
    def opened(self) -> Opened:
        """What was read or saved last."""
        return self._opened

    def reopen(self) -> Opened:
        """Read the file again.

        Raises:
            PatrolError: as when it was opened.
        """
        with self._lock:
            self._opened = self._read()
            return self._opened

    def digest_on_disk(self) -> str:
        """SHA-256 of the file as it is now, "" where there is none."""
        raw = _bytes_of(self.path)
        return "" if raw is None else hashlib.sha256(raw).hexdigest()

    def rendered(self, data: Data, origins: Sequence[int | None], base: str) -> Rendered:
        """The text that saving would write.

        Raises:
            ChangedOnDiskError: `base` is not what was opened or saved last.
            PatrolError: an origin names no zone.
        """
        opened = self._opened
        if base != opened.digest:
            raise self._conflict()
        return _render(self.path.name, opened, data, origins)

    def difference(self, data: Data, origins: Sequence[int | None], base: str) -> tuple[list[str], bool]:
        """What saving would change: a unified diff, and whether comments and layout are kept."""
        opened = self._opened
        result = self.rendered(data, origins, base)
        lines = difflib.unified_diff(
            opened.text.splitlines(),
            result.text.splitlines(),
            self.path.name,
            self.path.name,
            lineterm="",
            n=2,
        )
        return list(lines), result.kept

    def save(
        self, data: Data, origins: Sequence[int | None], base: str, *, name: str | None = None
    ) -> Opened:
        """Write the file and go on with what was written.

        Args:
            data: what it shall say.
            origins: see `zones.editor.rendering.render`.
            base: digest of what the change began from.
            name: another file in the same folder, which must not exist; the session goes on with it.

        Raises:
            ChangedOnDiskError: the file changed since, or appeared.
            PatrolError: the data is no valid zone file, or the name cannot be used.
            UnavailableError: it cannot be written.
        """
        with self._lock:
            target = self.path if name is None else self._sibling(name)
            _, faults = judge_zone_data(data, target)
            if faults:
                raise faults[0][1]
            # Under another name, the change is still one of the text that it began from.
            opened = self._opened if name is None else self._known.get(base, Opened("", "", {}))
            if name is None and (base != opened.digest or self.digest_on_disk() != base):
                raise self._conflict()
            same_format = target.suffix.lower() == self.path.suffix.lower()
            source = opened if same_format else Opened("", "", {})
            result = _render(target.name, source, data, origins if source.digest else [None] * len(origins))
            raw = result.text.replace("\n", "\r\n").encode() if opened.crlf else result.text.encode()
            raw = _BOM + raw if opened.bom else raw
            if name is not None or not opened.digest or result.text != opened.text:
                # A link keeps pointing to where it pointed; the file keeps its rights.
                real = target.resolve()
                mode = real.stat().st_mode & 0o777 if real.exists() else None
                write_whole(real, raw)
                if mode is not None:
                    real.chmod(mode)
            self.path = target
            self._opened = self._read()
            return self._opened

    def _sibling(self, name: str) -> Path:
        if Path(name).name != name or name.startswith(".") or not name.isprintable():
            raise PatrolError(
                "must be a plain file name", field="name", value=name, mend="Leave folders out of it."
            )
        target = self.path.parent / name
        if target.suffix.lower() not in _ENDINGS:
            raise PatrolError(
                "is no zone file by its name", field="name", value=name, mend="Name it *.toml or *.json."
            )
        if os.path.lexists(target):
            raise PatrolError("exists already", field="name", value=name, mend="Choose another name.")
        return target

    def _conflict(self) -> ChangedOnDiskError:
        return ChangedOnDiskError(
            "the file was changed by somebody else since it was opened",
            file=self.path,
            mend="Save under another name, or open it again and repeat the change.",
        )

    def _read(self) -> Opened:
        raw = _bytes_of(self.path)
        if raw is None:
            if self._starting is None:
                raise PatrolError(
                    "the zone file does not exist, and without a picture its size is not known",
                    file=self.path,
                    mend="Check the path, or give --picture to begin a new file.",
                )
            return Opened("", "", self._starting)
        data = read_zone_data(raw, self.path)
        text = raw.removeprefix(_BOM).decode()
        crlf = "\r\n" in text
        opened = Opened(
            hashlib.sha256(raw).hexdigest(),
            text.replace("\r\n", "\n") if crlf else text,
            plain(data),
            raw.startswith(_BOM),
            crlf,
        )
        self._known[opened.digest] = opened
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return opened


def _render(name: str, opened: Opened, data: Data, origins: Sequence[int | None]) -> Rendered:
    old = opened.data.get("zone")
    count = len(old) if isinstance(old, list) and opened.digest else 0
    new = data.get("zone")
    if not isinstance(new, list) or len(new) != len(origins):
        raise PatrolError("needs one origin a zone", field="origins")
    used = [origin for origin in origins if origin is not None]
    if len(used) != len(set(used)) or any(not 0 <= origin < count for origin in used):
        raise PatrolError("an origin names no zone of the file, or two name the same", field="origins")
    return render(name, opened.text, opened.data if opened.digest else {}, data, origins)


def _bytes_of(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PatrolError("is larger than 4 MiB; this is no zone file", file=path, mend="Check the path.")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the path and its rights."
        ) from error
