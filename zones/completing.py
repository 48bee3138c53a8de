"""What the shell offers after Tab where a word stands for a zone, a version or a file. Never fails, never prints."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from protocol.errors import PatrolError

_MOST = 200
"""Names looked at in a folder; a longer list helps nobody."""

ZONE_FILES = (".toml", ".json", ".geojson")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".mp4", ".mkv", ".avi", ".mov", ".ts")
KEYS = (".pem", ".key", ".pub")


def zone_files(incomplete: str) -> list[str]:
    """Zone files, and folders on the way to them."""
    return list(_paths(incomplete, ZONE_FILES))


def pictures(incomplete: str) -> list[str]:
    """Stills and videos, and folders on the way to them."""
    return list(_paths(incomplete, PICTURES))


def key_files(incomplete: str) -> list[str]:
    """Key files, and folders on the way to them."""
    return list(_paths(incomplete, KEYS))


def folders(incomplete: str) -> list[str]:
    """Folders."""
    return list(_paths(incomplete, ()))


def zone_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the zones in the file that stands before, with their names."""
    from zones.files import load_zone_file

    given = ctx.params.get("file")
    path = Path(given) if given else next((word for word in _plain_words() if word.is_file()), None)
    try:
        zones = load_zone_file(path).zone if path else ()
    except PatrolError:
        return []
    return [(zone.id, f"{zone.kind}, {zone.name}") for zone in zones if zone.id.startswith(incomplete)]


def versions(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Versions in the folder that stands before, the newest first, with author and reason."""
    from zones.publishing import find_target

    names = {name: ctx.params.get(name) for name in ("folder", "agent_config")}
    places = {name: Path(value) if value else None for name, value in names.items()}
    if not any(places.values()):
        places["folder"] = next((word for word in _plain_words() if word.is_dir()), None)
    try:
        target = find_target(places["folder"], places["agent_config"], ctx.params.get("camera"))
        entries = target.archive.history().entries
    except PatrolError:
        return []
    return [
        (str(entry.head.version), f"{entry.head.author}: {entry.head.reason}")
        for entry in reversed(entries)
        if str(entry.head.version).startswith(incomplete)
    ]


def cameras(ctx: typer.Context, incomplete: str) -> list[str]:
    """Cameras of the agent's configuration that stands before."""
    from zones.publishing import camera_zones

    path = ctx.params.get("agent_config")
    try:
        return [name for name in camera_zones(Path(path)) if name.startswith(incomplete)] if path else []
    except PatrolError:
        return []


def _plain_words() -> list[Path]:
    """Words after `patrol zones VERB` that are no options, as paths. An option that still waits for its value keeps the parser from
    telling which word is the file."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    try:
        words = shlex.split(line)
    except ValueError:  # a quotation that is still open
        words = line.split()
    return [Path(word).expanduser() for word in words[3:] if word and not word.startswith("-")]


def _paths(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    folder, _, start = incomplete.rpartition("/")
    place = Path(f"{folder}/" if folder or incomplete.startswith("/") else ".").expanduser()
    prefix = f"{folder}/" if "/" in incomplete else ""
    try:
        found = sorted(path for path in place.iterdir() if path.name.startswith(start))
    except OSError:
        return
    shown = [path for path in found if start.startswith(".") or not path.name.startswith(".")]
    for path in shown[:_MOST]:
        if path.is_dir():
            yield f"{prefix}{path.name}/"
        elif path.suffix.lower() in suffixes:
            yield f"{prefix}{path.name}"
