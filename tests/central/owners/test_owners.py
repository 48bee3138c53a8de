"""The centre's owners: sealed, found only with the key, every look-up written down, keys changed without loss."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from central.notices.models import Notice
from central.owners import keys, services
from central.owners.models import Lookup, OptOut, Owner, OwnersKeyName
from notifier.owners import NoOwner, OwnerRow, next_key_file
from notifier.owners import Owner as Found
from protocol.errors import PatrolError, UnavailableError
from tests.central.engines import ON_SQLITE
from tests.central.notices.world import World, answers, notice, request, take
from tests.commands import Done, call

PLATE, PHONE, OTHER = "京A12345", "+8613800138000", "+8613900139000"
pytestmark = pytest.mark.usefixtures("centre")


def find(plate: str = PLATE) -> Any:
    return services.find(plate, purpose="test", who="tester")


def test_an_owner_is_found_in_any_spelling_and_the_look_up_is_written_down() -> None:
    services.add([OwnerRow(PLATE, PHONE, "en")])
    assert find("京a·12345") == Found(PHONE, "en")
    assert find("沪B00000") == NoOwner("not_found")
    lines = list(Lookup.objects.order_by("pk").values_list("who", "purpose", "plate_masked", "answer"))
    assert lines == [
        ("tester", "test", "京a****45", "found"),
        ("tester", "test", "沪B***00", "not_found"),
    ]


def test_nothing_in_the_tables_names_a_person_or_a_vehicle() -> None:
    services.add([OwnerRow(PLATE, PHONE)])
    services.opt_out(OTHER, source="test")
    find()
    with connection.cursor() as cursor:
        for table in ("owners_owner", "owners_optout", "owners_lookup", "owners_ownerskeyname"):
            cursor.execute(f"SELECT * FROM {table}")
            for row in cursor.fetchall():
                text = " ".join(
                    bytes(cell).decode("latin-1") if isinstance(cell, bytes | memoryview) else str(cell)
                    for cell in row
                )
                for secret in (PLATE, PHONE, OTHER, "13800138000", "12345"):
                    assert secret not in text, table


def test_two_owners_for_a_plate_are_nobody_and_a_repetition_changes_nothing() -> None:
    row = OwnerRow(PLATE, PHONE)
    assert services.add([row, row, OwnerRow(PLATE, OTHER)]) == ["added", "unchanged", "second_owner"]
    assert find() == NoOwner("ambiguous")
    assert services.add([row], replace=True) == ["added"]
    assert find() == Found(PHONE)
    report = services.verify()
    assert (report.plates, report.owners, report.ambiguous, report.unreadable) == (1, 1, 0, 0)


def test_a_changed_language_replaces_the_row() -> None:
    services.add([OwnerRow(PLATE, PHONE)])
    assert services.add([OwnerRow(PLATE, PHONE, "en")]) == ["added"]
    assert find() == Found(PHONE, "en")
    assert Owner.objects.count() == 1


def test_opting_out_and_in_again() -> None:
    services.add([OwnerRow(PLATE, PHONE)])
    assert services.opt_out(PHONE, source="a")
    assert not services.opt_out(PHONE, source="a")
    assert find() == NoOwner("opted_out")
    assert services.opt_out(PHONE, source="a", opted_out=False)
    assert find() == Found(PHONE)
    assert not services.opt_out(OTHER, source="a", opted_out=False), "who never opted out has nothing to undo"
    with pytest.raises(PatrolError):
        services.opt_out("10086", source="a")


# Keys


def test_the_first_use_makes_a_key_that_only_the_centre_reads(centre: Any) -> None:
    name = keys.the_key().name
    assert (centre.data / "owners.key").stat().st_mode & 0o777 == 0o600
    assert OwnersKeyName.objects.get().name == name
    assert keys.the_key().name == name


def test_another_key_is_refused_and_never_replaced(centre: Any) -> None:
    services.add([OwnerRow(PLATE, PHONE)])
    (centre.data / "owners.key").unlink()
    with pytest.raises(UnavailableError):
        keys.the_key()
    assert not (centre.data / "owners.key").exists(), "a new key would open nothing"
    with pytest.raises(UnavailableError):
        find()
    from notifier.owners import new_secret

    with (
        override_settings(PATROL=dataclasses.replace(settings.PATROL, owners_key=new_secret())),
        pytest.raises(PatrolError, match="another key"),
    ):
        keys.the_key()


def test_a_key_file_that_others_may_read_is_refused(centre: Any) -> None:
    keys.the_key()
    (centre.data / "owners.key").chmod(0o644)
    with pytest.raises(PatrolError, match="others may read"):
        keys.the_key()


def test_a_new_key_opens_everything_and_the_old_one_nothing(world: World, centre: Any) -> None:
    services.opt_out(OTHER, source="test")
    take(request("c1"))
    world.live(2_000)
    take(request("c2", street="elsewhere"))
    before = (centre.data / "owners.key").read_text()
    done = services.rotate()
    assert (done.owners, done.opt_outs) == (1, 1)
    assert (centre.data / "owners.key").read_text() != before
    assert find() == Found(PHONE)
    assert services.has_opted_out(services.phone_mark(keys.the_key(), OTHER))
    world.live(2_000)
    assert answers("c2")[0].state == "accepted", "a notice that waited is sent under the new key"
    take(request("c3"))
    world.live(2_000)
    assert answers("c3")[0].reason == "already warned in this street"
    (centre.data / "owners.key").write_text(before)
    with pytest.raises(PatrolError):
        keys.the_key()


class Cut(BaseException):
    """The power fails."""


# A cursor at the server dies with the process that a cut stands for.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("step", range(1, 40, 3))
def test_a_rotation_that_is_cut_short_leaves_a_key_that_fits(world: World, step: int) -> None:
    left = step

    def wrapped(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Cut
        return execute(sql, params, many, context)

    take(request())
    with connection.execute_wrapper(wrapped):
        try:
            services.rotate()
        except Cut:
            connection.close()
    assert find() == Found(PHONE)
    world.live(2_000)
    assert answers()[0].state == "accepted"


def test_a_rotation_cut_between_database_and_file_is_finished_by_the_next_start(
    world: World, centre: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = keys.finish_rotation

    def cut(path: Path, known: str | None) -> None:
        calls.append(known)
        if len(calls) == 2:
            raise Cut
        real(path, known)

    with monkeypatch.context() as patch:
        patch.setattr(keys, "finish_rotation", cut)
        with pytest.raises(Cut):
            services.rotate()
    waiting = next_key_file(centre.data / "owners.key")
    assert waiting.exists(), "the rows are sealed with the key that still waits"
    assert find() == Found(PHONE)
    assert not waiting.exists()


def test_what_was_sealed_is_forgotten_after_its_time(world: World) -> None:
    from central.notices import services as notices

    take(request())
    world.live(2_000)
    world.clock.advance(2 * 86_400_000 - 10_000)
    notices.sweep()
    assert notice().sealed is not None
    world.clock.advance(20_000)
    notices.sweep()
    assert notice().sealed is None
    services.rotate()
    assert notice().plate_mark == ""
    assert Notice.objects.count() == 1


# Commands


def patrol(centre: Any, *arguments: str) -> Done:
    return call("central", *arguments, env=centre.env())


@ON_SQLITE
def test_owners_are_imported_row_by_row_and_looked_up_with_a_purpose(centre: Any, tmp_path: Path) -> None:
    file = tmp_path / "owners.csv"
    file.write_text("车牌,手机\n京A12345,13800138000\n京A1,13800138000\n", "utf-8")
    refused = patrol(centre, "owners", "import", str(file), "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["counts"] == {"bad": 1, "not_imported": 1}
    assert Owner.objects.count() == 0
    done = patrol(centre, "owners", "import", str(file), "--skip-bad-rows", "--json")
    assert json.loads(done.stdout)["counts"] == {"added": 1, "bad": 1}
    assert PHONE not in done.stdout + done.stderr
    known = patrol(centre, "owners", "find", PLATE, "--purpose", "complaint 17", "--json")
    assert json.loads(known.stdout) == {"plate": "京A***45", "answer": "found", "phone": "+86138****8000"}
    line = Lookup.objects.get()
    assert (line.purpose, line.answer) == ("complaint 17", "found")
    assert line.who.startswith("cli:")
    assert OptOut.objects.count() == 0
