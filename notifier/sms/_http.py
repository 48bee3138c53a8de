"""What a failed HTTP request tells: whether it certainly never left, and what kind of trouble it was."""

from __future__ import annotations

import ssl

import requests
import urllib3.exceptions


def never_left(error: BaseException) -> bool:
    """Whether the request certainly was not sent: no connection was made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, urllib3.exceptions.NewConnectionError | ssl.SSLCertVerificationError):
            return True
        reason = getattr(cause, "reason", None)
        inner = cause.args[0] if cause.args else None
        following = next((one for one in (reason, inner) if isinstance(one, BaseException)), None)
        cause = following if following is not cause else None
    return False


def said(error: BaseException) -> str:
    """The kind of trouble; the error's own text holds addresses and numbers."""
    if isinstance(error, requests.ReadTimeout):
        return "no answer in time"
    return {"ConnectTimeout": "no connection in time", "ConnectionError": "the connection failed"}.get(
        type(error).__name__, type(error).__name__
    )
