"""Zones change while vehicles stand there: what is taken up, what is refused, and what becomes of the vehicles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.errors import PatrolError, UnavailableError
from tests.edge_agent.publishing import (
    CAR,
    CONFIRM_S,
    GRACE_S,
    OTHER,
    PAVEMENT,
    UPPER,
    Office,
    Street,
    street,
    zones_text,
)
from tests.edge_agent.test_stays import Vehicle
from zones.publishing import SigningKey

SETTLE_S = 5
"""Looks until a vehicle counts as standing, and one more."""

OTHER_IN_PLACE = Vehicle((104, 112, 184, 172), seed=21)

ONE = zones_text()
TWO = zones_text(("P1", PAVEMENT, ""), ("P2", UPPER, ""))
MOVED = zones_text(("P1", [(20, 10), (95, 10), (95, 200), (20, 200)], ""))
"""P1, but no longer where CAR stands."""


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "published")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def plain(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cam1.toml"
    path.write_text(text, "utf-8")
    return path


# What is taken up


def test_a_new_version_comes_into_force_between_two_pictures(office: Office, data: Path) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder, trusted_keys=[office.key.public.line]) as one:
        one.beat(OTHER, times=SETTLE_S)
        assert one.told == []
        (first,) = one.plans()
        assert ([zone.zone_id for zone in first.zones], first.in_force.version) == (["P1"], 1)
        published = office.publish(TWO)
        one.settle()
        (plan,) = one.plans()  # the one before had not left, and is not worth sending any more
        assert ([zone.zone_id for zone in plan.zones], plan.in_force.version) == (["P1", "P2"], 2)
        assert plan.idempotency_key != first.idempotency_key
        assert one.updates.told("cam1").sha256 == published.sha256
        assert (one.updates.told("cam1").version, one.updates.told("cam1").author) == (2, "Li Wei")
        one.beat(OTHER, times=SETTLE_S + CONFIRM_S)
        assert one.states(zone="P2") == ["observing", "confirmed", "unnotifiable"]
        (change,) = [e for e in one.told if e["state"] == "rules_changed"]
        assert "version 2 by Li Wei" in change["reason"]
        assert "0 open cases keep" in change["reason"]


def test_a_plain_file_is_watched_too_where_no_key_is_trusted(tmp_path: Path, data: Path) -> None:
    with street(data, plain(tmp_path, ONE)) as one:
        one.beat()
        one.write(TWO)
        one.settle()
        one.beat(OTHER, times=SETTLE_S)
        assert one.states() == ["rules_changed", "observing"]
        assert one.updates.problems == []


def test_a_file_is_read_only_when_it_rests(tmp_path: Path, data: Path) -> None:
    """An editor that writes in pieces leaves, for a moment, a valid file with fewer zones."""
    with street(data, plain(tmp_path, TWO)) as one:
        one.beat()
        before = one.updates.told("cam1")
        one.write(TWO[: TWO.index('[[zone]]\nid = "P2"')])
        one.updates.poll(one.engine, one.now_ms)
        assert one.updates.told("cam1") == before
        one.write(TWO)
        one.settle()
        assert one.updates.told("cam1") == before
        assert one.states() == []


def test_zones_published_before_the_first_picture_are_the_first(office: Office, data: Path) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        office.publish(TWO)
        one.settle()
        one.beat(OTHER, times=SETTLE_S)
        assert one.states() == ["observing"]


def test_zones_that_fit_end_the_wait_of_a_camera_whose_first_did_not(tmp_path: Path, data: Path) -> None:
    with street(data, plain(tmp_path, ONE.replace("height = 240", "height = 320"))) as one:
        with pytest.raises(PatrolError, match="another shape"):
            one.beat(CAR)
        one.write(ONE)
        one.settle()
        one.beat(CAR, times=SETTLE_S)
        assert one.states() == ["observing"]


# What becomes of the vehicles


def test_a_case_in_flight_keeps_its_rules_to_its_end(office: Office, data: Path) -> None:
    """Its zone is moved away under the standing vehicle: there is one case, and it goes on to its task."""
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        assert one.states() == ["observing", "confirmed", "unnotifiable"]
        office.publish(MOVED)
        one.settle()
        one.beat(CAR, times=GRACE_S + 2)
        assert one.states() == [
            "observing",
            "confirmed",
            "unnotifiable",
            "rules_changed",
            "rechecking",
            "tasked",
        ]
        change = next(e for e in one.told if e["state"] == "rules_changed")
        assert "1 open case keeps the rules under which it was opened" in change["reason"]
        one.beat(times=12)
        assert one.states()[-1] == "closed"


def test_a_case_keeps_its_rules_over_a_restart_and_another_change(office: Office, data: Path) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        office.publish(MOVED)
        one.settle()
        one.beat(CAR, times=2)
        office.publish(MOVED.replace('name = "P1"', 'name = "Upper"'))
        one.settle()
        beats = one.beats
    with street(data, office.archive.folder, start=beats) as one:
        one.beat(CAR, times=GRACE_S + 2)
        assert one.states() == ["rechecking", "tasked"]
        assert one.engine.open_cases == 1


def test_who_drives_off_after_the_change_has_corrected_it(office: Office, data: Path) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(times=4)
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        office.publish(zones_text(("P9", UPPER, "")))
        one.settle()
        one.beat(CAR, times=2)
        one.beat(times=14)
        assert one.states()[-1] == "self_corrected"
        assert "left" in one.told[-1]["reason"]


HOURS = 'hours = [{ from = "07:00", to = "19:00" }]'
"""The scripted day begins at eight in Shanghai."""


@pytest.mark.parametrize("more", ["", HOURS], ids=["always", "in its hours"])
@pytest.mark.parametrize("new_id", ["P1", "P7"])
def test_a_stay_whose_case_is_over_gets_no_second_one_by_an_edit(
    office: Office, data: Path, more: str, new_id: str
) -> None:
    office.publish(zones_text(("P1", PAVEMENT, f'unnotifiable = "close"\n{more}')))
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S + CONFIRM_S + GRACE_S + 2)
        assert one.states() == ["observing", "confirmed", "unnotifiable", "closed"]
        office.publish(zones_text((new_id, [*PAVEMENT[:2], (300, 210), (20, 210)], more)))
        one.settle()
        one.beat(CAR, times=4 * CONFIRM_S)
        assert one.states()[4:] == ["rules_changed"]
        # Another vehicle in its place is another stay.
        one.beat(times=14)
        one.beat(OTHER_IN_PLACE, times=SETTLE_S + CONFIRM_S + 2)
        assert one.states(zone=new_id)[-2:] == ["confirmed", "unnotifiable"]


@pytest.mark.parametrize("hours", [("", HOURS), (HOURS, ""), (HOURS, HOURS)], ids=["gets", "loses", "keeps"])
def test_a_case_goes_on_whatever_becomes_of_the_hours(
    office: Office, data: Path, hours: tuple[str, str]
) -> None:
    office.publish(zones_text(("P1", PAVEMENT, hours[0])))
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        office.publish(MOVED.replace("grace_s = 8", f"grace_s = 8\n{hours[1]}"))
        one.settle()
        one.beat(CAR, times=GRACE_S + 2)
        assert one.states()[3:] == ["rules_changed", "rechecking", "tasked"]


def test_time_in_a_zone_that_did_not_change_is_kept(office: Office, data: Path) -> None:
    """A vehicle a second before its confirm time; another zone is added, and its own gets a longer name."""
    office.publish(ONE)
    with street(data, office.archive.folder) as plain_run:
        plain_run.beat(CAR, times=SETTLE_S + CONFIRM_S)
        undisturbed = next(e["time"] for e in plain_run.told if e["state"] == "confirmed")
    other = Office(data.parent / "again", office.key)
    other.publish(ONE)
    with street(data.parent / "data2", other.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S)
        assert one.states() == ["observing"]
        other.publish(TWO.replace('name = "P1"', 'name = "Pavement before the school"'))
        one.settle()
        one.beat(CAR, times=SETTLE_S)
        assert next(e["time"] for e in one.told if e["state"] == "confirmed") == undisturbed
        assert "0 vehicles judged anew" in one.told[1]["reason"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(zones_text(("P1", [*PAVEMENT[:2], (300, 210), (20, 210)], "")), id="its ground"),
        pytest.param(zones_text(("P1", PAVEMENT, 'classes = ["car"]')), id="its classes"),
        pytest.param(ONE.replace("confirm_after_s = 4", "confirm_after_s = 3"), id="its confirm time"),
    ],
)
def test_time_in_a_zone_that_changed_is_counted_anew(office: Office, data: Path, changed: str) -> None:
    """Nobody is fined for time that passed under other rules."""
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S)
        office.publish(changed)
        one.settle()
        changed_ms = one.now_ms
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        assert one.states()[:4] == ["observing", "rules_changed", "ended", "observing"]
        (case,) = one.store.open_cases()
        assert case.confirmed_ms - changed_ms >= case.zone.confirm_after_s * 1000


def test_a_vehicle_that_a_zone_grew_over_begins_to_count_then(office: Office, data: Path) -> None:
    """It stood beside the zone for longer than the confirm time: the tracker knew it, half in a corner."""
    beside = zones_text(
        ("P1", [(20, 100), (128, 100), (128, 200), (20, 200)], "enter_ratio = 0.6\nleave_ratio = 0.1")
    )
    office.publish(beside)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=3 * CONFIRM_S)
        assert one.states() == []
        office.publish(ONE)
        one.settle()
        changed_ms = one.now_ms
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        (case,) = one.store.open_cases()
        assert case.confirmed_ms - changed_ms >= CONFIRM_S * 1000


def test_rules_that_changed_while_the_agent_was_off_are_told_and_fair(office: Office, data: Path) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S)
        assert one.states() == ["observing"]
        with one.store.transaction():
            one.store.save_camera(one.engine.cameras["cam1"].state)
        beats = one.beats
    office.publish(zones_text(("P1", [*PAVEMENT[:2], (300, 210), (20, 210)], "")))
    with street(data, office.archive.folder, start=beats) as one:
        changed_ms = one.now_ms
        one.beat(CAR, times=SETTLE_S + CONFIRM_S + 1)
        assert one.states()[:3] == ["rules_changed", "ended", "observing"]
        (case,) = one.store.open_cases()
        assert case.confirmed_ms - changed_ms >= CONFIRM_S * 1000


# What is refused


def truncated(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes()[:-20])


def tampered(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes().replace(b"confirm_after_s = 4", b"confirm_after_s = 1"))


def other_author(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes().replace(b'"Li Wei"', b'"Wang Wu"'))


def deleted(one: Street, office: Office) -> None:
    office.archive.current_path.unlink()


def foreign_key(one: Street, office: Office) -> None:
    stranger = Office(office.archive.folder.parent / "stranger")
    stranger.publish(ONE)
    stranger.publish(ONE + "# \n")
    stranger.publish(TWO)
    office.archive.current_path.write_bytes(stranger.archive.current_path.read_bytes())


def replayed(one: Street, office: Office) -> None:
    office.archive.current_path.write_bytes(office.archive.path_of(1).read_bytes())


def unsigned(one: Street, office: Office) -> None:
    office.archive.current_path.write_text(TWO)


def wrong_camera(one: Street, office: Office) -> None:
    other = Office(office.archive.folder.parent / "cam2", office.key)
    for _ in range(3):
        other.publish(zones_text(camera="cam2") + f"# {_}\n", camera="cam2")
    office.archive.current_path.write_bytes(other.archive.current_path.read_bytes())


def another_shape(one: Street, office: Office) -> None:
    office.publish(zones_text().replace("height = 240", "height = 320"))


def garbage(one: Street, office: Office) -> None:
    office.archive.current_path.write_bytes(bytes(range(256)) * 8)


def a_folder(one: Street, office: Office) -> None:
    office.archive.current_path.unlink()
    office.archive.current_path.mkdir()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (truncated, "changed or cut off"),
        (tampered, "changed or cut off"),
        (other_author, "head was changed"),
        (deleted, "does not exist"),
        (foreign_key, "not trusted"),
        (replayed, "older than version 2"),
        (unsigned, "not signed"),
        (wrong_camera, "belongs to camera cam2"),
        (another_shape, "another shape"),
        (garbage, "not signed"),
        (a_folder, "cannot be read"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_refused_leaves_the_old_zones_in_force_until_it_is_mended(
    office: Office, data: Path, harm: Callable[[Street, Office], None], said: str
) -> None:
    office.publish(ONE + "# the first\n")
    current = office.publish(ONE)
    with street(data, office.archive.folder, trusted_keys=[office.key.public.line]) as one:
        one.beat(CAR, times=2)
        harm(one, office)
        one.settle()
        (problem,) = one.updates.problems
        assert problem.startswith("zones_refused: camera cam1: ")
        assert said in problem
        assert one.updates.told("cam1").sha256 == current.sha256
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        assert one.states() == ["observing", "confirmed", "unnotifiable"], "the old zones go on"
        # The agent is started again while the file is still bad: the copy is used.
        beats = one.beats
    with street(data, office.archive.folder, start=beats, trusted_keys=[office.key.public.line]) as one:
        one.beat(CAR)
        (problem,) = one.updates.problems
        assert said in problem
        assert one.updates.told("cam1").sha256 == current.sha256
        if office.archive.current_path.is_dir():
            office.archive.current_path.rmdir()
        office.archive.current_path.write_bytes(current.data)
        one.settle()
        assert one.updates.problems == []
        assert "rules_changed" not in one.states()


def test_a_file_that_breaks_the_reader_does_not_stop_the_agent(
    office: Office, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of the program that a file brings to light is a refusal like any other."""
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR)
        office.publish(TWO)
        monkeypatch.setattr("edge_agent.zone_rules.open_signed", lambda *_, **__: 1 / 0)
        one.settle()
        assert "cannot be used: ZeroDivisionError" in one.updates.problems[0]
        assert one.updates.told("cam1").version == 1


def test_an_agent_never_starts_without_zones(office: Office, data: Path) -> None:
    office.publish(ONE)
    tampered(None, office)  # type: ignore[arg-type]
    with pytest.raises(PatrolError, match="changed or cut off"), street(data, office.archive.folder):
        pass


def test_a_key_that_is_no_longer_trusted_brings_its_zones_down(office: Office, data: Path) -> None:
    """Neither the file nor its copy is used after the key was withdrawn; a version by the new key is."""
    office.publish(ONE)
    new = SigningKey.generate()
    with street(data, office.archive.folder, trusted_keys=[office.key.public.line]) as one:
        one.beat()
    with (
        pytest.raises(PatrolError, match="not trusted"),
        street(data, office.archive.folder, trusted_keys=[new.public.line]),
    ):
        pass
    office.key = new
    office.publish(TWO)
    with street(data, office.archive.folder, start=10, trusted_keys=[new.public.line]) as one:
        one.beat(OTHER, times=SETTLE_S)
        assert one.states() == ["rules_changed", "observing"]


def test_during_a_change_of_keys_both_may_publish(office: Office, data: Path) -> None:
    old, new = office.key, SigningKey.generate()
    office.publish(ONE)
    with street(data, office.archive.folder, trusted_keys=[old.public.line, new.public.line]) as one:
        one.beat()
        office.key = new
        office.publish(TWO)
        one.settle()
        assert one.updates.told("cam1").version == 2
        office.key = old
        office.publish(ONE)
        one.settle()
        assert one.updates.told("cam1").version == 3
        assert one.updates.problems == []


def test_a_disk_that_refuses_changes_nothing_and_is_tried_again(
    office: Office, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S)
        before = one.engine.cameras["cam1"].state
        published = office.publish(zones_text(("P1", [*PAVEMENT[:2], (300, 210), (20, 210)], "")))

        def refuse(*_: object) -> None:
            raise UnavailableError("the disk is full, nothing was stored")

        with monkeypatch.context() as patch:
            patch.setattr(one.store, "save_camera", refuse)
            with pytest.raises(UnavailableError):
                one.settle()
        assert one.engine.cameras["cam1"].state == before
        assert one.states() == ["observing"]
        one.settle()
        assert one.updates.told("cam1").sha256 == published.sha256
        assert one.states() == ["observing", "rules_changed", "ended"]


def test_copies_of_earlier_zones_are_kept_only_as_long_as_a_case_needs_them(
    office: Office, data: Path
) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(times=4)
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        for number in range(3):
            office.publish(MOVED + f"# {number}\n")
            one.settle()
        assert len(list((data / "zones" / "cam1").iterdir())) == 2
        one.beat(times=14)
        assert one.engine.open_cases == 0
        office.publish(TWO)
        one.settle()
        assert len(list((data / "zones" / "cam1").iterdir())) == 1
