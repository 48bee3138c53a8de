"""Where a camera's published zones go: a folder that is named, or the one that an agent's configuration names."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import PatrolError, UnavailableError
from zones.publishing.archive import CURRENT, Archive
from zones.publishing.keys import PublisherKey, trusted_keys

_FILES = frozenset({".toml", ".json", ".geojson"})


@dataclass(frozen=True, slots=True)
class Target:
    """A place to publish to.

    Attributes:
        archive: the folder.
        camera: whose zones go there, where that is known beforehand.
        trusted: the keys that the agent trusts; None where no agent's configuration was given.
    """

    archive: Archive
    camera: str | None
    trusted: frozenset[PublisherKey] | None


def published_path(zones: Path) -> Path:
    """The file that an agent reads, from what its configuration says: a file, or a folder that `publish` fills."""
    folder = zones.is_dir() or (not zones.exists() and zones.suffix.lower() not in _FILES)
    return zones / CURRENT if folder else zones


def find_target(folder: Path | None, agent_config: Path | None, camera: str | None) -> Target:
    """Settle where to publish.

    Args:
        folder: the folder of published zones, or
        agent_config: an agent's configuration, whose camera has one.
        camera: which camera, where the configuration has several.

    Raises:
        PatrolError: neither or both are given, or the configuration has no such camera, or its camera reads a plain file.
    """
    if (folder is None) == (agent_config is None):
        raise PatrolError(
            "give a folder or an agent's configuration" + (", not both" if folder is not None else ""),
            field="--to or --agent-config",
            mend="Name the folder that holds, or shall hold, the published versions of one camera.",
        )
    if agent_config is None:
        assert folder is not None
        if folder.is_file():
            raise PatrolError(
                "is a file; published zones have a folder",
                file=folder,
                mend=f"Name the folder around {CURRENT}.",
            )
        return Target(Archive(folder), camera, None)
    found = camera_zones(agent_config)
    if camera is None and len(found) == 1:
        camera = next(iter(found))
    if camera is None or camera not in found:
        raise PatrolError(
            "say which camera" if camera is None else "has no such camera",
            file=agent_config,
            field="--camera",
            value=camera,
            mend=f"It has: {', '.join(found)}.",
        )
    path = published_path(found[camera])
    if path.name != CURRENT:
        raise PatrolError(
            f"camera {camera} reads the plain file {path}",
            file=agent_config,
            field=f"camera {camera}.zones",
            mend=f'Write the name of a folder there, such as zones = "{camera}.zones", and publish again.',
        )
    return Target(Archive(path.parent), camera, _trusted(agent_config))


def camera_zones(agent_config: Path) -> dict[str, Path]:
    """Camera id -> where its zones are, of an agent's configuration. What else stands there is not looked at.

    Raises:
        PatrolError: the file is missing, no TOML, or has no cameras.
    """
    cameras: dict[str, Path] = {}
    raw = _load(agent_config).get("camera")
    for item in raw if isinstance(raw, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("zones"), str):
            cameras[item["id"]] = agent_config.parent / item["zones"]
    if not cameras:
        raise PatrolError(
            "has no cameras with zones",
            file=agent_config,
            mend="Give the configuration of an agent, agent.toml.",
        )
    return cameras


def _trusted(agent_config: Path) -> frozenset[PublisherKey] | None:
    section = _load(agent_config).get("zones")
    entries: Any = section.get("trusted_keys") if isinstance(section, dict) else None
    if not isinstance(entries, Iterable) or not entries:
        return None
    return trusted_keys([str(entry) for entry in entries], agent_config.parent)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise PatrolError("the configuration does not exist", file=path, mend="Check the path.") from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check its rights."
        ) from error
    except ValueError as error:
        raise PatrolError(f"is not TOML: {error}", file=path, mend="Mend the line that it names.") from error
