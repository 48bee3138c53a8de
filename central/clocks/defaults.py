"""The promises of `defaults.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from central.clocks.rules import ClockRule
from protocol.errors import PatrolError

FILE = Path(__file__).with_name("defaults.toml")


@lru_cache(maxsize=1)
def default_rules() -> Mapping[str, tuple[ClockRule, ...]]:
    """Service code (``*``: any other) -> its promises."""
    return read_rules(FILE)


def read_rules(file: Path) -> Mapping[str, tuple[ClockRule, ...]]:
    """Read such a file.

    Raises:
        PatrolError: it cannot be read, or a promise makes no sense.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PatrolError(f"the promises cannot be read: {error}", file=file) from error
    if set(table) - {"service"}:
        raise PatrolError(
            "there is no such key",
            file=file,
            field=sorted(set(table) - {"service"})[0],
            mend="Write [[service.CODE]]",
        )
    found = {}
    for code, promises in table.get("service", {}).items():
        try:
            found[code] = tuple(ClockRule.model_validate(promise) for promise in promises)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (code, *first["loc"])))
            raise PatrolError(first["msg"], file=file, field=f"service.{where}") from error
        kinds = [rule.kind for rule in found[code]]
        if len(kinds) != len(set(kinds)):
            raise PatrolError("a kind is promised twice", file=file, field=f"service.{code}")
    return found
