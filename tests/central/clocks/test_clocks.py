"""Clocks of cases: they follow the case, people pause and extend them, and no due date moves back."""

from __future__ import annotations

import json
from datetime import date

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from central.cases import history
from central.clocks import services
from central.clocks.calendars import (
    DayChange,
    calendar_for,
    days_of,
    missing_years,
    set_day,
    set_days,
    set_week,
)
from central.clocks.models import Clock
from central.clocks.rules import ClockRule
from central.clocks.sweeper import ClockSweeper, alarm_of_missing_years
from central.parking.services import apply_retraction, apply_task
from protocol.errors import PatrolError
from tests.central.clocks.office import MONDAY, beijing, clock_of, close_case, kinds, open_case
from tests.central.street import JURISDICTION, MINUTE, NOON, retraction, task

HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def monday(centre):
    centre.clock.set_utc(MONDAY)


def last(case):
    entry = case.history.latest("number")
    return entry.kind, json.loads(entry.body)


def test_reply_and_resolution_are_two_clocks_that_start_and_stop_with_the_case(centre):
    case = open_case()
    reply, resolution = clock_of(case), clock_of(case, "resolution")
    assert (reply.due_at_ms, resolution.due_at_ms) == (
        beijing("2026-11-26T17:30"),
        beijing("2026-12-07T17:30"),
    )
    assert reply.warn_at_ms == reply.next_at_ms == beijing("2026-11-25T17:30")
    services.follow(case, MONDAY)
    assert Clock.objects.count() == 2, "the same state again starts nothing"
    centre.clock.advance(5 * HOUR)
    close_case(case, MONDAY + 4 * HOUR)
    assert clock_of(case).on_time
    assert clock_of(case).stopped_at_ms == MONDAY + 4 * HOUR, "when it was so, not when it was told"
    assert kinds(case) == ["clock_started"] * 2 + ["clock_stopped"] * 2
    again = open_case()
    assert clock_of(again).round == 2, "opened once more: promised once more"
    assert list(history.verify(history.Audit())) == []


def test_a_task_from_a_camera_starts_a_clock_and_its_retraction_stops_it(centre, agent):
    """Through the intake: the signals of a case's life reach its clocks."""
    centre.clock.set_utc(NOON + MINUTE)
    with transaction.atomic():
        apply_task(agent, task())
    case = agent.stays.get().case
    assert clock_of(case, "resolution").state == "running"
    with transaction.atomic():
        apply_retraction(agent, retraction(at_ms=NOON + MINUTE))
    clock = clock_of(case, "resolution")
    assert (clock.state, clock.on_time) == ("stopped", True)
    assert not Clock.objects.filter(stopped_at_ms__isnull=True).exists()
    assert list(history.verify(history.Audit())) == []


def test_parking_runs_in_plain_hours_at_night(centre):
    centre.clock.set_utc(beijing("2026-11-28T23:00"))
    clock = clock_of(open_case(code="sidewalk_parking"), "resolution")
    assert clock.due_at_ms == beijing("2026-11-29T03:00")


def test_a_pause_moves_the_due_date_by_working_time_and_survives_another_rule(centre, person, monkeypatch):
    boss = person("boss", "dispatcher")
    monkeypatch.setattr(services, "rules_for", lambda _case: [promise(amount=8, unit="working_hours")])
    case = open_case()
    clock = clock_of(case, "resolution")
    assert clock.due_at_ms == beijing("2026-11-24T10:00")
    centre.clock.advance(2 * HOUR)
    services.pause(clock.pk, boss, "waits for the owner's papers")
    assert Clock.objects.get().next_at_ms is None
    assert last(case)[1]["reason"] == "waits for the owner's papers"
    centre.clock.set_utc(beijing("2026-11-24T09:30"))
    monkeypatch.setattr(services, "rules_for", lambda _case: [promise(amount=1, unit="working_hours")])
    clock = services.resume(clock.pk, boss, "papers came")
    assert clock.due_at_ms == beijing("2026-11-24T17:00"), "two hours passed, six are left"
    assert last(case)[0] == "clock_resumed"
    pause = clock.pauses.get()
    assert (pause.actor, pause.reason) == ("user:boss", "waits for the owner's papers")


def promise(**facts):
    plain = {"kind": "resolution", "starts_in": ["open"], "stops_in": ["closed"]}
    return ClockRule(**{**plain, **facts})


def test_a_state_of_the_process_pauses_and_resumes(centre, monkeypatch):
    monkeypatch.setattr(
        services, "rules_for", lambda _case: [promise(amount=8, unit="working_hours", pauses_in=["waiting"])]
    )
    case = open_case()
    state = "handling"
    monkeypatch.setattr(services, "state_of", lambda _case: state)
    centre.clock.advance(HOUR)
    state = "waiting"
    services.follow(case, centre.clock.utc_ms())
    services.follow(case, centre.clock.utc_ms())
    assert clock_of(case, "resolution").state == "paused"
    centre.clock.advance(2 * HOUR)
    state = "handling"
    services.follow(case, centre.clock.utc_ms())
    assert clock_of(case, "resolution").due_at_ms == beijing("2026-11-24T12:00")
    assert kinds(case)[1:] == ["clock_paused", "clock_resumed"]


def test_an_extension_is_granted_before_the_breach_only_and_never_shortens(centre, person):
    boss = person("boss", "administrator")
    case = open_case()
    clock = services.extend(clock_of(case).pk, boss, 2, "waits for the water company")
    assert clock.due_at_ms == beijing("2026-11-30T17:30")
    assert clock.warn_at_ms == beijing("2026-11-27T17:30")
    kind, facts = last(case)
    assert (kind, facts["before_ms"], facts["amount"]) == ("clock_extended", beijing("2026-11-26T17:30"), 2)
    for amount in (0, -1, float("nan"), 100_000):
        with pytest.raises(PatrolError):
            services.extend(clock.pk, boss, amount, "x")
    centre.clock.set_utc(beijing("2026-12-01T09:00"))
    for command in (
        lambda: services.extend(clock.pk, boss, 1, "too late"),
        lambda: services.pause(clock.pk, boss, "too late"),
        lambda: services.resume(clock.pk, boss),
    ):
        with pytest.raises(PatrolError):
            command()
    assert Clock.objects.get(pk=clock.pk).due_at_ms == beijing("2026-11-30T17:30"), "nothing half done"


def test_only_dispatchers_and_administrators_of_the_place_command_clocks(person):
    clock = clock_of(open_case())
    for role in ("officer", "grid_worker", "auditor"):
        with pytest.raises(PermissionDenied):
            services.pause(clock.pk, person(role, role), "because")
    with pytest.raises(Clock.DoesNotExist):
        services.pause(clock.pk, person("far", "dispatcher", scope="elsewhere"), "because")
    with pytest.raises(PatrolError, match="reason"):
        services.pause(clock.pk, person("near", "dispatcher", scope=JURISDICTION), "  ")


def test_a_day_off_set_by_hand_moves_running_clocks_and_taking_it_back_does_not(centre):
    case = open_case()
    set_day(JURISDICTION, date(2026, 11, 25), "holiday", reason="typhoon", author="user:boss")
    ClockSweeper("s").reckon_again()
    assert clock_of(case).due_at_ms == beijing("2026-11-27T17:30")
    assert kinds(case)[2:] == ["clock_reckoned"] * 2
    set_day(JURISDICTION, date(2026, 11, 25), "usual", reason="it passed by", author="user:boss")
    assert ClockSweeper("s").reckon_again() == 2
    assert clock_of(case).due_at_ms == beijing("2026-11-27T17:30"), "what was promised stays"
    assert kinds(case).count("clock_reckoned") == 2
    assert ClockSweeper("s").reckon_again() == 0
    facts = next(facts for facts in days_of(JURISDICTION, 2026) if facts.day == date(2026, 11, 25))
    assert facts.kind == "work"


def test_a_missing_year_is_an_alarm_and_a_provisional_date_until_it_is_there(centre):
    centre.clock.set_utc(beijing("2026-12-30T10:00"))
    case = open_case()
    clock = clock_of(case)
    assert (clock.due_at_ms, clock.provisional) == (beijing("2027-01-04T17:30"), True)
    assert last(case)[1]["provisional"] is True
    assert [(m.year, m.urgent) for m in missing_years()] == [(2027, True)]
    alarm_of_missing_years()
    alarm_of_missing_years()
    from central.clocks.models import Alert

    assert [(a.kind, a.role, a.args["year"]) for a in Alert.objects.all()] == [
        ("missing_year", "administrator", 2027)
    ]
    off = [DayChange(date(2027, 1, day), "holiday", "New Year") for day in (1, 4)]
    made_up = [DayChange(date(2027, 1, 9), "makeup", "New Year")]
    set_days(JURISDICTION, [*off, *made_up], author="cli:me", complete_year=2027, reason="the notice")
    ClockSweeper("s").reckon_again()
    clock = clock_of(case)
    assert (clock.due_at_ms, clock.provisional) == (beijing("2027-01-06T17:30"), False)
    assert missing_years() == []


def test_a_year_that_makes_a_promise_shorter_leaves_it_where_it_was(centre):
    centre.clock.set_utc(beijing("2026-12-31T10:00"))
    case = open_case()
    assert clock_of(case).due_at_ms == beijing("2027-01-05T17:30")
    set_days(
        JURISDICTION,
        [DayChange(date(2027, 1, 2), "makeup", "a Saturday")],
        author="cli:me",
        complete_year=2027,
    )
    ClockSweeper("s").reckon_again()
    clock = clock_of(case)
    assert (clock.due_at_ms, clock.provisional) == (beijing("2027-01-05T17:30"), False)
    told = [json.loads(entry.body) for entry in case.history.filter(kind="clock_reckoned")]
    reply = next(facts for facts in told if facts["clock"] == "reply")
    assert reply["by_calendar_ms"] == beijing("2027-01-04T17:30"), "both are on record"


def test_calendars_keep_who_said_what_and_refuse_nonsense(centre):
    set_week(
        "hall", week=[((540, 1020),)] * 6 + [()], time_zone="Europe/Berlin", country="none", author="cli:li"
    )
    assert calendar_for("hall").hours(date(2026, 10, 1)) == ((540, 1020),)
    assert calendar_for("hall").is_known(2090)
    set_day(JURISDICTION, date(2026, 12, 24), "shortened", reason="party", author="me", windows=((540, 720),))
    facts = next(facts for facts in days_of(JURISDICTION, 2026) if facts.day == date(2026, 12, 24))
    assert (facts.kind, facts.hours, facts.reason, facts.author) == (
        "shortened",
        ((540, 720),),
        "party",
        "me",
    )
    for bad in (
        lambda: set_day(JURISDICTION, date(2026, 1, 5), "carnival", reason="x", author="me"),
        lambda: set_day(JURISDICTION, date(2026, 1, 5), "holiday", reason=" ", author="me"),
        lambda: set_day(JURISDICTION, date(1926, 1, 5), "holiday", reason="x", author="me"),
        lambda: set_day(JURISDICTION, date(2026, 1, 5), "shortened", reason="x", author="me"),
        lambda: set_day(
            JURISDICTION, date(2026, 1, 5), "holiday", reason="x", author="me", windows=((1, 2),)
        ),
        lambda: set_week("hall", week=[()] * 7, author="cli:li"),
        lambda: set_week("hall", time_zone="Mars/Olympus", author="cli:li"),
        lambda: set_week("hall", country="xx", author="cli:li"),
        lambda: days_of("hall", 1),
    ):
        with pytest.raises(PatrolError):
            bad()


def test_a_late_word_that_it_was_in_time_takes_the_breach_back(centre):
    case = open_case()
    due = clock_of(case).due_at_ms
    centre.clock.set_utc(due + HOUR)
    ClockSweeper("s").sweep()
    assert clock_of(case).on_time is False
    close_case(case, due - HOUR)
    assert clock_of(case).on_time is True
    assert last(case)[1].get("withdrawn") is None or clock_of(case, "resolution").on_time
    withdrawn = [json.loads(e.body).get("withdrawn") for e in case.history.filter(kind="clock_stopped")]
    assert withdrawn == [True, None]


def test_closed_late_before_any_sweep_is_a_breach_all_the_same(centre):
    case = open_case()
    due = clock_of(case).due_at_ms
    centre.clock.set_utc(due + HOUR)
    close_case(case, due + HOUR)
    assert clock_of(case).on_time is False
    entry = case.history.get(kind="clock_breached")
    assert (entry.at_ms, entry.recorded_at_ms) == (due, due + HOUR)
