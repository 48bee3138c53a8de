"""What pages and tables say, read as an administrator's browser reads them, and each figure beside its truth."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import requests
from rich.markup import escape
from rich.table import Table

from benchmarks.centre import PASSWORD, Centre
from protocol.errors import UnavailableError

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SPACE = re.compile(r"\s+")


@dataclass
class Published:
    """Words and numbers of the page in their order, and the tables as CSV rows.

    Attributes:
        pairs: word -> number, of the definition lists.
        rows: cells of every row of every table.
        big: the large shares with their intervals.
        tables: CSV name -> its rows by column.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)
    big: list[str] = field(default_factory=list)
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def row(self, *begins: str) -> list[str]:
        """The cells after the first one of the row that begins so."""
        for row in self.rows:
            if row and any(row[0] == begin or row[0].startswith(begin + " ") for begin in begins):
                return row[1:]
        return []


class _Reader(HTMLParser):
    def __init__(self, found: Published) -> None:
        super().__init__()
        self._found = found
        self._open: list[str] = []
        self._text = ""
        self._term = ""
        self._row: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"dt", "dd", "th", "td"} or (tag == "p" and ("class", "stat-big") in attrs):
            self._text = ""
            self._open.append(tag)
        elif tag == "tr":
            self._row = []

    def handle_data(self, data: str) -> None:
        if self._open:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._row:
            self._found.rows.append(self._row)
        if not self._open or self._open[-1] != tag:
            return
        self._open.pop()
        text = _SPACE.sub(" ", self._text).strip()
        if tag == "dt":
            self._term = text
        elif tag == "dd":
            self._found.pairs.setdefault(self._term, text)
        elif tag == "p":
            self._found.big.append(text)
        else:
            self._row.append(text)


def log_in(made: Centre) -> requests.Session:
    """The administrator's browser, which speaks English.

    Raises:
        UnavailableError: the log-in page does not answer as it should.
    """
    web = requests.Session()
    web.headers["Accept-Language"] = "en"
    login = web.get(made.url + "/login/", timeout=30)
    token = _TOKEN.search(login.text)
    if token is None:
        raise UnavailableError("the log-in page has no form")
    form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": PASSWORD}
    entered = web.post(made.url + "/login/", data=form, headers={"Referer": made.url + "/login/"}, timeout=30)
    if entered.status_code != 200 or "/login/" in entered.url:
        raise UnavailableError(
            f"the administrator cannot log in: HTTP {entered.status_code} at {entered.url}"
        )
    return web


def read_page(web: requests.Session, address: str, found: Published | None = None) -> Published:
    """Read a page into what was found before, or anew.

    Raises:
        UnavailableError: it does not answer.
    """
    found = found or Published()
    page = web.get(address, timeout=60)
    if page.status_code != 200:
        raise UnavailableError(f"{address} answered HTTP {page.status_code}")
    _Reader(found).feed(page.text)
    return found


def read_csv(web: requests.Session, address: str) -> list[dict[str, str]]:
    """The rows of a table by column.

    Raises:
        UnavailableError: it does not answer.
    """
    answer = web.get(address, timeout=60)
    if answer.status_code != 200:
        raise UnavailableError(f"{address} answered HTTP {answer.status_code}")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what is published, what is true."""

    figure: str
    page: str
    truth: str
    equal: bool


def one(figure: str, page: object, truth: object) -> Row:
    """One figure, published in one place."""
    return Row(figure, str(page), str(truth), str(page) == str(truth))


def both(figure: str, page: str, table: str, truth: str) -> Row:
    """One figure on the page and in the CSV."""
    shown = page if page == table else f"{page or 'nothing'} (CSV: {table})"
    return Row(figure, shown, truth, page == table == truth)


def table_of(title: str, parts: Mapping[str, Iterable[Row]]) -> tuple[Table, list[dict[str, Any]]]:
    """The table for people, and its rows for programs."""
    table = Table(title=title, title_justify="left")
    for name in ("Figure", "Published", "Truth"):
        table.add_column(name)
    table.add_column("Equal")
    rows: list[dict[str, Any]] = []
    for part, figures in parts.items():
        table.add_row(f"[bold]{part}[/]", "", "", "")
        for row in figures:
            mark = "[green]yes[/]" if row.equal else "[bold red]no[/]"
            table.add_row(escape(row.figure), escape(row.page), escape(row.truth), mark)
            rows.append(
                {"part": part, "figure": row.figure, "page": row.page, "truth": row.truth, "equal": row.equal}
            )
    return table, rows
