"""When zones count, against a reference that walks the days with a paper calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zones import ZoneFile
from zones.holidays import day_of, is_known, known_years
from zones.hours import Hours, Timetable, hours_of
from zones.rules import Calendar, Window

QUARTER = timedelta(minutes=15)
MINUTE_MS = 60_000
CN = Calendar()


def days(text: str) -> set[date]:
    """`2024-02-10/17 2024-04-04`: days, and spans within a month."""
    found = set()
    for part in text.split():
        first, _, last = part.partition("/")
        start = date.fromisoformat(first)
        found |= {start + timedelta(n) for n in range((int(last) if last else start.day) - start.day + 1)}
    return found


# The State Council's notices for 2024, 2025 and 2026, typed in from the notices.
HOLIDAYS = days(
    "2024-01-01 2024-02-10/17 2024-04-04/06 2024-05-01/05 2024-06-10 2024-09-15/17 2024-10-01/07 "
    "2025-01-01 2025-01-28/31 2025-02-01/04 2025-04-04/06 2025-05-01/05 2025-05-31 2025-06-01/02 2025-10-01/08 "
    "2026-01-01/03 2026-02-15/23 2026-04-04/06 2026-05-01/05 2026-06-19/21 2026-09-25/27 2026-10-01/07"
)
MADE_UP = days(
    "2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12 "
    "2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11 "
    "2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10"
)


def is_kind(kind: str, day: date) -> bool:
    worked = day in MADE_UP or (day.weekday() < 5 and day not in HOLIDAYS)
    return {"workday": worked, "restday": not worked, "holiday": day in HOLIDAYS}.get(
        kind, f"{day:%a}".lower() == kind
    )


def shanghai(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None) + timedelta(hours=8)


def berlin(moment: datetime) -> datetime:
    """Summer time from the last Sunday of March to that of October, 01:00 UTC (directive 2000/84/EC)."""

    def turn(month: int) -> datetime:
        last = date(moment.year, month, 31)
        return datetime.combine(last - timedelta((last.weekday() + 1) % 7), datetime.min.time()).replace(
            hour=1
        )

    plain = moment.replace(tzinfo=None)
    return plain + timedelta(hours=2 if turn(3) <= plain < turn(10) else 1)


def covered(windows: list[Window]) -> set[datetime]:
    """Every quarter of an hour on the wall's clock that lies in a window, by walking the days."""
    marked = set()
    day = date(2023, 12, 30)
    while day < date(2027, 1, 2):
        midnight = datetime.combine(day, datetime.min.time())
        for window in windows:
            if any(is_kind(kind, day) for kind in window.days):
                start = midnight + _clock(window.from_)
                end = midnight + _clock(window.to)
                if end <= start:
                    end += timedelta(days=1)
                while start < end:
                    marked.add(start)
                    start += QUARTER
        day += timedelta(days=1)
    return marked


def _clock(text: str) -> timedelta:
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))


def window(*kinds: str, start: str = "00:00", end: str = "24:00") -> Window:
    return (
        Window.model_validate({"days": kinds, "from": start, "to": end})
        if kinds
        else Window(**{"from": start, "to": end})
    )


SCHOOL = [
    window("workday", start="07:00", end="08:30"),
    window("workday", start="15:15", end="16:45"),
    window("restday", start="22:00", end="06:00"),
    window("holiday", start="10:00", end="10:15"),
]
MARKET = [
    window("mon", "sat", start="05:30", end="13:00"),
    window("sun", start="01:30", end="03:30"),
    window("fri", start="23:45", end="02:15"),
]


@pytest.mark.parametrize(
    ("windows", "place", "local", "calendar"),
    [
        pytest.param(SCHOOL, "Asia/Shanghai", shanghai, CN, id="China's calendar"),
        pytest.param(
            SCHOOL,
            "Europe/Berlin",
            berlin,
            Calendar(country="none", holidays=tuple(HOLIDAYS), workdays=tuple(MADE_UP)),
            id="the same days listed in the file, with summer time",
        ),
        pytest.param(
            MARKET, "Europe/Berlin", berlin, Calendar(country="none"), id="weekdays and summer time"
        ),
    ],
)
def test_every_quarter_of_an_hour_of_three_years(
    windows: list[Window], place: str, local: Callable[[datetime], datetime], calendar: Calendar
) -> None:
    hours = Hours(tuple(windows), place, calendar)
    marked = covered(windows)
    moment, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    wrong = []
    inside = 0
    while moment < end:
        expected = local(moment) in marked
        inside += expected
        if hours.counts(int(moment.timestamp()) * 1000) is not expected:
            wrong.append(moment)
        moment += QUARTER
    assert wrong == []
    assert 5_000 < inside < 60_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-02-13T22:30+08:00", True),  # Friday before the make-up Saturday
        ("2026-02-14T00:30+08:00", True),  # still the window that began on Friday
        ("2026-02-14T22:30+08:00", True),  # a Saturday that is worked
        ("2026-02-15T00:30+08:00", True),  # a holiday by now, but the window began on a working day
        ("2026-02-15T22:30+08:00", False),
        ("2026-02-16T00:30+08:00", False),  # Monday, a holiday, after a holiday
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins_on(at: str, expected: bool) -> None:
    hours = Hours((window("workday", start="22:00", end="06:00"),), "Asia/Shanghai", CN)
    assert hours.counts(ms(at)) is expected


def test_in_the_skipped_hour_nothing_happens_and_the_doubled_hour_counts_twice() -> None:
    hours = Hours((window(start="02:00", end="03:00"),), "Europe/Berlin", Calendar(country="none"))
    spring, autumn = ms("2026-03-29T00:00+01:00"), ms("2026-10-25T00:00+02:00")
    assert [m for m in range(24 * 60) if hours.counts(spring + m * MINUTE_MS)] == []
    assert len([m for m in range(24 * 60) if hours.counts(autumn + m * MINUTE_MS)]) == 120
    span = hours.span(ms("2026-10-25T02:30+02:00"))
    assert (span.since_ms, span.until_ms) == (ms("2026-10-25T02:00+02:00"), ms("2026-10-25T03:00+01:00"))


def test_the_end_is_not_included_and_no_windows_means_always() -> None:
    hours = Hours((window(start="08:00", end="20:00"),), "Asia/Shanghai", CN)
    assert hours.counts(ms("2026-03-02T20:00+08:00") - 1) is True
    assert hours.counts(ms("2026-03-02T20:00+08:00")) is False
    always = Hours((), "Asia/Shanghai", CN)
    assert always.counts(0) is True
    assert always.next_change(0) is None


def test_a_year_that_nobody_knows_is_not_guessed() -> None:
    unknown = max(known_years()) + 1
    noon = ms(f"{unknown}-06-15T12:00+08:00")
    asked = Hours((window("workday"),), "Asia/Shanghai", CN)
    assert asked.counts(noon) is None
    assert Hours((window("workday"), window()), "Asia/Shanghai", CN).counts(noon) is True
    assert Hours((window("workday", start="01:00", end="02:00"),), "Asia/Shanghai", CN).counts(noon) is False
    given_year = Calendar(years=(unknown,), holidays=(date(unknown, 6, 15),))
    assert is_known(given_year, unknown)
    assert not is_known(CN, unknown)
    assert Hours((window("workday"),), "Asia/Shanghai", given_year).counts(noon) is False
    day_ms = 86_400_000
    before = Hours((window("workday", start="22:00", end="06:00"),), "Asia/Shanghai", CN)
    assert before.counts(ms(f"{unknown}-01-01T03:00+08:00")) is not None, "it began in a year that is known"
    assert before.counts(ms(f"{unknown}-01-01T03:00+08:00") + day_ms) is None


def test_a_file_may_correct_the_calendar() -> None:
    may_1 = date(2026, 5, 1)
    assert day_of(CN, may_1).holiday is True
    worked = day_of(Calendar(workdays=(may_1,)), may_1)
    assert (worked.worked, worked.holiday) == (True, False)
    with pytest.raises(ValueError, match="no holiday of it"):
        Calendar(years=(2030,))


def file(*zones: dict[str, object], calendar: Calendar = CN) -> ZoneFile:
    square = [(0, 0), (300, 0), (300, 200), (0, 200)]
    return ZoneFile.model_validate(
        {
            "picture": {"width": 640, "height": 360},
            "calendar": calendar,
            "zone": [{"name": z["id"], "polygon": square, **z} for z in zones],
        }
    )


def test_what_is_not_known_never_forbids() -> None:
    """A forbidding zone does not count while its calendar is unknown; a bay does."""
    noon = ms(f"{max(known_years()) + 1}-06-15T12:00+08:00")
    workdays = [{"days": ["workday"]}]
    table = Timetable(
        file(
            {"id": "P1", "hours": workdays},
            {"id": "B1", "kind": "parking_bay", "hours": workdays},
            {"id": "I1", "kind": "ignore", "hours": workdays},
            {"id": "P2"},
        )
    )
    assert set(table.counting(noon) or ()) == {"B1", "I1", "P2"}
    assert Timetable(file({"id": "P1"})).counting(noon) is None


def test_a_timetable_says_since_when() -> None:
    zones = file({"id": "P1", "hours": [{"from": "08:00", "to": "20:00"}]}, {"id": "P2"})
    table = Timetable(zones)
    start = ms("2026-03-02T00:00+08:00")
    for minute in range(0, 3 * 24 * 60, 7):
        at_ms = start + minute * MINUTE_MS
        counting = table.counting(at_ms)
        assert counting == Timetable(zones).counting(at_ms), "what is kept is what would be found anew"
        assert counting is not None
        assert counting["P2"] == 0
        assert ("P1" in counting) is (8 * 60 <= minute % 1440 < 20 * 60)
        if "P1" in counting:
            assert counting["P1"] == start + (minute // 1440 * 1440 + 480) * MINUTE_MS


clocks = st.integers(0, 95).map(lambda q: f"{q // 4:02d}:{q % 4 * 15:02d}")
windows = st.builds(
    lambda kinds, start, end: window(*sorted(kinds), start=start, end=end if end != start else "24:00"),
    st.sets(st.sampled_from(["mon", "wed", "sat", "sun", "workday", "restday", "holiday"]), min_size=1),
    clocks,
    clocks,
)


@given(
    st.lists(windows, min_size=1, max_size=4),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    st.integers(ms("2024-01-03T00:00Z") // 1000, ms("2026-11-30T00:00Z") // 1000),
)
@settings(max_examples=150, deadline=None)
def test_a_span_holds_until_its_end_and_no_longer(some: list[Window], place: str, second: int) -> None:
    hours = Hours(tuple(some), place, CN)
    at_ms = second * 1000
    span = hours.span(at_ms)
    assert span.counts is hours.counts(at_ms)
    if span.until_ms is not None:
        assert span.until_ms > at_ms
        assert hours.counts(span.until_ms) is not span.counts
        assert hours.counts(span.until_ms - 1) is span.counts
    if span.since_ms is not None:
        assert span.since_ms <= at_ms
        assert hours.counts(span.since_ms - 1) is not span.counts
    first = max(span.since_ms or 0, at_ms - 86_400_000)
    last = min(span.until_ms or at_ms + 86_400_000, at_ms + 86_400_000)
    assert {hours.counts(i) for i in range(first, last, 15 * MINUTE_MS)} == {span.counts}


def test_the_hours_of_a_zone_are_those_of_its_file() -> None:
    calendar = Calendar(country="none", holidays=(date(2026, 3, 2),))
    zones = file({"id": "P1", "hours": [{"days": ["holiday"]}]}, calendar=calendar)
    hours = hours_of(zones.zone[0], zones)
    assert hours.counts(ms("2026-03-02T12:00+08:00")) is True
    assert hours.next_change(ms("2026-03-02T12:00+08:00")) == ms("2026-03-03T00:00+08:00")
    assert hours.next_change(ms("2026-03-03T12:00+08:00")) is None, "it never comes again"
