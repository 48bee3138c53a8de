"""One way to write a JSON value, so that its hash and signature mean something.

A subset of RFC 8785 (JSON Canonicalization Scheme): sorted keys, no spaces, UTF-8. Numbers are integers or
decimals of at most six places, which every implementation of the standard writes alike.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

PLACES = 6
"""Decimals kept: 0.1 m of a degree, a millionth of a pixel."""


def canonical(value: object) -> bytes:
    """The canonical bytes of a JSON value; floats are rounded to six places.

    Raises:
        ValueError: the value has a number that is not finite, or something JSON does not know.
    """
    return _write(value).encode("utf-8")


def digest(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _write(value: object) -> str:
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and key.isascii() for key in value):
            raise ValueError("a key is not ASCII text")
        return "{" + ",".join(f"{json.dumps(key)}:{_write(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(map(_write, value)) + "]"
    raise ValueError(f"JSON knows no {type(value).__name__}")


def _write_float(value: float) -> str:
    if not math.isfinite(value) or abs(value) >= 2**53:
        raise ValueError(f"{value} is not a number that JSON keeps exactly")
    text = f"{value:.{PLACES}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
