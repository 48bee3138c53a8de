"""What an SMS gateway is: it sends once, and can say afterwards what became of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from protocol.clock import Millis

WARNING = "warning"
"""Kind of the message to the owner of a vehicle."""


@dataclass(frozen=True, slots=True)
class SmsRequest:
    """One message to one phone. Number and text are never shown by `repr`.

    Args:
        key: idempotency key.
        to: E.164 number.
        text: what the driver reads; carries `reference(key)`.
        language: of the text; several are joined by ``+``.
        values: the words that went into the text, for gateways whose templates lie with the gateway.
        kind: which of those templates: a warning, or what the centre calls another message.
    """

    key: str
    to: str = field(repr=False)
    text: str = field(repr=False)
    language: str = "zh-Hans"
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: str = WARNING


@dataclass(frozen=True, slots=True)
class Held:
    """It was not handed over yet: it waits until an instant, UTC milliseconds, and why."""

    until_ms: Millis
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway has it and will deliver it.

    Args:
        provider_id: the gateway's own name of the message.
        segments: how many messages are counted, if the gateway says.
        price: cost in `currency`, if the gateway says so already.
    """

    provider_id: str
    segments: int | None = None
    price: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway will never deliver it: for a person and for statistics, why."""

    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """The gateway certainly did not take it; trying again later may work."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether the gateway has it: look it up before anything is sent again."""

    reason: str


SmsResult = Accepted | Refused | Retry | Unknown


class SmsGateway(Protocol):
    """A way to send an SMS."""

    def send(self, request: SmsRequest) -> SmsResult:
        """Hand one message over. Blocks for a bounded time; never raises for what a network does."""

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:
        """What became of a message that was handed over at `since_ms` or later.

        Returns:
            None: the gateway answered and has no such message. `Unknown` or `Retry`: it could not say.
        """


def reference(key: str) -> str:
    """Six characters (30 bits) that stand for a key in the text, so that a sent message can be found again
    and a driver can quote it. Only capital letters and digits 2-7."""
    return base64.b32encode(hashlib.sha256(key.encode()).digest())[:6].decode("ascii")
