"""Storing the tree, finding the leaf of a point, and handing a grid over."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import shapely
from django.db import transaction
from django.db.models import Min
from django.dispatch import Signal
from shapely.geometry import MultiPolygon, Polygon

from central.grids.index import GridIndex
from central.grids.models import Grid, GridArea, GridStamp
from central.grids.reading import Entry
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import Unit, current
from protocol.clock import Millis
from protocol.errors import PatrolError

CRACK_M = 15.0
"""A point this near to a leaf belongs to it: borders drawn by hand leave cracks, and positions err by as much."""

people_changed = Signal()
"""Sent in the transaction that gave a grid other people, with `grid`, `left` (numbers of those who no longer answer for it),
and what the caller said: `by`, `reason`, `move_accepted`."""

ground_changed = Signal()
"""Sent in the transaction that stored other ground, with `jurisdiction_id` and `at_ms`, when it comes into force."""

_lock = threading.Lock()
_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class _Held:
    """An index and the time in which it is right."""

    stamp: str
    from_ms: Millis
    until_ms: Millis
    index: GridIndex


_known: dict[str, _Held] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import changed."""

    added: int
    changed: int
    unchanged: int
    without_ground: tuple[str, ...]


def leaf_code(jurisdiction_id: str, longitude: float, latitude: float) -> str | None:
    """Code of the leaf grid of a point as the tree is now; None outside."""
    index = _index(jurisdiction_id)
    found = index.leaf_at(longitude, latitude)
    if found is None:
        near = index.nearest(longitude, latitude, CRACK_M)
        found = None if near is None else near[0]
    return found


def leaf_of(jurisdiction_id: str, longitude: float | None, latitude: float | None) -> Grid | None:
    """The leaf grid of a point; None outside, or where the place is not known."""
    if longitude is None or latitude is None:
        return None
    code = leaf_code(jurisdiction_id, longitude, latitude)
    if code is None:
        return None
    unit, name = current(), f"grid {jurisdiction_id}/{code}"
    if unit is not None and name in unit.held:
        return unit.held[name]  # type: ignore[no-any-return]
    grid = Grid.objects.filter(jurisdiction_id=jurisdiction_id, code=code).first()
    if unit is not None:
        unit.held[name] = grid
    return grid


def hold_leaves(unit: Unit, places: Iterable[tuple[str, float, float]]) -> None:
    """Look up the leaf grids of many places (jurisdiction, longitude, latitude) together; `leaf_of` then asks no more."""
    codes: dict[str, set[str]] = {}
    for jurisdiction_id, longitude, latitude in places:
        code = leaf_code(jurisdiction_id, longitude, latitude)
        if code is not None:
            codes.setdefault(jurisdiction_id, set()).add(code)
    for jurisdiction_id, wanted in codes.items():
        for grid in Grid.objects.filter(jurisdiction_id=jurisdiction_id, code__in=wanted):
            unit.held[f"grid {jurisdiction_id}/{grid.code}"] = grid


def index_at(jurisdiction_id: str, at_ms: Millis) -> GridIndex:
    """The index as the tree was at an instant, for questions about the past."""
    areas = GridArea.objects.filter(grid__jurisdiction_id=jurisdiction_id, valid_from_ms__lte=at_ms).exclude(
        valid_to_ms__lte=at_ms
    )
    return _built(list(areas.order_by("grid__code").values_list("grid__code", "coordinates")))


def store(jurisdiction_id: str, entries: Sequence[Entry], *, from_ms: Millis | None = None) -> Stored:
    """Make the tree what a file says, from an instant on: whole or not at all. Grids not in it lose their ground.

    Raises:
        PatrolError: a grid worker is not known, or the instant lies before a change that is stored already.
    """
    at_ms = now_ms() if from_ms is None else from_ms
    with transaction.atomic():
        GridStamp.objects.get_or_create(jurisdiction_id=jurisdiction_id, defaults={"stamp": ""})
        GridStamp.objects.select_for_update().get(jurisdiction_id=jurisdiction_id)
        newest = (
            GridArea.objects.filter(grid__jurisdiction_id=jurisdiction_id).order_by("-valid_from_ms").first()
        )
        if newest is not None and newest.valid_from_ms >= at_ms:
            raise PatrolError(
                "a later change of the grids is stored already",
                field="from",
                value=at_ms,
                mend="Give a later instant.",
            )
        people = _people(entries)
        known = {grid.code: grid for grid in Grid.objects.filter(jurisdiction_id=jurisdiction_id)}
        grounds = {
            area.grid_id: area
            for area in GridArea.objects.filter(
                grid__jurisdiction_id=jurisdiction_id, valid_to_ms__isnull=True
            )
        }
        added = changed = unchanged = 0
        laid = False
        handed: list[tuple[Grid, set[int | None]]] = []
        for entry in sorted(entries, key=lambda e: (e.row.level, e.row.code)):
            row = entry.row
            facts = {
                "name": row.name,
                "level": row.level,
                "parent": known[row.parent] if row.parent else None,
                "primary": people.get(row.primary or ""),
                "deputy": people.get(row.deputy or ""),
            }
            grid = known.get(row.code)
            is_new = grid is None
            if grid is None:
                grid = known[row.code] = Grid.objects.create(
                    jurisdiction_id=jurisdiction_id, code=row.code, **facts
                )
            differs = not is_new and any(getattr(grid, key) != value for key, value in facts.items())
            if differs:
                before = _answering(grid)
                for key, value in facts.items():
                    setattr(grid, key, value)
                grid.save()
                if before != _answering(grid):
                    handed.append((grid, set(before) - set(_answering(grid))))
            moved = _lay(grid, entry.ground, grounds.pop(grid.pk, None), at_ms)
            laid |= moved
            added += is_new
            changed += not is_new and (differs or moved)
            unchanged += not is_new and not (differs or moved)
        for area in grounds.values():
            area.valid_to_ms = at_ms
            area.save(update_fields=["valid_to_ms"])
        GridStamp.objects.filter(jurisdiction_id=jurisdiction_id).update(stamp=secrets.token_hex(8))
        if laid or grounds:
            ground_changed.send(sender=Grid, jurisdiction_id=jurisdiction_id, at_ms=at_ms)
        for grid, left in handed:
            people_changed.send(sender=Grid, grid=grid, left=left - {None})
        gone = sorted(grid.code for grid in known.values() if grid.pk in grounds)
    return Stored(added, changed, unchanged, tuple(gone))


def hand_over(
    jurisdiction_id: str,
    code: str,
    *,
    primary: User | None,
    deputy: User | None,
    by: User | None = None,
    reason: str = "",
    move_accepted: bool = False,
) -> Grid:
    """Other people answer for a grid from now on; its open cases follow (see `central.dispatch.rerouting`).

    Args:
        jurisdiction_id: whose tree.
        code: of the grid.
        primary: who answers for it.
        deputy: who stands in.
        by: who hands it over, for the histories.
        reason: why, for the histories.
        move_accepted: accepted tasks of those who leave go to the primary; else a dispatcher decides about each.

    Raises:
        PatrolError: there is no such grid, or one person would be both.
    """
    if primary is not None and primary == deputy:
        raise PatrolError(
            "one person cannot be primary and deputy", field="deputy", value=deputy.get_username()
        )
    with transaction.atomic():
        grid = Grid.objects.select_for_update().filter(jurisdiction_id=jurisdiction_id, code=code).first()
        if grid is None:
            raise PatrolError(
                "there is no such grid", field="code", value=code, mend="See: patrol central grids list"
            )
        before = _answering(grid)
        grid.primary, grid.deputy = primary, deputy
        grid.save(update_fields=["primary", "deputy"])
        if before != _answering(grid):
            left = set(before) - set(_answering(grid)) - {None}
            people_changed.send(
                sender=Grid, grid=grid, left=left, by=by, reason=reason, move_accepted=move_accepted
            )
    return grid


def _answering(grid: Grid) -> tuple[int | None, int | None]:
    return grid.primary_id, grid.deputy_id


def _lay(grid: Grid, ground: MultiPolygon | None, now: GridArea | None, at_ms: Millis) -> bool:
    """Give a grid its ground; whether that changed anything."""
    coordinates = None if ground is None else _coordinates(ground)
    if now is not None and coordinates == now.coordinates:
        return False
    if now is not None:
        now.valid_to_ms = at_ms
        now.save(update_fields=["valid_to_ms"])
    if coordinates is not None:
        GridArea.objects.create(grid=grid, coordinates=coordinates, valid_from_ms=at_ms)
    return now is not None or coordinates is not None


def _coordinates(ground: MultiPolygon) -> list[list[list[list[float]]]]:
    return [
        [[list(point[:2]) for point in ring.coords] for ring in (part.exterior, *part.interiors)]
        for part in ground.geoms
    ]


def _people(entries: Sequence[Entry]) -> dict[str, User]:
    names = {name for e in entries for name in (e.row.primary, e.row.deputy) if name}
    people = {user.get_username(): user for user in User.objects.filter(username__in=names)}
    for entry in entries:
        for role in ("primary", "deputy"):
            name = getattr(entry.row, role)
            if name and name not in people:
                raise PatrolError(
                    "there is no such user",
                    field=f"row {entry.number}: {entry.row.code}: {role}",
                    value=name,
                    mend="Add the user first: patrol central users add",
                )
    return people


def _index(jurisdiction_id: str) -> GridIndex:
    """The index of now, built once per change and process. A change that was stored ahead comes into force by itself."""
    unit, name = current(), f"tree {jurisdiction_id}"
    if unit is not None:
        # Within one transaction the tree is asked for once.
        if name not in unit.held:
            unit.held[name] = _newest(jurisdiction_id)
        return unit.held[name]  # type: ignore[no-any-return]
    return _newest(jurisdiction_id)


def _newest(jurisdiction_id: str) -> GridIndex:
    stamp = GridStamp.objects.filter(jurisdiction_id=jurisdiction_id).values_list("stamp", flat=True).first()
    if stamp is None:
        return GridIndex(())
    with _lock:
        held = _known.get(jurisdiction_id)
        now = now_ms()
        if held is None or held.stamp != stamp or not held.from_ms <= now < held.until_ms:
            held = _known[jurisdiction_id] = _Held(
                stamp, now, _next_change(jurisdiction_id, now), index_at(jurisdiction_id, now)
            )
        return held.index


def _next_change(jurisdiction_id: str, now: Millis) -> Millis:
    later = GridArea.objects.filter(grid__jurisdiction_id=jurisdiction_id)
    edges = [
        later.filter(valid_from_ms__gt=now).aggregate(at=Min("valid_from_ms"))["at"],
        later.filter(valid_to_ms__gt=now).aggregate(at=Min("valid_to_ms"))["at"],
    ]
    return min((edge for edge in edges if edge is not None), default=_NEVER)


def _built(rows: Sequence[tuple[str, list[list[list[list[float]]]]]]) -> GridIndex:
    leaves = []
    for code, coordinates in rows:
        parts = [Polygon(rings[0], rings[1:]) for rings in coordinates]
        leaves.append((code, shapely.MultiPolygon(parts)))
    return GridIndex(leaves)


def jurisdiction_names(jurisdiction_ids: Iterable[str]) -> dict[str, str]:
    """What jurisdictions are called: by their grid of level 1, or by their own id where they have none or several."""
    wanted = set(jurisdiction_ids)
    found: dict[str, list[str]] = {}
    whole = Grid.objects.unscoped("the name of a jurisdiction is no secret").filter(level=1)
    for jurisdiction_id, name in whole.filter(jurisdiction_id__in=wanted).values_list(
        "jurisdiction_id", "name"
    ):
        found.setdefault(jurisdiction_id, []).append(name)
    return {each: found[each][0] if len(found.get(each, ())) == 1 else each for each in wanted}
