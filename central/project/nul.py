"""Texts with a NUL: PostgreSQL cannot keep one and SQLite would, so both refuse it, at the door.

Forms, addresses and cookies are looked at by `central.project.middleware.NoNul`. Who reads JSON, TOML or a file asks here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocol.errors import PatrolError

NUL = "\0"


def of_json(value: Any, where: str = "") -> str | None:
    """Where the first text with a NUL lies in what `json.loads` or `tomllib.loads` gave, as `a.b.0`; None where there is none.

    A name with a NUL is given without it. Objects may lie in each other as deep as the reader took them.
    """
    waiting: list[tuple[str, Any]] = [(where, value)]
    while waiting:
        path, found = waiting.pop()
        inside: Iterable[tuple[Any, Any]] = ()
        if isinstance(found, str):
            if NUL in found:
                return path or "body"
        elif isinstance(found, dict):
            inside = found.items()
        elif isinstance(found, list):
            inside = enumerate(found)
        for key, each in inside:
            name = f"{path}.{key}" if path else str(key)
            if NUL in name:
                return name.replace(NUL, "")[:200]
            waiting.append((name, each))
    return None


def plain(text: str, file: object) -> str:
    """The same text.

    Raises:
        PatrolError: the text of this file holds a NUL.
    """
    if NUL in text:
        line = text.count("\n", 0, text.index(NUL)) + 1
        raise PatrolError(
            "the file holds a NUL character", file=file, field=f"line {line}", mend="Save it as UTF-8 text."
        )
    return text
