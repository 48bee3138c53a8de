"""Which zone file may come into force for a camera: valid, whole, signed by somebody who may, and not older."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config import CameraConfig, ZonesSection
from protocol.errors import PatrolError
from protocol.messages import ZonesInForce
from zones import ZoneFile, parse_zone_file
from zones.publishing import (
    Head,
    PublisherKey,
    is_signed,
    open_signed,
    published_path,
    read_bytes,
    trusted_keys,
)

_TAG = 16
"""Hexadecimal digits of a file's hash that name its copy."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A zone file that was accepted.

    Attributes:
        zones: what it says.
        data: the whole file.
        suffix: `.toml` or `.json`.
        head: who published it; None for a plain file.
    """

    zones: ZoneFile
    data: bytes
    suffix: str
    head: Head | None

    @property
    def sha256(self) -> str:
        """Hash of the whole file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def tag(self) -> str:
        """Names the file among those of its camera."""
        return self.sha256[:_TAG]

    def told(self) -> ZonesInForce:
        """What the agent's health says of it."""
        head = self.head
        return ZonesInForce(
            sha256=self.sha256,
            version=None if head is None else head.version,
            author=None if head is None else head.author,
        )

    def __str__(self) -> str:
        if self.head is None:
            return f"the zone file {self.sha256[:12]}"
        return f"zones version {self.head.version} by {self.head.author} ({self.head.reason})"


@dataclass(frozen=True, slots=True)
class Trust:
    """Which zone files an agent takes.

    Attributes:
        keys: who may publish; None: any key, as long as the signature holds.
        signed_only: whether plain files are refused.
    """

    keys: frozenset[PublisherKey] | None
    signed_only: bool

    @classmethod
    def of(cls, section: ZonesSection) -> Trust:
        """As the configuration says.

        Raises:
            PatrolError: a trusted key is no key.
        """
        keys = trusted_keys(section.trusted_keys) or None
        wanted = section.require_signature
        return cls(keys, keys is not None if wanted is None else wanted)


def read_rules(config: CameraConfig, trust: Trust, newest: Head | None = None) -> Rules:
    """Read the zone file of a camera and decide whether it may come into force.

    Args:
        config: the camera.
        trust: which files are taken.
        newest: of the published file that is or was last in force.

    Raises:
        PatrolError: the file is missing, not valid, not signed as it must be, of another camera, or older.
        UnavailableError: it cannot be read.
    """
    path = published_path(config.zones)
    return open_rules(read_bytes(path), path, config.id, trust, newest)


def read_all_rules(
    cameras: Iterable[CameraConfig], section: ZonesSection
) -> list[tuple[CameraConfig, Rules]]:
    """What the configuration names, for a first start or a check: nothing is older yet.

    Raises:
        PatrolError: as `read_rules`, of the first camera that it concerns.
    """
    trust = Trust.of(section)
    return [(config, read_rules(config, trust)) for config in cameras]


def open_rules(data: bytes, name: Path, camera_id: str, trust: Trust, newest: Head | None = None) -> Rules:
    """Decide whether the bytes of a zone file may come into force; see `read_rules`."""
    suffix = ".json" if name.suffix.lower() in (".json", ".geojson") else ".toml"
    if is_signed(data):
        signed = open_signed(data, name=name, trusted=trust.keys)
        _check_order(signed.head, signed.sha256, newest, name)
        owner, rules = signed.head.camera, Rules(signed.zones, data, suffix, signed.head)
    elif trust.signed_only:
        raise PatrolError(
            "is not signed, and this agent takes signed zones only",
            file=name,
            mend="Publish it with `patrol zones publish`.",
        )
    else:
        try:
            zones = parse_zone_file(data.decode("utf-8-sig"), name=name)
        except UnicodeDecodeError as error:
            raise PatrolError(
                f"is not UTF-8 text: {error.reason}", file=name, mend="Save it as UTF-8."
            ) from error
        owner, rules = zones.camera or camera_id, Rules(zones, data, suffix, None)
    if owner != camera_id:
        raise PatrolError(
            f"belongs to camera {owner}, not {camera_id}", file=name, mend="Give each camera its own zones."
        )
    return rules


def _check_order(head: Head, sha256: str, newest: Head | None, name: Path) -> None:
    if newest is None or head.version > newest.version or head == newest:
        return
    if head.version == newest.version:
        raise PatrolError(
            f"is another version {head.version} than the one in force ({sha256[:12]})", file=name
        )
    raise PatrolError(
        f"is version {head.version}, older than version {newest.version}, which is in force",
        file=name,
        mend="To go back, `patrol zones rollback` publishes the old zones as a new version.",
    )
