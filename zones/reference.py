"""Tables and commented examples from pydantic models, so that documents and templates never go stale.

Every field says in its title and description what it means; its JSON Schema says what it takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tomli_w
from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a configuration table.

    Attributes:
        name: as it is written in the file.
        title: one or two words.
        meaning: the description.
        takes: what may be written, in words.
        required: whether it must be there.
        default: the default, None where there is none or it is nothing.
        table: whether it is a table of its own and not a value.
        secret: whether it holds a secret itself, not the way to one.
        sort: "text", "path", "number", "flag", "list" or "other".
    """

    name: str
    title: str
    meaning: str
    takes: str
    required: bool
    default: Any
    table: bool
    secret: bool
    sort: str


def keys_of(model: type[BaseModel]) -> Iterator[Key]:
    """The keys of a table, in order."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, raw in schema.get("properties", {}).items():
        facts = {**_resolved(raw, definitions), **raw}
        core = _core(facts, definitions)
        item = _core(core.get("items", {}), definitions)
        yield Key(
            name=name,
            title=str(facts.get("title", name)),
            meaning=str(facts.get("description", "")),
            takes=_takes(core, definitions),
            required=name in schema.get("required", ()),
            default=facts.get("default"),
            table=core.get("type") == "object" or item.get("type") == "object",
            secret=core.get("format") == "password",
            sort=_sort(core),
        )


def table_of(model: type[BaseModel]) -> str:
    """The keys of a table as a Markdown table, required ones first: key, what it takes, default, meaning."""
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for key in sorted(keys_of(model), key=lambda key: not key.required):
        if key.required:
            default = "**required**"
        elif key.default is None or key.table:
            default = "–"
        else:
            default = f"`{toml_value(key.default)}`"
        meaning = f"{key.title}. {key.meaning}" if key.title.lower() != key.name else key.meaning
        rows.append(f"| `{key.name}` | {_cell(key.takes)} | {default} | {_cell(meaning)} |")
    return "\n".join(rows) + "\n"


def zone_tables() -> str:
    """The tables of docs/zones.md, one for each table of a zone file."""
    from zones.ground import Calibration, GroundPoint, GroundRectangle
    from zones.model import Picture, Zone, ZoneFile
    from zones.rules import Calendar, Exemption, Window

    sections = (
        ("At the top of the file", ZoneFile),
        ("`[picture]`", Picture),
        ("`[calendar]`", Calendar),
        ("`[calibration]`", Calibration),
        ("`[[calibration.point]]`", GroundPoint),
        ("`[calibration.rectangle]`", GroundRectangle),
        ("`[[zone]]`", Zone),
        ("`[[zone.hours]]` and `[[zone.exempt.hours]]`", Window),
        ("`[[zone.exempt]]`", Exemption),
    )
    return "\n".join(f"### {heading}\n\n{table_of(model)}" for heading, model in sections)


def toml_value(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    return definitions[ref.rpartition("/")[2]] if isinstance(ref, str) else schema


def _core(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What may be written apart from nothing at all."""
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved(choice, definitions)
    return _resolved(schema, definitions)


def _sort(schema: dict[str, Any]) -> str:
    if schema.get("format") == "path":
        return "path"
    sorts = {"string": "text", "integer": "number", "number": "number", "boolean": "flag", "array": "list"}
    return sorts.get(str(schema.get("type")), "other")


def _takes(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    match schema.get("type"):
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return "whole number" + _range(schema)
        case "number":
            return "number" + _range(schema)
        case "object":
            return "table"
        case "array" if "prefixItems" in schema:
            return f"{len(schema['prefixItems'])} numbers"
        case "array":
            item = _takes(_core(schema.get("items", {}), definitions), definitions)
            words = "tables" if item == "table" else f"list of {item}"
            least, most = schema.get("minItems"), schema.get("maxItems")
            bounds = [
                f"{least} or more" if least and not most else "",
                f"{least or 0} to {most}" if most else "",
            ]
            return words + "".join(f", {bound}" for bound in bounds if bound)
    if schema.get("format") == "path":
        return "path"
    if schema.get("format") == "date-time":
        return "date and time with offset"
    if schema.get("format") == "password":
        return "text, secret"
    if "pattern" in schema:
        return f"text like `{schema['pattern']}`"
    return "text" + (f", {schema['maxLength']} characters at most" if "maxLength" in schema else "")


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts = []
    if low is not None:
        parts.append(f"from {low:g}")
    if above is not None:
        parts.append(f"above {above:g}")
    if high is not None:
        parts.append(f"to {high:.10g}")
    if below is not None:
        parts.append(f"below {below:g}")
    return " " + " ".join(parts) if parts else ""
