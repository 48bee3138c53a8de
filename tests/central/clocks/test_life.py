"""What time does to a clock, without a database."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from central.clocks.life import Breach, Escalate, Standing, Warn, advance, next_look

PERIOD = 70


def climb_at(level: int) -> int:
    return 100 + PERIOD * (level - 1)


START = Standing(due_at_ms=100, warn_at_ms=60, top=3)
WHOLE = [Warn(60), Breach(100), Escalate(100, 1), Escalate(170, 2), Escalate(240, 3)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=12).map(sorted))
def test_however_often_and_late_somebody_looks_each_thing_happens_once_and_in_its_order(looks):
    standing, events = START, []
    for now in looks:
        standing, new = advance(standing, now, climb_at)
        assert all(event.at_ms <= now for event in new)
        assert advance(standing, now, climb_at) == (standing, []), "nothing is left for the same moment"
        events += new
    last = looks[-1] if looks else -1
    expected = [event for event in WHOLE if event.at_ms <= last]
    if not any(60 <= now < 100 for now in looks):
        expected = [event for event in expected if not isinstance(event, Warn)]
    assert events == expected
    after = next_look(standing, climb_at)
    assert after is None if last >= 240 else after is not None and after > last


def test_a_clock_that_warns_nobody_and_climbs_nowhere():
    standing, events = advance(Standing(due_at_ms=100), 1000, climb_at)
    assert events == [Breach(100)]
    assert next_look(standing, climb_at) is None
