"""What counts as a flip, and which exemptions a rehearsal can judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_agent.rehearsal.flips import kinds_of
from edge_agent.rehearsal.known import Known, known_of, resolve, usual_delay
from edge_agent.rehearsal.past import PastRest
from edge_agent.rests import Decided, Span
from edge_agent.vault import Vault
from tests.edge_agent.rehearsal.test_looks import T0, rest
from zones import Zone
from zones.rules import Exemption

MARK = Vault(bytes(32)).mark
PLATE = "沪A8K526"

CASE = Decided(
    case_id="C-1", zone_id="P1", zone_version="v", why="all of it", confirmed_ms=T0, identified_ms=T0 + 4_000,
    clock_ends_ms=T0 + 604_000, tasked_ms=None, manual=False, state="self_corrected", reason="the vehicle left",
    changed_ms=T0 + 300_000, street="Kerb Street", plate_mark=MARK(PLATE), warned=True,
)  # fmt: skip
TASK = replace(CASE, tasked_ms=T0 + 604_000, state="closed", reason="officer: ticketed")
FREE = replace(CASE, state="exempt", identified_ms=None, changed_ms=T0, reason="exempt: police", warned=False)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ((), (), ()),
        ((CASE,), (CASE,), ()),
        ((), (CASE,), ("new_case",)),
        ((CASE,), (), ("no_case",)),
        # A record of why nothing follows is no case.
        ((FREE,), (), ()),
        ((FREE,), (CASE,), ("new_case",)),
        ((CASE,), (FREE,), ("no_case",)),
        ((CASE,), (TASK,), ("now_task",)),
        ((TASK,), (CASE,), ("no_task",)),
        ((CASE,), (replace(CASE, zone_id="P2"),), ("other_zone",)),
        ((CASE,), (replace(CASE, confirmed_ms=T0 + 60_000),), ("later",)),
        ((TASK,), (replace(TASK, tasked_ms=T0 + 304_000),), ("earlier",)),
        # What an officer found is not the zones' doing.
        ((TASK,), (replace(TASK, state="tasked", reason="still there"),), ()),
        ((CASE,), (replace(CASE, state="closed", reason="the zone's hours ended"),), ("other_end",)),
        # Two cases in two spans of hours.
        ((CASE,), (CASE, replace(CASE, case_id="C-1.2", confirmed_ms=T0 + 10**7)), ("new_case",)),
    ],
)  # fmt: skip
def test_kinds(old: tuple[Decided, ...], new: tuple[Decided, ...], kinds: tuple[str, ...]) -> None:
    assert kinds_of(old, new) == kinds


def past(*decided: Decided) -> PastRest:
    return PastRest(
        rest([Span(T0, T0 + 60_000, 31)]), decided, True, 640, 360, 2_000, "z", (0, 0, 640, 360), T0
    )


def zone(*exempt: dict[str, Any]) -> Zone:
    return Zone.model_validate(
        {"id": "P1", "name": "P1", "polygon": [(0, 0), (100, 0), (100, 100)], "exempt": exempt}
    )


def test_what_is_known_of_an_owner() -> None:
    assert known_of(past(), 7_000) == Known("?R", True, "", 7_000, None)
    warned = known_of(past(CASE), 7_000)
    assert (warned.plate, warned.settled_after_ms, warned.refused) == (MARK(PLATE), 4_000, None)
    refused = known_of(past(replace(CASE, warned=False, unnotifiable="opted out")), 7_000)
    assert refused.refused == "opted out"
    again = replace(CASE, warned=False, unnotifiable="already warned in this street, in case C-0")
    assert known_of(past(again), 7_000).refused is None
    unread = replace(CASE, plate_mark=None, warned=False, unnotifiable="no plate in view")
    assert known_of(past(unread), 7_000) == Known(None, False, "no plate in view", 4_000, None)


def test_the_usual_delay_is_the_middle() -> None:
    waits = [replace(CASE, identified_ms=T0 + 1000 * s) for s in (1, 9, 4)]
    assert usual_delay(waits) == 4_000
    assert usual_delay([FREE]) == 0


POLICE: dict[str, Any] = {"reason": "police", "plates": ["京A*"]}
OURS: dict[str, Any] = {"reason": "ours", "plates": ["沪A·8K526"]}
LOADING: dict[str, Any] = {"reason": "loading", "up_to_s": 600}


def resolved(where: Zone, then: Zone, *decided: Decided) -> tuple[tuple[Exemption, ...], tuple[str, ...]]:
    each = past(*decided)
    found = resolve(where, each, known_of(each, 0), then.exempt, MARK)
    return found.exempt, found.open


def test_exemptions_without_a_plate_are_judged_as_they_are() -> None:
    where = zone(LOADING)
    assert resolved(where, zone()) == (where.exempt, ())


def test_an_exemption_that_held_then_holds_again() -> None:
    ((found,), unsure) = resolved(zone(POLICE), zone(POLICE), FREE)
    assert (found.plates, found.classes, found.reason) == ((), ("car",), "police")
    assert not unsure


def test_an_exemption_that_was_asked_then_and_did_not_hold_does_not_now() -> None:
    assert resolved(zone(POLICE), zone(POLICE), CASE) == ((), ())


def test_a_plate_in_full_is_known_by_its_mark() -> None:
    ((found,), unsure) = resolved(zone(OURS), zone(), CASE)
    assert (found.plates, found.reason, unsure) == ((), "ours", ())
    other = replace(CASE, plate_mark=MARK("京N12345"))
    assert resolved(zone(OURS), zone(), other) == ((), ())


def test_a_new_pattern_or_permit_cannot_be_judged() -> None:
    permit = {"reason": "residents", "permit": "residents"}
    assert resolved(zone(POLICE, permit), zone(), CASE) == ((), ("police", "residents"))


def test_where_nobody_could_tell_then_nobody_can_tell_now() -> None:
    unread = replace(CASE, plate_mark=None, warned=False, unnotifiable="no plate in view")
    where = zone(POLICE)
    assert resolved(where, where, unread) == (where.exempt, ())
