"""A device's state as one short text: what the database keeps of it, written once for each message."""

from __future__ import annotations

import json
from typing import Any

from central.iot.engine import RuleState, State
from central.iot.points import Bucket

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""JSON in the shortest spelling."""


def pack(state: State, bucket: Bucket | None) -> str:
    """As text; `heard_ms` has a column of its own."""
    rules = {
        name: [kept.phase, kept.since_ms, kept.count, kept.cleared_ms, int(kept.flapping), *kept.raised]
        for name, kept in state.rules.items()
        if not kept.blank
    }
    found: dict[str, Any] = {"t": state.last_ms, "n": state.taken, "v": state.values, "m": state.marks}
    if rules:
        found["r"] = rules
    if state.stage:
        found["s"] = state.stage
    if bucket is not None:
        found["b"] = [bucket.start_ms, bucket.fields]
    return encode(found)


def unpack(text: str, heard_ms: int | None) -> tuple[State, Bucket | None]:
    """The state that was packed; an empty text is that of a device never heard."""
    heard = -1 if heard_ms is None else heard_ms
    if not text:
        return State(heard_ms=heard), None
    found = json.loads(text)
    rules = {
        name: RuleState(phase, since, count, raised, bool(flapping), cleared)
        for name, (phase, since, count, cleared, flapping, *raised) in found.get("r", {}).items()
    }
    marks = [(at, mark) for at, mark in found["m"]]
    state = State(found["t"], heard, found.get("s", 0), found["v"], marks, rules, found["n"])
    kept = found.get("b")
    return state, None if kept is None else Bucket(kept[0], kept[1])
