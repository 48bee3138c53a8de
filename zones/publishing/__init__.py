"""Publishing zones: signed, numbered versions with author and reason, in a history that cannot be rewritten unnoticed.

The pure part (`sign`, `open_signed`) knows bytes and keys; `Archive` keeps them in a folder. Agents verify with
`open_signed` alone.
"""

from zones.publishing.archive import CURRENT, Archive, Entry, Fault, History
from zones.publishing.keys import PublisherKey, SigningKey, trusted_keys
from zones.publishing.signed import (
    Head,
    SignedZones,
    is_signed,
    open_signed,
    read_bytes,
    read_signed,
    sign,
    without_head,
)
from zones.publishing.targets import Target, camera_zones, find_target, published_path

__all__ = [
    "CURRENT",
    "Archive",
    "Entry",
    "Fault",
    "Head",
    "History",
    "PublisherKey",
    "SignedZones",
    "SigningKey",
    "Target",
    "camera_zones",
    "find_target",
    "is_signed",
    "open_signed",
    "published_path",
    "read_bytes",
    "read_signed",
    "sign",
    "trusted_keys",
    "without_head",
]
