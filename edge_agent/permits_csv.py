"""Reads permit lists row by row and says of each row what it is worth. Touches no table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_agent.permits import Permit, check_moment
from notifier.masking import mask_plate
from notifier.owners import normal_plate
from notifier.tables import read_text
from protocol.errors import PatrolError

_COLUMNS = {
    "plate": ("plate", "车牌", "车牌号", "号牌号码"),
    "list": ("list", "permit", "名单", "许可", "许可名单"),
    "valid_from": ("valid_from", "from", "有效期起", "生效日期"),
    "valid_to": ("valid_to", "to", "有效期止", "失效日期"),
    "note": ("note", "备注"),
}
"""Field -> names that a column may have."""

_DATE_LENGTH = len("2026-03-01")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class RowReading:
    """One line of the file: `permit` if it can be used, else `problem`. `plate` is masked."""

    line: int
    plate: str
    list: str
    permit: Permit | None
    problem: str | None


def read_permits(path: Path, default_list: str | None = None) -> list[RowReading]:
    """Read a CSV file in UTF-8 or GB 18030 with a heading: plate, list, and if wanted valid_from, valid_to, note.

    Args:
        path: the file.
        default_list: the list of rows that name none.

    Raises:
        UnavailableError: the file cannot be read.
        PatrolError: it is no such table, or a column is missing or unknown.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        columns = _columns(reader.fieldnames or [], path, needs_list=default_list is None)
        readings = [
            _read(line, reader.line_num, columns, default_list)
            for line in reader
            if any(isinstance(v, str) and v.strip() for v in line.values())
        ]
    except csv.Error as error:
        raise PatrolError(f"line {reader.line_num} is no CSV: {error}", file=path) from error
    return _without_contradictions(readings)


def _columns(names: object, path: Path, *, needs_list: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in list(names) if isinstance(names, (list, tuple)) else []:
        plain = str(name or "").strip().lower()
        field = next((one for one, known in _COLUMNS.items() if plain in known), None)
        if field is None or field in found:
            raise PatrolError(
                "has an unknown or repeated column",
                file=path,
                field="heading",
                value=name,
                mend="Use the columns plate, list, valid_from, valid_to, note.",
            )
        found[field] = str(name)
    for field in ("plate", *(("list",) if needs_list else ())):
        if field not in found:
            raise PatrolError(
                f"lacks the column {field}",
                file=path,
                field="heading",
                mend="The first line names the columns; --list names the list of all rows.",
            )
    return found


def _read(
    line: Mapping[str | None, object], number: int, columns: dict[str, str], default_list: str | None
) -> RowReading:
    texts = {field: str(line.get(name) or "").strip() for field, name in columns.items()}
    plate, name = mask_plate(texts["plate"]), texts.get("list") or default_list or ""
    try:
        if None in line:
            raise ValueError("has more cells than the heading")
        if not _NAME.fullmatch(name):
            raise ValueError("the list needs a name of letters, digits, '_', '.' and '-'")
        dates = {field: texts.get(field, "") for field in ("valid_from", "valid_to")}
        for field, text in dates.items():
            try:
                dates[field] = check_moment(text) if text else ""
            except ValueError as error:
                raise ValueError(f"{field} {error}") from None
        if _is_reversed(dates["valid_from"], dates["valid_to"]):
            raise ValueError("valid_to is before valid_from")
        permit = Permit(name, normal_plate(texts["plate"]), note=texts.get("note", "")[:200], **dates)
    except ValueError as error:
        return RowReading(number, plate, name, None, str(error))
    return RowReading(number, mask_plate(permit.plate), name, permit, None)


def _is_reversed(start: str, end: str) -> bool:
    if not start or not end:
        return False
    if len(end) == _DATE_LENGTH:
        return end < start[:_DATE_LENGTH]  # a date is valid to its end
    return end <= start  # a date begins before any moment of it


def _without_contradictions(readings: list[RowReading]) -> list[RowReading]:
    """A plate twice on a list with different words: nobody knows which is meant."""
    seen: dict[tuple[str, str], Permit] = {}
    checked = []
    for reading in readings:
        permit = reading.permit
        if permit is not None:
            first = seen.setdefault((permit.list, permit.plate), permit)
            if first != permit:
                reading = RowReading(
                    reading.line,
                    reading.plate,
                    reading.list,
                    None,
                    "the plate is on this list above, with other words",
                )
        checked.append(reading)
    return checked
