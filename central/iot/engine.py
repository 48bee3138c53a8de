"""What a device's messages mean for its alarms. Pure: ``state, message -> state, effects``; no clock, no database.

Each alarm rule of a type is a small machine:

    idle --beyond--> rising --long enough--> active --well again--> falling --long enough--> idle

Three times are kept apart. A message has its *own* time (when it was measured) and an *arrival*. Rules go by the own time, so
that a device which was cut off and sends its day in one minute is judged as if it had never been away; only silence goes by
arrival. A *tick* is what the clock does when no message comes: it ends what was waiting.

Late messages - older than one that was taken before - never clear anything and never count for a debounce, because what came
later is known already. They can raise: what they saw is not lost because of the way it took. The alarm then clears at once if
the later message says so. Repeated messages (same own time and contents) change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

IDLE, RISING, ACTIVE, FALLING = 0, 1, 2, 3
REMEMBERED = 6
"""Messages of a device that are known again. A broker repeats what was on its way when a connection broke: one or two."""

GRACE_MS = 5_000
"""How much longer than a rule says a tick waits, since a message may still be on its way."""

Value = float | bool | str
SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Level:
    """Where a value is beyond (`at`), and where it is well again (`clear`)."""

    side: Literal["above", "below", "equals"]
    at: Value
    clear: Value

    def beyond(self, value: Value) -> bool | None:
        """True: beyond; False: well; None: between the two, where everything stays as it is."""
        if self.side == "above":
            return True if value > self.at else False if value <= self.clear else None  # type: ignore[operator]
        if self.side == "below":
            return True if value < self.at else False if value >= self.clear else None  # type: ignore[operator]
        return value == self.at


@dataclass(frozen=True, slots=True)
class Rule:
    """One alarm of a type. Times in milliseconds; `ends_ms`: each message that fits is an event."""

    name: str
    severity: str
    field: str
    level: Level
    for_ms: int = 0
    for_messages: int = 1
    clear_ms: int = 0
    ends_ms: int | None = None
    raises: int = 0
    within_ms: int = 0
    calm_ms: int = 0
    hold: bool = False

    @property
    def debounced(self) -> bool:
        """Whether one message alone raises nothing."""
        return self.for_ms > 0 or self.for_messages > 1


@dataclass(frozen=True, slots=True)
class Silent:
    """When a device is missed, and when that gets worse."""

    after_ms: int
    severity: str
    escalate_ms: int
    escalated: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything the engine must know of a type."""

    alarms: tuple[Rule, ...]
    silence: Silent


@dataclass(frozen=True, slots=True)
class Message:
    """One decoded message.

    Args:
        at_ms: its own time, never after its arrival.
        arrived_ms: when it came.
        mark: what makes it the same message, beside its time.
        values: by field.
        timed: whether `at_ms` is its own; else it is the arrival.
        again: whether the carrier says that it may have been brought before.
    """

    at_ms: int
    arrived_ms: int
    mark: int
    values: Mapping[str, Value]
    timed: bool = True
    again: bool = False


@dataclass(slots=True)
class RuleState:
    """Where a rule stands. `since_ms`: when its phase began; for an event when it was seen last."""

    phase: int = IDLE
    since_ms: int = 0
    count: int = 0
    raised: list[int] = field(default_factory=list)
    flapping: bool = False
    cleared_ms: int = -1

    @property
    def blank(self) -> bool:
        """Whether it says nothing that a new one does not."""
        return self.phase == IDLE and self.cleared_ms < 0 and not self.raised


@dataclass(slots=True)
class State:
    """What is known of one device. `stage`: 0 heard, 1 silent, 2 escalated; `taken`: messages, without repetitions."""

    last_ms: int = -1
    heard_ms: int = -1
    stage: int = 0
    values: dict[str, Value] = field(default_factory=dict)
    marks: list[tuple[int, int]] = field(default_factory=list)
    rules: dict[str, RuleState] = field(default_factory=dict)
    taken: int = 0

    def copy(self) -> State:
        """One that can be changed."""
        return State(
            self.last_ms,
            self.heard_ms,
            self.stage,
            dict(self.values),
            list(self.marks),
            {name: replace(rule, raised=list(rule.raised)) for name, rule in self.rules.items()},
            self.taken,
        )


@dataclass(frozen=True, slots=True)
class Raise:
    """An alarm begins. `since_ms`: when its cause began; at `at_ms` it had lasted long enough."""

    kind: str
    severity: str
    at_ms: int
    since_ms: int
    value: Value | None = None
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class Clear:
    """It ends. `why`: `well`, `quiet` (no further event), `heard`, `silent`, `later` (a later message had said so)."""

    kind: str
    at_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Again:
    """A further event of an alarm that lasts."""

    kind: str
    at_ms: int
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Worse:
    """Its severity rises."""

    kind: str
    severity: str
    at_ms: int


Effect = Raise | Clear | Again | Worse


def step(rules: Rules, before: State, message: Message) -> tuple[State, list[Effect]]:
    """Take one message."""
    if _known(before, message):
        return before, []
    state, effects = before.copy(), list[Effect]()
    state.marks.append((message.at_ms, message.mark))
    del state.marks[:-REMEMBERED]
    state.taken += 1
    if state.stage:
        effects.append(Clear(SILENT, message.arrived_ms, "heard"))
        state.stage = 0
    state.heard_ms = max(state.heard_ms, message.arrived_ms)
    if message.at_ms < state.last_ms:
        _late(rules, state, message, effects)
        return state, effects
    for rule in rules.alarms:
        kept = state.rules.get(rule.name)
        if kept is not None:
            _wait(rule, kept, message.at_ms, state, effects)
        value = message.values.get(rule.field)
        if value is None:
            continue
        beyond = rule.level.beyond(value)
        if kept is None:
            if not beyond:
                continue  # nothing to remember
            kept = state.rules[rule.name] = RuleState()
        _judge(rule, kept, beyond, value, message.at_ms, effects)
    state.last_ms = message.at_ms
    state.values.update(message.values)
    return state, effects


def tick(rules: Rules, before: State, now_ms: int, listened_ms: int = -1) -> tuple[State, list[Effect]]:
    """What the clock does: ends what waits, and misses a device that is not heard.

    Args:
        rules: of its type.
        before: its state.
        now_ms: now, by the centre's clock.
        listened_ms: since when the centre listens without a break. Whoever did not listen misses nobody.
    """
    state, effects = before.copy(), list[Effect]()
    for rule in rules.alarms:
        kept = state.rules.get(rule.name)
        if kept is not None:
            _wait(rule, kept, now_ms - GRACE_MS, state, effects)
    silence = rules.silence
    missed = max(state.heard_ms, listened_ms) + silence.after_ms
    if state.heard_ms >= 0 and state.stage == 0 and now_ms >= missed:
        state.stage = 1
        effects.append(Raise(SILENT, silence.severity, missed, state.heard_ms))
    escalates = missed + silence.escalate_ms
    if state.stage == 1 and now_ms >= escalates:
        state.stage = 2
        effects.append(Worse(SILENT, silence.escalated, escalates))
        for rule in rules.alarms:
            kept = state.rules.get(rule.name)
            if kept is not None and kept.phase != IDLE and not rule.hold:
                # Nobody knows any more whether it is so.
                _end(rule, kept, escalates, "silent", effects)
    return state, effects


def end_by_hand(before: State, kind: str, at_ms: int) -> State:
    """A person ends an alarm: the rule begins anew, and the next message that is beyond raises another."""
    state = before.copy()
    if kind == SILENT:
        # It will be missed again, counted from here.
        state.stage, state.heard_ms = 0, max(state.heard_ms, at_ms)
    kept = state.rules.get(kind)
    if kept is not None:
        state.rules[kind] = RuleState(cleared_ms=max(at_ms, kept.cleared_ms))
    return state


def due(rules: Rules, state: State, listened_ms: int = -1) -> int | None:
    """When `tick` has something to do next, if no message comes; None where never. See `tick`."""
    times = []
    for rule in rules.alarms:
        kept = state.rules.get(rule.name)
        until = None if kept is None else _until(rule, kept)
        if until is not None:
            times.append(until + GRACE_MS)
    if state.heard_ms >= 0 and state.stage < 2:
        missed = max(state.heard_ms, listened_ms) + rules.silence.after_ms
        times.append(missed + rules.silence.escalate_ms if state.stage else missed)
    return min(times, default=None)


def _known(state: State, message: Message) -> bool:
    if message.timed:
        return (message.at_ms, message.mark) in state.marks
    # Without a time of its own a repetition looks like a second message with the same contents; the carrier must say so.
    return message.again and any(mark == message.mark for _, mark in state.marks)


def _until(rule: Rule, kept: RuleState) -> int | None:
    """When a rule that waits has waited long enough."""
    if rule.ends_ms is not None:
        return kept.since_ms + rule.ends_ms if kept.phase == ACTIVE else None
    if kept.phase == RISING and kept.count >= rule.for_messages:
        return kept.since_ms + rule.for_ms
    if kept.phase == FALLING:
        return kept.since_ms + _calm(rule, kept)
    return None


def _wait(rule: Rule, kept: RuleState, until_ms: int, state: State, effects: list[Effect]) -> None:
    """Whatever ended by itself until then."""
    due_ms = _until(rule, kept)
    if due_ms is None or due_ms > until_ms:
        return
    if kept.phase == RISING:
        _begin(rule, kept, due_ms, state.values.get(rule.field), effects)
    else:
        _end(rule, kept, due_ms, "quiet" if rule.ends_ms is not None else "well", effects)


def _judge(
    rule: Rule, kept: RuleState, beyond: bool | None, value: Value, at_ms: int, effects: list[Effect]
) -> None:
    if rule.ends_ms is not None:
        if beyond and kept.phase == ACTIVE:
            kept.since_ms = at_ms
            effects.append(Again(rule.name, at_ms, value))
        elif beyond:
            kept.since_ms = at_ms
            _begin(rule, kept, at_ms, value, effects)
        return
    if kept.phase in (IDLE, RISING):
        if not beyond:
            kept.phase, kept.count = IDLE, 0
            return
        if kept.phase == IDLE:
            kept.phase, kept.since_ms, kept.count = RISING, at_ms, 0
        kept.count = min(kept.count + 1, rule.for_messages)
        if kept.count >= rule.for_messages and at_ms - kept.since_ms >= rule.for_ms:
            _begin(rule, kept, at_ms, value, effects)
        return
    if beyond is False:
        if kept.phase == ACTIVE:
            kept.phase, kept.since_ms = FALLING, at_ms
        if at_ms - kept.since_ms >= _calm(rule, kept):
            _end(rule, kept, at_ms, "well", effects)
    else:
        kept.phase = ACTIVE


def _late(rules: Rules, state: State, message: Message, effects: list[Effect]) -> None:
    for rule in rules.alarms:
        value = message.values.get(rule.field)
        if value is None or rule.debounced or not rule.level.beyond(value):
            continue
        kept = state.rules.get(rule.name) or RuleState()
        if kept.phase == ACTIVE and rule.ends_ms is not None:
            kept.since_ms = max(kept.since_ms, message.at_ms)
            effects.append(Again(rule.name, message.at_ms, value))
            continue
        if kept.phase != IDLE or message.at_ms <= kept.cleared_ms:
            continue  # it belongs to an alarm that lasts, or that is over
        state.rules[rule.name] = kept
        kept.since_ms = message.at_ms
        _begin(rule, kept, message.at_ms, value, effects)
        if rule.ends_ms is not None:
            continue
        known = state.values.get(rule.field)
        if known is not None and rule.level.beyond(known) is False:
            kept.phase, kept.since_ms = FALLING, state.last_ms
            if _calm(rule, kept) == 0:
                _end(rule, kept, state.last_ms, "later", effects)


def _begin(rule: Rule, kept: RuleState, at_ms: int, value: Value | None, effects: list[Effect]) -> None:
    if rule.raises:
        kept.raised = [each for each in kept.raised if each > at_ms - rule.within_ms][1 - rule.raises :]
        kept.raised.append(at_ms)
        kept.flapping = kept.flapping or len(kept.raised) >= rule.raises
    kept.phase, kept.count = ACTIVE, 0
    effects.append(Raise(rule.name, rule.severity, at_ms, min(kept.since_ms, at_ms), value, kept.flapping))


def _end(rule: Rule, kept: RuleState, at_ms: int, why: str, effects: list[Effect]) -> None:
    if kept.phase in (ACTIVE, FALLING):
        effects.append(Clear(rule.name, at_ms, why))
        kept.cleared_ms = max(kept.cleared_ms, at_ms)
    kept.phase, kept.count, kept.flapping = IDLE, 0, False


def _calm(rule: Rule, kept: RuleState) -> int:
    """How long it must be well before it is over."""
    return max(rule.clear_ms, rule.calm_ms) if kept.flapping else rule.clear_ms
