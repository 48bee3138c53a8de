"""The gateway that writes messages into a file, and the references by which messages are found again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from notifier.sms import (
    Accepted,
    LogGateway,
    SmsConfig,
    SmsRequest,
    make_gateway,
    reference,
)
from protocol.clock import ManualClock
from protocol.errors import PatrolError

PHONE = "+8613800138000"


def test_the_log_gateway_keeps_each_message_once_in_a_private_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "sms" / "sent.jsonl"
    gateway = make_gateway(SmsConfig(gateway="log", log_file=file), ManualClock())
    request = SmsRequest("k", PHONE, "车辆请驶离")
    first = gateway.send(request)
    assert isinstance(first, Accepted)
    assert first.segments == 1
    assert gateway.send(request) == first
    assert LogGateway(file, ManualClock()).lookup(request, 0) == first, "known to the next process"
    assert LogGateway(file, ManualClock()).lookup(SmsRequest("other", PHONE, ""), 0) is None
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "key": "k",
        "provider_id": first.provider_id,
        "at": "2026-01-01T00:00:00.000Z",
        "to": PHONE,
        "text": "车辆请驶离",
        "segments": 1,
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert PHONE not in caplog.text
    assert "+86138****8000" in caplog.text


def test_a_line_torn_by_a_power_cut_spoils_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "sent.jsonl"
    LogGateway(file, ManualClock()).send(SmsRequest("a", PHONE, "x"))
    with file.open("ab") as torn:
        torn.write(b'{"key": "b", "provi')
    gateway = LogGateway(file, ManualClock())
    assert gateway.lookup(SmsRequest("b", PHONE, "x"), 0) is None
    gateway.send(SmsRequest("b", PHONE, "x"))
    again = LogGateway(file, ManualClock())
    assert again.lookup(SmsRequest("a", PHONE, "x"), 0) is not None
    assert again.lookup(SmsRequest("b", PHONE, "x"), 0) is not None


def test_a_log_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sent.jsonl"
    file.write_text("")
    file.chmod(0o644)
    with pytest.raises(PatrolError, match="others may read") as error:
        LogGateway(file, ManualClock())
    assert "chmod 600" in str(error.value)


def test_references_are_short_and_differ() -> None:
    references = {reference(f"j/a/c/case{number}/notice") for number in range(1000)}
    assert len(references) == 1000
    assert all(re.fullmatch("[A-Z2-7]{6}", text) for text in references)
