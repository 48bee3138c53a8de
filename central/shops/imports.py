"""Taking a register in, CSV or XLSX: every row is looked at and reported, and nothing is written while one is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from central.project import nul
from central.shops.models import Category, Shop
from central.shops.register import NewShop, Registered, check, register
from central.shops.sealing import Owner
from protocol.errors import PatrolError

FILE_BYTES = 16 * 2**20
ROWS = 20_000

COLUMNS = {
    "number": ("number", "编号", "商铺编号"),
    "name": ("name", "名称", "商铺名称", "店名"),
    "category": ("category", "类别", "业态"),
    "licence": ("licence", "license", "统一社会信用代码", "执照号", "营业执照号"),
    "address": ("address", "地址", "经营地址"),
    "longitude": ("longitude", "经度"),
    "latitude": ("latitude", "纬度"),
    "owner": ("owner", "负责人", "经营者"),
    "phone": ("phone", "电话", "手机", "手机号"),
    "language": ("language", "语言"),
}
NEEDED = ("number", "name", "category")
CATEGORIES = {
    "餐饮": Category.CATERING,
    "零售": Category.RETAIL,
    "小作坊": Category.WORKSHOP,
    "作坊": Category.WORKSHOP,
    "住宿": Category.LODGING,
    "旅馆": Category.LODGING,
}

Result = Literal["added", "changed", "bad"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row. `row` is the line of the file, the heading being 1."""

    row: int
    number: str
    result: Result
    field: str = ""
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For a machine: only what is there."""
        return {name: value for name, value in asdict(self).items() if value or name in {"row", "number"}}


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did or, dry, would do."""

    rows: tuple[Row, ...]
    counts: Registered | None

    @property
    def bad(self) -> tuple[Row, ...]:
        """Rows that are wrong."""
        return tuple(row for row in self.rows if row.result == "bad")


def heading(field: str, *, english: bool) -> str:
    """What a reader calls a field; its own name where it is no column."""
    names = COLUMNS.get(field)
    return field if names is None or english else names[1]


def take(data: bytes, filename: str, jurisdiction_id: str, actor: str, *, dry_run: bool = False) -> Report:
    """Read a file and, if every row is good, store all of it.

    Raises:
        PatrolError: the file cannot be read, or lacks a column.
        UnavailableError: the key of the sealed fields cannot be used now.
    """
    lines = list(read(data, filename))
    known = set(Shop.objects.filter(jurisdiction_id=jurisdiction_id).values_list("number", flat=True))
    rows: list[Row] = []
    shops: list[NewShop] = []
    seen: dict[str, int] = {}
    for place, line in lines:
        number = line.get("number", "")[:40]
        try:
            shop = check(_shop(line))
            if shop.number in seen:
                raise PatrolError(f"this number stands in row {seen[shop.number]} too", field="number")
        except PatrolError as error:
            rows.append(Row(place, number, "bad", error.field or "", error.problem))
            continue
        seen[shop.number] = place
        shops.append(shop)
        rows.append(Row(place, number, "changed" if shop.number in known else "added"))
    report = Report(tuple(rows), None)
    if report.bad or dry_run or not shops:
        return report
    return Report(report.rows, register(jurisdiction_id, shops, actor))


def read(data: bytes, filename: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line of the file, fields by our names) of each row that is not empty.

    Raises:
        PatrolError: too large, no table, no heading that we know.
    """
    if len(data) > FILE_BYTES:
        raise PatrolError(f"at most {FILE_BYTES // 2**20} MiB are accepted", file=filename)
    table = _sheet(data, filename) if data[:2] == b"PK" else _csv(data, filename)
    heading = next(iter(table), None)
    if heading is None:
        raise PatrolError("the file is empty", file=filename)
    names = _names(heading, filename)
    count = 0
    for place, cells in enumerate(table, 2):
        fields = {name: text for name, text in zip(names, cells, strict=False) if name}
        if not any(fields.values()):
            continue
        count += 1
        if count > ROWS:
            raise PatrolError(f"at most {ROWS} rows are accepted", file=filename)
        yield place, fields


def _names(heading: list[str], filename: str) -> list[str]:
    names = []
    for cell in heading:
        text = cell.strip().lstrip("\ufeff").lower()
        name = next((ours for ours, theirs in COLUMNS.items() if text in theirs), "")
        if text and not name:
            raise PatrolError(
                "this column is not known", file=filename, field="heading", value=cell[:40],
                mend=f"Known: {', '.join(COLUMNS)}",
            )  # fmt: skip
        names.append(name)
    for name in NEEDED:
        if name not in names:
            raise PatrolError("a column is missing", file=filename, field=name)
    if len([name for name in names if name]) != len({name for name in names if name}):
        raise PatrolError("a column comes twice", file=filename, field="heading")
    return names


def _csv(data: bytes, filename: str) -> Iterator[list[str]]:
    for encoding in ("utf-8-sig", "gb18030"):  # Excel in China writes the second
        try:
            text = nul.plain(data.decode(encoding), filename)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise PatrolError("the file is neither UTF-8 nor GB 18030", file=filename)
    try:
        for line in csv.reader(io.StringIO(text), strict=True):
            yield [cell.strip() for cell in line]
    except csv.Error as error:
        raise PatrolError(f"no CSV: {error}", file=filename) from error


def _sheet(data: bytes, filename: str) -> Iterator[list[str]]:
    import zipfile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(each.file_size for each in archive.infolist()) > 12 * FILE_BYTES:
                raise PatrolError("the workbook unfolds to too much", file=filename)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        rows: Iterable[Any] = book.worksheets[0].iter_rows(values_only=True)
        for line in rows:
            yield [_cell(value) for value in line]
    except PatrolError:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError) as error:
        raise PatrolError(f"no workbook: {type(error).__name__}", file=filename) from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _shop(line: dict[str, str]) -> NewShop:
    category = line.get("category", "")
    return NewShop(
        number=line.get("number", ""),
        name=line.get("name", ""),
        category=CATEGORIES.get(category, category.lower()),
        licence=line.get("licence", ""),
        address=line.get("address", ""),
        longitude=_degrees(line, "longitude"),
        latitude=_degrees(line, "latitude"),
        owner=Owner(line.get("owner", ""), line.get("phone", "")),
        language=line.get("language", "") or "zh-hans",
    )


def _degrees(line: dict[str, str], name: str) -> float | None:
    text = line.get(name, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise PatrolError("this is no number of degrees", field=name, value=text[:20]) from None
