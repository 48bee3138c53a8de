"""What happens on the day: pure, and the same for the same seed. Instants are milliseconds from the beginning of the day.

Officers stand at posts on one line, kilometres apart and on foot, so that who is asked first, second and third follows from
the script alone: the way between two posts costs more than all tasks that anybody can have at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypeVar

from protocol.errors import PatrolError
from protocol.messages import OutcomeResult

T = TypeVar("T")

MINUTE = 60_000
HOUR = 60 * MINUTE

CONFIRM_MS = MINUTE
GRACE_MS = 10 * MINUTE
GIVE_UP_MS = GRACE_MS + MINUTE
"""So long after it asked for a warning an agent that hears no answer gives up."""

RESPONSE_MS = 45 * MINUTE
LEASE_MS = 12 * MINUTE
TAIL_MS = 100 * MINUTE
"""From the last arrival to the end of everything that may follow."""

CAMERAS, ZONES = 2, 2
POSTS_KM = (0.0, 10.0, 30.0, 70.0)
"""Where each agent's street and the post of its officers lie on the line: all distances between two differ by 10 km or more."""

MOST_AT_ONCE = 12
"""Tasks of one officer at a time that cannot turn the order of who is asked: 10 km on foot cost more."""

Fate = Literal["passes", "leaves", "blind", "exempted", "task"]
"""passes: gone before it counts. leaves: within the time to leave. blind: the camera cannot tell. exempted: a permit is
entered meanwhile. task: it stays."""

Finish = Literal["closed", "left_on_the_way", "left_unseen"]
"""How a task ends: an officer closes it, or the vehicle leaves after an officer has it, or before anybody does."""

Answer = Literal["accepts", "declines", "silent"]

THINKS_MS: dict[Answer, int] = {"accepts": MINUTE, "declines": MINUTE // 2, "silent": LEASE_MS}
"""How long each answer takes; silence lasts as long as an offer is good."""

UNSEEN_MS = 3 * MINUTE
ON_THE_WAY_MS = 6 * MINUTE
"""After the task, and after its acceptance, a vehicle that leaves all the same is gone."""

RESULTS: tuple[tuple[OutcomeResult, int], ...] = (
    ("ticketed", 46), ("moved_on", 16), ("vehicle_gone", 16), ("wrong_vehicle", 8), ("not_a_violation", 8), ("towed", 4),
    ("other", 2),
)  # fmt: skip

PERSONAS: tuple[dict[Answer, int], ...] = (
    {"accepts": 90, "declines": 7, "silent": 3},
    {"accepts": 60, "declines": 32, "silent": 8},
    {"accepts": 60, "declines": 8, "silent": 32},
)

SIGNS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""What plates are written with: no I and no O."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One vehicle.

    Attributes:
        number: from 0, by arrival.
        agent, camera, zone: where, each from 0.
        arrives_ms: when it comes to rest.
        known: whether the centre knows its owner's phone.
        fate: what it does.
        leaves_ms: how long after its confirmation (passes: its arrival) it leaves or is exempted.
        answers: for a task, what officers say, in the order in which they are asked; the last one accepts.
        finish: how the task ends.
        closes_ms: how long after the task reached the centre the officer closes it.
        result: what the officer finds.
        photo: whether a photo is taken. offline: whether the phone has no network when the outcome is tapped.
        again: whether the same things are sent twice, by the phone and by the agent.
    """

    number: int
    agent: int
    camera: int
    zone: int
    arrives_ms: int
    known: bool
    fate: Fate
    leaves_ms: int = 0
    answers: tuple[Answer, ...] = ()
    finish: Finish = "closed"
    closes_ms: int = 0
    result: OutcomeResult = "ticketed"
    photo: bool = False
    offline: bool = False
    again: bool = False

    @property
    def plate(self) -> str:
        """Each vehicle has its own; the last two characters, which no mask hides, come back after 1156 vehicles."""
        high, low = divmod(self.number, len(SIGNS) ** 2)
        return f"京A{high:03d}{SIGNS[low // len(SIGNS)]}{SIGNS[low % len(SIGNS)]}"

    @property
    def look(self) -> str:
        """What an officer who is only asked reads of the plate; with the place it tells the vehicle."""
        return self.plate[-2:]

    @property
    def confirmed_ms(self) -> int:
        """When it becomes a violation."""
        return self.arrives_ms + CONFIRM_MS

    @property
    def accepts_after_ms(self) -> int:
        """How long after the task reached the centre somebody has it."""
        return sum(THINKS_MS[answer] for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Duty:
    """One officer's shift, from the beginning of the day."""

    officer: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Outage:
    """An agent without a network."""

    agent: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Script:
    """The whole day."""

    seed: int
    hours: float
    agents: int
    officers: int
    stays: tuple[Stay, ...]
    duties: tuple[Duty, ...]
    outage: Outage | None

    @property
    def ends_ms(self) -> int:
        """When all has happened."""
        return round(self.hours * HOUR) + (TAIL_MS if self.hours < 24 else 0)

    def post_of(self, officer: int) -> int:
        """The agent in whose street an officer has the post."""
        return officer // 2 % self.agents

    def asked(self, agent: int, at_ms: int) -> list[int]:
        """Officers on duty in the order in which they are asked for a task of this agent's street."""
        on_duty = [duty.officer for duty in self.duties if duty.from_ms <= at_ms < duty.to_ms]
        here = POSTS_KM[agent]
        return sorted(on_duty, key=lambda officer: abs(POSTS_KM[self.post_of(officer)] - here))

    def without_network(self, stay: Stay) -> bool:
        """Whether the agent could not ask for this vehicle's warning."""
        return (
            self.outage is not None
            and stay.agent == self.outage.agent
            and self.outage.from_ms <= stay.confirmed_ms < self.outage.to_ms
        )

    def warned(self, stay: Stay) -> bool:
        """Whether the owner hears of it."""
        return stay.fate != "passes" and stay.known and not self.without_network(stay)

    def manual(self, stay: Stay) -> bool:
        """Whether a person has to look because the zone's rule says so: the second zone of each camera."""
        return stay.zone == 1 and (stay.fate == "blind" or (stay.fate == "task" and not self.warned(stay)))

    def has_task(self, stay: Stay) -> bool:
        """Whether an officer is asked for."""
        return stay.fate == "task" or (stay.fate == "blind" and stay.zone == 1)

    def issued_ms(self, stay: Stay) -> int:
        """When the agent decides on the task, as soon as everything answers at once."""
        waits = GIVE_UP_MS if self.without_network(stay) and stay.known else 0
        window = 2 * MINUTE if stay.fate == "blind" else 0
        return stay.confirmed_ms + waits + GRACE_MS + window

    def received_ms(self, stay: Stay) -> int:
        """When the centre hears of the task."""
        at = self.issued_ms(stay)
        if (
            self.outage is not None
            and stay.agent == self.outage.agent
            and self.outage.from_ms <= at < self.outage.to_ms
        ):
            return self.outage.to_ms
        return at


def write(*, seed: int, stays: int, agents: int, officers: int, hours: float) -> Script:
    """A day by the dice.

    Raises:
        PatrolError: officers or agents of such numbers make no day.
    """
    if officers > 2 * agents or officers < 2:
        raise PatrolError(
            "each agent's street has two officers at most, who relieve each other, and one at least works",
            field="--officers", value=officers, mend=f"Give 2 to {2 * agents}.",
        )  # fmt: skip
    dice = random.Random(seed)
    arriving = round(hours * HOUR) - (TAIL_MS if hours >= 24 else 0)
    duties, change = _duties(officers, hours, arriving)
    outage = None
    if agents > 1:
        lasts = HOUR if hours >= 4 else 24 * MINUTE
        begins = round(arriving * 0.4)
        outage = Outage(1, begins, begins + lasts)
    frame = Script(seed, hours, agents, officers, (), duties, outage)
    times = sorted(dice.randrange(arriving) for _ in range(stays))
    made = []
    for number, at in enumerate(times):
        while True:
            stay = _stay(dice, frame, number, at)
            if _lawful(frame, stay, change):
                break
            at = dice.randrange(arriving)
        made.append(stay)
    script = Script(seed, hours, agents, officers, tuple(made), duties, outage)
    most = most_at_once(script)
    if most > MOST_AT_ONCE:
        raise PatrolError(
            f"an officer would have {most} tasks at a time, so that who is asked would not follow from the script",
            field="--stays", value=stays, mend="Give fewer stays, more hours or more officers.",
        )  # fmt: skip
    return script


def most_at_once(script: Script) -> int:
    """The most open tasks and offers that one officer has at a time."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for stay in script.stays:
        if not script.has_task(stay):
            continue
        at = script.received_ms(stay)
        for officer, answer in zip(script.asked(stay.agent, at), stay.answers, strict=False):
            until = at + THINKS_MS[answer]
            if answer == "accepts":
                until = script.received_ms(stay) + max(stay.closes_ms, stay.accepts_after_ms + ON_THE_WAY_MS)
            spans.setdefault(officer, []).append((at, until))
            at += THINKS_MS[answer]
    most = 0
    for own in spans.values():
        most = max(most, *(sum(a <= begin < b for a, b in own) for begin, _ in own))
    return most


def _duties(officers: int, hours: float, arriving: int) -> tuple[tuple[Duty, ...], int | None]:
    """Even officers have the first shift, odd ones the second; a short day has only the first."""
    end = round(hours * HOUR) + 4 * HOUR
    if hours < 4:
        return tuple(Duty(officer, 0, end) for officer in range(0, officers, 2)), None
    change = arriving // 2
    shifts = [
        Duty(officer, change, min(end, change + 23 * HOUR)) if officer % 2 else Duty(officer, 0, change)
        for officer in range(officers)
    ]
    return tuple(shifts), change


def _stay(dice: random.Random, frame: Script, number: int, at: int) -> Stay:
    fate: Fate = _one_of(dice, (("passes", 5), ("leaves", 48), ("blind", 4), ("exempted", 3), ("task", 40)))
    stay = Stay(
        number=number,
        agent=dice.randrange(frame.agents),
        camera=dice.randrange(CAMERAS),
        zone=0 if dice.random() < 0.75 else 1,
        arrives_ms=at,
        known=dice.random() < 0.85,
        fate=fate,
        leaves_ms=dice.randrange(10_000, 40_000)
        if fate == "passes"
        else dice.randrange(4 * MINUTE, 8 * MINUTE),
        again=dice.random() < 0.2,
    )
    if not frame.has_task(stay):
        return stay
    answers: list[Answer] = []
    order = frame.asked(stay.agent, frame.received_ms(stay))[:3]
    for place, officer in enumerate(order):
        drawn: Answer = _one_of(dice, tuple(PERSONAS[officer // 2 % len(PERSONAS)].items()))
        answers.append("accepts" if place == len(order) - 1 else drawn)
        if answers[-1] == "accepts":
            break
    finish: Finish = "closed"
    if fate == "task":
        finish = _one_of(dice, (("closed", 85), ("left_on_the_way", 10), ("left_unseen", 5)))
    if finish == "left_unseen":
        answers = ["silent"]
    late = dice.random() < 0.15
    return Stay(
        **{name: getattr(stay, name) for name in ("number", "agent", "camera", "zone", "arrives_ms", "known", "fate",
                                                  "leaves_ms", "again")},
        answers=tuple(answers),
        finish=finish,
        closes_ms=dice.randrange(52 * MINUTE, 60 * MINUTE) if late else dice.randrange(32 * MINUTE, 37 * MINUTE),
        result=_one_of(dice, RESULTS),
        photo=dice.random() < 0.25,
        offline=dice.random() < 0.1,
    )  # fmt: skip


def _lawful(frame: Script, stay: Stay, change: int | None) -> bool:
    """Whether nothing of it lies so near to a change of shift or to the outage that real time could decide."""
    if frame.has_task(stay):
        if not stay.answers:
            return False
        received = frame.received_ms(stay)
        if change is not None and received - 4 * MINUTE < change < received + 30 * MINUTE:
            return False
    if frame.outage is None or stay.agent != frame.outage.agent:
        return True
    begins, ends = frame.outage.from_ms, frame.outage.to_ms
    confirmed = stay.confirmed_ms
    if (
        begins - 5 * MINUTE < confirmed < begins + 2 * MINUTE
        or ends - 15 * MINUTE < confirmed < ends + 2 * MINUTE
    ):
        return False
    if not frame.has_task(stay):
        return True
    issued = frame.issued_ms(stay)
    if any(abs(issued - edge) < 4 * MINUTE for edge in (begins, ends)):
        return False
    if stay.finish == "closed":
        return True
    return not (begins - 50 * MINUTE < issued < ends + 2 * MINUTE)


def _one_of(dice: random.Random, choices: tuple[tuple[T, int], ...]) -> T:
    return dice.choices([value for value, _ in choices], [weight for _, weight in choices])[0]
