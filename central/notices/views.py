"""Where gateways post receipts and answers. Open to the network, so nothing is believed that does not prove itself:
Twilio signs its call-backs; Alibaba Cloud does not, so its address holds a secret."""

from __future__ import annotations

import hmac
import logging
import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from central.notices import config, receipts
from central.notices.models import Delivery
from central.people.access import open_to_all
from notifier.owners import normal_phone
from notifier.sms.config import AliyunConfig, TwilioConfig
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

_REFERENCE = re.compile(r"[A-Z2-7]{6}")


@csrf_exempt
@open_to_all
@require_POST
def twilio_status(request: HttpRequest) -> HttpResponse:
    """What became of a message."""
    from notifier.sms.twilio import read_report

    form = _signed_by_twilio(request)
    try:
        report = read_report(form)
    except ValueError as error:
        return HttpResponse(str(error), status=400)
    marker = request.GET.get("notice", "")
    receipts.take(
        receipts.Word(
            "twilio",
            report.provider_id,
            Delivery(report.outcome),
            report.code,
            report.reason,
            marker if _REFERENCE.fullmatch(marker) else "",
            _phone(report.phone),
        )
    )
    return HttpResponse(status=204)


@csrf_exempt
@open_to_all
@require_POST
def twilio_answer(request: HttpRequest) -> HttpResponse:
    """Somebody answered. Twilio itself confirms STOP and START to them, so nothing is said here."""
    from notifier.sms.twilio import read_answer

    form = _signed_by_twilio(request)
    try:
        answer = read_answer(form)
    except ValueError as error:
        return HttpResponse(str(error), status=400)
    receipts.note_answer(answer.phone, answer.text, source="twilio", asks=answer.asks)
    return HttpResponse("<Response/>", content_type="text/xml")


@csrf_exempt
@open_to_all
@require_POST
def aliyun_reports(request: HttpRequest, token: str) -> HttpResponse:
    """A batch of delivery reports; they are sent again until we say code 0."""
    from notifier.sms.aliyun import read_reports

    _knows_secret(token)
    try:
        reports = read_reports(request.body)
    except ValueError as error:
        return JsonResponse({"code": 1, "msg": str(error)}, status=400)
    for report in reports:
        receipts.take(
            receipts.Word(
                "aliyun",
                report.provider_id,
                Delivery.DELIVERED if report.delivered else Delivery.FAILED,
                report.code,
                report.reason,
                report.reference if _REFERENCE.fullmatch(report.reference) else "",
                report.phone,
            )
        )
    return JsonResponse({"code": 0, "msg": "ok"})


@csrf_exempt
@open_to_all
@require_POST
def aliyun_answers(request: HttpRequest, token: str) -> HttpResponse:
    """A batch of answers; they are sent again until we say code 0."""
    from notifier.sms.aliyun import read_answers

    _knows_secret(token)
    try:
        answers = read_answers(request.body)
    except ValueError as error:
        return JsonResponse({"code": 1, "msg": str(error)}, status=400)
    for answer in answers:
        receipts.note_answer(answer.phone, answer.text, source="aliyun")
    return JsonResponse({"code": 0, "msg": "ok"})


def _signed_by_twilio(request: HttpRequest) -> dict[str, str]:
    """The form, if Twilio signed it for the public address; what is not signed is told nothing."""
    from notifier.sms.twilio import is_signed

    conf = config.load()
    account: TwilioConfig | None = conf.sms.twilio if conf.sms.gateway == "twilio" else None
    base = settings.PATROL.public_url
    if account is None or base is None:
        raise Http404
    form = {name: str(value) for name, value in request.POST.items()}
    url = f"{base.rstrip('/')}{request.get_full_path()}"
    if not is_signed(account, url, form, request.headers.get("X-Twilio-Signature", "")):
        log.warning("a call-back at %s is not signed by the gateway; thrown away", request.path)
        raise Http404
    return form


def _knows_secret(token: str) -> None:
    conf = config.load()
    account: AliyunConfig | None = conf.sms.aliyun if conf.sms.gateway == "aliyun" else None
    try:
        secret = None if account is None else account.callback_token()
    except PatrolError as error:
        log.error("call-backs of the gateway cannot be taken: %s", error)
        secret = None
    if secret is None or not hmac.compare_digest(secret.encode(), token.encode()):
        raise Http404


def _phone(text: str) -> str:
    try:
        return normal_phone(text)
    except ValueError:
        return ""
