"""An older database with cases, tasks and looks in it is brought to this version: all of it is there, and it is proven."""

from __future__ import annotations

import json
from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from central.cases import history, services
from central.cases.models import Case, WorkOrder
from central.clocks import calendars
from central.people import access_chain, access_log
from central.people.models import AccessChain, Role, SensitiveRead
from central.project import bootstrap
from protocol.errors import PatrolError
from tests.central.operations.test_backup import rows, send
from tests.central.street import JURISDICTION
from tests.commands import call

OLDER = [
    ("people", "0004_reads_are_append_only"),
    ("cases", "0101_figures"),
    ("clocks", "0001_clocks"),
    ("notices", "0001_initial"),
]
"""As the database was before administrators changed rules, hours and words on pages, and looks were chained."""


def contents():
    return {table: found for table, found in rows().items() if table != "django_migrations"}


def test_an_older_database_is_upgraded_with_all_that_is_in_it(agent, person, centre):
    wang = person("wang")
    for number in range(3):
        send(number)
    orders = list(WorkOrder.objects.order_by("pk"))
    services.accept(orders[0].pk, wang)
    for number, case in enumerate(Case.objects.order_by("pk")):
        access_log.note(person(f"chen{number}", Role.DISPATCHER), case, "plate", "a “call”, 电话")
    calendars.set_days(
        JURISDICTION,
        [calendars.DayChange(date(2026, 3, 4), "holiday", "x")],
        author="cli:li",
    )
    before, audit = contents(), history.Audit()
    assert list(history.verify(audit)) == []

    MigrationExecutor(connection).migrate(OLDER)
    with connection.cursor() as cursor:
        names = [
            column.name
            for column in connection.introspection.get_table_description(cursor, "people_sensitiveread")
        ]
        cursor.execute("SELECT COUNT(*) FROM people_sensitiveread")
        assert cursor.fetchone() == (3,)
    assert "sha256" not in names, "this is the older table"
    with pytest.raises(PatrolError, match="lacks"):
        bootstrap.check_schema()
    waiting = bootstrap.waiting()
    assert {f"{app}.{name}" for app, name in OLDER}.isdisjoint(waiting)
    assert {"people.0005_access_log_chain", "cases.0102_service_versions"} <= {*waiting}
    connection.close()
    told = call("central", "check", "--upgrade", env=centre.env())
    assert told.returncode == 1
    assert f"{len(waiting)} migrations wait" in told.stdout
    assert bootstrap.waiting() == waiting, "looking changed nothing"

    migrated = call("central", "migrate", "--json", env=centre.env())
    assert json.loads(migrated.stdout)["applied"] == waiting, migrated.stderr
    bootstrap.check_schema()
    assert contents() == before, "every row of every table, with the same links between the looks"
    assert AccessChain.objects.get().length == 3
    again, log = history.Audit(), access_chain.LogAudit()
    assert list(history.verify(again)) == list(access_chain.verify(log)) == []
    assert (again.digest, log.lines) == (audit.digest, 3)
    for change in (
        lambda: SensitiveRead.objects.update(name="somebody"),
        lambda: Case.objects.first().history.update(actor="somebody"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    # It is a working database.
    send(9)
    access_log.note(wang, Case.objects.latest("pk"), "plate", "after")
    assert SensitiveRead.objects.latest("pk").line == 4
    assert list(access_chain.verify(access_chain.LogAudit())) == []
