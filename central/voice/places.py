"""Where a matter is: by the code on a wall, a point on the map, or words. And what of it may be shown to anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from central.fleet.models import Agent
from central.grids.models import Grid, GridArea
from central.grids.services import leaf_code
from central.voice.models import PlaceCode
from protocol.errors import PatrolError
from protocol.messages import Position

_NOBODY = "a place says nothing of a person"
_ROOM = re.compile(r"[0-9０-９]{3,}")


@dataclass(frozen=True, slots=True)
class Where:
    """A place as a case keeps it."""

    jurisdiction_id: str
    place: str
    position: Position | None = None
    grid: Grid | None = None
    code: PlaceCode | None = None


def jurisdictions() -> dict[str, str]:
    """Jurisdictions that take what people say, with their names: those that have grids, or else cameras."""
    tops = Grid.objects.unscoped(_NOBODY).filter(level=1).order_by("jurisdiction_id", "code")
    found: dict[str, str] = {}
    for jurisdiction_id, name in tops.values_list("jurisdiction_id", "name"):
        found.setdefault(jurisdiction_id, name)
    if not found:
        known = Agent.objects.unscoped(_NOBODY).order_by("jurisdiction_id")
        found = {each: each for each in known.values_list("jurisdiction_id", flat=True).distinct()}
    return found


def code_of(token: str) -> PlaceCode | None:
    """The code on a wall that is in force, by its token."""
    if not token:
        return None
    found = PlaceCode.objects.unscoped(_NOBODY).filter(token=token, retired_at_ms__isnull=True)
    return found.select_related("grid").first()


def locate(
    token: str, longitude: float | None, latitude: float | None, words: str, jurisdiction_id: str
) -> Where:
    """The place of a report.

    Args:
        token: of the code on a wall, or empty.
        longitude: of the point on the map, WGS-84 degrees, or None.
        latitude: the same.
        words: for the place.
        jurisdiction_id: chosen on the form, where there are several.

    Raises:
        PatrolError: no place is told, it is outside, or nobody knows whose it is.
    """
    words = words.replace("\x00", "").strip()
    position = _position(longitude, latitude)
    code = code_of(token)
    if code is not None and jurisdiction_id and code.jurisdiction_id != jurisdiction_id:
        code = None  # a program speaks for its own jurisdiction
    if code is not None:
        if position is None and code.longitude is not None and code.latitude is not None:
            position = Position(longitude=code.longitude, latitude=code.latitude)
        place = f"{code.place} {words}" if words and words not in code.place else code.place
        return Where(code.jurisdiction_id, place.strip(), position, code.grid, code)
    if position is None and not words:
        raise PatrolError(_("Where is it? Mark it on the map or write the address."), field="place")
    known = jurisdictions()
    if not known:
        raise PatrolError(_("Nothing can be taken here yet: no area is set up."), field="place")
    if position is not None:
        mine = [jurisdiction_id] if jurisdiction_id in known else list(known)
        inside = [each for each in mine if leaf_code(each, position.longitude, position.latitude)]
        if inside:
            return Where(inside[0], words, position)
        if GridArea.objects.filter(valid_to_ms__isnull=True).exists():
            raise PatrolError(_("This place lies outside the area that we look after."), field="place")
    one = jurisdiction_id if jurisdiction_id in known else next(iter(known)) if len(known) == 1 else ""
    if not one:
        raise PatrolError(_("Please choose the area."), field="jurisdiction_id")
    return Where(one, words, position, None if position else _grid_by(one, words))


def public_place(place: str) -> str:
    """A place without what leads to one door: numbers of rooms and telephones."""
    return _ROOM.sub("…", place)[:80]


def _grid_by(jurisdiction_id: str, words: str) -> Grid | None:
    """The one leaf whose code or name the words name."""
    leaves = Grid.objects.unscoped(_NOBODY).filter(jurisdiction_id=jurisdiction_id, level=4)
    exact = leaves.filter(code=words).first()
    if exact is not None:
        return exact
    named = [grid for grid in leaves.only("pk", "code", "name")[:5000] if grid.name and grid.name in words]
    return named[0] if len(named) == 1 else None


def on_the_map(longitude: float | None, latitude: float | None) -> bool:
    """Whether these are WGS-84 degrees; what is no number at all lies nowhere."""
    return longitude is not None and latitude is not None and abs(longitude) <= 180 and abs(latitude) <= 90


def _position(longitude: float | None, latitude: float | None) -> Position | None:
    if longitude is None or latitude is None:
        return None
    if not on_the_map(longitude, latitude):
        raise PatrolError(_("This point is not on the map."), field="place")
    return Position(longitude=round(longitude, 6), latitude=round(latitude, 6))
