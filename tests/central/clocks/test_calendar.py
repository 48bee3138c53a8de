"""Working time: equal to a walk from minute to minute, and of the shape that promises need."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clocks.compare import BERLIN, CHINA, calendar_of
from benchmarks.clocks.walk import OFFICE, Office, due_of_each, walk_one
from central.clocks.calendar import Calendar, due, elapsed, reckon

MIN = 60_000
HOUR = 60 * MIN
UNITS = ("minutes", "hours", "working_minutes", "working_hours", "working_days")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def beijing(text: str) -> int:
    return ms(text + "+08:00")


# Beside Berlin: a jump of half an hour, and one at midnight.
LORD_HOWE = Office("Australia/Lord_Howe", ((("01:00", "02:45"),),) * 7)
SANTIAGO = Office("America/Santiago", ((("00:00", "06:00"), ("22:00", "24:00")),) * 7)


def compare(office, calendar, start, amount, unit):
    at, unknown = walk_one(office, start, amount, unit)
    found = due(start, amount, unit, calendar)
    told = datetime.fromtimestamp(start / 1000, UTC), amount, unit
    assert (found.at_ms, found.provisional) == (at, unknown), told


def test_the_seed_is_what_the_notices_say():
    made = {day: hours for day, hours in CHINA.days.items() if 2024 <= day.year <= 2026}
    notices = calendar_of(OFFICE)
    day = date(2024, 1, 1)
    while day.year < 2027:
        assert CHINA.hours(day) == notices.hours(day), day
        day += timedelta(days=1)
    assert date(2026, 2, 14) in made, "a Saturday made up for the Spring Festival"


def test_due_dates_equal_the_walk_at_every_boundary_and_at_random():
    """`patrol bench clocks` compares every minute of three years; here each kind of edge around holidays."""
    dice = random.Random(20260215)
    edges = ("00:00", "08:59", "09:00", "11:59", "12:00", "13:29", "13:30", "17:29", "17:30", "23:59")
    days = ["2024-02-09", "2025-01-26", "2026-02-14", "2026-12-31"]
    starts = [beijing(f"{day}T{edge}") for day in days for edge in edges]
    span = beijing("2026-12-31T23:59") - beijing("2024-01-01T00:00")
    starts += [beijing("2024-01-01T00:00") + dice.randrange(span // MIN) * MIN for _ in range(6)]
    for start in starts:
        for amount, unit in ((1, "working_minutes"), (180, "working_minutes"), (1, "working_days")):
            compare(OFFICE, CHINA, start, amount, unit)
    for start in dice.sample(starts, 4):
        compare(OFFICE, CHINA, start, 3, "working_days")


@pytest.mark.parametrize(("amount", "unit"), [(30, "working_minutes"), (2, "working_days")])
def test_every_minute_around_a_holiday_equals_the_walk_and_the_walk_itself(amount, unit):
    """The walk that starts a promise in every minute at once says the same as one that follows a single promise."""
    found = []
    first, last = beijing("2026-02-13T11:00"), beijing("2026-02-14T18:00")
    due_of_each(OFFICE, first, last, amount, unit, lambda *one: found.append(one))
    assert [start for start, _, _ in found] == list(range(first, last + 1, MIN))
    for start, at, unknown in found:
        answer = due(start, amount, unit, CHINA)
        assert (answer.at_ms, answer.provisional) == (at, unknown)
    for start, at, unknown in found[::600]:
        assert walk_one(OFFICE, start, amount, unit) == (at, unknown)


@pytest.mark.parametrize("office", [BERLIN, LORD_HOWE, SANTIAGO], ids=lambda office: office.time_zone)
def test_where_the_wall_clock_jumps_the_walk_agrees(office):
    calendar = calendar_of(office)
    for jump in ("2025-03-30", "2025-10-26", "2026-03-29", "2025-04-06", "2025-10-05", "2025-09-07"):
        midnight = ms(jump + "T00:00+00:00")
        for minute in range(-16 * 60, 16 * 60, 233):
            compare(office, calendar, midnight + minute * MIN, 45, "working_minutes")
        compare(office, calendar, midnight, 1, "working_days")


@pytest.mark.parametrize(
    ("start", "amount", "unit", "days", "end"),
    [
        ("2026-11-23T10:00", 3, "working_days", "close", "2026-11-26T17:30"),  # Monday is not counted
        (
            "2026-11-21T10:00",
            3,
            "working_days",
            "close",
            "2026-11-25T17:30",
        ),  # a Saturday: Monday is the first
        (
            "2026-09-30T10:00",
            3,
            "working_days",
            "close",
            "2026-10-10T17:30",
        ),  # over the week, to a made-up Saturday
        (
            "2026-11-23T10:00",
            0.5,
            "working_days",
            "close",
            "2026-11-24T14:00",
        ),  # half of the next day's seven hours
        ("2026-11-23T10:00", 3, "working_days", "same_hour", "2026-11-26T10:00"),
        (
            "2026-11-22T10:00",
            3,
            "working_days",
            "same_hour",
            "2026-11-25T17:30",
        ),  # from Monday's opening: three days
        ("2026-11-23T09:00", 180, "working_minutes", "close", "2026-11-23T12:00"),  # when the morning closes
        ("2026-11-23T11:45", 30, "working_minutes", "close", "2026-11-23T13:45"),
        ("2026-11-27T17:00", 1, "working_hours", "close", "2026-11-30T09:30"),
        ("2026-11-28T03:00", 1, "hours", "close", "2026-11-28T04:00"),
    ],
)
def test_what_a_promise_means(start, amount, unit, days, end):
    assert due(beijing(start), amount, unit, CHINA, days=days).at_ms == beijing(end)


def test_a_case_of_the_night_has_its_whole_time():
    assert due(beijing("2026-11-23T23:30"), 30, "working_minutes", CHINA).at_ms == beijing("2026-11-24T09:30")


def test_a_shortened_day_counts_by_its_own_hours():
    short = Calendar(days={**CHINA.days, date(2026, 11, 24): ((540, 600),)}, known=CHINA.known)
    assert due(beijing("2026-11-23T17:00"), 2, "working_hours", short).at_ms == beijing("2026-11-25T09:30")
    assert due(beijing("2026-11-23T17:00"), 1, "working_days", short).at_ms == beijing("2026-11-24T10:00")


def test_a_year_that_nobody_knows_makes_a_promise_provisional():
    before = due(beijing("2026-12-31T16:30"), 1, "working_hours", CHINA)
    assert (before.at_ms, before.provisional) == (beijing("2026-12-31T17:30"), False)
    after = due(beijing("2026-12-31T16:31"), 1, "working_hours", CHINA)
    assert (after.at_ms, after.provisional) == (beijing("2027-01-01T09:01"), True), (
        "as if it were a plain Friday"
    )
    assert not due(beijing("2026-12-31T16:31"), 100, "hours", CHINA).provisional, (
        "plain time needs no calendar"
    )
    assert due(beijing("2026-12-31T12:00"), 1, "working_days", CHINA).provisional


@pytest.mark.parametrize("week", [(), ((),) * 7, (((540, 530),),) + ((),) * 6, (((600, 1500),),) + ((),) * 6])
def test_hours_that_make_no_sense_are_refused(week):
    with pytest.raises(ValueError, match=r"week|hours"):
        Calendar(week=week)


def test_a_promise_of_centuries_is_refused():
    with pytest.raises(ValueError, match="not due within"):
        due(beijing("2026-01-01T00:00"), 90_000, "working_days", CHINA)


DST = calendar_of(BERLIN)
instants = st.integers(ms("2024-01-01T00:00+00:00"), ms("2026-12-01T00:00+00:00"))
amounts = st.one_of(st.integers(1, 40), st.floats(0.01, 40).map(lambda x: round(x, 2)))
promises = st.tuples(
    st.sampled_from(UNITS), st.sampled_from(("close", "same_hour")), st.sampled_from((CHINA, DST))
)


@settings(max_examples=80, deadline=None)
@given(instants, st.integers(0, 10**9), amounts, amounts, promises)
def test_a_later_start_or_a_longer_promise_is_never_due_earlier(start, later, amount, more, promise):
    unit, days, calendar = promise
    first = due(start, amount, unit, calendar, days=days).at_ms
    assert first > start
    assert due(start + later, amount, unit, calendar, days=days).at_ms >= first
    assert due(start, amount + more, unit, calendar, days=days).at_ms > first


@settings(max_examples=80, deadline=None)
@given(instants, amounts, promises)
def test_elapsed_and_due_are_inverse(start, amount, promise):
    unit, days, calendar = promise
    at = due(start, amount, unit, calendar, days=days).at_ms
    assert elapsed(start, start, unit, calendar, days=days) == 0
    passed = elapsed(start, at, unit, calendar, days=days)
    fine = Fraction(1, 60_000)  # a due instant is a whole millisecond
    assert abs(passed - Fraction(str(amount))) <= (fine if "minutes" in unit else fine / 60)
    assert elapsed(start, at - 1, unit, calendar, days=days) < Fraction(str(amount)) + fine
    assert due(start, float(passed), unit, calendar, days=days).at_ms in range(at - 1, at + 2)


@settings(max_examples=80, deadline=None)
@given(instants, amounts, promises, st.lists(st.integers(1, 4 * 10**8), max_size=8))
def test_a_pause_never_shortens_and_gives_back_what_it_took(start, amount, promise, steps):
    unit, days, calendar = promise
    edges, at = [], start
    for step in steps:
        at += step
        edges.append(at)
    pauses = list(zip(edges[::2], edges[1::2], strict=False))
    before = reckon(start, amount, unit, calendar, days=days).at_ms
    for number in range(1, len(pauses) + 1):
        after = reckon(start, amount, unit, calendar, days=days, pauses=pauses[:number]).at_ms
        assert after >= before
        if pauses[number - 1][0] >= before:
            assert after == before, "it was due already"
        elif unit in ("minutes", "hours"):
            assert after == before + pauses[number - 1][1] - pauses[number - 1][0]
        before = after
    if unit != "working_days" or days == "same_hour":
        ran = elapsed(start, before, unit, calendar, days=days) - sum(
            elapsed(a, b, unit, calendar, days="same_hour") for a, b in pauses if a < before
        )
        assert abs(ran - Fraction(str(amount))) <= Fraction(1, 60_000)


def test_a_day_that_was_paused_in_part_is_made_good_as_a_whole():
    start = beijing("2026-11-23T10:00")
    paused = (beijing("2026-11-25T10:00"), beijing("2026-11-27T15:00"))
    found = reckon(start, 3, "working_days", CHINA, pauses=[paused])
    assert found.at_ms == beijing("2026-12-01T17:30"), "two days and a half stood still: three days later"
    same = reckon(start, 3, "working_days", CHINA, pauses=[(start, beijing("2026-11-23T17:00"))])
    assert same.at_ms == beijing("2026-11-26T17:30"), "the first day counts for nothing, paused or not"
