"""What follows an attempt to send, and a look at what became of one. Pure; every worker obeys the same rules.

waiting --intent stored--> sending --accepted, refused--> finished
   ^                          |
   |--- certainly not sent ---|
   '--- looked up, not found -'    an unknown outcome is looked up, never just sent again
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import assert_never

from notifier.backoff import Backoff
from notifier.sms._port import Accepted, Refused, Retry, SmsResult, Unknown

_RETRY = Backoff(first_ms=2_000, cap_ms=120_000)


@dataclass(frozen=True, slots=True)
class SmsPolicy:
    """When to try, look and give up.

    Args:
        retry: between attempts that certainly did not reach the gateway.
        settle_ms: how long after an attempt its message may still surface at the gateway; at least this
            long before the first look and between looks.
        looks: how often in a row the gateway must not know the message before it is sent again.
        give_up_ms: age at which a warning is pointless, unless the item says otherwise (``give_up_ms``).
        failed_looks: how often a message of that age is looked up in vain before its outcome stays unknown.
    """

    retry: Backoff = _RETRY
    settle_ms: int = 20_000
    looks: int = 2
    give_up_ms: int = 1_800_000
    failed_looks: int = 5


@dataclass(frozen=True, slots=True)
class Looks:
    """How often a message was looked for: in a row absent, and in vain."""

    absent: int = 0
    failed: int = 0

    @classmethod
    def read(cls, note: str) -> Looks:
        """From a stored note."""
        absent, failed = (int(number) for number in (note or "0 0").split())
        return cls(absent, failed)

    def __str__(self) -> str:
        return f"{self.absent} {self.failed}"


@dataclass(frozen=True, slots=True)
class Finish:
    """It is settled."""

    result: Accepted | Refused | Unknown


@dataclass(frozen=True, slots=True)
class LookLater:
    """Nobody knows what became of it: look it up after so many milliseconds."""

    wait_ms: int
    reason: str
    looks: Looks = Looks()


@dataclass(frozen=True, slots=True)
class SendLater:
    """It certainly was not sent: send it after so many milliseconds."""

    wait_ms: int
    reason: str


def after_send(
    result: SmsResult, attempts: int, policy: SmsPolicy, dice: random.Random
) -> Finish | LookLater | SendLater:
    """What follows an attempt; `attempts` counts those before it."""
    match result:
        case Accepted() | Refused():
            return Finish(result)
        case Retry():
            return SendLater(retry_wait_ms(result, attempts, policy, dice), result.reason)
        case Unknown(reason):
            return LookLater(policy.settle_ms, reason)
        case _:
            assert_never(result)


def after_look(
    result: SmsResult | None,
    looks: Looks,
    *,
    too_late: bool,
    reason: str,
    policy: SmsPolicy,
    dice: random.Random,
) -> Finish | LookLater | SendLater:
    """What follows a look; `reason` is why it was needed, `too_late` whether the warning is pointless by now."""
    match result:
        case Accepted() | Refused():
            return Finish(result)
        case Retry(why) | Unknown(why):
            failed = looks.failed + 1
            if too_late and failed >= policy.failed_looks:
                return Finish(Unknown(f"gave up looking: {reason or 'no answer'}"))
            wait = policy.settle_ms + policy.retry.delay_ms(failed, dice)
            return LookLater(wait, why, Looks(looks.absent, failed))
        case None if looks.absent + 1 < policy.looks:
            return LookLater(policy.settle_ms, reason, Looks(looks.absent + 1, looks.failed))
        case None:
            return SendLater(0, "the gateway does not have it")
        case _:
            assert_never(result)


def retry_wait_ms(result: Retry, attempts: int, policy: SmsPolicy, dice: random.Random) -> int:
    """How long to wait after an attempt that certainly did not arrive: our back-off, or longer if the gateway asks."""
    wait = policy.retry.delay_ms(attempts + 1, dice)
    return wait if result.after_s is None else max(wait, round(result.after_s * 1000))


def gave_up(reason: str) -> Refused:
    """It was never sent, and now it would be pointless."""
    return Refused(f"gave up: {reason or 'not sent in time'}", "gave_up")
