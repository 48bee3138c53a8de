"""Shifts: who is on duty when, where and how they travel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from central.dispatch import lease
from central.dispatch.desk import able
from central.dispatch.models import Shift, TravelMode
from central.grids.models import Grid
from central.people.models import User
from protocol.clock import Millis, iso
from protocol.errors import PatrolError

LONGEST_MS = 24 * 3_600_000
"""Nobody is on duty for longer at a stretch: a longer shift is a mistyped date."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A shift to be stored.

    Attributes:
        officer: log-in name.
        from_ms, to_ms: when.
        grids: codes; empty: the whole jurisdiction.
        mode: foot, bicycle, scooter or car.
        row: where it stands in its file, for messages.
    """

    officer: str
    from_ms: Millis
    to_ms: Millis
    grids: tuple[str, ...] = ()
    mode: str = "foot"
    row: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row."""

    row: int
    field: str
    problem: str

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {"row": self.row, "field": self.field, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import did: new shifts, and those that were there already, word for word."""

    added: int
    unchanged: int


def check(jurisdiction_id: str, wanted: Sequence[Wanted]) -> list[Fault]:
    """Everything that is wrong with these shifts, among themselves and beside what is stored."""
    people = {
        user.get_username(): user
        for user in User.objects.filter(username__in={shift.officer for shift in wanted})
    }
    codes = set(Grid.objects.filter(jurisdiction_id=jurisdiction_id).values_list("code", flat=True))
    faults = []
    for shift in wanted:
        person = people.get(shift.officer)
        if person is None:
            faults.append(Fault(shift.row, "officer", f"there is no such person: {shift.officer}"))
        elif not able(person):
            faults.append(Fault(shift.row, "officer", f"{shift.officer} is no active officer or grid worker"))
        if shift.mode not in TravelMode.values:
            faults.append(
                Fault(shift.row, "mode", f"{shift.mode!r} is none of {', '.join(TravelMode.values)}")
            )
        if shift.to_ms <= shift.from_ms:
            faults.append(Fault(shift.row, "to", "the shift ends before it begins"))
        elif shift.to_ms - shift.from_ms > LONGEST_MS:
            faults.append(Fault(shift.row, "to", "the shift is longer than 24 hours"))
        unknown = [code for code in shift.grids if code not in codes]
        if unknown:
            faults.append(Fault(shift.row, "grids", f"no such grid: {', '.join(unknown)}"))
    faults += _overlaps_within(wanted)
    faults += _overlaps_with_stored(jurisdiction_id, wanted, people)
    return sorted(faults, key=lambda fault: (fault.row, fault.field))


def store(jurisdiction_id: str, wanted: Sequence[Wanted]) -> Stored:
    """Store shifts, all or none. A shift that is there already, word for word, stays as it is.

    Raises:
        PatrolError: one of them is wrong; the first fault is named.
    """
    with transaction.atomic():
        # Two imports for one officer would otherwise not see each other's shifts. The weaker lock lets offers be made to
        # them meanwhile, whose makers hold what `wake` will wait for.
        list(
            User.objects.select_for_update(no_key=True)
            .filter(username__in={shift.officer for shift in wanted})
            .order_by("pk")
            .values_list("pk")
        )
        faults = check(jurisdiction_id, wanted)
        if faults:
            raise PatrolError(faults[0].problem, field=f"row {faults[0].row}: {faults[0].field}")
        people = {
            user.get_username(): user
            for user in User.objects.filter(username__in={shift.officer for shift in wanted})
        }
        same = set(
            Shift.rows.filter(
                jurisdiction_id=jurisdiction_id, officer__in=[person.pk for person in people.values()]
            ).values_list("officer__username", "from_ms", "to_ms")
        )
        news = [
            Shift(
                officer=people[shift.officer],
                jurisdiction_id=jurisdiction_id,
                grids=list(shift.grids),
                mode=shift.mode,
                from_ms=shift.from_ms,
                to_ms=shift.to_ms,
            )
            for shift in wanted
            if (shift.officer, shift.from_ms, shift.to_ms) not in same
        ]
        Shift.rows.bulk_create(news)
        lease.wake(jurisdiction_id)
    return Stored(len(news), len(wanted) - len(news))


def weekly(
    officer: str,
    days: Sequence[int],
    begins: time,
    ends: time,
    first: date,
    last: date,
    zone: ZoneInfo,
    grids: tuple[str, ...] = (),
    mode: str = "foot",
) -> Iterator[Wanted]:
    """Shifts of a weekly pattern, by the wall clock of a place; one that ends at or before its begin ends the next day.

    Args:
        officer: log-in name.
        days: days of the week on which shifts begin, Monday is 0.
        begins, ends: wall clock times.
        first, last: first and last day, both included.
        zone: time zone of the wall clock.
        grids: see `Wanted`.
        mode: see `Wanted`.
    """
    day = first
    number = 0
    while day <= last:
        if day.weekday() in days:
            number += 1
            end_day = day if ends > begins else day + timedelta(days=1)
            yield Wanted(officer, _ms(day, begins, zone), _ms(end_day, ends, zone), grids, mode, number)
        day += timedelta(days=1)


def _ms(day: date, at: time, zone: ZoneInfo) -> Millis:
    return round(datetime.combine(day, at, tzinfo=zone).timestamp() * 1000)


def _overlaps_within(wanted: Sequence[Wanted]) -> Iterator[Fault]:
    ordered = sorted(wanted, key=lambda shift: (shift.officer, shift.from_ms, shift.to_ms, shift.row))
    longest: Wanted | None = None
    for shift in ordered:
        if longest is not None and shift.officer == longest.officer and shift.from_ms < longest.to_ms:
            yield Fault(shift.row, "from", f"overlaps with row {longest.row}, for the same officer")
        if longest is None or shift.officer != longest.officer or shift.to_ms > longest.to_ms:
            longest = shift


def _overlaps_with_stored(
    jurisdiction_id: str, wanted: Sequence[Wanted], people: dict[str, User]
) -> Iterator[Fault]:
    if not wanted:
        return
    stored: dict[str, list[Shift]] = {}
    for known in Shift.rows.filter(
        officer__in=[person.pk for person in people.values()],
        from_ms__lt=max(shift.to_ms for shift in wanted),
        to_ms__gt=min(shift.from_ms for shift in wanted),
    ).select_related("officer"):
        stored.setdefault(known.officer.get_username(), []).append(known)
    for shift in wanted:
        for known in stored.get(shift.officer, ()):
            if shift.from_ms < known.to_ms and known.from_ms < shift.to_ms:
                same = (
                    known.from_ms == shift.from_ms
                    and known.to_ms == shift.to_ms
                    and known.jurisdiction_id == jurisdiction_id
                    and tuple(known.grids) == shift.grids
                    and known.mode == shift.mode
                )
                if not same:
                    yield Fault(
                        shift.row,
                        "from",
                        f"{shift.officer} is on duty already from {iso(known.from_ms)} to {iso(known.to_ms)}",
                    )
                    break
