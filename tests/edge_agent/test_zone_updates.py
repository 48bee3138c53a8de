"""Zones change while vehicles stand there: what is taken up, what is refused, and what becomes of the vehicles."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import PatrolError
from tests.edge_agent.publishing import (
    CAR,
    CONFIRM_S,
    GRACE_S,
    MOVED,
    ONE,
    OTHER,
    PAVEMENT,
    SETTLE_S,
    TWO,
    UPPER,
    Office,
    street,
    zones_text,
)
from tests.edge_agent.test_stays import Vehicle

OTHER_IN_PLACE = Vehicle((104, 112, 184, 172), seed=21)


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
