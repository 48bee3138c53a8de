"""Compares what the loop did with what the scenes say happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.demo.scenes import Footage
from benchmarks.demo.stage import CONFIRM_S, GRACE_S
from benchmarks.simulator.truth import Stay
from protocol.clock import Millis, from_iso

_EARLY_MS, _LATE_MS = 1_500, 9_000
"""How far an event may be from the truth: a look before, and some looks, a passer-by and the network after."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was compared."""

    what: str
    expected: str
    found: str
    right: bool


def compare(
    footage: list[Footage], began: dict[str, Millis], events: list[dict[str, Any]], sms: list[dict[str, Any]]
) -> list[Finding]:
    """All comparisons for all cameras."""
    findings: list[Finding] = []
    warned = 0
    for item in footage:
        start = began[item.camera]
        mine = [e for e in events if e["camera"] == item.camera and e["case"] is not None]
        cases = list(dict.fromkeys(str(e["case"]) for e in mine))
        due = due_stays(item)
        findings.append(_equal(f"{item.camera}: cases", str(len(due)), str(len(cases))))
        for stay, case in zip(due, cases, strict=False):
            states = {str(e["state"]): from_iso(str(e["time"])) for e in mine if e["case"] == case}
            findings.extend(_one(stay, start, states, f"{item.camera}: {stay.vehicle}"))
            warned += 1
    findings.append(_equal("warnings sent", str(warned), str(len(sms))))
    findings.append(
        _equal("warnings sent twice", "0", str(len(sms) - len({record["key"] for record in sms})))
    )
    return findings


def due_stays(item: Footage) -> list[Stay]:
    """The stays that have to become a case, in their order."""
    forbidden = {zone.id for zone in item.truth.zones if zone.kind in ("no_parking", "fire_lane")}
    due = [stay for stay in item.truth.stays if forbidden & set(stay.zones) and _long_enough(stay, item)]
    return sorted(due, key=lambda stay: stay.standing_ms)


def _one(stay: Stay, start: Millis, states: dict[str, Millis], name: str) -> list[Finding]:
    """A stay that had to become a case."""
    findings = [
        _near(
            f"{name}: confirmed", start + stay.standing_ms + round(CONFIRM_S * 1000), states.get("confirmed")
        )
    ]
    warned = states.get("notified")
    findings.append(_near(f"{name}: warned", states.get("confirmed"), warned))
    leaves = None if stay.leaving_ms is None else start + stay.leaving_ms
    ends = None if warned is None else warned + round(GRACE_S * 1000)
    if leaves is not None and ends is not None and leaves < ends:
        findings.append(_near(f"{name}: left in time", leaves, states.get("self_corrected")))
        findings.append(_equal(f"{name}: tasks", "0", str(int("tasked" in states))))
    else:
        findings.append(_near(f"{name}: handed to an officer", ends, states.get("tasked")))
        if ends is not None and "tasked" in states:
            early = states["tasked"] < ends
            findings.append(_equal(f"{name}: early task", "no", "yes" if early else "no"))
        findings.append(
            _equal(f"{name}: closed by the officer", "yes", "yes" if "closed" in states else "no")
        )
    return findings


def _long_enough(stay: Stay, item: Footage) -> bool:
    end = item.truth.duration_ms if stay.leaving_ms is None else stay.leaving_ms
    return end - max(0, stay.standing_ms) >= (CONFIRM_S + 3) * 1000


def _equal(what: str, expected: str, found: str) -> Finding:
    return Finding(what, expected, found, expected == found)


def _near(what: str, expected: Millis | None, found: Millis | None) -> Finding:
    if expected is None or found is None:
        return Finding(what, "happens", "happened" if found is not None else "did not happen", False)
    late = (found - expected) / 1000
    right = -_EARLY_MS <= found - expected <= _LATE_MS
    return Finding(
        what, f"{-_EARLY_MS / 1000:+.1f} to {_LATE_MS / 1000:+.1f} s of the truth", f"{late:+.1f} s", right
    )
