"""Logs: one line for people, or one JSON object a line for machines; plates, numbers and credentials masked in both.

What a record is about - the call, the case, the worker - is kept in a context of the thread or task, so that nobody has to
write it into each message.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from notifier.masking import mask_text
from protocol.clock import iso

TEXT, JSON = "text", "json"
LINE = "{asctime} {levelname} {name}: {message}"

_about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039  # never changed in place
_process: dict[str, str] = {}


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Records written meanwhile say what they are about: `request`, `case`, `agent`. Nests."""
    token = _about.set({**_about.get(), **{name: str(fact) for name, fact in facts.items()}})
    try:
        yield
    finally:
        _about.reset(token)


def this_is(worker: str) -> None:
    """Every record of this process names its part: `web`, `ingest`, ..."""
    _process["worker"] = worker


class JsonLines(logging.Formatter):
    """One JSON object a line. Behind `notifier.masking.MaskingFilter`, which masks message, exception and stack; what the
    record is about is masked here."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; never fails for what a record holds."""
        told: dict[str, Any] = {
            "time": iso(round(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_process,
            **{name: mask_text(fact) for name, fact in _about.get().items()},
            "message": record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            told["exception"] = record.exc_text
        if record.stack_info:
            told["stack"] = self.formatStack(record.stack_info)
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


class TextLines(logging.Formatter):
    """A line for people; what it is about stands in brackets before the message."""

    def __init__(self) -> None:
        super().__init__(LINE, style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """As `logging` asks for it."""
        facts = " ".join(f"{name}={mask_text(fact)}" for name, fact in _about.get().items())
        if facts:
            record.message = f"[{facts}] {record.message}"
        return super().formatMessage(record)


def configuration(form: str) -> dict[str, Any]:
    """Django's LOGGING for one of the two forms."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            TEXT: {"()": "central.project.logs.TextLines"},
            JSON: {"()": "central.project.logs.JsonLines"},
        },
        "filters": {"masked": {"()": "notifier.masking.MaskingFilter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form, "filters": ["masked"]}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "central": {"level": "INFO"},
            "notifier": {"level": "INFO"},
            "uvicorn": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
            # What a caller sends is no fault of ours, and whoever sends it a thousand times writes no log with it.
            "django.security.NulError": {"level": "CRITICAL"},
        },
    }
