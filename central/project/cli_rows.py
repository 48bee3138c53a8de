"""Lists as commands print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from patrol import console


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Rows of the same columns as a table or as JSON; the word "none" where there are none."""
    if not told(rows, as_json=as_json):
        print_rows(rows)


def told(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> bool:
    """Print rows as JSON where that was asked for, or the word "none" where there are none. Whether no table is to follow."""
    if as_json:
        console.print_json(rows)
    elif not rows:
        console.out.print("none")
    return as_json or not rows


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table with a line for each row; nothing where there are none."""
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    table = Table(*rows[0], box=None)
    for row in rows:
        cells = (", ".join(cell) if isinstance(cell, list) else cell for cell in row.values())
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    console.out.print(table)
