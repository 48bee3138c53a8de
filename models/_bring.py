"""Bringing a model's file onto this machine: by download or from a folder, whole and checked or not at all."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from models import catalogue
from models._inspect import Inspection, inspect
from models._session import open_session
from models.catalogue import Entry, Kind
from protocol.errors import PatrolError, UnavailableError

TIMEOUT_S = 30.0
"""A server that sends nothing for so long is taken as gone."""

MAX_BYTES = 2 * 1024**3
"""No detector that a 2-core box can run is larger; a server that sends more is not sending one."""

CHUNK = 1 << 16

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all, if the server says."""


def fetch(
    name: str,
    *,
    sha256: str | None = None,
    trust: bool = False,
    url: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download a model of the catalogue into the models folder.

    The file gets its name only after its hash was compared and it ran once as the family the catalogue says.

    Args:
        name: catalogue name of an entry of kind download.
        sha256: the hash it must have; needed, or `trust`, where the catalogue knows none.
        trust: pin the hash of whatever the server sends.
        url: another address to fetch from, e.g. a mirror; the hash decides as before.
        progress: told how far it is.

    Returns:
        The file's path. Already there and whole: nothing is downloaded.

    Raises:
        PatrolError: the name is unknown or is not to be downloaded, no hash is known and `trust` was not
            given, hashes differ, or the file is not the model that the catalogue describes.
        UnavailableError: no network, or the server refuses; the message names the address.
    """
    entry = catalogue.entry(name)
    if entry.kind is not Kind.DOWNLOAD:
        return catalogue.find(name)
    expected = _expected_hash(entry, sha256, trust)
    present = catalogue.file_of(entry)
    if present is not None and expected is not None and catalogue.sha256(present) == expected:
        return present
    address = url or entry.url
    assert address is not None
    return _add(entry, expected, address, lambda path: _download(address, path, progress))


def bring_in(
    file: Path,
    name: str,
    *,
    family: str | None = None,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    licence: str | None = None,
    source: str | None = None,
    sha256: str | None = None,
    trust: bool = False,
    replace: bool = False,
) -> Entry:
    """Copy an ONNX file into the models folder and record it in the local catalogue.

    Args:
        file: the ONNX file.
        name: its name from now on; the name of a downloadable entry stands for that download.
        family: its decoder; None to recognise it.
        classes: names of its classes by number; None: as written in the file, else COCO's where there are 80.
        title, licence, source: for the catalogue; the licence is read from the file where it is written there.
        sha256: the hash it must have.
        trust: pin the file's hash for a downloadable entry whose hash is not known.
        replace: take the place of another file of that name.

    Raises:
        PatrolError: no such file, no model of a known family, a name that is taken, or hashes that differ.
    """
    if not file.is_file():
        raise PatrolError("no such file", file=file)
    known = catalogue.entries().get(name)
    if known is not None and known.kind is Kind.DOWNLOAD:
        _add(known, _expected_hash(known, sha256, trust), file, lambda path: shutil.copyfile(file, path))
        return catalogue.entry(name)
    found_hash = catalogue.sha256(file)
    if sha256 is not None and sha256 != found_hash:
        raise _differs(file, sha256, found_hash)
    if known is not None and known.kind is not Kind.IMPORTED:
        raise PatrolError("the name belongs to a model of the distribution", field="name", value=name)
    if known is not None and known.sha256 != found_hash and not replace:
        raise PatrolError(
            "the name belongs to another imported file",
            field="name",
            value=name,
            mend="Add --replace to replace it.",
        )
    session = open_session(file, ("CPUExecutionProvider",), 1)
    found = inspect(session, file, family=family, names=classes)
    metadata = session.get_modelmeta().custom_metadata_map
    entry = catalogue.checked(
        {
            "name": name,
            "title": title or metadata.get("description", "").strip() or name,
            "kind": "imported",
            "family": found.family.name,
            "licence": licence or metadata.get("license") or "NOASSERTION",
            "source": source or metadata.get("author") or f"imported from {file.name}",
            "file": f"{name}.onnx",
            "sha256": found_hash,
            "input": list(found.nominal),
            "classes": list(found.names),
        },
        file,
    )
    catalogue.add(entry, lambda path: _copy_checked(file, path, found_hash))
    return entry


def _expected_hash(entry: Entry, given: str | None, trust: bool) -> str | None:
    if entry.sha256 is not None:
        if given is not None and given != entry.sha256:
            raise PatrolError(
                f"the catalogue pins {entry.name} to SHA-256 {entry.sha256}", field="sha256", value=given
            )
        return entry.sha256
    if given is None and not trust:
        raise PatrolError(
            f"the catalogue knows no hash for {entry.name}: what a server sends cannot be checked",
            field="sha256",
            mend="Give the hash you expect with --sha256, or pin what comes now with --trust.",
        )
    return given


def _add(entry: Entry, expected: str | None, origin: object, write: Callable[[Path], object]) -> Path:
    """Write, compare, try out, and only then name a file of a downloadable entry."""
    found_hash = ""

    def fill(path: Path) -> None:
        nonlocal found_hash
        write(path)
        found_hash = catalogue.sha256(path)
        if expected is not None and found_hash != expected:
            raise _differs(origin, expected, found_hash)
        try:
            check(path, entry)
        except PatrolError as error:
            # The temporary file is gone when this is read: name where its bytes came from.
            raise PatrolError(error.problem, file=origin, field=error.field, mend=error.mend) from error

    # The hash is part of the entry, and known only once the file is there.
    return catalogue.add(
        entry.model_copy(update={"file": f"{entry.name}.onnx"}),
        fill,
        lambda one: one.model_copy(update={"sha256": found_hash}),
    )


def check(path: Path, entry: Entry) -> Inspection:
    """Load a detector's file and run it once as the family that its entry says."""
    return inspect(open_session(path, ("CPUExecutionProvider",), 1), path, family=entry.family, entry=entry)


def _differs(file: object, expected: str, found: str) -> PatrolError:
    return PatrolError(
        f"expected SHA-256 {expected}, found {found}; nothing was kept",
        file=file,
        mend="The file is damaged or is not the one listed. Get it from its makers and compare their hash.",
    )


def _copy_checked(source: Path, target: Path, expected: str) -> None:
    shutil.copyfile(source, target)
    found = catalogue.sha256(target)
    if found != expected:
        raise _differs(source, expected, found)


def _download(url: str, target: Path, progress: Progress | None) -> None:
    if not url.startswith(("https://", "http://")):
        raise PatrolError("expected an http or https address", field="url", value=url)
    request = urllib.request.Request(url, headers={"User-Agent": "street-patrol"})  # noqa: S310 (checked above)
    try:
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer,  # noqa: S310 (checked above)
            target.open("wb") as stream,
        ):
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            done = 0
            while chunk := answer.read(CHUNK):
                done += len(chunk)
                if done > MAX_BYTES:
                    raise UnavailableError(f"the server sent more than {MAX_BYTES} bytes", file=url)
                stream.write(chunk)
                if progress is not None:
                    progress(done, total)
    except urllib.error.HTTPError as error:
        raise UnavailableError(
            f"the server answered {error.code} {error.reason}",
            file=url,
            mend="Try later, or a mirror with --url.",
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise UnavailableError(
            f"cannot be reached: {getattr(error, 'reason', None) or error}",
            file=url,
            mend="Go online, name a mirror with --url, or carry the file here and run `patrol models import`.",
        ) from error
    if total is not None and done != total:
        raise UnavailableError(
            f"the connection ended after {done} of {total} bytes", file=url, mend="Fetch again."
        )
