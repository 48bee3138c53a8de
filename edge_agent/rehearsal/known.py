"""What history tells of a vehicle's owner and exemptions, where a rehearsal cannot ask again.

Plates are not kept. Their keyed hashes say whether two rests were the same vehicle, and whether a vehicle is one that a
zone names in full; a pattern such as ``京A*`` or a permit list can only be answered as it was answered then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from edge_agent.rehearsal.past import PastRest
from edge_agent.rests import Decided
from zones import Zone
from zones.rules import Exemption

_WILD = frozenset("*?")


@dataclass(frozen=True, slots=True)
class Known:
    """Who a vehicle was, as far as is known, and how long finding out took.

    Attributes:
        plate: stands for the plate; None: it could not be read. Vehicles of which nothing is known have one of their own.
        guessed: nothing is known of the owner: the warning is assumed to go out as others did.
        no_plate: why the plate is not known.
        settled_after_ms: from confirmation until the warning was out, or nobody could be told.
        refused: why no warning could be sent, where there was a plate.
    """

    plate: str | None
    guessed: bool
    no_plate: str
    settled_after_ms: int
    refused: str | None


_ALREADY = "already warned in this street"


def usual_delay(decided: Iterable[Decided]) -> int:
    """The middle of the times from confirmation to the clock's start, milliseconds to a second; 0 where there are none."""
    waits = [d.identified_ms - d.confirmed_ms for d in decided if d.identified_ms is not None]
    return round(median(waits) / 1000) * 1000 if waits else 0


def known_of(past: PastRest, usual_ms: int) -> Known:
    """What is known of the owner of a rest's vehicle.

    Args:
        past: the rest and what was decided.
        usual_ms: how long a warning takes where history does not say.
    """
    marked = next((d for d in past.decided if d.plate_mark is not None), None)
    if marked is not None:
        wait = _wait(marked, usual_ms)
        refused = None
        if (
            not marked.warned
            and marked.unnotifiable is not None
            and not marked.unnotifiable.startswith(_ALREADY)
        ):
            refused = marked.unnotifiable
        return Known(marked.plate_mark, False, "", wait, refused)
    unread = next((d for d in past.decided if d.unnotifiable is not None), None)
    if unread is not None:
        return Known(None, False, unread.unnotifiable or "", _wait(unread, usual_ms), None)
    return Known(f"?{past.rest.id}", True, "", usual_ms, None)


def _wait(decided: Decided, usual_ms: int) -> int:
    return usual_ms if decided.identified_ms is None else decided.identified_ms - decided.confirmed_ms


@dataclass(frozen=True, slots=True)
class Resolved:
    """A zone's exemptions for one vehicle, with what can be known put in.

    Attributes:
        exempt: exemptions that can be judged now.
        open: reasons of those that cannot, because the plate is not kept; they are taken not to hold.
    """

    exempt: tuple[Exemption, ...]
    open: tuple[str, ...]


def resolve(
    zone: Zone,
    past: PastRest,
    known: Known,
    in_force: Sequence[Exemption],
    mark: Callable[[str], str] | None,
) -> Resolved:
    """The exemptions of a zone, each decided for this vehicle as far as history can tell.

    Args:
        zone: whose exemptions.
        past: the rest.
        known: its owner.
        in_force: exemptions that the zone it stood in had at that time.
        mark: makes the keyed hash of a plate, or None without the box's key.
    """
    found: list[Exemption] = []
    unsure: list[str] = []
    held = {d.reason.removeprefix("exempt: ") for d in past.decided if d.reason.startswith("exempt: ")}
    for one in zone.exempt:
        if not one.plates and one.permit is None:
            found.append(one)
        elif one.reason in held and one in in_force:
            found.append(one.model_copy(update={"plates": (), "permit": None, "classes": (past.rest.label,)}))
        elif one in in_force and past.decided and not known.guessed:
            if known.plate is None:
                found.append(one)  # then as now: nobody could tell
        elif (
            one.permit is None
            and known.plate is not None
            and not known.guessed
            and mark is not None
            and _plain(one)
        ):
            if known.plate in {mark(_bare(pattern)) for pattern in one.plates}:
                found.append(one.model_copy(update={"plates": (), "classes": (past.rest.label,)}))
        else:
            unsure.append(one.reason)
    return Resolved(tuple(found), tuple(unsure))


def _plain(one: Exemption) -> bool:
    return not any(_WILD & set(pattern) for pattern in one.plates)


def _bare(pattern: str) -> str:
    return "".join(sign for sign in pattern.upper() if sign not in "·•・.-_ ")
