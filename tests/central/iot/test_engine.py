"""The alarm engine beside a slow reference, and what disorder, repetitions and flapping may do to it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from central.iot import engine
from central.iot.engine import Again, Clear, Level, Message, Raise, Rule, Rules, Silent, State, Worse
from central.iot.packing import pack, unpack

HOUR = 3_600_000
SILENCE = Silent(HOUR, "minor", HOUR, "major")


def rules(**facts) -> Rules:
    return Rules((Rule("hot", "major", "t", Level("above", 10, 5), **facts),), SILENCE)


def message(at_ms, value, mark=None, arrived_ms=None) -> Message:
    return Message(
        at_ms, at_ms if arrived_ms is None else arrived_ms, at_ms if mark is None else mark, {"t": value}
    )


def run(made, messages, state=None):
    state, effects = state or State(), []
    for each in messages:
        state, found = engine.step(made, state, each)
        # What is stored is what goes on.
        state, _ = unpack(pack(state, None), state.heard_ms)
        effects += found
    return state, effects


def tell(effects):
    return [(type(each).__name__, each.at_ms) for each in effects if each.kind != engine.SILENT]


@dataclass
class Reference:
    """The words of the rule, asked again at every instant with the whole past before one's eyes; nothing is kept but whether
    the alarm lasts and since when."""

    for_ms: int
    for_messages: int
    clear_ms: int

    def effects(self, series: list[tuple[int, float]]):
        found, active, changed = [], False, -1
        times = [at for at, _ in series]
        instants = sorted(
            {*times, *(at + self.for_ms for at in times), *(at + self.clear_ms for at in times)}
        )
        for now in (each for each in instants if each <= times[-1]):
            # At one instant what waited ends first, then the message speaks; then what it made ripe at once.
            for known in ([p for p in series if p[0] < now], [p for p in series if p[0] <= now]):
                run_ = self._run(known, active, changed)
                if run_ is None:
                    continue
                if not active and len(run_) >= self.for_messages and now - run_[0][0] >= self.for_ms:
                    active, changed = True, now
                    found.append(("Raise", now))
                elif active and now - run_[0][0] >= self.clear_ms:
                    active, changed = False, now
                    found.append(("Clear", now))
        return found

    def _run(self, known, active, changed):
        """The unbroken run of messages, up to the last one, that speak for a change; only those not older than it."""
        fits = (lambda v: v <= 5) if active else (lambda v: v > 10)
        out: list[tuple[int, float]] = []
        for at, value in reversed(known):
            if not fits(value) or at < changed:
                break
            out.insert(0, (at, value))
        return out or None


SERIES = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 7.0, 20.0])), min_size=1, max_size=25)


def in_order(steps):
    at, series = 1000, []
    for gap, value in steps:
        at += gap
        series.append((at, value))
    return series


@settings(max_examples=150, deadline=None)
@given(SERIES, st.sampled_from([0, 30, 55]), st.integers(1, 3), st.sampled_from([0, 25]))
def test_in_order_it_does_what_the_rule_says(steps, for_ms, for_messages, clear_ms):
    series = in_order(steps)
    made = rules(for_ms=for_ms, for_messages=for_messages, clear_ms=clear_ms)
    _, effects = run(made, [message(*each) for each in series])
    assert tell(effects) == Reference(for_ms, for_messages, clear_ms).effects(series)


@settings(max_examples=150, deadline=None)
@given(SERIES, st.randoms(use_true_random=False), st.sampled_from([0, 30]), st.sampled_from([None, 200]))
def test_disorder_and_repetitions_lose_no_alarm_and_make_none_twice(steps, dice, clear_ms, ends_ms):
    series = in_order(steps)
    made = rules(ends_ms=ends_ms) if ends_ms else rules(clear_ms=clear_ms)
    sent = [message(at, value, arrived_ms=5000) for at, value in series]
    jumbled = sent + dice.sample(sent, len(sent) // 2)
    dice.shuffle(jumbled)
    state, effects = run(made, jumbled)
    state, more = engine.tick(made, state, 5000 + HOUR // 2)
    lasting, ends = False, [-1]
    for effect in effects + more:
        if isinstance(effect, Raise):
            assert not lasting, "a second one beside the first"
            assert effect.at_ms >= ends[-1], "it was over by then"
            lasting = True
        elif isinstance(effect, Clear):
            assert lasting, "an end of nothing"
            lasting = False
            ends.append(effect.at_ms)
    # Nothing that was beyond went unheard: an alarm lasts, or one has ended since.
    beyond = [at for at, value in series if value > 10]
    assert lasting or not beyond or beyond[-1] <= ends[-1]
    if not ends_ms and series[-1][1] != 7.0:
        # How it stands does not depend on the way that the messages took.
        assert lasting == (series[-1][1] > 10)
    again, nothing = engine.step(made, state, jumbled[-1])
    assert again is state
    assert nothing == []


def test_a_repetition_without_a_time_of_its_own_is_known_where_the_carrier_says_so():
    made = rules(for_messages=2)
    first = Message(1000, 1000, 7, {"t": 20.0}, timed=False)
    brought = Message(1500, 1500, 7, {"t": 20.0}, timed=False, again=True)
    _, effects = run(made, [first, brought])
    assert effects == []
    _, effects = run(made, [first, Message(1500, 1500, 7, {"t": 20.0}, timed=False)])
    assert tell(effects) == [("Raise", 1500)]


def test_flapping_becomes_one_alarm_that_lasts_until_it_is_calm():
    made = rules(raises=3, within_ms=1000, calm_ms=500)
    swing = [message(1000 + n * 50, 20.0 if n % 2 == 0 else 0.0) for n in range(20)]
    state, effects = run(made, swing)
    raised = [each for each in effects if isinstance(each, Raise)]
    assert [each.flapping for each in raised] == [False, False, True]
    assert len([each for each in effects if isinstance(each, Clear)]) == 2, "the third one lasts"
    _, effects = engine.tick(made, state, 1000 + 19 * 50 + 500 + engine.GRACE_MS)
    assert tell(effects) == [("Clear", 1000 + 19 * 50 + 500)]


def test_a_device_that_falls_silent_is_missed_worse_missed_and_heard_again():
    made = rules()
    state, effects = run(made, [message(1000, 20.0)])
    assert engine.due(made, state) == 1000 + HOUR
    state, effects = engine.tick(made, state, 1000 + HOUR)
    assert effects == [Raise("silent", "minor", 1000 + HOUR, 1000)]
    assert engine.tick(made, state, 1000 + HOUR)[1] == []
    state, effects = engine.tick(made, state, 1000 + 3 * HOUR)
    assert effects == [Worse("silent", "major", 1000 + 2 * HOUR), Clear("hot", 1000 + 2 * HOUR, "silent")]
    assert engine.due(made, state) is None
    _, effects = run(made, [message(1000 + 4 * HOUR, 0.0)], state)
    assert effects == [Clear("silent", 1000 + 4 * HOUR, "heard")]
    heard, _ = run(made, [message(1000, 0.0)])
    late = 1000 + 5 * HOUR
    assert engine.tick(made, heard, late, late)[1] == [], "nobody listened: nobody is missed"
    assert engine.due(made, heard, late) == late + HOUR
    kept, _ = engine.tick(rules(hold=True), run(rules(hold=True), [message(1000, 20.0)])[0], 1000 + 9 * HOUR)
    assert kept.rules["hot"].phase == engine.ACTIVE, "a detector that burns is silent too"


def test_events_are_counted_and_end_when_none_follows():
    made = rules(ends_ms=100)
    state, effects = run(made, [message(1000, 20.0), message(1010, 0.0), message(1050, 30.0)])
    assert effects[0] == Raise("hot", "major", 1000, 1000, 20.0)
    assert effects[1:] == [Again("hot", 1050, 30.0)]
    _, effects = engine.tick(made, state, 1150 + engine.GRACE_MS)
    assert tell(effects) == [("Clear", 1150)]


def test_one_ended_by_hand_can_begin_again():
    made = rules()
    state, _ = run(made, [message(1000, 20.0)])
    state = engine.end_by_hand(state, "hot", 1100)
    _, effects = run(made, [message(1200, 20.0)], state)
    assert tell(effects) == [("Raise", 1200)]
