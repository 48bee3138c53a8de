"""Whatever an agent can say about a case, the centre's pages say it in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import get_args

import pytest
from django.utils import translation

from edge_agent.cases import (
    ALLOWED_NOW,
    Case,
    CaseEffect,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    NoticeAccepted,
    NoticeHeld,
    NoticeRefused,
    OfficerOutcome,
    PublishRecord,
    PublishRetraction,
    Tick,
    Watched,
    open_case,
    step,
)
from edge_agent.plate_reading import _WHY
from edge_agent.plates import PlateDesk
from edge_agent.stays.model import EndReason
from notifier import policy
from notifier.owners._port import NoOwnerReason
from notifier.sms import SmsRequest, _aliyun_codes
from notifier.sms._twilio_codes import ACCOUNT, NEVER, RETRY
from notifier.sms.config import NoGateway
from protocol.messages import CaseState, OutcomeResult
from tests.central import conftest as _django  # noqa: F401  # sets Django up
from zones import Box, Zone, ZoneFile, ZoneIndex

T0 = 1_767_225_600_000
BOX = (100.0, 100.0, 300.0, 200.0)
WHY = "62% of its footprint is in zone P1, needs 40%"

AGENT_WORDS = re.compile(r"(?<![\w-])[a-z_]{3,}")
"""English words, but not identifiers such as ``C-0``, ``cam1-1-1`` or ``P1``."""


def chinese(text: str) -> str:
    from central.pages.sayings import say

    with translation.override("zh-hans"):
        return say(text)


def english(text: str) -> str:
    from central.pages.sayings import say

    with translation.override("en"):
        return say(text)


# Every word a case can say, by taking every way through it.


def steps() -> tuple[CaseInput, ...]:
    """One of each thing that can happen, within the clock, at its end and after the recheck window."""
    return (
        Identified(T0, "京A12345", 0.9),
        Identified(T0, None),
        Identified(T0, "京A12345", 0.9, warned_in="C-0"),
        Identified(T0, "京A12345", 0.9, open_in="C-9"),
        NoticeAccepted(T0 + 1_000),
        NoticeRefused(T0 + 1_000, "opted_out"),
        NoticeHeld(T0 + 1_000, T0 + 60_000, "the message waits until 07:00", "n-1"),
        NoticeAccepted(T0 + 1_500_000, None, "n-2"),
        Tick(T0 + 700_000),
        Tick(T0 + 1_500_000),
        Watched(T0 + 710_000, True, BOX, WHY),
        *(Ended(T0 + 720_000, reason) for reason in get_args(EndReason)),
        *(OfficerOutcome(T0 + 730_000, "o-1", result) for result in get_args(OutcomeResult)),
        OfficerOutcome(T0 + 740_000, "o-2", "other"),
    )


def rule_steps() -> tuple[CaseInput, ...]:
    """What hours and exemptions add."""
    return (
        Identified(T0, "京A12345", 0.9, exempt="环卫作业"),
        Identified(T0, "京A12345", 0.9, unclear="the permit list R-1 is not on this box"),
        Exempted(T0 + 2_000, "居民证"),
        Exempted(T0 + 2_000, ALLOWED_NOW),
        Tick(T0 - 3_600_000),
    )


def openings() -> Iterator[tuple[Case, tuple[CaseEffect, ...]]]:
    for unnotifiable in ("task", "manual_check", "close"):
        for unverified in ("close", "manual_check"):
            rules: dict[str, object] = {
                "id": "P1",
                "name": "北门人行道",
                "polygon": [(0, 0), (400, 0), (400, 300)],
                "unnotifiable": unnotifiable,
                "unverified": unverified,
            }
            if (unnotifiable, unverified) == ("close", "manual_check"):
                rules["hours"] = [{"from": "07:30", "to": "08:20"}]  # T0 is 08:00 on the wall
            yield open_case(
                "C-1",
                "cam1-1-1",
                camera_id="cam1",
                zone=Zone.model_validate(rules),
                place="三里河路12号",
                street="三里河路",
                position=None,
                vehicle_class="car",
                box=BOX,
                why=WHY,
                first_seen_ms=T0 - 60_000,
                at_ms=T0,
            )


@pytest.fixture(scope="module")
def course() -> tuple[set[str], set[CaseState]]:
    """(everything said, every state entered) on every way through a case."""
    said: set[str] = set()
    states: set[CaseState] = set()

    def listen(case: Case, effects: tuple[CaseEffect, ...]) -> None:
        said.update({case.why, case.unnotifiable_reason or case.why})
        states.add(case.state)
        for effect in effects:
            if isinstance(effect, PublishRecord | PublishRetraction):
                said.add(effect.reason)
            if isinstance(effect, PublishRecord):
                states.add(effect.state)

    waiting: list[Case] = []
    for case, effects in openings():
        listen(case, effects)
        waiting.append(case)
    parts = [each.name for each in fields(Case) if each.name != "zone"]
    known: set[tuple[object, ...]] = set()
    while waiting:
        case = waiting.pop()
        for happened in (*steps(), *(rule_steps() if case.zone.hours else ())):
            after, effects = step(case, happened)
            listen(after, effects)
            if effects and after.steps < 6:
                # Of the zone, whose words are many, the object: a step never makes another one.
                name = (id(after.zone), *(getattr(after, each) for each in parts))
                if name not in known:
                    known.add(name)
                    waiting.append(after)
    return said, states


def test_every_word_of_a_case_has_its_chinese(course: tuple[set[str], set[CaseState]]) -> None:
    said, states = course
    assert states == set(get_args(CaseState)) - {"observing"}, "every way was taken"
    assert len(said) > 20
    assert {text: chinese(text) for text in said if AGENT_WORDS.search(chinese(text))} == {}


# Where it stands, and why not.


@pytest.mark.parametrize(
    ("box", "chosen"),
    [
        ((10, 10, 90, 90), "北门"),  # plainly inside
        ((60, 10, 190, 90), "允许停放"),  # mostly in a bay that overlaps the zone
        ((210, 10, 290, 90), "忽略区域"),  # in a part that is ignored
        ((800, 600, 900, 700), "未压占"),  # nowhere
    ],
)
def test_every_decision_of_the_zones_has_its_chinese(box: Box, chosen: str) -> None:
    def square(left: int, right: int) -> list[tuple[int, int]]:
        return [(left, 0), (right, 0), (right, 100), (left, 100)]

    file = ZoneFile.model_validate(
        {
            "picture": {"width": 1280, "height": 720},
            "zone": [
                {"id": "north-1", "name": "北门人行道", "polygon": square(0, 300)},
                {"id": "bay-2", "name": "车位", "kind": "parking_bay", "polygon": square(100, 200)},
                {"id": "hedge.3", "name": "绿篱", "kind": "ignore", "polygon": square(200, 300)},
            ],
        }
    )
    why = ZoneIndex(file, 1280, 720).presence(box, "car").why
    assert english(why) == why, "in English these are the agent's own words"
    words = chinese(why)
    for zone in file.zone:
        words = words.replace(zone.id, zone.name)
    assert chosen in words
    assert not AGENT_WORDS.search(words)


def test_square_metres_have_their_chinese_too() -> None:
    from benchmarks.simulator import load_scene, zone_file
    from zones import parse_zone_file

    scene = load_scene("oblique_45")
    looks = ZoneIndex(parse_zone_file(zone_file(scene, calibrated=True)), *scene.size)
    for stay in scene.truth(occlusion=False).stays:
        why = looks.presence(stay.box, "car").why
        assert english(why) == why
        assert ("平方米" in chinese(why)) == ("m²" in why)
        assert not AGENT_WORDS.search(chinese(why).replace("P1", ""))


# Why nobody could be told.

GATEWAY = [
    NoGateway().send(SmsRequest("k", "+8613800138000", "t")).reason,  # type: ignore[union-attr]
    "refused",  # a result that came without a reason
    "failed",  # the gateway's own state of a message that did not arrive
    "undelivered",
    "canceled",
    "HTTP 400",
    "no template for this language",
    "the centre does not take the request",
]
RETRIES = [
    "not sent in time",
    "the directory of owners does not answer: 磁盘",
    "the gateway does not have it",
    "an internal error; see the log",
    "the gateway cannot be reached: no connection in time",
    "the gateway cannot be reached: the connection failed",
    "the gateway answered HTTP 503",
    "the gateway has a trouble of its own",
    "the look-up was refused: HTTP 400, 21211",
    "the look-up failed: no answer in time",
    "the look-up's answer is not understood: ValueError",
    "the gateway's answer is not understood: ValueError",
    "the gateway's answer names no message",
    "too many messages to this number to look through",
    "no answer",
    "SMS.LOG cannot be written: 磁盘",
    *RETRY.values(),
]
REASONS = [
    *(get_args(NoOwnerReason)),
    *NEVER.values(),
    *_aliyun_codes.NEVER.values(),
    *_aliyun_codes.RETRY.values(),
    *_aliyun_codes.RECEIPTS.values(),
    *policy.SAYINGS.values(),
    *_WHY.values(),
    *GATEWAY,
    *(f"gave up: {reason}" for reason in RETRIES),
    *(f"nobody knows whether the warning went out: gave up looking: {reason}" for reason in RETRIES),
    *(
        f"nobody knows whether the warning went out: outcome unknown and owner {reason}"
        for reason in get_args(NoOwnerReason)
    ),
    "the plate could not be read",
    "plates are not read here",
    "already warned in this street, in case C-cam1-1767225600000-3",
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_why_nobody_was_told_has_its_chinese(reason: str) -> None:
    assert not AGENT_WORDS.search(chinese(reason)), chinese(reason)
    assert "_" not in english(reason), "codes are no words for people"


@pytest.mark.parametrize("cause", [*ACCOUNT.values(), *_aliyun_codes.ACCOUNT.values()])
def test_what_the_gateway_says_of_the_account_stays_beside_the_chinese(cause: str) -> None:
    said = chinese(f"gave up: the gateway refuses this account: {cause} (code 20003)")
    assert said == f"已放弃发送：网关拒绝此账户：{cause} (code 20003)"


def test_a_plate_desk_says_nothing_that_is_not_known() -> None:
    from edge_agent.stays.model import PlateLook, Stay

    class Never:
        def read_best(self, crop: object) -> None:
            raise AssertionError("nothing is read here")

    desk = PlateDesk(Never(), lambda looks: (None, 0.0, ""), 5)  # type: ignore[arg-type]
    stay = Stay.__new__(Stay)
    for looks in ((), (PlateLook("京A12345", 0.9, 1.0, T0, "blue", ()),)):
        object.__setattr__(stay, "plates", looks)
        assert not AGENT_WORDS.search(chinese(desk.verdict(stay)[1]))


@pytest.mark.parametrize("text", ["", "something quite new: 42%", "100%s of %(why)s", "officer: unheard_of"])
def test_words_that_are_not_known_are_shown_as_they_came(text: str) -> None:
    assert english(text) == text
    assert text.removeprefix("officer: ") in chinese(text)


def test_nothing_is_kept_for_words_that_nobody_says(course: tuple[set[str], set[CaseState]]) -> None:
    from central.pages.sayings import EXACT, PATTERNS

    zones = {
        WHY,
        "its footprint touches no forbidden zone",
        f"{WHY} (1.9 m² of 7.4 m²)",
        f"{WHY}, but 9% is in an ignored place",
        f"{WHY}, but 9% is in B2, where standing is allowed",
    }
    desk = {"no plate in view", "the plate was read only once"}
    held = {"the message waits"}
    account = {"the gateway refuses this account: x (code 1)"}
    heard: set[str] = set()
    used = set()
    waiting = [*course[0], *REASONS, *zones, *desk, *held, *account]
    while waiting:
        text = waiting.pop()
        heard.add(text)
        for pattern, _ in PATTERNS:
            found = pattern.fullmatch(text)
            if found is not None:
                used.add(pattern)
                waiting.extend(part for name, part in found.groupdict().items() if name == "why")
                break
    assert set(EXACT) - heard == set()
    assert [pattern.pattern for pattern, _ in PATTERNS if pattern not in used] == []
