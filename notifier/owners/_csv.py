"""Reads a list of owners row by row and says of each row what it is worth. Touches no table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notifier.masking import mask_phone, mask_plate
from notifier.owners._plates import normal_phone, normal_plate
from notifier.owners.local import OwnerRow
from notifier.tables import read_text
from protocol.errors import PatrolError

_COLUMNS = {
    "plate": ("plate", "车牌", "车牌号", "号牌号码"),
    "phone": ("phone", "手机", "手机号", "电话", "联系电话"),
    "language": ("language", "语言"),
    "opted_out": ("opted_out", "退订"),
}
"""Field -> names that a column may have."""

_LANGUAGES = {"": None, "zh-hans": "zh-Hans", "zh": "zh-Hans", "中文": "zh-Hans", "en": "en", "英文": "en"}

_YES = frozenset({"1", "yes", "true", "y", "是"})
_NO = frozenset({"", "0", "no", "false", "n", "否"})


@dataclass(frozen=True, slots=True)
class RowReading:
    """One line of the file: `row` if it can be used, else `problem`. `plate` and `phone` are masked."""

    line: int
    plate: str
    phone: str
    row: OwnerRow | None
    problem: str | None


def read_owners(path: Path) -> list[RowReading]:
    """Read a CSV file in UTF-8 or GB 18030 with a heading; columns plate, phone, and if wanted language, opted_out.

    Raises:
        UnavailableError: the file cannot be read.
        PatrolError: it is no such table, or a column is missing or unknown.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        columns = _columns(reader.fieldnames or [], path)
        return [_read(line, reader.line_num, columns) for line in reader if any(_texts(line))]
    except csv.Error as error:
        raise PatrolError(f"line {reader.line_num} is no CSV: {error}", file=path) from error


def _columns(names: object, path: Path) -> dict[str, str]:
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
                mend="Use the columns plate, phone, language, opted_out.",
            )
        found[field] = str(name)
    for field in ("plate", "phone"):
        if field not in found:
            raise PatrolError(
                f"lacks the column {field}",
                file=path,
                field="heading",
                mend="The first line names the columns.",
            )
    return found


def _texts(line: Mapping[str | None, object]) -> list[str]:
    return [value for value in line.values() if isinstance(value, str) and value.strip()]


def _read(line: Mapping[str | None, object], number: int, columns: dict[str, str]) -> RowReading:
    texts = {field: str(line.get(name) or "").strip() for field, name in columns.items()}
    plate, phone = mask_plate(texts["plate"]), mask_phone(texts["phone"])
    if None in line:
        return RowReading(number, plate, phone, None, "has more cells than the heading")
    try:
        row = OwnerRow(
            normal_plate(texts["plate"]),
            normal_phone(texts["phone"]),
            _language(texts.get("language", "")),
            _yes(texts.get("opted_out", "")),
        )
    except ValueError as error:
        return RowReading(number, plate, phone, None, str(error))
    return RowReading(number, mask_plate(row.plate), mask_phone(row.phone), row, None)


def _language(text: str) -> str | None:
    try:
        return _LANGUAGES[text.lower()]
    except KeyError:
        raise ValueError("language is neither zh-Hans nor en") from None


def _yes(text: str) -> bool:
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    raise ValueError("opted_out is neither yes nor no")
