"""Making a backup, keeping a number of them, and looking at one."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from central.live.beats import product_version
from central.operations.backup import archive, engines
from central.operations.backup.archive import FORMAT, MEDIA, PRODUCT, Manifest, Writer
from central.project.clock import now_ms
from protocol.clock import iso
from protocol.errors import PatrolError, UnavailableError

Step = Callable[[str, int, int], None]
"""Told of (what is done, how much of it, of how much; 0 where nobody knows)."""

NAME = re.compile(r"street-patrol-\d{8}T\d{6}Z\.tar")


def key_files() -> dict[str, Path]:
    """Where each key of this centre lies. None of them is in a backup."""
    patrol = settings.PATROL
    return {
        "secret_key": patrol.data / "secret_key",
        "link_keys": patrol.link_keys_file or patrol.data / "link_keys",
        "owners.key": patrol.owners_key_file or patrol.data / "owners.key",
    }


def key_marks() -> dict[str, str]:
    """A fingerprint of each key that is there, so that a restore can say whether the right ones are."""
    marks = {}
    for name, path in key_files().items():
        try:
            data = path.read_bytes()
        except OSError:
            continue
        # Keys are long and random: 64 bits of a hash give nothing away.
        marks[name] = hashlib.sha256(b"street-patrol key\0" + data).hexdigest()[:16]
    return marks


def make(out: Path, step: Step, *, keep: int | None = None) -> tuple[Path, Manifest, list[Path]]:
    """Write a backup while the centre works; whole or not at all.

    The database is copied first and the pictures after it: a picture is stored before the row that names it, so each one
    that the copy names is there, unless a sweep has deleted it meanwhile.

    Args:
        out: a file that does not exist, or a folder, in which the backup gets a name of its own.
        step: told of the progress.
        keep: with a folder: how many backups stay in it; older ones are deleted once this one is whole.

    Returns:
        The file, its manifest, and the backups that were deleted.

    Raises:
        PatrolError: the file exists already.
        UnavailableError: the database cannot be copied, or the disk is full.
    """
    at = iso(now_ms())
    if out.is_dir():
        path = out / f"street-patrol-{re.sub('[-:]', '', at).split('.')[0]}Z.tar"
    elif keep is not None:
        raise PatrolError("only a folder keeps a number of backups", field="--keep", value=str(out))
    else:
        path = out
    if path.exists():
        raise PatrolError("this file exists already", file=path, mend="Name another one, or a folder")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as work,
            draft.open("xb") as file,
        ):
            os.fchmod(file.fileno(), 0o600)
            manifest = _write(file, Path(work), at, step)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        engines.sync(path.parent)
    except OSError as error:
        raise UnavailableError(
            f"the backup cannot be written: {error.strerror or error}", file=path
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    deleted = []
    if keep is not None:
        old = sorted(file for file in path.parent.iterdir() if NAME.fullmatch(file.name))
        deleted = old[: max(0, len(old) - keep)]
        for each in deleted:
            each.unlink()
    return path, manifest, deleted


def verify(path: Path, step: Step) -> Manifest:
    """Read a backup to its end and compare every hash.

    Raises:
        PatrolError: it is none, or it is damaged.
        UnavailableError: it cannot be read.
    """
    return archive.read(path, _bytes(step, "reading", path))


def _write(file: object, work: Path, at: str, step: Step) -> Manifest:
    name = "database.sqlite3" if engines.engine() == "sqlite" else "database.pgdump"
    copy = work / name
    step("copying the database", 0, 0)
    facts = engines.dump(copy, lambda done, of: step("copying the database", done, of))
    writer = Writer(file, lambda _: None)  # type: ignore[arg-type]
    gone = []
    try:
        step("packing the database", 0, 0)
        writer.add(name, copy)
        copy.unlink()
        files = 0
        for media in MEDIA:
            for folder in sorted((settings.PATROL.data / media).glob("??")):
                for picture in sorted(folder.glob("*.jpg")):
                    if picture.name.startswith("."):
                        continue
                    try:
                        writer.add(f"media/{media}/{folder.name}/{picture.name}", picture)
                    except FileNotFoundError:
                        gone.append(f"{media}/{picture.name}")
                    files += 1
                    if files % 100 == 0:
                        step(f"packing pictures ({files})", 0, 0)
        return writer.finish(
            lambda files, size, sums: Manifest(
                format=FORMAT,
                product=PRODUCT,
                version=product_version(),
                made_at=at,
                engine=engines.engine(),
                migrations=facts.migrations,
                counts=facts.counts,
                cases=facts.cases,
                digest=facts.digest,
                keys=key_marks(),
                files=files,
                bytes=size,
                sums_sha256=sums,
                gone=gone,
            )
        )
    finally:
        writer.close()


def _bytes(step: Step, what: str, path: Path) -> archive.Progress:
    done = 0
    try:
        of = path.stat().st_size
    except OSError:
        of = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        step(what, done, of)

    return progress
