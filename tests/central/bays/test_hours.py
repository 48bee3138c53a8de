"""Opening hours: read as they are written, heeded until the driver is there, and never guessed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.bays.hours import open_throughout, read_hours, write_hours
from central.bays.imports import Options, import_bays
from central.bays.models import Bay
from central.bays.ngsi import write_entity
from central.bays.services import layout_changed, nearby, offer_for_case
from tests.central.bays.plan import PLACE, at, bay, case
from tests.central.street import JURISDICTION, MINUTE, NOON

SHANGHAI = "Asia/Shanghai"


def ms(text: str, zone: str = SHANGHAI) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def opened(rules, start: str, end: str | None = None, zone: str = SHANGHAI) -> bool:
    return open_throughout(rules, ms(start, zone), ms(end or start, zone), zone)


@pytest.mark.parametrize(
    ("texts", "open_at", "closed_at"),
    [
        # 2026-03-02 is a Monday.
        ("Mo-Fr 08:00-20:00", "2026-03-02T08:00", "2026-03-02T07:59"),
        ("Mo-Fr 08:00-20:00", "2026-03-06T19:59", "2026-03-06T20:00"),
        ("Mo-Fr 08:00-20:00", "2026-03-03T12:00", "2026-03-07T12:00"),
        (["Mo,We 09:00-12:00", "Sa 10:00-11:00"], "2026-03-07T10:30", "2026-03-03T10:30"),
        ("Mo-Fr 08:00-12:00,14:00-18:00; Su 10:00-12:00", "2026-03-08T11:00", "2026-03-02T13:00"),
        ("22:00-06:00", "2026-03-03T05:59", "2026-03-03T06:00"),
        ("Fr-Mo 00:00-24:00", "2026-03-02T12:00", "2026-03-03T12:00"),
        ("Sa", "2026-03-07T23:59", "2026-03-08T00:00"),
        # 2026-10-01 is a public holiday in China, a Thursday.
        ("PH 08:00-20:00", "2026-10-01T12:00", "2026-03-05T12:00"),
    ],
    ids=str,
)
def test_texts_are_read_as_a_person_reads_them(texts, open_at, closed_at):
    rules = read_hours(texts, None)
    assert opened(rules, open_at)
    assert not opened(rules, closed_at)


def test_specifications_have_days_times_and_a_season():
    rules = read_hours(
        None,
        [
            {
                "dayOfWeek": ["https://schema.org/Saturday", "Sunday"],
                "opens": "09:00:00",
                "closes": "23:59",
                "validFrom": "2026-03-01",
                "validThrough": "2026-03-31T00:00:00Z",
            }
        ],
    )
    assert opened(rules, "2026-03-07T09:00")
    assert opened(rules, "2026-03-07T23:30", "2026-03-07T23:59")
    assert not opened(rules, "2026-03-06T09:00"), "a Friday"
    assert not opened(rules, "2026-02-28T09:00"), "before the season"
    assert not opened(rules, "2026-04-04T09:00"), "after it"
    assert opened(read_hours(None, write_hours(rules)), "2026-03-07T09:00"), "written and read again"


def test_a_bay_that_closes_before_the_driver_is_there_is_not_open():
    rules = read_hours("08:00-20:00", None)
    assert opened(rules, "2026-03-02T19:50", "2026-03-02T20:00")
    assert not opened(rules, "2026-03-02T19:50", "2026-03-02T20:01")
    round_the_clock = read_hours(["08:00-20:00", "20:00-08:00"], None)
    assert opened(round_the_clock, "2026-03-02T19:50", "2026-03-02T20:10"), "no pause between two windows"
    assert opened(read_hours("24/7", None), "2026-03-02T23:55", "2026-03-03T00:05")


def test_who_says_nothing_is_always_open():
    assert read_hours(None, None) is None
    assert read_hours([], []) is None
    assert opened(None, "2026-03-02T03:00")


@pytest.mark.parametrize(
    ("texts", "specifications"),
    [
        ("by appointment", None),
        ("Mo-Xx 08:00-20:00", None),
        ("08:00-25:00", None),
        ("08:00-08:00", None),
        ("PH off", None),
        ("sunrise-sunset", None),
        (7, None),
        (None, "Mo"),
        (None, {"dayOfWeek": "Someday"}),
        (None, {"opens": "8 o'clock", "closes": "20:00"}),
        (None, {"opens": "08:00", "closes": "20:00", "validFrom": "spring"}),
        (["Mo 08:00-09:00"] * 101, None),
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused(texts, specifications):
    with pytest.raises(ValueError, match=r"\w"):
        read_hours(texts, specifications)


@given(st.one_of(st.text(max_size=30), st.lists(st.text(alphabet="MoTuWeFrSa -:,;0123456789", max_size=25))))
def test_any_text_is_understood_or_refused(texts):
    try:
        rules = read_hours(texts, None)
    except ValueError:
        return
    open_throughout(rules, NOON, NOON + MINUTE, SHANGHAI)


def test_drivers_are_sent_to_open_bays_only(centre):
    """At both ends of it: the list that is looked at and the bay that is held."""
    until = NOON + 10 * MINUTE
    zone = ZoneInfo(str(_zone()))
    closes = datetime.fromtimestamp((NOON + 5 * MINUTE) / 1000, zone).strftime("%H:%M")
    later = datetime.fromtimestamp((NOON + 60 * MINUTE) / 1000, zone).strftime("%H:%M")
    opens = datetime.fromtimestamp((NOON - 60 * MINUTE) / 1000, zone).strftime("%H:%M")
    bay("closing", at(10, 0), hours=read_hours(f"{opens}-{closes}", None))
    bay("shut", at(20, 0), hours=read_hours(f"{later}-{opens}", None))
    bay("open", at(30, 0), hours=read_hours(f"{opens}-{later}", None))
    bay("always", at(40, 0))
    one = case()
    wanted = {"vehicle_class": "car", "position": PLACE, "until_ms": until}
    assert [each.spot_id for each in nearby(one, **wanted)] == ["open", "always"]
    offers = offer_for_case(one, **wanted)
    assert [(each.spot_id, each.reserved_until_ms) for each in offers] == [("open", until), ("always", None)]
    soon = {**wanted, "until_ms": NOON + 4 * MINUTE}
    assert offer_for_case(case("c2"), **soon)[0].spot_id == "closing", "it is open for long enough"
    # A hold is not stretched over the hour at which the bay closes.
    again = offer_for_case(one, **{**wanted, "until_ms": NOON + 90 * MINUTE})
    assert (again[0].spot_id, again[0].reserved_until_ms) == ("open", until)


def test_hours_come_with_the_import_and_go_with_it(centre):
    row = {
        "type": "Feature",
        "id": "B1",
        "geometry": {"type": "Point", "coordinates": [PLACE.longitude, PLACE.latitude]},
        "properties": {"type": "ParkingSpot", "name": "B1", "openingHours": {"value": "Mo-Fr 08:00-20:00"}},
    }
    assert import_bays([row], Options(JURISDICTION)).rows[0].result == "added"
    stored = Bay.objects.get()
    assert stored.hours == [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00"}]
    assert "openingHoursSpecification" in write_entity(stored, stored.status)
    row["properties"]["openingHours"] = "when we feel like it"
    (bad,) = import_bays([row], Options(JURISDICTION)).rows
    assert (bad.result, bad.field) == ("bad", "openingHours")
    assert "when we feel like it" in bad.problem
    del row["properties"]["openingHours"]
    assert import_bays([row], Options(JURISDICTION)).rows[0].result == "changed"
    assert Bay.objects.get().hours is None


def test_new_hours_reach_every_process_at_once(centre):
    made = bay("B1", at(10, 0))
    wanted = {"vehicle_class": "car", "position": PLACE, "until_ms": NOON + MINUTE}
    assert nearby(case(), **wanted)
    Bay.objects.filter(pk=made.pk).update(hours=read_hours("03:00-03:01", None))
    layout_changed(JURISDICTION)
    assert nearby(case("c2"), **wanted) == []


def _zone() -> str:
    from django.conf import settings

    return str(settings.PATROL.time_zone)
