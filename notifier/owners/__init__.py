"""Whom to warn: the port, the directory that knows nobody, and the encrypted table of a box that works alone."""

from notifier.owners._key import (
    OwnersKey,
    key_from_environment,
    key_from_file,
    key_of,
    new_secret,
    write_key_file,
)
from notifier.owners._plates import normal_phone, normal_plate
from notifier.owners._port import NoDirectory, NoOwner, Owner, OwnerDirectory
from notifier.owners.config import OwnersConfig, make_directory
from notifier.owners.local import Change, LocalDirectory, Lookup, OwnerRow, TableReport
from notifier.owners.rotation import next_key_file

__all__ = [
    "Change",
    "LocalDirectory",
    "Lookup",
    "NoDirectory",
    "NoOwner",
    "Owner",
    "OwnerDirectory",
    "OwnerRow",
    "OwnersConfig",
    "OwnersKey",
    "TableReport",
    "key_from_environment",
    "key_from_file",
    "key_of",
    "make_directory",
    "new_secret",
    "next_key_file",
    "normal_phone",
    "normal_plate",
    "write_key_file",
]
