"""The script of `patrol bench day` and its truth; the day itself is a benchmark."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.day.script import (
    HOUR,
    MINUTE,
    MOST_AT_ONCE,
    RESPONSE_MS,
    Duty,
    Outage,
    Script,
    Stay,
    most_at_once,
    write,
)
from benchmarks.day.truth import count, interval
from central.statistics.intervals import wilson
from protocol.errors import PatrolError


@given(st.integers(0, 60), st.integers(1, 60))
def test_two_ways_to_the_interval_agree(hits: int, of: int) -> None:
    hits = min(hits, of)
    assert interval(hits, of) == pytest.approx(wilson(hits, of), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((1.0, 6.0, 24.0)))
def test_every_stay_and_task_of_a_day_is_counted_once(seed: int, hours: float) -> None:
    script = write(seed=seed, stays=int(hours * 12), agents=3, officers=6, hours=hours)
    assert write(seed=seed, stays=int(hours * 12), agents=3, officers=6, hours=hours) == script
    truth = count(script)
    assert len(script.stays) == truth.cases + sum(stay.fate == "passes" for stay in script.stays)
    assert truth.cases == sum(truth.states.values()) == sum(place.cases for place in truth.places.values())
    assert truth.tasks == truth.retracted + truth.on_time + truth.late
    assert sum(truth.results.values()) == truth.on_time + truth.late == truth.offers["accepted"]
    assert sum(officer.closed for officer in truth.officers.values()) == truth.on_time + truth.late
    assert truth.offers["withdrawn"] == truth.retracted
    assert most_at_once(script) <= MOST_AT_ONCE
    for stay in script.stays:
        if script.has_task(stay):
            received = script.received_ms(stay)
            asked = script.asked(stay.agent, received)
            assert len(stay.answers) <= len(asked)
            assert script.asked(stay.agent, received + 30 * MINUTE) == asked, "no change of shift in between"
            assert stay.finish == "left_unseen" or stay.accepts_after_ms < min(stay.closes_ms, RESPONSE_MS)
            assert received + stay.closes_ms < script.ends_ms


def test_a_day_that_was_counted_by_hand() -> None:
    def stay(number: int, fate: str, **more: object) -> Stay:
        facts = {"agent": 0, "camera": 0, "zone": 0, "arrives_ms": number * 5 * MINUTE, "known": True} | more
        return Stay(number=number, fate=fate, **facts)  # type: ignore[arg-type]

    script = Script(
        seed=0, hours=3, agents=2, officers=4, duties=(Duty(0, 0, 9 * HOUR), Duty(2, 0, 9 * HOUR)),
        outage=Outage(1, HOUR, 2 * HOUR),
        stays=(
            stay(0, "passes"),
            stay(1, "leaves", leaves_ms=5 * MINUTE),
            stay(2, "leaves", leaves_ms=5 * MINUTE, known=False),
            stay(3, "task", answers=("silent", "accepts"), closes_ms=33 * MINUTE, result="ticketed", photo=True),
            stay(4, "task", answers=("accepts",), closes_ms=53 * MINUTE, result="wrong_vehicle"),
            stay(5, "task", zone=1, known=False, answers=("declines", "accepts"), closes_ms=32 * MINUTE),
            stay(6, "task", answers=("accepts",), finish="left_on_the_way"),
            stay(7, "blind"),
            stay(14, "task", agent=1, answers=("accepts",), closes_ms=32 * MINUTE, result="vehicle_gone"),
        ),
    )  # fmt: skip
    truth = count(script)
    assert (truth.cases, truth.warned, truth.left, truth.tasked, truth.unproven) == (8, 5, 1, 3, 1)
    assert (truth.tasks, truth.on_time, truth.late, truth.retracted) == (5, 3, 1, 1)
    assert truth.enforcements == 4, "the second zone's is a manual check"
    assert dict(truth.results) == {"ticketed": 2, "wrong_vehicle": 1, "vehicle_gone": 1}
    assert {k: n for k, n in truth.offers.items() if n} == {
        "expired": 1, "declined": 1, "accepted": 4, "withdrawn": 1,
    }  # fmt: skip
    assert script.received_ms(script.stays[-1]) == 2 * HOUR, (
        "its agent had no network: the centre hears of it later"
    )
    assert {n: (o.accepted, o.closed, o.on_time, o.retracted) for n, o in truth.officers.items()} == {
        0: (2, 1, 0, 1),
        2: (3, 3, 3, 0),
    }
    assert truth.officers[2].median_minutes == 31 - 0.5
    zone = truth.precision[0, 0, 0]
    assert (zone.confirmed, zone.false, zone.gone) == (1, 1, 0)


@pytest.mark.parametrize("numbers", [{"officers": 7}, {"officers": 1}, {"stays": 3000}])
def test_a_day_that_would_not_follow_from_its_script_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(PatrolError):
        write(**({"seed": 1, "stays": 20, "agents": 3, "officers": 6, "hours": 6.0} | numbers))  # type: ignore[arg-type]
