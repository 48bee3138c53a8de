"""Roster files: CSV with a row for each shift. Nothing is stored here.

Columns: officer, from, to; and, where wanted, grids (codes with a blank or `;` between) and mode.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from central.dispatch.rosters import Fault, Wanted
from central.project import nul
from protocol.clock import Millis
from protocol.errors import PatrolError

NEEDED = ("officer", "from", "to")
COLUMNS = (*NEEDED, "grids", "mode")
_MOST_BYTES = 64 * 2**20


def read_roster(path: Path, zone: ZoneInfo) -> tuple[list[Wanted], list[Fault]]:
    """Good rows and what is wrong with the others; the head is row 1.

    Args:
        path: UTF-8, with or without a byte order mark.
        zone: time zone of instants that name none.

    Raises:
        PatrolError: the file cannot be read, is no CSV, or its columns are not those above.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PatrolError("this file is too large for a roster", file=path)
        text = nul.plain(path.read_bytes().decode("utf-8-sig"), path)
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        raise PatrolError("the file is not UTF-8 text", file=path, mend="Save it as CSV in UTF-8.") from error
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise PatrolError(f"the file is no CSV: {error}", file=path) from error
    head = [name.strip() for name in lines[0]] if lines else []
    lacking = [name for name in NEEDED if name not in head]
    unknown = [name for name in head if name not in COLUMNS]
    if lacking or unknown or len(set(head)) != len(head):
        raise PatrolError(
            f"the columns are {', '.join(head) or 'none'}",
            file=path,
            field="row 1",
            mend=f"Write {', '.join(NEEDED)}, and if wanted grids and mode; each once.",
        )
    wanted: list[Wanted] = []
    faults: list[Fault] = []
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(head):
            faults.append(Fault(number, "row", f"{len(cells)} cells, {len(head)} columns"))
            continue
        row = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
        instants: dict[str, Millis] = {}
        for name in ("from", "to"):
            try:
                instants[name] = instant(row[name], zone)
            except ValueError:
                faults.append(
                    Fault(number, name, f"{row[name]!r} is no instant; write e.g. 2027-01-04 08:00")
                )
        if not row["officer"]:
            faults.append(Fault(number, "officer", "no log-in name"))
        elif len(instants) == 2:
            codes = tuple(row.get("grids", "").replace(";", " ").split())
            wanted.append(
                Wanted(
                    row["officer"], instants["from"], instants["to"], codes, row.get("mode") or "foot", number
                )
            )
    return wanted, faults


def instant(text: str, zone: ZoneInfo) -> Millis:
    """UTC milliseconds of an ISO 8601 instant, by this zone's wall clock where it names no offset.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    if len(text) <= 10:
        raise ValueError("a day is no instant")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
