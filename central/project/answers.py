"""Answers that many pages give alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse, HttpResponseRedirect

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def see_other(address: str) -> HttpResponse:
    """After a change: look there (303), so that a reload repeats nothing."""
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


def csv_file(name: str, rows: Iterable[Sequence[object]]) -> HttpResponse:
    """A table to keep: CSV in UTF-8 with a mark that spreadsheets heed.

    Args:
        name: of the file.
        rows: the column names first. A text that a spreadsheet would calculate is written as text (CWE-1236).
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _harmless(cell: object) -> object:
    """A text that a spreadsheet would calculate, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
