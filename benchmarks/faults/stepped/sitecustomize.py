"""Put first on a process's path by the real runs: its wall clock is off by what a file says, in nanoseconds."""

import mmap
import os
import struct
import time

_path = os.environ.get("PATROL_FAULTS_CLOCK")
if _path:
    with open(_path, "rb") as _file:  # noqa: PTH123
        _map = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)
    _real_ns, _one = time.time_ns, struct.Struct("<q")

    def time_ns() -> int:
        """`time.time_ns` of a clock that somebody set."""
        return _real_ns() + int(_one.unpack_from(_map)[0])

    def time_s() -> float:
        """`time.time` of the same clock."""
        return time_ns() / 1e9

    time.time_ns, time.time = time_ns, time_s
