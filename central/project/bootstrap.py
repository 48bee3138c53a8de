"""Starting Django from the command line, and telling whether the database fits this version."""

from __future__ import annotations

import fcntl
import gc
import os
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


def start() -> None:
    """Set Django up; once per process, again does nothing.

    Raises:
        PatrolError: a setting is wrong.
        UnavailableError: the data folder cannot be used.
    """
    import django
    from django.apps import apps

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central.project.settings")
    # Plates and pictures of people's cars: no other user of the machine may read what is written from here on.
    os.umask(0o077)
    if not apps.ready:
        django.setup()


def ready() -> None:
    """Django, on a database of this version: what most commands begin with.

    Raises:
        PatrolError, UnavailableError: as `start` and `check_schema` do.
    """
    start()
    check_schema()


def check_schema() -> None:
    """Refuse a database that this version does not know.

    Raises:
        PatrolError: it is from a newer version, or has yet to be migrated.
    """
    unknown, missing = _compare()
    if unknown:
        raise PatrolError(
            "the database was written by a newer version of street-patrol",
            file=database_name(),
            value=", ".join(unknown),
            mend="Install that version or newer; nothing was changed",
        )
    if missing:
        raise PatrolError(
            f"the database lacks {len(missing)} migration{'s' if len(missing) > 1 else ''}",
            file=database_name(),
            mend="Run: patrol central migrate",
        )


def waiting() -> list[str]:
    """Migrations that this version would run; nothing is changed.

    Raises:
        PatrolError: the database is from a newer version.
        UnavailableError: it does not answer.
    """
    unknown, missing = _compare()
    if unknown:
        check_schema()
    return missing


def check_services() -> None:
    """Refuse to run with a definition of a service that cannot be followed: better at the start than at the first case.

    Raises:
        PatrolError: a file is wrong; named with its field.
    """
    from central.cases.rules import services

    services()


def migrate() -> list[str]:
    """Bring the database to this version; returns the names of the migrations that ran.

    Raises:
        PatrolError: the database is from a newer version.
        UnavailableError: the database does not answer.
    """
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        unknown, missing = _compare()
        if unknown:
            check_schema()
        if missing:
            # Django builds the models anew for each step; looking for cycles meanwhile costs a fifth of the time.
            collects = gc.isenabled()
            gc.disable()
            try:
                call_command("migrate", interactive=False, verbosity=0)
            finally:
                if collects:
                    gc.enable()
    except DatabaseError as error:
        raise UnavailableError(
            f"the database does not answer: {str(error).strip().splitlines()[0]}",
            file=database_name(),
            mend="Start it, or correct PATROL_DATABASE_URL",
        ) from error
    return missing


def collect_static() -> None:
    """Put the pages' styles and scripts, ours and those of installed packages, under the data folder."""
    from django.conf import settings
    from django.core.management import call_command

    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command(
            "collectstatic",
            interactive=False,
            verbosity=0,
            ignore_patterns=["*.map", "*-src.js", "*-src.esm.js"],
        )


def database_name() -> str:
    """Which database, without its password."""
    from django.db import connection

    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    return f"postgresql://{settings['HOST'] or 'localhost'}/{settings['NAME']}"


def _compare() -> tuple[list[str], list[str]]:
    """(applied migrations that this version does not have, migrations that are yet to be applied)."""
    from django.db import DatabaseError, connection
    from django.db.migrations.loader import MigrationLoader

    try:
        loader = MigrationLoader(connection)
    except DatabaseError as error:
        raise UnavailableError(
            f"the database does not answer: {str(error).strip().splitlines()[0]}",
            file=database_name(),
            mend="Start it, or correct PATROL_DATABASE_URL",
        ) from error
    applied = set(loader.applied_migrations)
    on_disk = set(loader.disk_migrations)
    return (
        sorted(f"{app}.{name}" for app, name in applied - on_disk),
        sorted(f"{app}.{name}" for app, name in on_disk - applied),
    )
