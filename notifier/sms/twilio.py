"""SMS by Twilio's official client, or by any gateway that speaks its API.

Twilio has no idempotency key for messages. A message is recognised by its number and by the reference in
its text (`notifier.sms.reference`), so an attempt whose outcome is unknown can be looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from notifier.masking import mask_text
from notifier.sms._http import never_left, said
from notifier.sms._port import Accepted, Refused, Retry, SmsRequest, SmsResult, Unknown, reference
from notifier.sms._twilio_codes import ACCOUNT, NEVER, RETRY
from notifier.sms.config import TwilioConfig
from protocol.clock import Millis

_FAILED = frozenset({"failed", "undelivered", "canceled"})
"""Message states in which nothing reaches the phone."""

_LOOK_LIMIT = 400
"""Messages to one number that a look goes through."""

_CLOCK_MARGIN = timedelta(hours=24)
"""How far the box's clock and Twilio's may be apart before a look misses its message."""

_ACCOUNT_RETRY_S = 300.0
"""After a refusal that only a person can mend, seconds."""


class TwilioGateway:
    """Sends by one account.

    Args:
        config: account, sender and addresses.
        status_url: where Twilio says afterwards what became of a message, or None.

    Raises:
        PatrolError: the token cannot be read.
    """

    def __init__(self, config: TwilioConfig, status_url: str | None = None) -> None:
        self._status_url = status_url
        self._sender = (
            {"from_": config.from_number}
            if config.from_number is not None
            else {"messaging_service_sid": config.messaging_service_sid}
        )
        self._http = _Http(config)
        # An empty environment: nothing but the configuration decides where messages go.
        self._client = Client(
            config.account_sid, config.auth_token(), http_client=self._http, environment={"": ""}
        )

    def send(self, request: SmsRequest) -> SmsResult:
        """Hand one message over."""
        marker = reference(request.key)
        text = request.text if marker in request.text else f"{request.text} {marker}"
        try:
            message = self._client.messages.create(
                to=request.to, body=text, **self._sender, **self._callback(marker)
            )
        except TwilioRestException as error:
            return _refusal(error.status, error.code, error.msg, self._http.headers)
        except requests.RequestException as error:
            reason = said(error)
            return Retry(f"the gateway cannot be reached: {reason}") if never_left(error) else Unknown(reason)
        except (TwilioException, ValueError, KeyError, TypeError) as error:
            return Unknown(f"the gateway's answer is not understood: {type(error).__name__}")
        return _outcome(message)

    def _callback(self, marker: str) -> dict[str, str]:
        """The address for receipts names the message, so that one whose answer was lost is known by its receipt."""
        return {} if self._status_url is None else {"status_callback": f"{self._status_url}?notice={marker}"}

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:
        """Look the message up by number and reference."""
        marker = reference(request.key)
        oldest = since_ms / 1000 - _CLOCK_MARGIN.total_seconds()
        seen = 0
        try:
            # Not filtered by date: messages that are still queued have no date of sending.
            for message in self._client.messages.stream(to=request.to, limit=_LOOK_LIMIT, page_size=100):
                seen += 1
                if marker in (message.body or ""):
                    return _outcome(message)
                created = message.date_created
                if isinstance(created, datetime) and created.timestamp() < oldest:
                    return None  # newest first: all others are older
        except TwilioRestException as error:
            return Unknown(f"the look-up was refused: HTTP {error.status}, code {error.code}")
        except requests.RequestException as error:
            return Unknown(f"the look-up failed: {said(error)}")
        except (TwilioException, ValueError, KeyError, TypeError) as error:
            return Unknown(f"the look-up's answer is not understood: {type(error).__name__}")
        if seen >= _LOOK_LIMIT:
            return Unknown("too many messages to this number to look through")
        return None


class _Http(TwilioHttpClient):  # type: ignore[misc]
    """Twilio's own HTTP client, pointed at the configured address and keeping the last answer's headers.

    Connections are not pooled: a request on a connection that the other side has just closed would leave an
    outcome unknown for no reason. Nothing is retried here.
    """

    def __init__(self, config: TwilioConfig) -> None:
        super().__init__(pool_connections=False)
        self._base = urlsplit(config.api_base)
        self.timeout = (config.connect_timeout_s, config.timeout_s)
        self._answer = threading.local()

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        parts = urlsplit(url)
        path = self._base.path.rstrip("/") + parts.path
        address = parts._replace(scheme=self._base.scheme, netloc=self._base.netloc, path=path).geturl()
        self._answer.headers = {}
        response = super().request(method, address, *args, **kwargs)
        self._answer.headers = response.headers or {}
        return response

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the last answer that the calling thread got."""
        return getattr(self._answer, "headers", {})

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Nothing: requests hold numbers, texts and the token."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Nothing, for the same reason."""


def _outcome(message: Any) -> SmsResult:
    status = str(message.status or "")
    if status in _FAILED:
        code = "" if message.error_code is None else str(message.error_code)
        return Refused(NEVER.get(_number(code), mask_text(str(message.error_message or status))), code)
    if not message.sid:
        return Unknown("the gateway's answer names no message")
    segments = _number(message.num_segments)
    price = None if message.price is None else str(message.price)
    # A messaging service counts segments only when it has chosen a sender; until then it says 0.
    return Accepted(str(message.sid), segments or None, price, message.price_unit if price else None)


def _refusal(status: int, code: int | None, message: str, headers: Mapping[str, str]) -> SmsResult:
    """What an answer other than 2xx means. Codes are more exact than the status, so they go first."""
    text = mask_text(str(message))
    if code in NEVER:
        return Refused(NEVER[code], str(code))
    if code in ACCOUNT or status in (401, 403):
        said = ACCOUNT.get(code or 0, text)
        return Retry(f"the gateway refuses this account: {said} (code {code})", _ACCOUNT_RETRY_S)
    if code in RETRY or status == 429:
        after = headers.get("Retry-After", "")
        # Given in seconds; a date, which HTTP also allows, is left to our own back-off.
        return Retry(RETRY.get(code or 0, "too many requests"), float(after) if after.isdigit() else None)
    if status >= 500 or status == 408 or status < 400:
        return Unknown(f"the gateway answered HTTP {status}")
    return Refused(text or f"HTTP {status}", "" if code is None else str(code))


def _number(text: object) -> int:
    return int(text) if isinstance(text, int) or (isinstance(text, str) and text.isdigit()) else 0


# Call-backs: what Twilio posts to us, signed with the account's token.


@dataclass(frozen=True, slots=True)
class TwilioReport:
    """What became of a message, as far as this call-back knows."""

    provider_id: str
    phone: str = field(repr=False)
    status: str
    outcome: Literal["sent", "delivered", "failed"]
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TwilioAnswer:
    """A message that somebody sent to us; `asks` is what Twilio itself understood of it, if anything."""

    phone: str = field(repr=False)
    text: str = field(repr=False)
    asks: Literal["stop", "start"] | None


def is_signed(config: TwilioConfig, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether Twilio sent this form to this address.

    Raises:
        PatrolError: the token cannot be read.
    """
    return bool(signature) and bool(
        RequestValidator(config.auth_token()).validate(url, dict(form), signature)
    )


def read_report(form: Mapping[str, str]) -> TwilioReport:
    """A status call-back.

    Raises:
        ValueError: it names no message or no status.
    """
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not sid or not status or len(sid) > 100 or len(status) > 40:
        raise ValueError("names no message or no status")
    code = form.get("ErrorCode", "")[:100]
    if status in _FAILED:
        return TwilioReport(sid, form.get("To", ""), status, "failed", code, NEVER.get(_number(code), status))
    outcome: Literal["sent", "delivered"] = "delivered" if status in ("delivered", "read") else "sent"
    return TwilioReport(sid, form.get("To", ""), status, outcome, "", "")


def read_answer(form: Mapping[str, str]) -> TwilioAnswer:
    """An incoming message.

    Raises:
        ValueError: it names no sender.
    """
    phone = form.get("From", "")
    if not phone:
        raise ValueError("names no sender")
    asks: dict[str, Literal["stop", "start"]] = {"STOP": "stop", "START": "start"}
    return TwilioAnswer(phone, form.get("Body", ""), asks.get(form.get("OptOutType", "")))
