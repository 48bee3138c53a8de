"""The way back: a backup becomes the centre again, or nothing changes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from central.cases.audit import verify_files
from central.cases.history import Audit, verify
from central.cases.models import Case, WorkOrder
from central.live.beats import SILENT_MS, STOPPED
from central.live.models import Heartbeat
from central.operations.backup import archive, engines
from central.operations.backup.archive import Manifest
from central.operations.backup.make import Step, _bytes, key_marks
from central.people import access_chain
from central.project import bootstrap
from central.project.clock import now_ms
from central.statistics import figures
from central.statistics.endings import endings
from central.statistics.period import read_period
from central.statistics.replay import differences, replay
from protocol.errors import PatrolError, UnavailableError

SESSIONS = ("django_session", "usersessions_usersession")
"""Everybody logs in again: a session that was ended after the backup must not come back to life."""


@dataclass(slots=True)
class Restored:
    """What came of it.

    Attributes:
        manifest: of the backup.
        migrated: migrations that this version added.
        files: pictures that were written; the others were there.
        aside: where a replaced SQLite file lies.
        keys: (name, `missing` or `other`) of each key that is not the one the backup was made with.
        differs: tables whose rows are not as many as the manifest says, with (told, found).
        faults: what the audit found.
        same_figures: whether figures of the last 90 days and history say the same.
    """

    manifest: Manifest
    migrated: list[str] = field(default_factory=list)
    files: int = 0
    aside: Path | None = None
    keys: list[tuple[str, str]] = field(default_factory=list)
    differs: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    same_figures: bool = True

    @property
    def good(self) -> bool:
        """Whether everything is as it was."""
        return not self.differs and not self.faults and self.same_figures


def restore(path: Path, step: Step, *, replace: bool = False) -> Restored:
    """Check a backup, put it in place, bring it to this version, and prove its histories and figures.

    Args:
        path: the backup.
        step: told of the progress.
        replace: take the place of a database that is in use.

    Raises:
        PatrolError: it is damaged, newer than this version, of the other engine, or the place is taken.
        UnavailableError: the database or the disk failed.
    """
    data: Path = settings.PATROL.data
    manifest = archive.read(path, _bytes(step, "checking", path))
    _suits(path, manifest)
    with _alone(data):
        _free(replace)
        done = Restored(manifest)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as work:
            _unpack(path, Path(work), data, step, done)
            step("restoring the database", 0, 0)
            name = "database.sqlite3" if manifest.engine == "sqlite" else "database.pgdump"
            done.aside = engines.put_back(Path(work) / name)
        found = engines.facts()
        done.differs = {
            table: (told, found.counts.get(table, 0))
            for table, told in manifest.counts.items()
            if told != found.counts.get(table, 0)
        }
        if found.digest != manifest.digest:
            done.faults.append("the histories are not those that were backed up")
        step("bringing it to this version", 0, 0)
        done.migrated = bootstrap.migrate()
        _forget_sessions()
        step("reading the histories", 0, 0)
        faults = [*verify(Audit()), *verify_files()]
        done.faults += [f"case {each.case_id}, entry {each.number}: {each.problem}" for each in faults]
        log = access_chain.verify(access_chain.LogAudit())
        done.faults += [
            f"access log of {each.jurisdiction_id}, line {each.line}: {each.problem}" for each in log
        ]
        done.same_figures = _same_figures()
        here = key_marks()
        done.keys = [
            (name, "missing" if name not in here else "other")
            for name, mark in manifest.keys.items()
            if here.get(name) != mark
        ]
    return done


def _suits(path: Path, manifest: Manifest) -> None:
    if manifest.engine != engines.engine():
        raise PatrolError(
            f"this backup is of {manifest.engine}, and the centre is set to {engines.engine()}",
            file=path,
            mend="Set PATROL_DATABASE_URL as it was when the backup was made",
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    unknown = sorted(set(manifest.migrations) - known)
    if unknown:
        raise PatrolError(
            "this backup was made by a newer version of street-patrol",
            file=path,
            value=f"{manifest.version}: {', '.join(unknown[:5])}",
            mend="Install that version or newer; nothing was changed",
        )


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Keep web processes of this machine from starting, and refuse while one runs."""
    folder = data / "metrics"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PatrolError(
                "the centre's web process is running", file=data, mend="Stop the centre first"
            ) from None
        yield


def _free(replace: bool) -> None:
    """Refuse a place where somebody works, or that holds something which nobody said may go."""
    try:
        if not engines.in_use():
            return
        tables = connection.introspection.table_names()
        if Heartbeat._meta.db_table in tables:
            alive = Heartbeat.objects.filter(beat_at_ms__gte=now_ms() - SILENT_MS).exclude(state=STOPPED)
            kinds = sorted({beat.kind for beat in alive})
            if kinds:
                raise PatrolError(
                    f"workers are running: {', '.join(kinds)}",
                    file=bootstrap.database_name(),
                    mend=f"Stop the centre first; a killed worker counts as running for {SILENT_MS // 1000} s",
                )
    except DatabaseError as error:
        raise UnavailableError(
            f"the database does not answer: {str(error).strip().splitlines()[0]}",
            file=bootstrap.database_name(),
        ) from error
    if not replace:
        raise PatrolError(
            "there is a centre in this database already",
            file=bootstrap.database_name(),
            mend="Restore into an empty database, or say --replace: what is there now will be gone",
        )


def _unpack(path: Path, work: Path, data: Path, step: Step, done: Restored) -> None:
    """The database into the work folder, pictures to their places. A picture too many harms nothing if this fails."""

    def take(name: str, source: IO[bytes]) -> None:
        if not name.startswith("media/"):
            with (work / name).open("xb") as file:
                shutil.copyfileobj(source, file, archive.CHUNK)
                file.flush()
                os.fsync(file.fileno())
            return
        place = data / name.removeprefix("media/")  # the archive lets only names of pictures through
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = work / "picture"
        with draft.open("wb") as file:
            shutil.copyfileobj(source, file, archive.CHUNK)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
        done.files += 1

    try:
        archive.read(path, _bytes(step, "unpacking", path), take)
    except OSError as error:
        raise UnavailableError(
            f"the backup cannot be unpacked: {error.strerror or error}", file=data
        ) from error


def _forget_sessions() -> None:
    tables = set(connection.introspection.table_names())
    with transaction.atomic(), connection.cursor() as cursor:
        for table in reversed(SESSIONS):
            if table in tables:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608


def _same_figures() -> bool:
    """As `patrol central statistics verify --period 90d`."""
    now = now_ms()
    source, asked = (
        figures.Source(Case.objects.all(), WorkOrder.objects.all(), now),
        read_period({"period": "90d"}, now),
    )
    again = replay(source.cases, asked, now)
    found = differences(figures.all_figures(source, asked), endings(source, asked), again)
    return "differs" not in found.values()
