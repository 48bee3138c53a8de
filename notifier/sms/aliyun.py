"""SMS by Alibaba Cloud's official client (extra `aliyun`). Texts are templates that lie approved with the provider.

Nothing identifies a repeated request there, so each message carries our reference as its OutId, by which an attempt
whose outcome is unknown is looked up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import requests

from notifier.masking import mask_text
from notifier.notice import segments
from notifier.owners._plates import normal_phone
from notifier.sms._aliyun_codes import ACCOUNT, NEVER, RECEIPTS, RETRY
from notifier.sms._http import never_left, said
from notifier.sms._port import Accepted, Refused, Retry, SmsRequest, SmsResult, Unknown, reference
from notifier.sms.config import AliyunConfig
from protocol.clock import Clock, Millis
from protocol.errors import UnavailableError

_ACCOUNT_RETRY_S = 300.0
"""After a refusal that only a person can mend, seconds."""

_LIMIT_RETRY_S = 60.0
"""One number gets one message a minute."""

_PAGE = 50
_PAGES = 8
"""Messages to one number on one day that a look goes through."""

_DAYS = timedelta(days=2)
"""How far back a look goes at most: no warning is on its way for longer, whatever a clock says."""

_CHINA = timezone(timedelta(hours=8))
"""The provider files messages under days of this zone."""

_WAITS, _FAILED, _DELIVERED = 1, 2, 3
"""SendStatus of QuerySendDetails."""


class AliyunGateway:
    """Sends by one account.

    Args:
        config: account, signature and templates.
        clock: says which days a look has to go through.

    Raises:
        PatrolError: the secret cannot be read.
        UnavailableError: the extra is not installed.
    """

    def __init__(self, config: AliyunConfig, clock: Clock) -> None:
        try:
            from alibabacloud_dysmsapi20170525 import client, models
            from alibabacloud_tea_openapi.utils_models import Config
            from darabonba.runtime import ExtendsParameters, RuntimeOptions
        except ImportError as error:
            raise UnavailableError(
                f"gateway aliyun needs the Python package {error.name!r}, which is not installed",
                mend="Run: pip install 'street-patrol[aliyun]'",
            ) from error
        self._config = config
        self._clock = clock
        self._models = models
        base = urlsplit(config.api_base)
        self._client = client.Client(
            Config(
                access_key_id=config.access_key_id,
                access_key_secret=config.access_key_secret(),
                endpoint=base.netloc,
                protocol=base.scheme.upper(),
                region_id="cn-hangzhou",
            )
        )
        self._runtime = RuntimeOptions(
            # Nothing is retried by the client: an attempt whose outcome is unknown is looked up, not repeated.
            autoretry=False,
            max_attempts=1,
            connect_timeout=round(config.connect_timeout_s * 1000),
            read_timeout=round(config.timeout_s * 1000),
            # A request on a kept connection that the other side has just closed would leave an outcome unknown.
            extends_parameters=ExtendsParameters(headers={"connection": "close"}),
        )

    def send(self, request: SmsRequest) -> SmsResult:
        """Hand one message over."""
        template = self._config.template_for(request.language, request.kind)
        if template is None:
            return Refused("no template for this kind and language", "no_template")
        values = {**request.values, "reference": reference(request.key)}
        try:
            answer = self._client.send_sms_with_options(
                self._models.SendSmsRequest(
                    phone_numbers=_number(request.to),
                    sign_name=self._config.sign_name,
                    template_code=template.code,
                    template_param=json.dumps(template.filled(values), ensure_ascii=False),
                    out_id=reference(request.key),
                ),
                self._runtime,
            )
        except Exception as error:
            return _trouble(error)
        body = answer.body
        if body is None or not body.code:
            return Unknown("the gateway's answer is not understood: no code")
        if body.code != "OK":
            return _refusal(str(body.code), str(body.message or ""), 200)
        if not body.biz_id:
            return Unknown("the gateway's answer names no message")
        return Accepted(str(body.biz_id), segments(request.text).segments)

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:
        """Look the message up by number, day and OutId."""
        marker = reference(request.key)
        try:
            for detail in self._details(request.to, since_ms):
                if detail.out_id == marker:
                    return _found(detail, marker)
        except _TooManyError:
            return Unknown("too many messages to this number to look through")
        except Exception as error:
            result = _trouble(error)
            why = result.reason if isinstance(result, Retry | Unknown | Refused) else ""
            return Unknown(f"the look-up failed: {why}")
        return None

    def _details(self, phone: str, since_ms: Millis) -> Iterator[Any]:
        last = max(_day(self._clock.utc_ms()), _day(since_ms))
        day = max(_day(since_ms), last - _DAYS)
        while day <= last:
            for page in range(1, _PAGES + 2):
                if page > _PAGES:
                    raise _TooManyError
                answer = self._client.query_send_details_with_options(
                    self._models.QuerySendDetailsRequest(
                        phone_number=_number(phone),
                        send_date=f"{day:%Y%m%d}",
                        page_size=_PAGE,
                        current_page=page,
                    ),
                    self._runtime,
                )
                if answer.body is None or answer.body.code != "OK":
                    raise _RefusedError(str(getattr(answer.body, "code", "") or "no code"))
                listed = answer.body.sms_send_detail_dtos
                found = [] if listed is None else list(listed.sms_send_detail_dto or [])
                yield from found
                if len(found) < _PAGE:
                    break
            day += timedelta(days=1)


class _TooManyError(Exception):
    """More messages than a look goes through."""


class _RefusedError(Exception):
    """A look-up was answered with a code of error."""


def _day(at_ms: Millis) -> datetime:
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_CHINA)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _number(phone: str) -> str:
    """As the provider writes numbers: those of the mainland without a country, others without the plus."""
    return phone.removeprefix("+86") if phone.startswith("+86") else phone.removeprefix("+")


def _found(detail: Any, marker: str) -> SmsResult:
    if detail.send_status == _FAILED:
        code = str(detail.err_code or "")
        return Refused(RECEIPTS.get(code, "not_delivered"), code)
    if detail.send_status in (_WAITS, _DELIVERED):
        # The list does not name the message; its receipts carry our reference as well.
        return Accepted(f"out-{marker}")
    return Unknown("the look-up's answer is not understood: status")


def _trouble(error: Exception) -> SmsResult:
    """What an exception of the client means. Nothing of its text is kept: it may hold the number."""
    status = getattr(error, "status_code", None) or getattr(error, "statusCode", None)
    code = getattr(error, "code", None)
    if isinstance(error, _RefusedError):
        return Unknown(str(error)[:80])
    if status is not None and code not in (None, "None"):
        return _refusal(str(code), "", int(status), getattr(error, "retry_after", None))
    if status is not None:
        return _by_status(int(status), None)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.RequestException):
            if never_left(cause):
                return Retry(f"the gateway cannot be reached: {said(cause)}")
            return Unknown(said(cause))
        inner = getattr(cause, "inner_exception", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return Unknown(f"the gateway's answer is not understood: {type(error).__name__}")


def _refusal(code: str, message: str, status: int, retry_after_ms: float | None = None) -> SmsResult:
    if code in NEVER:
        return Refused(NEVER[code], code)
    if code in ACCOUNT or status in (401, 403):
        what = ACCOUNT.get(code, "not allowed")
        return Retry(f"the gateway refuses this account: {what} (code {code})", _ACCOUNT_RETRY_S)
    if code in RETRY or code.startswith("Throttling") or status == 429:
        after_s = _LIMIT_RETRY_S if code == "isv.BUSINESS_LIMIT_CONTROL" else None
        return Retry(
            RETRY.get(code, "too many requests"), after_s if retry_after_ms is None else retry_after_ms / 1000
        )
    if code.startswith("isp.") or code.endswith("SYSTEM_ERROR") or status >= 500:
        return Unknown("the gateway has a trouble of its own")
    return Refused(mask_text(message) or code, code)


def _by_status(status: int, after_s: float | None) -> SmsResult:
    if status == 429:
        return Retry("too many requests", after_s)
    if status >= 500 or status == 408:
        return Unknown(f"the gateway answered HTTP {status}")
    return Refused(f"HTTP {status}", "")


# Call-backs: what the provider posts to us. They are not signed; the address holds a secret instead.


@dataclass(frozen=True, slots=True)
class AliyunReport:
    """One delivery report of a batch."""

    provider_id: str
    reference: str
    phone: str = field(repr=False)
    delivered: bool
    code: str
    reason: str
    segments: int | None = None


@dataclass(frozen=True, slots=True)
class AliyunAnswer:
    """One message that somebody sent to us."""

    phone: str = field(repr=False)
    text: str = field(repr=False)


def read_reports(body: bytes) -> list[AliyunReport]:
    """The reports of one post (SmsReport).

    Raises:
        ValueError: it is no such batch; nothing of it is used.
    """
    return [
        AliyunReport(
            provider_id=_text(item, "biz_id"),
            reference=_text(item, "out_id", ""),
            phone=_phone(item),
            delivered=_yes(item.get("success")),
            code=_text(item, "err_code", ""),
            reason=RECEIPTS.get(_text(item, "err_code", ""), "not_delivered"),
            segments=_whole(item.get("sms_size")),
        )
        for item in _batch(body)
    ]


def read_answers(body: bytes) -> list[AliyunAnswer]:
    """The answers of one post (SmsUp); those from numbers that are none are left out.

    Raises:
        ValueError: it is no such batch; nothing of it is used.
    """
    answers = []
    for item in _batch(body):
        try:
            phone = normal_phone(_text(item, "phone_number"))
        except ValueError:
            continue
        answers.append(AliyunAnswer(phone, _text(item, "content", "")))
    return answers


def _batch(body: bytes) -> Sequence[Mapping[str, Any]]:
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(batch, list) or not all(isinstance(item, dict) for item in batch):
        raise ValueError("no list of objects")
    return batch


def _text(item: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = item.get(name, default)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{name} is no text")
    text = str(value)
    if len(text) > 1000 or "\x00" in text:
        raise ValueError(f"{name} is no such text")
    return text


def _phone(item: Mapping[str, Any]) -> str:
    try:
        return normal_phone(_text(item, "phone_number", ""))
    except ValueError:
        return ""


def _yes(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("success is neither true nor false")


def _whole(value: object) -> int | None:
    return (
        int(value) if isinstance(value, str | int) and str(value).isdigit() and len(str(value)) < 4 else None
    )
