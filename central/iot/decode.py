"""A device's message read by its type: JSON of a bounded size, a few JMESPath look-ups, and nothing that is executed.

Two things are refused whatever the type says: a message that carries, or seems to carry, a picture or a biometric template
(there is no face recognition here, and no place where a template could lie), and one larger than any measurement.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic_core import from_json

from central.iot.engine import Message
from central.iot.types import DeviceType, Measured, Value

PAYLOAD_BYTES = 8 * 1024
KEYS = 200
TEXT = 256
"""A text longer than this is no reading; pictures and templates come as long texts."""

NUMBERS = 32
"""A list of more numbers is a curve or a template, and no reading."""

OLDEST_MS = 7 * 86_400_000
AHEAD_MS = 5 * 60_000
"""An own time further ahead of the arrival, or further behind, is a clock gone wrong: then the arrival counts."""

_BIOMETRIC = re.compile(
    r"face|facial|biometr|embedding|template|fingerprint|iris|gait|voiceprint|palm|feature_?vec"
    r"|image|photo|picture|snapshot|jpe?g|png|base64|人脸|指纹|虹膜|特征|照片|图片",
    re.IGNORECASE,
)
_MAGIC = ("/9j/", "iVBORw0KGgo", "data:image", "R0lGOD", "UklGR")
"""How JPEG, PNG, a data address, GIF and WebP begin in base64."""


class UnreadableError(ValueError):
    """The message is not taken. Its text says which key or what kind of trouble, never what the key holds."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail[:80]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message for the engine, and what of it was not believed."""

    message: Message
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came.

    Args:
        jurisdiction_id, name: whose it is, by the topic or the key.
        payload: JSON.
        arrived_ms: when it came here, UTC milliseconds.
        again: whether the carrier says that it may have been brought before.
    """

    jurisdiction_id: str
    name: str
    payload: bytes
    arrived_ms: int
    again: bool = False


class Reader:
    """Reads the messages of one type. Made once for each type and process.

    Args:
        made: the type.
    """

    def __init__(self, made: DeviceType) -> None:
        self._time = made.payload.time and _compiled(made.payload.time)
        self._id = made.payload.id and _compiled(made.payload.id)
        self._fields = tuple((each, _compiled(each.source)) for each in made.fields)
        sources = [each.source for each in made.fields]
        sources += [text for text in (made.payload.time, made.payload.id) if text]
        named = frozenset(word for text in sources for word in re.findall(r"\w+", text))
        self._named = named
        self._only = named if made.events_only else None

    def read(self, payload: bytes, arrived_ms: int, *, again: bool = False) -> Decoded:
        """What a message says.

        Args:
            payload: JSON, an object.
            arrived_ms: when it came, UTC milliseconds.
            again: whether the carrier says that it may have been brought before.

        Raises:
            UnreadableError: it is not taken.
        """
        if len(payload) > PAYLOAD_BYTES:
            raise UnreadableError("too_large", f"{len(payload)} bytes, at most {PAYLOAD_BYTES}")
        try:
            content = from_json(payload, allow_inf_nan=False)
        except ValueError:
            raise UnreadableError("not_json") from None
        if not isinstance(content, dict):
            raise UnreadableError("not_an_object")
        self._look(content)
        mark = zlib.crc32(payload)
        if self._id is not None:
            given = self._id(content)
            if isinstance(given, str | int):
                mark = zlib.crc32(str(given).encode())
        at, timed, doubts = arrived_ms, False, []
        if self._time is not None:
            own = _instant(self._time(content))
            if own is not None and -OLDEST_MS <= own - arrived_ms <= AHEAD_MS:
                at, timed = min(own, arrived_ms), True
            else:
                doubts.append("time")
        values: dict[str, Value] = {}
        for measured, find in self._fields:
            given = find(content)
            if given is None:
                continue
            value = _value(measured, given)
            if value is None:
                doubts.append(measured.name)
            else:
                values[measured.name] = value
        if not values:
            raise UnreadableError("nothing_measured", ", ".join(doubts))
        return Decoded(Message(at, arrived_ms, mark, values, timed, again), tuple(doubts))

    def _look(self, content: dict[str, Any]) -> None:
        """Refuse what no device may send; a bounded walk without recursion."""
        waiting: list[Any] = [content]
        keys = 0
        while waiting:
            found = waiting.pop()
            if isinstance(found, dict):
                keys += len(found)
                if keys > KEYS:
                    raise UnreadableError("too_many_keys", f"at most {KEYS}")
                for key, value in found.items():
                    if key not in self._named:
                        if self._only is not None:
                            raise UnreadableError("unknown_key", _plain(key))
                        if _suspicious(key):
                            raise UnreadableError("biometric_or_picture", _plain(key))
                    if isinstance(value, dict | list | str):
                        waiting.append(value)
            elif isinstance(found, list):
                if len(found) > NUMBERS:
                    raise UnreadableError("biometric_or_picture", "a long list")
                waiting.extend(each for each in found if isinstance(each, dict | list | str))
            elif len(found) > TEXT or found.startswith(_MAGIC):
                raise UnreadableError(
                    "biometric_or_picture", "a long text" if len(found) > TEXT else "a picture"
                )


@lru_cache(maxsize=4096)
def _suspicious(key: str) -> bool:
    return _BIOMETRIC.search(key) is not None


def _plain(key: str) -> str:
    """A key for people to read: printable, short."""
    return re.sub(r"[^\w.-]", "?", key)[:40]


def _compiled(text: str) -> Callable[[dict[str, Any]], Any]:
    """A look-up. The commonest expression is one name, for which a dictionary needs no help."""
    expression = jmespath.compile(text)
    if expression.parsed["type"] == "field":
        name = expression.parsed["value"]
        return lambda content: content.get(name)

    def search(content: dict[str, Any]) -> Any:
        try:
            return expression.search(content)
        except (JMESPathError, TypeError, ValueError):
            return None  # a function that was given something else

    return search


def _instant(given: Any) -> int | None:
    """UTC milliseconds from milliseconds, seconds or ISO 8601 with an offset."""
    if isinstance(given, bool):
        return None
    if isinstance(given, int | float):
        return int(given if abs(given) >= 1e11 else given * 1000) if abs(given) < 1e14 else None
    if isinstance(given, str) and len(given) <= 40:
        try:
            when = datetime.fromisoformat(given)
        except ValueError:
            return None
        return None if when.tzinfo is None else int(when.timestamp() * 1000)
    return None


def _value(measured: Measured, given: Any) -> Value | None:
    if measured.kind == "number":
        if isinstance(given, bool) or not isinstance(given, int | float):
            return None
        number = (
            given * measured.scale + measured.offset
            if measured.scale != 1 or measured.offset
            else float(given)
        )
        if not math.isfinite(number):
            return None
        if (measured.least is not None and number < measured.least) or (
            measured.most is not None and number > measured.most
        ):
            return None
        return round(number, 6)
    text = (
        ("true" if given else "false")
        if isinstance(given, bool)
        else str(given)
        if isinstance(given, str | int)
        else None
    )
    if text is None:
        return None
    if measured.kind == "flag":
        if measured.words:
            text = measured.words.get(text, "")
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
    return measured.words.get(text)
