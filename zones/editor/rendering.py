"""Changed zones back into the text of their file, with everything that was not changed left as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import tomli_w
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, InlineTable, Table

from protocol.errors import PatrolError
from zones.editor.blocks import parts
from zones.files import read_zone_data

Data = dict[str, Any]
"""A zone file as JSON holds it: dates are text."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of a zone file.

    Attributes:
        text: with "\\n" at line ends.
        kept: whether comments and layout were kept; else the file is written anew.
    """

    text: str
    kept: bool = True


def plain(value: Any) -> Any:
    """The value as JSON holds it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return value


def render(name: str, old_text: str, old: Data, new: Data, origins: Sequence[int | None]) -> Rendered:
    """The file's text after a change.

    Args:
        name: the file's name; its ending decides the format.
        old_text: what it holds now, "" for a new file.
        old: what that says.
        new: what it shall say.
        origins: for each zone of `new`, its number among the zones of `old`, None for a new zone.

    Returns:
        Text that says exactly `new`: it was read again to make sure.
    """
    if old_text and same(old, new):
        return Rendered(old_text)
    if name.endswith((".json", ".geojson")):
        return Rendered(_as_json(old_text, new))
    if old_text:
        try:
            kept = _patched(old_text, old, new, origins)
            if same(plain(read_zone_data(kept.encode(), name)), new):
                return Rendered(kept)
        except (TOMLKitError, PatrolError, ValueError, TypeError, KeyError, IndexError):
            # Layouts that cannot be kept are rare; what the file says matters more.
            pass
        return Rendered(tomli_w.dumps(new), kept=False)
    return Rendered(_HEAD + _whole(new))


_HEAD = "# Zones of one camera. Every key is explained in docs/zones.md.\n"


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same in a file: 1 and 1.0 do, 1 and true do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other and isinstance(one, bool) == isinstance(other, bool))


def _as_json(old_text: str, new: Data) -> str:
    before = json.loads(old_text) if old_text else {}
    if isinstance(before, dict) and before.get("type") == "FeatureCollection":
        features = [
            {
                "type": "Feature",
                "properties": {key: value for key, value in zone.items() if key != "polygon"},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[*zone["polygon"], zone["polygon"][0]]] if zone.get("polygon") else [[]],
                },
            }
            for zone in new.get("zone", [])
        ]
        rest = {key: value for key, value in new.items() if key != "zone"}
        new = {"type": "FeatureCollection", **rest, "features": features}
    return json.dumps(new, ensure_ascii=False, indent=2) + "\n"


def _patched(text: str, old: Data, new: Data, origins: Sequence[int | None]) -> str:
    pieces = parts(text)
    old_zones, new_zones = old.get("zone", []), new.get("zone", [])
    if len(pieces.zones) != len(old_zones):
        raise ValueError("the zones are not written as [[zone]]")
    before = tomlkit.parse(pieces.before)
    after = tomlkit.parse(pieces.after)
    for key in [*old, *(key for key in new if key not in old)]:
        if key == "zone":
            continue
        target = after if key in after else before
        _patch(target, key, old.get(key), new.get(key, _ABSENT))
    zones = []
    for zone, origin in zip(new_zones, origins, strict=True):
        if origin is None:
            zones.append(_one_zone(zone))
        elif same(zone, old_zones[origin]):
            zones.append(pieces.zones[origin])
        else:
            document = tomlkit.parse(pieces.zones[origin])
            table = document["zone"][0]
            for key in [*old_zones[origin], *(key for key in zone if key not in old_zones[origin])]:
                _patch(table, key, old_zones[origin].get(key), zone.get(key, _ABSENT))
            zones.append(tomlkit.dumps(document))
    result = ""
    for piece in (tomlkit.dumps(before), *zones, tomlkit.dumps(after)):
        result += "" if not result or result.endswith("\n") else "\n"
        if piece.startswith("[") and result and not result.endswith("\n\n"):
            result += "\n"
        result += piece
    return result


_ABSENT: Any = object()


def _patch(table: Any, key: str, old: Any, new: Any) -> None:
    """Bring one key of a table to its new value, touching as little as can be."""
    if new is _ABSENT:
        if key in table:
            del table[key]
        return
    if key in table and same(plain(_unwrap(table[key])), new):
        return
    here = table.get(key)
    if isinstance(new, dict) and isinstance(here, Table | InlineTable) and isinstance(old, dict):
        for inner in [*old, *(one for one in new if one not in old)]:
            _patch(here, inner, old.get(inner), new.get(inner, _ABSENT))
        return
    if isinstance(here, AoT) and isinstance(new, list) and all(isinstance(row, dict) for row in new) and new:
        for row, was, wanted in zip(here, old, new, strict=False):
            for inner in [*was, *(one for one in wanted if one not in was)]:
                _patch(row, inner, was.get(inner), wanted.get(inner, _ABSENT))
        for row in new[len(here) :]:
            here.append(_item(row))
        while len(here) > len(new):
            del here[-1]
        return
    fresh = _item(new, like=here)
    if here is not None and not isinstance(here, AoT | Table):
        fresh.trivia.comment_ws, fresh.trivia.comment = here.trivia.comment_ws, here.trivia.comment
        table[key] = fresh
        return
    if here is not None:
        del table[key]
    table.append(key, fresh)


def _unwrap(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _item(value: Any, like: Any = None) -> Any:
    """A value as an item of tomlkit, laid out like the one that it replaces."""
    if isinstance(like, Array | InlineTable):
        return _inline(value, like)
    if isinstance(value, dict):
        table = tomlkit.table()
        for key, inner in value.items():
            table.append(key, _item(inner))
        return table
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return _aot(value)
    return _inline(value)


def _inline(value: Any, like: Any = None) -> Any:
    """A value on one line, or on as many as the array that it replaces."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, inner in value.items():
            table.append(key, _inline(inner))
        return table
    if isinstance(value, list):
        return _array(value, like)
    return tomlkit.item(value)


def _array(values: list[Any], like: Any) -> Any:
    dates = isinstance(like, Array) and any(isinstance(one, date) for one in like.unwrap())
    array = tomlkit.array()
    for value in values:
        if dates and isinstance(value, str) and _DATE.fullmatch(value):
            array.append(date.fromisoformat(value))
        else:
            array.append(_inline(value))
    if isinstance(like, Array) and "\n" in like.as_string():
        array.multiline(True)
    return array


def _one_zone(zone: Data) -> str:
    return tomlkit.dumps({"zone": _aot([zone])})


def _aot(rows: list[Data]) -> AoT:
    tables = tomlkit.aot()
    for row in rows:
        tables.append(_item(row))
    return tables


def _whole(new: Data) -> str:
    document = tomlkit.document()
    rest = {key: value for key, value in new.items() if key != "zone"}
    for key, value in sorted(rest.items(), key=lambda pair: isinstance(pair[1], dict | list)):
        document.append(key, _item(value))
    text = tomlkit.dumps(document)
    return text + "".join("\n" + _one_zone(zone) for zone in new.get("zone", []))
