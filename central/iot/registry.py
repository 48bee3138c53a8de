"""Which devices there are: added one by one or from a table, with a key each for the HTTP way."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from central.grids.models import Grid
from central.grids.services import leaf_code
from central.iot import alarms
from central.iot.known import device_types
from central.iot.models import Device, DeviceState
from central.project import nul
from central.project.clock import now_ms
from protocol.errors import PatrolError

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
COLUMNS = ("name", "type", "title", "place", "longitude", "latitude")
ROWS_MOST = 500_000
FILE_BYTES = 100 * 2**20
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device as a table names it."""

    name: str
    kind: str
    title: str = ""
    place: str = ""
    longitude: float | None = None
    latitude: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row of a table."""

    number: int
    name: str
    result: str
    field: str = ""
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "row": self.number,
            "name": self.name,
            "result": self.result,
            "field": self.field,
            "problem": self.problem,
        }


@dataclass(slots=True)
class Report:
    """What an import did, row by row."""

    rows: list[Row] = field(default_factory=list)
    written: bool = False

    def count(self, result: str) -> int:
        """How many rows came to this: added, changed, unchanged, bad."""
        return sum(row.result == result for row in self.rows)


def add(jurisdiction_id: str, wanted: Wanted) -> Device:
    """Add a device.

    Raises:
        PatrolError: a bad field, or a name that is taken.
    """
    problem = _check(jurisdiction_id, wanted)
    if problem is not None:
        raise PatrolError(problem[1], field=problem[0])
    if Device.objects.filter(jurisdiction_id=jurisdiction_id, name=wanted.name).exists():
        raise PatrolError("a device of this name exists already", field="name", value=wanted.name)
    store(jurisdiction_id, [wanted])
    return Device.objects.get(jurisdiction_id=jurisdiction_id, name=wanted.name)


def store(
    jurisdiction_id: str, several: Sequence[Wanted], on_step: Callable[[int], None] = lambda _: None
) -> None:
    """Add these devices or bring them up to date, with a state each, in one transaction; their fields were checked."""
    now = now_ms()
    codes = {one.name: _leaf(jurisdiction_id, one) for one in several}
    grids = dict(
        Grid.objects.filter(
            jurisdiction_id=jurisdiction_id, code__in={c for c in codes.values() if c}
        ).values_list("code", "pk")
    )
    with transaction.atomic():
        for start in range(0, len(several), BATCH):
            rows = [
                Device(
                    jurisdiction_id=jurisdiction_id,
                    name=one.name,
                    kind=one.kind,
                    title=one.title,
                    place=one.place,
                    longitude=one.longitude,
                    latitude=one.latitude,
                    grid_id=grids.get(codes[one.name] or ""),
                    made_at_ms=now,
                )
                for one in several[start : start + BATCH]
            ]
            # What lasts by the rules of another type would never end.
            kinds = {one.name: one.kind for one in several[start : start + BATCH]}
            for known in Device.objects.filter(jurisdiction_id=jurisdiction_id, name__in=list(kinds)):
                if known.kind != kinds[known.name]:
                    alarms.end_all(known)
            Device.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["jurisdiction_id", "name"],
                update_fields=["kind", "title", "place", "longitude", "latitude", "grid"],
            )
            on_step(start + len(rows))
        _states(jurisdiction_id)


def _states(jurisdiction_id: str) -> None:
    device, state = (connection.ops.quote_name(each._meta.db_table) for each in (Device, DeviceState))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {state} (device_id, silent, body) SELECT d.id, %s, '' FROM {device} d"  # noqa: S608
            f" WHERE d.jurisdiction_id = %s AND NOT EXISTS (SELECT 1 FROM {state} s WHERE s.device_id = d.id)",
            [False, jurisdiction_id],
        )


def read_table(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file (UTF-8, or GBK as Chinese spreadsheets write it), numbered as the file's lines are.

    Raises:
        PatrolError: it cannot be read, has a column that is not known, or lacks one that is needed.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= FILE_BYTES else None
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error.strerror}", file=path) from error
    if raw is None:
        raise PatrolError(f"the file has more than {FILE_BYTES} bytes", file=path)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = nul.plain(raw.decode(encoding), path)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise PatrolError("this is neither UTF-8 nor GBK text", file=path)
    try:
        reader = csv.DictReader(io.StringIO(text), strict=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        for name in columns:
            if name not in COLUMNS:
                raise PatrolError(
                    "this column is not known", file=path, field=name, mend=f"Known: {', '.join(COLUMNS)}"
                )
        for name in ("name", "type"):
            if name not in columns:
                raise PatrolError("this column is missing", file=path, field=name)
        reader.fieldnames = columns
        rows = []
        for row in reader:
            rows.append((reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}))
            if len(rows) > ROWS_MOST:
                raise PatrolError(f"a table has at most {ROWS_MOST} rows", file=path)
    except csv.Error as error:
        raise PatrolError(f"this is no CSV: {error}", file=path) from error
    return rows


def import_rows(
    jurisdiction_id: str,
    rows: Iterable[tuple[int, dict[str, str]]],
    *,
    dry_run: bool = False,
    skip_bad: bool = False,
    on_step: Callable[[int], None] = lambda _: None,
) -> Report:
    """Add or change devices and report row by row. With a bad row nothing is written, unless asked; devices that the table
    does not name stay."""
    if not _IDENT.match(jurisdiction_id):
        raise PatrolError("this is no name of a jurisdiction", field="--jurisdiction", value=jurisdiction_id)
    known = {
        name: Wanted(name, *facts)
        for name, *facts in Device.objects.filter(jurisdiction_id=jurisdiction_id).values_list(
            "name", "kind", "title", "place", "longitude", "latitude"
        )
    }
    report, wanted, seen = Report(), list[Wanted](), dict[str, int]()
    for number, row in rows:
        name = row.get("name", "")
        try:
            one = _wanted(row)
        except ValueError as error:
            report.rows.append(Row(number, name, "bad", str(error), "this is no number"))
            continue
        problem = _check(jurisdiction_id, one)
        if problem is None and name in seen:
            problem = ("name", f"row {seen[name]} has the same name")
        if problem is not None:
            report.rows.append(Row(number, name, "bad", *problem))
            continue
        seen[name] = number
        before = known.get(name)
        result = "added" if before is None else "unchanged" if before == one else "changed"
        report.rows.append(Row(number, name, result))
        if result != "unchanged":
            wanted.append(one)
    if not dry_run and (skip_bad or not report.count("bad")):
        store(jurisdiction_id, wanted, on_step)
        report.written = True
    return report


def _wanted(row: dict[str, str]) -> Wanted:
    def number(name: str) -> float | None:
        text = row.get(name, "")
        try:
            found = float(text) if text else None
        except ValueError:
            raise ValueError(name) from None
        if found is not None and not math.isfinite(found):
            raise ValueError(name)
        return found

    return Wanted(
        row.get("name", ""),
        row.get("type", ""),
        row.get("title", ""),
        row.get("place", ""),
        number("longitude"),
        number("latitude"),
    )


def _check(jurisdiction_id: str, one: Wanted) -> tuple[str, str] | None:
    """(field, what is wrong with it), or None."""
    if not _IDENT.match(jurisdiction_id):
        return "jurisdiction", "a name has letters, digits, '_', '.' and '-', and at most 64 of them"
    if not _IDENT.match(one.name):
        return "name", "a name has letters, digits, '_', '.' and '-', and at most 64 of them"
    if one.kind not in device_types():
        return "type", f"there is no such type of device; known: {', '.join(sorted(device_types()))}"
    for name, text, most in (("title", one.title, 120), ("place", one.place, 200)):
        if len(text) > most or not text.isprintable():
            return name, f"at most {most} printable characters"
    if (one.longitude is None) != (one.latitude is None):
        return "latitude" if one.latitude is None else "longitude", "a position has both"
    if one.longitude is not None and not (-180 <= one.longitude <= 180):
        return "longitude", "a longitude lies between -180 and 180"
    if one.latitude is not None and not (-90 <= one.latitude <= 90):
        return "latitude", "a latitude lies between -90 and 90"
    return None


def _leaf(jurisdiction_id: str, one: Wanted) -> str | None:
    if one.longitude is None or one.latitude is None:
        return None
    return leaf_code(jurisdiction_id, one.longitude, one.latitude)


def find(jurisdiction_id: str, name: str) -> Device:
    """The device of this name.

    Raises:
        PatrolError: there is none.
    """
    found = Device.objects.filter(jurisdiction_id=jurisdiction_id, name=name).first()
    if found is None:
        raise PatrolError("there is no such device", field="device", value=f"{jurisdiction_id}/{name}")
    return found


def new_key(device: Device) -> str:
    """A new key for the HTTP way, in place of an older one; it is told once and never again."""
    secret = secrets.token_urlsafe(32)
    Device.objects.filter(pk=device.pk).update(secret_sha256=_digest(secret))
    return secret


def by_key(secret: str) -> Device | None:
    """The device whose key this is, if it is in use. Found by its hash: no comparison tells how near a guess was."""
    if not 20 <= len(secret) <= 200 or not secret.isascii():
        return None
    return Device.objects.filter(secret_sha256=_digest(secret), enabled=True).first()


def enable(device: Device, *, wanted: bool) -> None:
    """Listen to a device, or no more; its alarms that last are ended, since nobody would end them."""
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(enabled=wanted)
        if not wanted:
            alarms.end_all(device)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
