"""Working hours and changed days as people write them, in files and forms."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from central.project import nul
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from central.clocks.calendar import Windows
    from central.clocks.calendars import DayChange

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LARGEST = 256 * 1024


def read_hours(text: str, field: str) -> Windows:
    """``09:00-12:00,13:30-17:30`` as minutes.

    Raises:
        PatrolError: it is written otherwise.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        start, dash, end = part.partition("-")
        found.append((_minute(start, field, text), _minute(end if dash else "", field, text)))
    return tuple(found)


def _minute(text: str, field: str, whole: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    ok = colon and hours.isascii() and minutes.isascii() and hours.isdigit() and minutes.isdigit()
    value = int(hours) * 60 + int(minutes) if ok and len(hours) <= 2 and len(minutes) == 2 else -1
    if not 0 <= value <= 1440 or int(minutes) > 59:
        raise PatrolError(
            "these are no hours", field=field, value=whole, mend="Write e.g. 09:00-12:00,13:30-17:30"
        )
    return value


def said_hours(windows: Windows) -> str:
    """The same as people write it; empty where nothing is worked."""
    return ",".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in windows)


def read_date(text: str, field: str, file: object = None) -> date:
    """A date, YYYY-MM-DD.

    Raises:
        PatrolError: it is none.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise PatrolError(
            "this is no date", file=file, field=field, value=text, mend="Write e.g. 2026-11-25"
        ) from error


def read_days(file: Path) -> list[DayChange]:
    """Days of a CSV file, see `days_of_text`.

    Raises:
        PatrolError: it cannot be read, or something in it is wrong.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error}", file=file) from error
    return days_of_text(raw, file)


def days_of_text(raw: bytes, file: object) -> list[DayChange]:
    """Days of CSV with the columns day, kind, reason and, if need be, hours.

    Args:
        raw: UTF-8, with or without a mark.
        file: what errors call it.

    Raises:
        PatrolError: something in it is wrong, named with its line.
    """
    from central.clocks.calendars import DayChange

    if len(raw) > LARGEST:
        raise PatrolError(f"the file has more than {LARGEST} bytes", file=file)
    try:
        text = nul.plain(raw.decode("utf-8-sig"), file)
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows, columns = list(reader), set(reader.fieldnames or ())
    except (UnicodeError, csv.Error) as error:
        raise PatrolError(f"the file cannot be read: {error}", file=file) from error
    wrong = sorted({"day", "kind", "reason"} - columns) or sorted(
        columns - {"day", "kind", "reason", "hours"}
    )
    if wrong:
        raise PatrolError(
            "the columns are day, kind, reason and, if need be, hours",
            file=file,
            field="header",
            value=wrong[0],
        )
    found: list[DayChange] = []
    for number, row in enumerate(rows, 2):
        where = f"line {number}"
        if any(value is None or isinstance(value, list) for value in row.values()):
            raise PatrolError("a line has as many cells as the header", file=file, field=where)
        day = read_date(row["day"], f"{where}: day", file)
        if any(change.day == day for change in found):
            raise PatrolError("this day comes twice", file=file, field=where, value=row["day"])
        windows = read_hours(row.get("hours") or "", f"{where}: hours")
        found.append(DayChange(day, row["kind"].strip(), row["reason"], windows))
    if not found:
        raise PatrolError("there is no day in it", file=file)
    return found
