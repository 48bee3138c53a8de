"""Alibaba Cloud's official client against a server with its semantics that misbehaves on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from notifier.sms import Accepted, Refused, Retry, SmsConfig, SmsRequest, Unknown, make_gateway, reference
from notifier.sms.aliyun import AliyunGateway as Gateway
from notifier.sms.aliyun import read_answers, read_reports
from notifier.sms.config import AliyunConfig
from protocol.clock import ManualClock, SystemClock
from protocol.errors import PatrolError
from tests.servers.aliyun_gateway import KEY_ID, SECRET, AliyunGateway, Fault

PHONE = "+8613800138000"
KEY = "j/a/c/case-1/notice"
VALUES = {
    "plate": "京A***45",
    "place": "三里河路12号",
    "deadline": "12:10",
    "link": "https://p.example.cn/n/x",
}
REQUEST = SmsRequest(KEY, PHONE, "text", "zh-Hans", VALUES)


@pytest.fixture
def server() -> Iterator[AliyunGateway]:
    with AliyunGateway() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, server: AliyunGateway) -> AliyunConfig:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    return make_config(server.url, access_key_secret_file=secret)


def make_config(url: str, **changes: object) -> AliyunConfig:
    plain: dict[str, object] = {
        "access_key_id": KEY_ID,
        "sign_name": "东华门街道",
        "template": {
            "zh-Hans": {
                "code": "SMS_123456",
                "params": {
                    "car": "plate",
                    "where": "place",
                    "until": "deadline",
                    "no": "reference",
                    "bay": "bays",
                },
            }
        },
        "api_base": url,
        "connect_timeout_s": 2,
        "timeout_s": 20,
    }
    return AliyunConfig.model_validate({**plain, **changes})


@pytest.fixture
def gateway(config: AliyunConfig) -> Gateway:
    return Gateway(config, SystemClock())


def impatient(config: AliyunConfig) -> Gateway:
    """One that does not wait long for a gateway that hangs."""
    return Gateway(config.model_copy(update={"timeout_s": 0.5}), SystemClock())


def now_ms() -> int:
    return SystemClock().utc_ms()


def test_a_message_carries_signature_template_words_and_our_reference(
    server: AliyunGateway, gateway: Gateway
) -> None:
    result = gateway.send(REQUEST)
    [message] = server.messages
    assert result == Accepted(message["BizId"], 1)
    assert (message["PhoneNumbers"], message["SignName"], message["TemplateCode"]) == (
        "13800138000",
        "东华门街道",
        "SMS_123456",
    )
    assert message["OutId"] == reference(KEY)
    assert json.loads(message["TemplateParam"]) == {
        "car": "京A***45",
        "where": "三里河路12号",
        "until": "12:10",
        "no": reference(KEY),
        "bay": "",
    }


def test_a_foreign_number_is_written_without_a_plus(server: AliyunGateway, gateway: Gateway) -> None:
    gateway.send(SmsRequest(KEY, "+85291234567", "t", "zh-Hans", VALUES))
    assert server.messages[0]["PhoneNumbers"] == "85291234567"


@pytest.mark.parametrize(("language", "sent"), [("zh-Hans", True), ("zh-Hans+en", True), ("en", False)])
def test_a_language_without_a_template_is_refused(
    server: AliyunGateway, gateway: Gateway, language: str, sent: bool
) -> None:
    result = gateway.send(SmsRequest(KEY, PHONE, "t", language, VALUES))
    assert isinstance(result, Accepted if sent else Refused)
    assert len(server.messages) == int(sent)


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (Fault("isv.MOBILE_NUMBER_ILLEGAL"), Refused, "invalid_number"),
        (Fault("isv.SMS_CONTENT_ILLEGAL"), Refused, "filtered_by_carrier"),
        (Fault("isv.SOMETHING_NEW"), Refused, "said by the test about +86138****8000"),
        (Fault("isv.AMOUNT_NOT_ENOUGH"), Retry, "refuses this account: no credit"),
        (Fault("isv.SMS_TEMPLATE_ILLEGAL"), Retry, "template not approved"),
        (Fault("InvalidAccessKeyId.NotFound", 404), Retry, "wrong access key"),
        (Fault("isv.BUSINESS_LIMIT_CONTROL"), Retry, "too many requests"),
        (Fault("Throttling.User", 400), Retry, "too many requests"),
        (Fault("SomethingElse", 429), Retry, "too many requests"),
        (Fault("isp.SYSTEM_ERROR"), Unknown, "trouble of its own"),
        (Fault("isv.SYSTEM_ERROR"), Unknown, "trouble of its own"),
        (Fault("InternalError", 500), Unknown, "trouble of its own"),
        (Fault("ServiceUnavailable", 503, takes=True), Unknown, "trouble of its own"),
        (Fault(then="hang", takes=True), Unknown, "no answer in time"),
        (Fault(then="reset", takes=True), Unknown, "the connection failed"),
        (Fault(then="cut", takes=True), Unknown, ""),
        (Fault(then="garbage", takes=True), Unknown, "not understood"),
    ],
)
def test_every_answer_says_whether_it_may_be_sent_again(
    server: AliyunGateway, config: AliyunConfig, fault: Fault, kind: type, reason: str
) -> None:
    server.faults.append(fault)
    gateway = impatient(config) if fault.then == "hang" else Gateway(config, SystemClock())
    result = gateway.send(REQUEST)
    assert isinstance(result, kind), result
    assert reason in result.reason
    assert "13800138000" not in repr(result)
    assert server.actions == ["SendSms"], "the client itself repeats nothing"


def test_a_wait_that_the_gateway_asks_for_is_kept(server: AliyunGateway, gateway: Gateway) -> None:
    server.faults.append(Fault("Throttling.User", 429, headers=(("x-acs-retry-after", "7000"),)))
    assert gateway.send(REQUEST) == Retry("too many requests", 7.0)


def test_a_wrong_secret_is_a_matter_for_a_person(
    config: AliyunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "something else")
    wrong = config.model_copy(update={"access_key_secret_file": None, "access_key_secret_env": "WRONG"})
    result = Gateway(wrong, SystemClock()).send(REQUEST)
    assert isinstance(result, Retry)
    assert "wrong access key secret" in result.reason


def test_nobody_listens_there(config: AliyunConfig, free_port) -> None:
    away = config.model_copy(update={"api_base": f"http://127.0.0.1:{free_port()}"})
    result = Gateway(away, SystemClock()).send(REQUEST)
    assert isinstance(result, Retry), "no connection was made, so it certainly was not sent"


@pytest.mark.parametrize("fault", [Fault(then="hang", takes=True), Fault(then="reset", takes=True)])
def test_a_message_whose_answer_was_lost_is_found(
    server: AliyunGateway, config: AliyunConfig, gateway: Gateway, fault: Fault
) -> None:
    server.faults.append(fault)
    sender = impatient(config) if fault.then == "hang" else gateway
    assert isinstance(sender.send(REQUEST), Unknown)
    assert isinstance(gateway.lookup(REQUEST, now_ms()), Accepted)


def test_a_message_that_is_not_there_is_absent(server: AliyunGateway, gateway: Gateway) -> None:
    gateway.send(SmsRequest("j/a/c/another/notice", PHONE, "t", "zh-Hans", VALUES))
    assert gateway.lookup(REQUEST, now_ms()) is None


def test_a_message_that_failed_afterwards_is_refused(server: AliyunGateway, gateway: Gateway) -> None:
    gateway.send(REQUEST)
    server.status = 2
    assert gateway.lookup(REQUEST, now_ms()) == Refused("unknown_number", "MOBILE_NOT_ON_SERVICE")


def test_a_look_goes_through_all_pages_of_all_days(server: AliyunGateway, config: AliyunConfig) -> None:
    """Sent a minute before midnight in China, looked for a minute after it, behind 120 newer messages."""
    midnight = datetime(2026, 1, 1, 16, 0, tzinfo=UTC)
    before = {"PhoneNumbers": "13800138000", "TemplateCode": "SMS_1"}
    server.make({**before, "OutId": reference(KEY)}, midnight - timedelta(minutes=1))
    for number in range(120):
        server.make({**before, "OutId": f"X{number}"}, midnight - timedelta(seconds=30))
    clock = ManualClock(round((midnight + timedelta(minutes=1)).timestamp() * 1000))
    gateway = Gateway(config, clock)
    since = round((midnight - timedelta(minutes=2)).timestamp() * 1000)
    assert isinstance(gateway.lookup(REQUEST, since), Accepted)
    assert len(server.actions) == 3


def test_too_many_messages_to_look_through_is_not_absent(server: AliyunGateway, gateway: Gateway) -> None:
    for number in range(450):
        server.make({"PhoneNumbers": "13800138000", "TemplateCode": "SMS_1", "OutId": f"X{number}"})
    assert isinstance(gateway.lookup(REQUEST, now_ms()), Unknown)


@pytest.mark.parametrize(
    "fault",
    [Fault("isp.SYSTEM_ERROR"), Fault("InternalError", 500), Fault(then="reset"), Fault(then="garbage")],
)
def test_a_look_that_fails_says_nothing_about_the_message(
    server: AliyunGateway, gateway: Gateway, fault: Fault
) -> None:
    server.look_faults.append(fault)
    assert isinstance(gateway.lookup(REQUEST, now_ms()), Unknown)


# Configuration


@pytest.mark.parametrize(
    "changes",
    [
        {"access_key_secret_env": "A", "access_key_secret_file": Path("x")},
        {"access_key_secret_env": None},
        {"template": {}},
        {"template": {"fr": {"code": "SMS_1", "params": {"a": "plate"}}}},
        {"template": {"en": {"code": "123", "params": {"a": "plate"}}}},
        {"template": {"en": {"code": "SMS_1", "params": {"a": "phone"}}}},
        {"api_base": "http://dysmsapi.example.org"},
        {"surprise": 1},
    ],
)
def test_a_wrong_configuration_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_config("http://127.0.0.1:1", **{"access_key_secret_env": "A", **changes})


def test_the_gateway_is_made_from_the_configuration(config: AliyunConfig) -> None:
    assert isinstance(make_gateway(SmsConfig(gateway="aliyun", aliyun=config), SystemClock()), Gateway)
    with pytest.raises(ValidationError):
        SmsConfig(gateway="aliyun")


def test_a_short_call_back_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config("http://127.0.0.1:1", access_key_secret_env="A", callback_token_env="TOKEN")
    monkeypatch.setenv("TOKEN", "short")
    with pytest.raises(PatrolError):
        config.callback_token()
    monkeypatch.setenv("TOKEN", "a" * 32)
    assert config.callback_token() == "a" * 32


# What the provider posts to us


def test_reports_are_read() -> None:
    batch = [
        {
            "phone_number": "13800138000",
            "success": False,
            "err_code": "MOBILE_NOT_ON_SERVICE",
            "err_msg": "停机",
            "sms_size": "2",
            "biz_id": "900619746936498440^0",
            "out_id": "7K3QAZ",
            "send_time": "2026-01-01 12:00:00",
        },
        {"phone_number": "1", "success": "true", "biz_id": "2"},
    ]
    failed, arrived = read_reports(json.dumps(batch).encode())
    assert (failed.delivered, failed.reason, failed.segments, failed.phone) == (
        False,
        "unknown_number",
        2,
        PHONE,
    )
    assert (arrived.delivered, arrived.phone, arrived.reference) == (True, "", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{}",
        b"[1]",
        b'[{"success": true}]',
        b'[{"biz_id": "1", "success": "maybe"}]',
        b'[{"biz_id": ["1"], "success": true}]',
        json.dumps([{"biz_id": "x" * 2000, "success": True}]).encode(),
        b"[" * 100_000,
    ],
)
def test_what_is_no_batch_of_reports_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_reports(body)


def test_answers_are_read_and_numbers_that_are_none_left_out() -> None:
    batch = [{"phone_number": "13800138000", "content": "TD"}, {"phone_number": "10086", "content": "TD"}]
    [answer] = read_answers(json.dumps(batch).encode())
    assert (answer.phone, answer.text) == (PHONE, "TD")
    assert "TD" not in repr(answer)
