"""What the centre has to publish about the day, counted from the script alone: nothing of the centre is used here."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median

from benchmarks.day.script import MINUTE, RESPONSE_MS, Answer, Script, Stay

Place = tuple[int, int, int]
"""Agent, camera, zone."""


@dataclass
class OfficerTruth:
    """One officer's day."""

    accepted: int = 0
    closed: int = 0
    on_time: int = 0
    retracted: int = 0
    minutes: list[float] = field(default_factory=list)

    @property
    def median_minutes(self) -> float | None:
        """From accepting to closing."""
        return median(self.minutes) if self.minutes else None


@dataclass
class PlaceTruth:
    """One zone's day."""

    cases: int = 0
    warned: int = 0
    left: int = 0
    tasked: int = 0


@dataclass
class PrecisionTruth:
    """What officers found in one zone."""

    confirmed: int = 0
    false: int = 0
    gone: int = 0
    other: int = 0


@dataclass
class Truth:
    """Every figure of the day."""

    cases: int = 0
    warned: int = 0
    left: int = 0
    tasked: int = 0
    unproven: int = 0
    on_time: int = 0
    late: int = 0
    tasks: int = 0
    enforcements: int = 0
    retracted: int = 0
    late_words: int = 0
    results: Counter[str] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)
    photos: int = 0
    states: Counter[str] = field(default_factory=Counter)
    places: dict[Place, PlaceTruth] = field(default_factory=lambda: defaultdict(PlaceTruth))
    officers: dict[int, OfficerTruth] = field(default_factory=lambda: defaultdict(OfficerTruth))
    precision: dict[Place, PrecisionTruth] = field(default_factory=lambda: defaultdict(PrecisionTruth))


def interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share by inverting the score test: the two p with (hits/of - p)^2 = z^2 p (1 - p) / of."""
    z2 = 3.841458820694124
    share = hits / of
    # (1 + z2/of) p^2 - (2 share + z2/of) p + share^2 = 0
    a, b, c = 1 + z2 / of, -(2 * share + z2 / of), share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def count(script: Script) -> Truth:
    """All figures."""
    truth = Truth()
    for stay in script.stays:
        if stay.fate != "passes":
            _case(truth, script, stay)
            if script.has_task(stay):
                _task(truth, script, stay)
    return truth


def _case(truth: Truth, script: Script, stay: Stay) -> None:
    place = truth.places[stay.agent, stay.camera, stay.zone]
    enforced = stay.fate == "task" and not script.manual(stay)
    truth.cases += 1
    place.cases += 1
    truth.enforcements += enforced
    truth.states[
        {"leaves": "self_corrected", "exempted": "exempt", "blind": "closed", "task": "closed"}[stay.fate]
    ] += 1
    if not script.warned(stay):
        return
    truth.warned += 1
    place.warned += 1
    truth.left += stay.fate == "leaves"
    place.left += stay.fate == "leaves"
    truth.tasked += enforced
    place.tasked += enforced
    truth.unproven += stay.fate in {"blind", "exempted"}


def _task(truth: Truth, script: Script, stay: Stay) -> None:
    truth.tasks += 1
    asked = script.asked(stay.agent, script.received_ms(stay))
    names: dict[Answer, str] = {"accepts": "accepted", "declines": "declined", "silent": "expired"}
    for answer in stay.answers:
        truth.offers[names[answer]] += 1
    if stay.finish == "left_unseen":
        truth.retracted += 1
        truth.offers["expired"] -= 1
        truth.offers["withdrawn"] += 1
        return
    officer = truth.officers[asked[len(stay.answers) - 1]]
    officer.accepted += 1
    if stay.finish == "left_on_the_way":
        truth.retracted += 1
        truth.offers["accepted"] -= 1
        truth.offers["withdrawn"] += 1
        officer.retracted += 1
        return
    in_time = stay.closes_ms <= RESPONSE_MS
    officer.closed += 1
    officer.on_time += in_time
    officer.minutes.append((stay.closes_ms - stay.accepts_after_ms) / MINUTE)
    truth.on_time += in_time
    truth.late += not in_time
    truth.results[stay.result] += 1
    truth.photos += stay.photo
    truth.late_words += stay.offline
    if not script.manual(stay):
        zone = truth.precision[stay.agent, stay.camera, stay.zone]
        zone.confirmed += stay.result in {"ticketed", "moved_on", "towed"}
        zone.false += stay.result in {"not_a_violation", "wrong_vehicle"}
        zone.gone += stay.result == "vehicle_gone"
        zone.other += stay.result == "other"
