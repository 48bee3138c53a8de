"""What the statistics page and its tables say, read as an administrator's browser reads them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import requests

from benchmarks.day.world import PASSWORD, World
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


def fetch(world: World) -> Published:
    """Log in by the form and read everything of the day.

    Raises:
        UnavailableError: a page does not answer as it should.
    """
    web = requests.Session()
    web.headers["Accept-Language"] = "en"
    login = web.get(world.url + "/login/", timeout=30)
    token = _TOKEN.search(login.text)
    if token is None:
        raise UnavailableError("the log-in page has no form")
    form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": PASSWORD}
    entered = web.post(
        world.url + "/login/", data=form, headers={"Referer": world.url + "/login/"}, timeout=30
    )
    if entered.status_code != 200 or "/login/" in entered.url:
        raise UnavailableError(
            f"the administrator cannot log in: HTTP {entered.status_code} at {entered.url}"
        )
    found = Published()
    asked = f"?from={world.day}&to={world.day}"
    page = web.get(world.url + "/statistics/" + asked, timeout=60)
    if page.status_code != 200:
        raise UnavailableError(f"/statistics/ answered HTTP {page.status_code}")
    _Reader(found).feed(page.text)
    for name in ("figures", "places", "officers", "days", "precision"):
        answer = web.get(f"{world.url}/statistics/{name}.csv{asked}", timeout=60)
        if answer.status_code != 200:
            raise UnavailableError(f"/statistics/{name}.csv answered HTTP {answer.status_code}")
        found.tables[name] = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    return found
