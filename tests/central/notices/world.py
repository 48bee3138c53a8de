"""A centre with owners, a gateway of Twilio's semantics, and couriers that may die between any two steps."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from central.fleet.models import Agent, Letter
from central.ingest import intake
from central.notices.config import NoticesFile
from central.notices.courier import Courier
from central.notices.models import Notice
from notifier.backoff import Backoff
from notifier.policy import NoticePolicy
from notifier.sms import Accepted, Refused, SmsPolicy, SmsRequest, SmsResult, Unknown
from protocol.clock import ManualClock
from protocol.messages import CaseRecord, NoticeRequest, NoticeResult
from protocol.topics import AgentTopics
from tests.central.street import AGENT, CAMERA, JURISDICTION, MINUTE, NOON, key, record

PLATE, PHONE = "京A12345", "+8613800138000"
GRACE_S = 600.0
POLICY = SmsPolicy(retry=Backoff(1_000, 4_000, 2.0, 1_000), settle_ms=20_000, looks=2, failed_looks=3)


def request(case_id: str = "c1", *, agent: str = AGENT, **changes: object) -> NoticeRequest:
    """A request made at noon, to be given up ten minutes later."""
    plain: dict[str, object] = {
        "idempotency_key": key(case_id, "notice").replace(f"/{AGENT}/", f"/{agent}/"),
        "jurisdiction_id": JURISDICTION,
        "agent_id": agent,
        "camera_id": CAMERA,
        "case_id": case_id,
        "asked_at_ms": NOON,
        "give_up_ms": NOON + 10 * MINUTE,
        "plate": PLATE,
        "vehicle_class": "car",
        "zone_id": "P3",
        "zone_name": "Pavement at the north gate",
        "place": "三里河路12号北门人行道",
        "street": "三里河路",
        "first_seen_ms": NOON - MINUTE,
        "confirmed_at_ms": NOON,
        "grace_s": GRACE_S,
        "renotice_after_s": 14_400,
        "time_zone": "Asia/Shanghai",
    }
    return NoticeRequest.model_validate({**plain, **changes})


def take(message: NoticeRequest | CaseRecord) -> intake.Answer | None:
    """The message as it comes from the broker."""
    channel = "notices" if isinstance(message, NoticeRequest) else "cases"
    topic = AgentTopics(message.jurisdiction_id, message.agent_id).of(channel)
    answers = intake.take_all([(topic, message.model_dump_json().encode())])
    return answers[0] if answers else None


def ended(case_id: str = "c1", state: str = "self_corrected", at_ms: int = NOON + MINUTE) -> CaseRecord:
    """The agent's case went on."""
    return record(case_id, state, at_ms)


def answers(case_id: str | None = None) -> list[NoticeResult]:
    """What the agents were told, in order."""
    found = [NoticeResult.model_validate_json(letter.payload) for letter in Letter.objects.order_by("pk")]
    return [answer for answer in found if case_id is None or answer.case_id == case_id]


@dataclass
class Gateway:
    """Takes messages as it is told to: each script entry is (takes it, what it says), then all goes well."""

    clock: ManualClock
    script: list[tuple[bool, SmsResult | None]] = field(default_factory=list)
    looks: list[SmsResult | None] = field(default_factory=list)
    """What look-ups say before they tell the truth."""
    phones: list[SmsRequest] = field(default_factory=list)
    calls: int = 0

    def send(self, request: SmsRequest) -> SmsResult:
        self.calls += 1
        takes, says = self.script.pop(0) if self.script else (True, None)
        if takes:
            self.phones.append(request)
        return says or (Accepted(f"SM{len(self.phones)}") if takes else Refused("blocked", "30004"))

    def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:
        if self.looks:
            said = self.looks.pop(0)
            if said is not None:
                return said
        for number, sent in enumerate(self.phones, 1):
            if sent.key == request.key:
                return Accepted(f"SM{number}")
        return None


class Crash(BaseException):
    """The process is gone."""


@dataclass
class World:
    """The centre's time, gateway and courier.

    Args:
        clock: the centre's.
        policy: of all jurisdictions.
    """

    clock: ManualClock
    policy: NoticePolicy = field(default_factory=NoticePolicy)
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = Gateway(self.clock)

    def courier(self, gateway: Any = None) -> Courier:
        conf = NoticesFile(policy=self.policy)
        return Courier(gateway or self.gateway, conf, POLICY, random.Random(1))

    def live(self, for_ms: int, step_ms: int = 1_000) -> None:
        """Let time pass with a worker at work."""
        courier = self.courier()
        end = self.clock.utc_ms() + for_ms
        while self.clock.utc_ms() < end:
            while courier.run_once():
                pass
            self.clock.advance(step_ms)

    @contextmanager
    def dying_at(self, step: int) -> Iterator[list[str]]:
        """The process dies at this step: before or after one of its statements or of the gateway's calls."""
        left = step
        fired: list[str] = []

        def pass_by(what: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                fired.append(what)
                raise Crash(what)

        def wrapped(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            pass_by(f"before {sql[:60]}")
            result = execute(sql, params, many, context)
            pass_by(f"after {sql[:60]}")
            return result

        inner = self.gateway

        class Fatal:
            def send(self, request: SmsRequest) -> SmsResult:
                pass_by("before the gateway")
                result = inner.send(request)
                pass_by("after the gateway")
                return result

            def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:
                pass_by("before a look")
                return inner.lookup(request, since_ms)

        self.fatal = Fatal()
        with connection.execute_wrapper(wrapped):
            yield fired


def notice(case_id: str = "c1") -> Notice:
    return Notice.objects.select_related("case").get(case__source_key__endswith=f"/{case_id}")


def second_agent() -> Agent:
    from central.fleet.services import enrol

    return enrol("box-2", JURISDICTION)[0]


UNKNOWN = Unknown("no answer in time")
