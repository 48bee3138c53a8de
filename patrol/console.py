"""How every command speaks: rich text to people, JSON to machines, one clear line for a mistake.

`--json` output goes to stdout and nothing else does; progress and messages go to stderr. Colours follow
NO_COLOR (https://no-color.org) and are off where the output is no terminal.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from protocol.errors import PatrolError

out = Console(highlight=False)
"""For results."""

err = Console(stderr=True, highlight=False)
"""For progress, warnings and errors."""


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout, flushed so that a pipe sees it at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def print_error(error: PatrolError, *, as_json: bool = False) -> None:
    """Say what is wrong, where, and how to mend it."""
    if as_json:
        sys.stderr.write(json.dumps({"error": error.as_dict()}, ensure_ascii=False) + "\n")
        return
    where = ": ".join(part for part in (error.file, error.field) if part)
    line = f"[bold red]error[/] {escape(where + ': ' if where else '')}{escape(error.problem)}"
    if error.value is not None:
        line += f" [dim](got {escape(repr(error.value))})[/]"
    err.print(line, soft_wrap=True)
    if error.mend:
        err.print(f"  [green]mend[/] {escape(error.mend)}", soft_wrap=True)


def person() -> str:
    """Who types this command, as the machine knows them, for audits."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
