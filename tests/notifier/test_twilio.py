"""The Twilio gateway against a real HTTP server that misbehaves: taken, refused, to be repeated, or unknown."""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from notifier.sms import Accepted, Refused, Retry, SmsRequest, SmsResult, Unknown, reference
from notifier.sms.config import TwilioConfig
from notifier.sms.twilio import TwilioGateway as Gateway
from protocol.clock import SystemClock
from protocol.errors import PatrolError
from tests.servers.twilio_gateway import ACCOUNT, TOKEN, Fault, TwilioGateway

PHONE = "+8613800138000"
REQUEST = SmsRequest("j/a/c/case1/notice", PHONE, f"Please move. Ref {reference('j/a/c/case1/notice')}")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TWILIO_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TWILIO_EDGE", "nowhere")  # must not have any influence


@pytest.fixture
def server() -> Iterator[TwilioGateway]:
    with TwilioGateway() as server:
        yield server
    gc.collect()  # an unclosed socket would be reported here, as an error


def config(url: str, **more: object) -> TwilioConfig:
    values = {
        "account_sid": ACCOUNT,
        "auth_token_env": "TEST_TWILIO_TOKEN",
        "from_number": "+15005550006",
        "api_base": url,
        "connect_timeout_s": 2.0,
        "timeout_s": 0.5,
    }
    return TwilioConfig.model_validate(values | more)


@pytest.fixture
def gateway(server: TwilioGateway) -> Gateway:
    return Gateway(config(server.url))


def test_a_message_is_handed_over_once(server: TwilioGateway, gateway: Gateway) -> None:
    result = gateway.send(REQUEST)
    assert result == Accepted(f"SM{0:032x}", 1, None, None)
    assert [message["body"] for message in server.sent_to(PHONE)] == [REQUEST.text]
    assert server.messages[0]["from"] == "+15005550006"


def test_a_messaging_service_may_choose_the_sender(server: TwilioGateway) -> None:
    service = "MG" + "0" * 32
    gateway = Gateway(config(server.url, from_number=None, messaging_service_sid=service))
    assert isinstance(gateway.send(REQUEST), Accepted)
    assert server.messages[0]["from"] == service


def test_the_api_may_be_served_below_a_path(server: TwilioGateway) -> None:
    Gateway(config(server.url + "/relay/")).send(REQUEST)
    assert server.requests[0][1].startswith("/relay/2010-04-01/Accounts/")


def test_a_text_without_its_reference_gets_it(server: TwilioGateway, gateway: Gateway) -> None:
    gateway.send(SmsRequest("k", PHONE, "Please move."))
    assert server.messages[0]["body"] == f"Please move. {reference('k')}"


@pytest.mark.parametrize(
    ("fault", "expected", "taken"),
    [
        # Refused for good
        (Fault(400, 21211), Refused("invalid_number", "21211"), False),
        (Fault(400, 21610), Refused("opted_out", "21610"), False),
        (Fault(400, 21614), Refused("not_a_mobile", "21614"), False),
        (
            Fault(400, 29999),
            Refused("Unable to create record: said by the test about +86138****8000", "29999"),
            False,
        ),
        # Certainly not taken
        (Fault(429, 20429, "7"), Retry("too many requests", 7.0), False),
        (Fault(429, None, "Fri, 01 Jan 2027 00:00:00 GMT"), Retry("too many requests", None), False),
        (Fault(400, 21611), Retry("the sender's queue is full", None), False),
        (
            Fault(401, 20003),
            Retry("the gateway refuses this account: wrong account or token (code 20003)", 300.0),
            False,
        ),
        (
            Fault(400, 21606),
            Retry("the gateway refuses this account: sender cannot send SMS (code 21606)", 300.0),
            False,
        ),
        # Nobody can tell
        (Fault(500, 20500), Unknown("the gateway answered HTTP 500"), False),
        (Fault(503, takes=True), Unknown("the gateway answered HTTP 503"), True),
        (Fault(then="hang", takes=True), Unknown("no answer in time"), True),
        (Fault(then="hang"), Unknown("no answer in time"), False),
        (Fault(then="reset", takes=True), Unknown("the connection failed"), True),
        (Fault(then="cut", takes=True), Unknown("ChunkedEncodingError"), True),
        (
            Fault(then="garbage", takes=True),
            Unknown("the gateway's answer is not understood: JSONDecodeError"),
            True,
        ),
        (Fault(307), Unknown("the gateway answered HTTP 307"), False),
    ],
)
def test_every_kind_of_answer_has_its_meaning(
    server: TwilioGateway, gateway: Gateway, fault: Fault, expected: SmsResult, taken: bool
) -> None:
    server.faults.append(fault)
    result = gateway.send(REQUEST)
    assert result == expected
    assert len(server.messages) == taken
    assert len(server.requests) == 1, "nothing below the worker may repeat a request"
    # What was taken is found again, what was not is not.
    found = gateway.lookup(REQUEST, SystemClock().utc_ms())
    assert isinstance(found, Accepted) if taken else found is None


def test_a_gateway_that_nobody_listens_at_certainly_took_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        result = Gateway(config(f"http://127.0.0.1:{probe.getsockname()[1]}")).send(REQUEST)
    assert result == Retry("the gateway cannot be reached: the connection failed")


def test_a_message_that_failed_at_the_carrier_is_refused_when_looked_up(
    server: TwilioGateway, gateway: Gateway
) -> None:
    server.make(PHONE, REQUEST.text, "x", status="undelivered", error_code=30006)
    assert gateway.lookup(REQUEST, SystemClock().utc_ms()) == Refused("landline", "30006")


def test_a_message_is_found_behind_many_others(server: TwilioGateway, gateway: Gateway) -> None:
    server.make(PHONE, REQUEST.text, "x", num_segments="2", price="-0.05")
    for number in range(25):
        server.make(PHONE, f"another {number}", "x")
    server.page_size = 10
    found = gateway.lookup(REQUEST, SystemClock().utc_ms())
    assert found == Accepted(f"SM{0:032x}", 2, "-0.05", "USD")
    assert len(server.requests) == 3


def test_messages_to_others_and_of_long_ago_are_no_answer(server: TwilioGateway, gateway: Gateway) -> None:
    server.make("+8613900139000", REQUEST.text, "x")
    server.make(PHONE, "long ago", "x", date_created="Thu, 01 Jan 2015 00:00:00 +0000")
    assert gateway.lookup(REQUEST, SystemClock().utc_ms()) is None


@pytest.mark.parametrize(
    "fault", [Fault(500), Fault(429), Fault(401), Fault(then="hang"), Fault(then="garbage")]
)
def test_a_look_that_fails_never_says_absent(server: TwilioGateway, gateway: Gateway, fault: Fault) -> None:
    server.make(PHONE, REQUEST.text, "x")
    server.look_faults.append(fault)
    assert isinstance(gateway.lookup(REQUEST, SystemClock().utc_ms()), Unknown)


def test_number_text_and_token_stay_out_of_logs_and_repr(
    server: TwilioGateway, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults.append(Fault(400, 29999))
    result = gateway.send(REQUEST)
    written = caplog.text + repr(result) + repr(REQUEST) + repr(config(server.url))
    for secret in ("13800138000", REQUEST.text, TOKEN):
        assert secret not in written


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"account_sid": "AC1"}, "account_sid"),
        ({"from_number": None}, "from_number"),
        ({"messaging_service_sid": "MG" + "0" * 32}, "from_number"),  # both
        ({"auth_token_env": None}, "auth_token_file"),
        ({"api_base": "http://gateway.example.org"}, "plain http"),
        ({"api_base": "https://user:secret@gateway.example.org"}, "user name"),
        ({"retries": 3}, "retries"),
    ],
)
def test_a_contradictory_configuration_is_refused(change: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        config("http://127.0.0.1:1", **change)


def test_a_token_that_is_missing_or_open_to_others_is_named(tmp_path: Path) -> None:
    missing = config("http://127.0.0.1:1", auth_token_env="NOT_SET")
    with pytest.raises(PatrolError, match="not set"):
        Gateway(missing)
    file = tmp_path / "token"
    file.write_text("secret-token\n")
    file.chmod(0o644)
    open_to_all = config("http://127.0.0.1:1", auth_token_env=None, auth_token_file=file)
    with pytest.raises(PatrolError, match="others may read") as error:
        Gateway(open_to_all)
    assert "secret-token" not in str(error.value)


def test_receipts_are_asked_for_at_an_address_that_names_the_message(server: TwilioGateway) -> None:
    with_receipts = Gateway(config(server.url), "https://patrol.example.org/notices/twilio/status")
    request = SmsRequest("j/a/c/7/notice", PHONE, "text")
    assert isinstance(with_receipts.send(request), Accepted)
    marker = reference("j/a/c/7/notice")
    assert server.callbacks == [f"https://patrol.example.org/notices/twilio/status?notice={marker}"]
