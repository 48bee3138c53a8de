"""The sweeper: warning, breach and escalation once each, whoever is killed whenever."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from central.cases import history
from central.clocks import health, services
from central.clocks.models import Alert, Clock, Sweeper
from central.clocks.rules import ClockRule
from central.clocks.sweeper import ClockSweeper
from tests.central.clocks.office import (
    MONDAY,
    beijing,
    clock_of,
    close_case,
    ended_well,
    in_a_child,
    kinds,
    open_case,
    start_child,
    tree,
)
from tests.central.street import MINUTE

HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def monday(centre):
    centre.clock.set_utc(MONDAY)


def sweep(times: int = 1) -> int:
    return sum(ClockSweeper(f"s{number}").sweep() for number in range(times))


def told() -> list[tuple[str, str, int]]:
    """(kind, to whom, at) of every alert, in order."""
    rows = Alert.objects.order_by("at_ms", "pk").values_list("kind", "user__username", "role", "at_ms")
    return [(kind, user or role, at) for kind, user, role, at in rows]


def expected(due: dict[str, int]) -> list[tuple[str, str, int]]:
    """What a broken reply of a case in the leaf grid must have told by the end."""
    return [
        ("clock_warning", "level4", due["warn"]),
        ("clock_breach", "level4", due["due"]),
        ("clock_breach", "dispatcher", due["due"]),
        ("clock_escalated", "level3", due["due"]),
        ("clock_escalated", "dispatcher", due["second"]),
        ("clock_escalated", "level1", due["third"]),
    ]


REPLY = {
    "warn": beijing("2026-11-25T17:30"),
    "due": beijing("2026-11-26T17:30"),
    "second": beijing("2026-12-01T17:30"),
    "third": beijing("2026-12-04T17:30"),
}


@pytest.fixture
def only_reply(monkeypatch):
    rule = ClockRule(
        kind="reply", amount=3, unit="working_days", warn_after=2, starts_in=["open"], stops_in=["closed"]
    )
    monkeypatch.setattr(services, "rules_for", lambda _case: [rule])


def test_a_broken_promise_climbs_the_grids_a_period_at_a_time(centre, person, only_reply):
    case = open_case(grid=tree(person)[0])
    seen = []
    for at in REPLY.values():
        centre.clock.set_utc(at - 1)
        assert sweep() == 0, "not a moment too early"
        centre.clock.set_utc(at)
        assert sweep(3) == 1
        seen.append(len(told()))
    assert told() == expected(REPLY)
    assert seen == [1, 4, 5, 6]
    assert clock_of(case).next_at_ms is None
    centre.clock.advance(400 * 24 * HOUR)
    assert sweep() == 0, "at the top it rests"
    assert list(history.verify(history.Audit())) == []


def test_what_was_due_while_all_was_down_is_done_at_once_with_its_true_time(centre, person, only_reply):
    case = open_case(grid=tree(person)[0])
    centre.clock.set_utc(REPLY["second"] + HOUR)
    assert sweep() == 1
    assert told() == expected(REPLY)[1:5], "a warning of what has been is left out"
    breach = case.history.get(kind="clock_breached")
    assert (breach.at_ms, breach.recorded_at_ms) == (REPLY["due"], REPLY["second"] + HOUR)
    assert clock_of(case).breached_at_ms == REPLY["due"]


def test_a_case_without_a_grid_goes_to_dispatchers_and_administrators(centre, only_reply):
    open_case()
    centre.clock.set_utc(REPLY["due"])
    sweep()
    assert [row[:2] for row in told()] == [
        ("clock_breach", "dispatcher"),
        ("clock_escalated", "administrator"),
    ]


def test_a_paused_or_closed_case_is_left_in_peace(centre, person, only_reply):
    boss = person("boss", "dispatcher")
    paused, closed = open_case("paused"), open_case("closed")
    services.pause(clock_of(paused).pk, boss, "waits")
    close_case(closed, MONDAY)
    centre.clock.set_utc(REPLY["third"])
    assert sweep() == 0
    services.resume(clock_of(paused).pk, boss)
    assert clock_of(paused).due_at_ms > REPLY["third"]
    assert sweep() == 0
    assert told() == []


def test_one_clock_that_cannot_be_done_stops_no_other(centre, only_reply, monkeypatch):
    bad, good = open_case("bad"), open_case("good")
    run = services.run

    def broken(case, clock, now):
        if case.pk == bad.pk:
            raise ZeroDivisionError
        return run(case, clock, now)

    monkeypatch.setattr("central.clocks.sweeper.run", broken)
    centre.clock.set_utc(REPLY["due"])
    assert sweep() == 1
    assert "clock_breached" in kinds(good)
    monkeypatch.undo()
    assert sweep() == 0
    centre.clock.advance(MINUTE)
    assert sweep() == 1, "it is tried again"
    assert "clock_breached" in kinds(bad)


def test_kill_9_before_any_statement_loses_nothing_and_doubles_nothing(centre, person, only_reply):
    """The sweep of a breach with an escalation is killed before its 1st, 2nd, ... statement, each time on a fresh case,
    until it is long enough to live; then whoever comes next finishes each."""
    grid = tree(person)[0]
    dead = 0
    while True:
        case = open_case(f"case-{dead}", grid=grid)
        centre.clock.set_utc(REPLY["due"])
        clock = clock_of(case)
        before = kinds(case)
        lived = in_a_child(ClockSweeper("victim").sweep, die_before=dead + 1)
        if lived:
            break
        clock.refresh_from_db()
        done = kinds(case)[len(before) :]
        assert done in ([], ["clock_breached", "clock_escalated"]), "whole or not at all"
        assert (clock.next_at_ms <= REPLY["due"]) == (done == [])
        assert Alert.objects.filter(case=case).count() == (3 if done else 0)
        sweep()
        assert kinds(case)[len(before) :] == ["clock_breached", "clock_escalated"]
        assert Alert.objects.filter(case=case).count() == 3
        dead += 1
        centre.clock.set_utc(MONDAY)
    assert dead >= 10, "a sweep has so many statements that this tried something"
    sweep()
    assert list(history.verify(history.Audit())) == []


def test_workers_that_are_killed_at_random_do_each_clock_once(centre, person, only_reply):
    """Four processes at a time sweep two dozen cases; most are killed somewhere on the way."""
    grid = tree(person)[0]
    cases = [open_case(f"case-{number}", grid=grid) for number in range(24)]
    centre.clock.set_utc(REPLY["second"])
    dice, killed = random.Random(7), 0
    for _ in range(5):
        workers = 4 if centre.engine == "postgresql" else 2
        children = [
            start_child(ClockSweeper(f"worker-{number}").sweep, dice.randrange(1, 200))
            for number in range(workers)
        ]
        killed += [ended_well(child) for child in children].count(False)
    assert killed >= 4, "most died on the way"
    while sweep():
        pass
    for case in cases:
        assert kinds(case)[1:] == ["clock_breached", "clock_escalated", "clock_escalated"]
    assert Alert.objects.count() == 24 * 4
    assert list(history.verify(history.Audit())) == []


def test_the_command_sweeps_says_that_it_lives_and_stops_on_a_signal(centre, only_reply, wait_until):
    """The real process, whose clock is the machine's: what was promised in the past is broken at once."""
    case = open_case()
    assert [problem.name for problem in health.problems()] == ["no_sweeper", "missing_year"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "patrol", "central", "sweep"],
        env=centre.env(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        Clock.objects.update(due_at_ms=MONDAY + 1, warn_at_ms=None, next_at_ms=MONDAY + 1)
        wait_until(lambda: "clock_breached" in kinds(case), within=30)
    finally:
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=20)
    assert worker.returncode == 0, errors
    assert "Traceback" not in errors
    centre.clock.set_utc(Sweeper.objects.get().seen_at_ms)
    assert "no_sweeper" not in [problem.name for problem in health.problems()]
    centre.clock.advance(2 * MINUTE)
    assert "no_sweeper" in [problem.name for problem in health.problems()]


def test_a_sweeper_that_falls_behind_is_a_problem(centre, only_reply):
    open_case()
    centre.clock.set_utc(REPLY["warn"] + 3 * MINUTE)
    late = next(problem for problem in health.problems() if problem.name == "sweeper_late")
    assert late.facts == {"since_ms": REPLY["warn"], "waiting": 1}
