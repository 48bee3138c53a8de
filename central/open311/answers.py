"""Answers of GeoReport v2 in its two formats, and its errors. Pure but for the settings' time zone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree  # only writes here; nothing is read with it

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from central.project.clock import local
from protocol.clock import Millis

TYPES = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}

MEMBERS = {
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
    "notes": "note",
    "media_urls": "media_url",
    "errors": "error",
    "services": "service",
    "service_requests": "request",
}
"""What one member of a list is called in XML."""

_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class Open311Error(Exception):
    """An answer other than success.

    Args:
        code: the HTTP status, and the code in the body.
        description: what is wrong, for the one who writes the client.
        wait_s: seconds after which it may be tried again.
    """

    def __init__(self, code: int, description: str, wait_s: int = 0) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.wait_s = wait_s


def answer(form: str, root: str, content: Any, status: int = 200) -> HttpResponse:
    """An answer in a format.

    Args:
        form: json or xml.
        root: the root element in XML; JSON has none.
        content: a dict or a list of dicts; None is an empty element or null.
        status: the HTTP status.
    """
    body = _xml(root, content) if form == "xml" else json.dumps(content, ensure_ascii=False).encode()
    response = HttpResponse(body, status=status, content_type=TYPES[form])
    response["Cache-Control"] = "no-store"
    response["Access-Control-Allow-Origin"] = "*"
    patch_vary_headers(response, ["Accept-Language"])
    return response


def refuse(form: str, error: Open311Error) -> HttpResponse:
    """An error as the specification writes it: a list of code and description."""
    content = [{"code": error.code, "description": error.description}]
    response = answer(form, "errors", content, error.code)
    if error.wait_s:
        response["Retry-After"] = str(error.wait_s)
    return response


def too_many(path: str, wait_s: int) -> tuple[str, bytes]:
    """Type and body of the answer for whoever called too often."""
    return _too_many("json" if path.endswith(".json") else "xml", wait_s)


@lru_cache(64)
def _too_many(form: str, wait_s: int) -> tuple[str, bytes]:
    found = refuse(form, Open311Error(429, f"too many calls; come back in {wait_s} s", wait_s))
    return TYPES[form], found.content


def w3(at_ms: Millis | None) -> str | None:
    """An instant as ``2026-11-29T08:15:30+08:00``, in the centre's time zone."""
    if at_ms is None:
        return None
    return local(at_ms).isoformat(timespec="seconds")


def instant(name: str, text: str) -> Millis:
    """Milliseconds of an instant that a client wrote.

    Raises:
        Open311Error: not in W3C's form of ISO 8601, or without its offset from UTC.
    """
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError(text)
        at_ms = round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Open311Error(
            400, f"{name}: write an instant with its offset from UTC, such as 2026-11-29T00:00:00Z"
        ) from None
    if not 0 <= at_ms < 2**52:
        raise Open311Error(400, f"{name}: this instant lies outside of all that is kept")
    return at_ms


def _xml(root: str, content: Any) -> bytes:
    element = ElementTree.Element(root)
    _fill(element, root, content)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(element, encoding="utf-8")


def _fill(element: ElementTree.Element, name: str, content: Any) -> None:
    if isinstance(content, dict):
        for key, value in content.items():
            _fill(ElementTree.SubElement(element, key), key, value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for member in content:
            _fill(ElementTree.SubElement(element, MEMBERS[name]), "", member)
    elif isinstance(content, bool):
        element.text = "true" if content else "false"
    elif content is not None:
        element.text = _NOT_IN_XML.sub("\ufffd", str(content))
