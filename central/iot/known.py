"""The device types of this centre, read once for each process: a changed file counts from its next start."""

from __future__ import annotations

import threading
from pathlib import Path

from django.conf import settings

from central.iot import types
from central.iot.decode import Reader
from central.iot.types import DeviceType
from protocol.errors import PatrolError

_lock = threading.Lock()
_types: dict[Path | None, dict[str, DeviceType]] = {}
_readers: dict[int, Reader] = {}


def device_types() -> dict[str, DeviceType]:
    """By their code.

    Raises:
        PatrolError: a file is wrong.
    """
    folder = settings.PATROL.device_types_folder
    with _lock:
        if folder not in _types:
            _types[folder] = types.load(folder)
        return _types[folder]


def device_type(code: str) -> DeviceType:
    """The type of this code.

    Raises:
        PatrolError: there is none.
    """
    found = device_types().get(code)
    if found is None:
        raise PatrolError(
            "there is no such type of device",
            field="type",
            value=code,
            mend=f"Known: {', '.join(sorted(device_types()))}",
        )
    return found


def reader_of(made: DeviceType) -> Reader:
    """What reads its messages."""
    found = _readers.get(id(made))  # types live as long as the process
    if found is None:
        found = _readers[id(made)] = Reader(made)
    return found
