"""What the city platform and the centre say to one another, and how each proves that it said it. Pure: no database, no network."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from central.project import nul

TIME_HEADER, SIGNATURE_HEADER = "X-City-Time", "X-City-Signature"
FRESH_MS = 5 * 60_000
"""How old or how far ahead a signed message may be."""

BODY_BYTES = 2 * 2**20

Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Message(BaseModel):
    """A newer platform may say more than we read: what is not known is passed over, what is known must make sense."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Caller(_Message):
    """Who rang the city."""

    name: Annotated[str, StringConstraints(max_length=80)] = Field(default="", repr=False)
    phone: Annotated[str, StringConstraints(max_length=40)] = Field(default="", repr=False)
    confidential: bool = False


class Order(_Message):
    """A work order. Each change of it has a higher `version`; an older one that comes late says nothing new."""

    number: Number
    version: Annotated[int, Field(ge=1, lt=2**31)]
    category: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]
    place: Annotated[str, StringConstraints(max_length=300)] = ""
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    caller: Caller = Caller()
    received_at: AwareDatetime
    accept_by: AwareDatetime | None = None
    due_by: AwareDatetime | None = None
    state: Literal["open", "withdrawn"] = "open"


class Page(_Message):
    """A part of the platform's list, in the order in which things happened there."""

    orders: list[Any] = Field(default_factory=list, max_length=1000)
    cursor: Annotated[str, StringConstraints(max_length=200)] = ""
    more: bool = False


class Standing(_Message):
    """How the platform thinks that an order stands."""

    number: Number
    state: Literal["open", "accepted", "returned", "finished", "withdrawn"]


class Standings(_Message):
    """A part of all orders with their states."""

    states: list[Standing] = Field(default_factory=list, max_length=5000)
    cursor: Annotated[str, StringConstraints(max_length=200)] = ""
    more: bool = False


class BadMessageError(ValueError):
    """What came makes no sense: the number, if it has one, and what is wrong, without what people wrote."""

    def __init__(self, number: str, problem: str) -> None:
        super().__init__(f"{number or 'without a number'}: {problem}")
        self.number = number
        self.problem = problem


def read_order(raw: Any) -> Order:
    """One order of a page.

    Raises:
        BadMessageError: a field is missing or makes no sense.
    """
    if (where := nul.of_json(raw)) is not None:
        number = str(raw.get("number") or "") if isinstance(raw, dict) else ""
        raise BadMessageError(number.replace(nul.NUL, "")[:64], f"{where}: a text holds a NUL character")
    try:
        return Order.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        number = raw.get("number") if isinstance(raw, dict) else None
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessageError(str(number or "")[:64], f"{where}: {first['msg']}"[:200]) from None


def millis(moment: datetime | None) -> int | None:
    """An instant in UTC milliseconds."""
    return None if moment is None else round(moment.timestamp() * 1000)


def sign(secret: bytes, method: str, path: str, at_ms: int, body: bytes) -> str:
    """HMAC-SHA256 over method, path with its question, time and the body's hash, in hexadecimal."""
    text = f"{method}\n{path}\n{at_ms}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def signed(secret: bytes, method: str, path: str, at_ms: int, body: bytes) -> dict[str, str]:
    """The two headers of a message."""
    return {TIME_HEADER: str(at_ms), SIGNATURE_HEADER: sign(secret, method, path, at_ms, body)}


def is_signed(
    secret: bytes, method: str, path: str, time: str, signature: str, body: bytes, now_ms: int
) -> bool:
    """Whether the other side said this, and just now."""
    if not (time.isascii() and time.isdigit() and len(time) < 16 and signature.isascii()):
        return False
    if abs(now_ms - int(time)) > FRESH_MS:
        return False
    return hmac.compare_digest(sign(secret, method, path, int(time), body), signature)
