"""No log shows a plate or a number in full, however much is logged and whatever goes wrong."""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from central.notices.config import NoticesFile
from central.notices.courier import Courier
from central.notices.receipts import note_answer
from central.owners import services as owners
from notifier.masking import MaskingFilter
from notifier.sms import make_gateway
from protocol.clock import SystemClock
from tests.central.notices.world import PHONE, PLATE, POLICY, World, answers, ended, request, take
from tests.servers.aliyun_gateway import SECRET, AliyunGateway
from tests.servers.aliyun_gateway import Fault as AliyunFault
from tests.servers.twilio_gateway import ACCOUNT, TOKEN, Fault, TwilioGateway

DIGITS = PHONE.removeprefix("+86")
SECRETS = (PLATE, PHONE, DIGITS, "A12345", TOKEN, SECRET)


class Raw(logging.Handler):
    """Keeps what was logged before anything masks it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, self.format(record)))


@pytest.fixture
def logs() -> Iterator[tuple[io.StringIO, Raw]]:
    """(what the centre's own handler writes at DEBUG, what our modules said before masking)."""
    stream, raw = io.StringIO(), Raw()
    shown = logging.StreamHandler(stream)
    shown.addFilter(MaskingFilter())
    root = logging.getLogger()
    names = ("", "central", "notifier", "django", "django.db.backends", "urllib3", "twilio")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(raw)  # before the other: a filter changes the record
    root.addHandler(shown)
    connection.force_debug_cursor = True
    try:
        yield stream, raw
    finally:
        connection.force_debug_cursor = False
        root.removeHandler(shown)
        root.removeHandler(raw)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def test_the_centre_masks_what_its_processes_log() -> None:
    handler = settings.LOGGING["handlers"]["stderr"]
    assert handler["filters"] == ["masked"]
    assert settings.LOGGING["filters"]["masked"]["()"] == "notifier.masking.MaskingFilter"


@pytest.mark.parametrize("gateway", ["twilio", "aliyun"])
def test_nothing_is_shown_in_full_whatever_goes_wrong(
    world: World, logs: tuple[io.StringIO, Raw], gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, raw = logs
    monkeypatch.setenv("T", TOKEN if gateway == "twilio" else SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server: Any = TwilioGateway() if gateway == "twilio" else AliyunGateway()
    with server:
        courier = Courier(
            make_gateway(_conf(gateway, server.url).sms, SystemClock()),
            _conf(gateway, server.url),
            POLICY,
            random.Random(1),
        )
        if gateway == "twilio":
            server.faults.extend(
                [Fault(429, 20429), Fault(400, 21211), Fault(503), Fault(then="reset", takes=True)]
            )
        else:
            codes = ("isv.BUSINESS_LIMIT_CONTROL", "isv.SOMETHING", "isp.SYSTEM_ERROR")
            server.faults.extend([*map(AliyunFault, codes), AliyunFault(then="reset", takes=True)])
        for number in range(5):
            now = world.clock.utc_ms()
            take(request(f"c{number}", street=f"s{number}", asked_at_ms=now, give_up_ms=now + 3_600_000))
        for _ in range(90):
            while courier.run_once():
                pass
            world.clock.advance(5_000)
    note_answer(PHONE, "TD", source="test")
    note_answer(PHONE, "call me at 13800138000", source="test")
    owners.find(PLATE, purpose="test", who="tester")
    take(ended("c0"))
    assert {answer.state for answer in answers()} == {"accepted", "refused"}
    written = stream.getvalue()
    assert "INSERT INTO" in written, "everything was logged, down to the database"
    assert "+86138****8000" in written
    for secret in SECRETS:
        assert secret not in written
    own = [line for name, line in raw.lines if name.startswith(("central", "notifier"))]
    assert len(own) > 5
    for line in own:
        for secret in SECRETS:
            assert secret not in line, "our own modules mask before they log"


def _conf(gateway: str, url: str) -> NoticesFile:
    account = {
        "twilio": {
            "account_sid": ACCOUNT,
            "auth_token_env": "T",
            "from_number": "+15005550006",
            "api_base": url,
            "timeout_s": 20,
        },
        "aliyun": {
            "access_key_id": "test-key-id",
            "access_key_secret_env": "T",
            "sign_name": "街道",
            "api_base": url,
            "timeout_s": 20,
            "template": {"zh-Hans": {"code": "SMS_1", "params": {"a": "plate"}}},
        },
    }[gateway]
    policy = {"per_number_per_day": 0}
    return NoticesFile.model_validate({"policy": policy, "sms": {"gateway": gateway, gateway: account}})
