"""Whom to warn: the port, the directory that knows nobody, and the encrypted table of a box that works alone."""

from notifier.owners._key import OwnersKey, key_from_environment, key_from_file
from notifier.owners._plates import normal_plate
from notifier.owners._port import NoDirectory, NoOwner, Owner, OwnerDirectory
from notifier.owners.config import OwnersConfig, make_directory
from notifier.owners.local import LocalDirectory, Lookup, OwnerRow

__all__ = [
    "LocalDirectory",
    "Lookup",
    "NoDirectory",
    "NoOwner",
    "Owner",
    "OwnerDirectory",
    "OwnerRow",
    "OwnersConfig",
    "OwnersKey",
    "key_from_environment",
    "key_from_file",
    "make_directory",
    "normal_plate",
]
