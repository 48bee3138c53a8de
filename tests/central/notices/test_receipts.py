"""Call-backs: signed or knowing the secret, each counted once in any order, and what people answer is obeyed."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings
from twilio.request_validator import RequestValidator

from central.cases.history import Audit, verify
from central.notices.models import Delivery, NoticeState, Receipt
from central.owners import services as owners
from central.owners.models import OptOut
from tests.central.notices.world import (
    PHONE,
    UNKNOWN,
    World,
    answers,
    notice,
    request,
    take,
)
from tests.servers.twilio_gateway import ACCOUNT

TOKEN = "token-of-the-account"
BASE = "https://patrol.example.org"
SECRET = "s" * 40
SID = "SM1"


@pytest.fixture
def configured(centre: Any, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """`configured("twilio")`: the centre has such a gateway and a public address."""
    folder = tmp_path / "conf"
    folder.mkdir()
    for name, text in (("token", TOKEN), ("secret", "x"), ("callback", SECRET)):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    file = folder / "notices.toml"

    def write(gateway: str) -> None:
        file.write_text(
            f'[sms]\ngateway = "{gateway}"\n'
            f'[sms.twilio]\naccount_sid = "{ACCOUNT}"\nauth_token_file = "token"\nfrom_number = "+15005550006"\n'
            '[sms.aliyun]\naccess_key_id = "a"\naccess_key_secret_file = "secret"\nsign_name = "街道"\n'
            'callback_token_file = "callback"\n'
            '[sms.aliyun.template.zh-Hans]\ncode = "SMS_1"\nparams = { a = "plate" }\n'
        )

    changed = dataclasses.replace(settings.PATROL, notices_file=file, public_url=BASE)
    with override_settings(PATROL=changed):
        yield write


def signed(path: str, form: dict[str, str], token: str = TOKEN) -> Any:
    """A call-back as Twilio posts it."""
    signature = RequestValidator(token).compute_signature(BASE + path, form)
    return Client().post(path, form, headers={"x-twilio-signature": signature})


def status(state: str, *, code: str = "", sid: str = SID, query: str = "", **more: str) -> Any:
    form = {"MessageSid": sid, "MessageStatus": state, "To": PHONE, "AccountSid": ACCOUNT, **more}
    if code:
        form["ErrorCode"] = code
    return signed(f"/notices/twilio/status{query}", form)


@pytest.fixture
def sent(world: World, configured: Callable[[str], None]) -> World:
    """A warning that Twilio has accepted."""
    configured("twilio")
    take(request())
    courier = world.courier()
    object.__setattr__(courier, "conf", courier.conf.model_copy(update={"sms": _named("twilio")}))
    courier.run_once()
    assert notice().provider_id == SID
    return world


def _named(gateway: str) -> Any:
    from notifier.sms import SmsConfig

    return SmsConfig.model_construct(gateway=gateway, twilio=None, aliyun=None, log_file=None)


# Twilio


def test_a_delivery_is_noted_once_however_often_it_is_told(sent: World) -> None:
    for _ in range(3):
        assert status("delivered").status_code == 204
    assert notice().delivery == Delivery.DELIVERED
    assert Receipt.objects.count() == 1
    assert [entry.kind for entry in notice().case.history.all()].count("notice_delivered") == 1


def test_receipts_end_the_same_in_any_order_and_a_failed_part_outweighs_all(sent: World) -> None:
    words = [("sent", ""), ("delivered", ""), ("undelivered", "30006")]
    for order in itertools.permutations(words):
        Receipt.objects.all().delete()
        found = notice()
        found.delivery = found.delivery_code = ""
        found.save()
        for state, code in order:
            status(state, code=code)
        assert (notice().delivery, notice().delivery_code) == (Delivery.FAILED, "30006 landline"), order
    assert list(verify(Audit())) == []


def test_a_message_that_did_not_reach_the_phone_is_told_to_the_agent_once(sent: World) -> None:
    for _ in range(2):
        status("undelivered", code="30003")
        status("failed", code="30003")
    assert [(answer.state, answer.reason) for answer in answers()] == [
        ("accepted", ""),
        ("refused", "unreachable"),
    ]
    take(request("c2"))
    sent.live(2_000)
    assert answers("c2")[0].state == "accepted", "nobody was warned, so the next camera may warn"


@pytest.mark.parametrize(
    "how", ["no signature", "another token", "another address", "another form", "another path"]
)
def test_what_is_not_signed_for_us_is_told_nothing_and_changes_nothing(sent: World, how: str) -> None:
    form = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30003"}
    validator = RequestValidator("another" if how == "another token" else TOKEN)
    base = "https://elsewhere.example.org" if how == "another address" else BASE
    path = "/notices/twilio/answer" if how == "another path" else "/notices/twilio/status"
    signature = validator.compute_signature(base + path, form)
    if how == "another form":
        form["ErrorCode"] = "30006"
    headers = {} if how == "no signature" else {"x-twilio-signature": signature}
    answer = Client().post("/notices/twilio/status", form, headers=headers)
    assert answer.status_code == 404
    assert notice().delivery == ""
    assert Receipt.objects.count() == 0


def test_a_receipt_proves_that_a_message_went_out_whose_answer_was_lost(
    world: World, configured: Callable[[str], None]
) -> None:
    """It is settled by the receipt, and nothing is looked up or sent again."""
    configured("twilio")
    take(request())
    courier = world.courier()
    object.__setattr__(courier, "conf", courier.conf.model_copy(update={"sms": _named("twilio")}))
    world.gateway.script = [(True, UNKNOWN)]
    courier.run_once()
    assert notice().state == NoticeState.SENDING
    other = {"To": "+8613900139000"}
    assert status("sent", sid="SM77", query=f"?notice={notice().reference}", **other).status_code == 204
    assert notice().state == NoticeState.SENDING, "another number: it is not this message"
    assert status("sent", sid="SM78", query=f"?notice={notice().reference}").status_code == 204
    assert (notice().state, notice().provider_id) == (NoticeState.ACCEPTED, "SM78")
    assert [answer.state for answer in answers()] == ["accepted"]
    world.live(5 * 60_000)
    assert world.gateway.calls == 1


def test_a_receipt_that_comes_before_the_acceptance_is_not_lost(
    world: World, configured: Callable[[str], None]
) -> None:
    configured("twilio")
    status("delivered")
    take(request())
    courier = world.courier()
    object.__setattr__(courier, "conf", courier.conf.model_copy(update={"sms": _named("twilio")}))
    courier.run_once()
    assert notice().delivery == Delivery.DELIVERED


@pytest.mark.parametrize(
    "form", [{}, {"MessageSid": "SM1"}, {"MessageSid": "S" * 200, "MessageStatus": "sent"}]
)
def test_a_signed_call_back_that_says_nothing_is_a_bad_request(sent: World, form: dict[str, str]) -> None:
    assert signed("/notices/twilio/status", form).status_code == 400


@pytest.mark.parametrize("text", ["TD", "td。", "退订", " Stop ", "STOP"])
def test_who_answers_with_the_word_is_not_written_to_any_more(sent: World, text: str) -> None:
    assert signed("/notices/twilio/answer", {"From": PHONE, "Body": text}).status_code == 200
    take(request("c2", street="elsewhere"))
    sent.live(2_000)
    assert (answers("c2")[0].state, answers("c2")[0].reason) == ("refused", "opted_out")
    signed("/notices/twilio/answer", {"From": PHONE, "Body": "START"})
    take(request("c3", street="a third"))
    sent.live(2_000)
    assert answers("c3")[0].state == "accepted"


@pytest.mark.parametrize("text", ["please stop fining me", "我不想退订", "ok", "", "T" * 5000])
def test_a_sentence_is_no_opt_out(sent: World, text: str) -> None:
    signed("/notices/twilio/answer", {"From": PHONE, "Body": text})
    assert OptOut.objects.count() == 0


def test_an_opt_out_comes_through_although_the_message_waits_already(world: World) -> None:
    take(request())
    owners.opt_out(PHONE, source="by hand")
    world.live(2_000)
    assert answers()[0].reason == "opted_out"


def test_twilios_own_understanding_counts(sent: World) -> None:
    signed("/notices/twilio/answer", {"From": PHONE, "Body": "arrêt", "OptOutType": "STOP"})
    assert OptOut.objects.get().opted_out


# Alibaba Cloud


def post_reports(token: str, batch: Any) -> Any:
    return Client().post(
        f"/notices/aliyun/{token}/reports", json.dumps(batch), content_type="application/json"
    )


def report(success: bool, **more: Any) -> dict[str, Any]:
    plain = {"phone_number": "13800138000", "success": success, "biz_id": SID, "out_id": notice().reference}
    return plain | {"err_code": "DELIVERED" if success else "MOBILE_NOT_ON_SERVICE"} | more


def test_a_batch_of_reports_is_taken_as_often_as_it_comes(
    sent: World, configured: Callable[[str], None]
) -> None:
    configured("aliyun")
    found = notice()
    found.gateway = "aliyun"
    found.save()
    for _ in range(2):
        answer = post_reports(SECRET, [report(True), report(False), report(True)])
        assert answer.json() == {"code": 0, "msg": "ok"}
    assert (notice().delivery, notice().delivery_code) == (
        Delivery.FAILED,
        "MOBILE_NOT_ON_SERVICE unknown_number",
    )
    assert [answer.state for answer in answers()] == ["accepted", "refused"]


@pytest.mark.parametrize("token", ["wrong", "s" * 39, SECRET + "s", "é"])
def test_who_does_not_know_the_secret_is_told_nothing(
    sent: World, configured: Callable[[str], None], token: str
) -> None:
    configured("aliyun")
    assert post_reports(token, [report(True)]).status_code == 404
    assert Receipt.objects.count() == 0


def test_call_backs_of_a_gateway_that_is_not_ours_do_not_exist(sent: World) -> None:
    assert post_reports(SECRET, [report(True)]).status_code == 404


def test_what_is_no_batch_is_refused(sent: World, configured: Callable[[str], None]) -> None:
    configured("aliyun")
    assert post_reports(SECRET, {"biz_id": 1}).status_code == 400


def test_answers_through_alibaba_cloud_are_obeyed(sent: World, configured: Callable[[str], None]) -> None:
    configured("aliyun")
    batch = json.dumps([{"phone_number": "13800138000", "content": "退订"}])
    path = f"/notices/aliyun/{SECRET}/answers"
    assert Client().post(path, batch, content_type="application/json").json()["code"] == 0
    assert OptOut.objects.get().opted_out


@pytest.mark.parametrize("path", ["/notices/twilio/status", f"/notices/aliyun/{SECRET}/reports"])
def test_call_backs_are_posted_and_never_got(sent: World, path: str) -> None:
    assert Client().get(path).status_code == 405
