"""Codes for stairwells: one for each place, drawn as SVG with its words, or as PDF."""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from django.db import transaction
from django.urls import reverse

from central.grids.models import Grid
from central.project import nul
from central.project.clock import now_ms
from central.voice.models import PlaceCode
from protocol.errors import PatrolError

PLACES_MOST = 20_000
COLUMNS = {"place", "grid", "longitude", "latitude"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place that shall have a code. Position in WGS-84 degrees."""

    place: str
    grid: str = ""
    longitude: float | None = None
    latitude: float | None = None


def read_places(path: Path) -> list[Wanted]:
    """Places of a CSV file with the columns place, and grid, longitude, latitude where known.

    Raises:
        PatrolError: the file cannot be read, or a line makes no sense; the line is named.
    """
    try:
        text = nul.plain(path.read_text("utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError("the file cannot be read as UTF-8", file=path) from error
    rows = csv.DictReader(io.StringIO(text))
    names = set(rows.fieldnames or ())
    if "place" not in names or names - COLUMNS:
        raise PatrolError(
            "the columns must be place, and grid, longitude, latitude where known",
            file=path,
            value=", ".join(sorted(names)),
        )
    found = [_wanted(path, number, row) for number, row in enumerate(rows, 2)]
    if not found or len(found) > PLACES_MOST:
        raise PatrolError(f"the file must name 1 to {PLACES_MOST} places", file=path, value=len(found))
    return found


def places_of_grids(jurisdiction_id: str) -> list[Wanted]:
    """Each leaf of the tree as a place of its own, by its name."""
    leaves = Grid.objects.filter(jurisdiction_id=jurisdiction_id, children__isnull=True).order_by("code")
    return [Wanted(grid.name, grid.code) for grid in leaves]


def make(jurisdiction_id: str, wanted: list[Wanted]) -> list[PlaceCode]:
    """The codes of these places; one that is in force stays what it is, so that nothing on a wall goes dead.

    Raises:
        PatrolError: a grid is not known.
    """
    grids = {grid.code: grid for grid in Grid.objects.filter(jurisdiction_id=jurisdiction_id)}
    found: list[PlaceCode] = []
    with transaction.atomic():
        for one in wanted:
            if one.grid and one.grid not in grids:
                raise PatrolError("there is no such grid", field="grid", value=one.grid)
            known = PlaceCode.objects.filter(
                jurisdiction_id=jurisdiction_id, place=one.place, retired_at_ms__isnull=True
            ).first()
            found.append(
                known
                or PlaceCode.objects.create(
                    token=secrets.token_urlsafe(9),
                    jurisdiction_id=jurisdiction_id,
                    grid=grids.get(one.grid),
                    place=one.place,
                    longitude=one.longitude,
                    latitude=one.latitude,
                    made_at_ms=now_ms(),
                )
            )
    return found


def retire(token: str) -> PlaceCode:
    """A code is not in force any more; its page says so.

    Raises:
        PatrolError: there is no such code in force.
    """
    found = PlaceCode.objects.filter(token=token, retired_at_ms__isnull=True).first()
    if found is None:
        raise PatrolError("there is no such code in force", field="token", value=token[:32])
    found.retired_at_ms = now_ms()
    found.save(update_fields=["retired_at_ms"])
    return found


def write(codes: list[PlaceCode], folder: Path, base: str, form: str) -> Iterator[Path]:
    """Draw each code into a file of its own; yields each path when it is written.

    Args:
        codes: which.
        folder: made if need be.
        base: where the centre is reached, ``https://…``.
        form: ``svg`` - with its words - or ``pdf``, the code alone.

    Raises:
        PatrolError: the folder cannot be written.
    """
    import segno

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for code in codes:
            address = base.rstrip("/") + reverse("voice:say-here", args=[code.token])
            drawn = segno.make(address, error="m", micro=False)
            path = folder / f"{_plain(code.place)}-{code.token}.{form}"
            if form == "pdf":
                drawn.save(str(path), kind="pdf", scale=8, border=4)
            else:
                path.write_text(_poster(drawn, code.place), "utf-8")
            yield path
    except OSError as error:
        raise PatrolError(f"the codes cannot be written: {error.strerror}", file=folder) from error


def _poster(drawn: object, place: str) -> str:
    """A card of 90 by 120 mm: title, code, place."""
    inner = drawn.svg_inline(scale=1, border=4, omitsize=True)  # type: ignore[attr-defined]
    inner = inner.replace("<svg ", '<svg x="10" y="24" width="70" height="70" ', 1)
    font = 'font-family="Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif" text-anchor="middle"'
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" width="90mm" height="120mm" viewBox="0 0 90 120">'
        '<rect width="90" height="120" rx="4" fill="#fff" stroke="#10403b"/>'
        f'<text x="45" y="13" {font} font-size="9" font-weight="700" fill="#10403b">我要说事</text>'
        f'<text x="45" y="20" {font} font-size="4.2" fill="#10403b">I have something to say</text>'
        f'{inner}<text x="45" y="103" {font} font-size="5" fill="#111">{escape(place[:24])}</text>'
        f'<text x="45" y="111" {font} font-size="3.6" fill="#444">扫码说事，五个工作日内答复</text></svg>\n'
    )


def _plain(text: str) -> str:
    return re.sub(r"[^\w-]+", "_", text)[:40].strip("_") or "place"


def _wanted(path: Path, number: int, row: dict[str, str | None]) -> Wanted:
    place = (row.get("place") or "").strip()
    if not place or len(place) > 200:
        raise PatrolError(
            "a place of 1 to 200 characters is needed", file=path, field=f"line {number}: place"
        )
    numbers: list[float | None] = []
    for name, most in (("longitude", 180), ("latitude", 90)):
        text = (row.get(name) or "").strip()
        try:
            value = float(text) if text else None
        except ValueError:
            value = 1e9
        if value is not None and not abs(value) <= most:
            raise PatrolError("this is no degree", file=path, field=f"line {number}: {name}", value=text)
        numbers.append(value)
    if (numbers[0] is None) != (numbers[1] is None):
        raise PatrolError(
            "longitude and latitude belong together", file=path, field=f"line {number}: latitude"
        )
    return Wanted(place, (row.get("grid") or "").strip(), numbers[0], numbers[1])
