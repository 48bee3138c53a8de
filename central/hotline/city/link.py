"""Calls to the city platform over HTTP: signed, with a time limit, and with two kinds of failure."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import requests
from pydantic import BaseModel, ValidationError

from central.hotline.city.messages import BODY_BYTES, Page, Standings, signed
from central.hotline.config import City
from central.project.clock import now_ms

Message = TypeVar("Message", bound=BaseModel)

AGAIN = frozenset({408, 425, 429})
"""Refusals that may be none the next time, beside all of 500 and above."""


class CityTroubleError(Exception):
    """The platform did not answer, or said that it is in trouble: try again later."""


class CityRefusedError(Exception):
    """The platform will not have it."""


class CityLink:
    """One platform; may be used from several threads, as each call is its own.

    Args:
        city: where it is and what it is asked for.
        session: of HTTP; a fresh one where not given.

    Raises:
        PatrolError: the secret cannot be used.
    """

    def __init__(self, city: City, session: requests.Session | None = None) -> None:
        self.city = city
        self.jurisdiction_id = city.jurisdiction
        self._secret = city.secret
        self._session = session or requests.Session()
        self._base = city.url.rstrip("/")
        self._root = urlsplit(self._base).path

    def orders(self, cursor: str) -> Page:
        """What happened after the cursor.

        Raises:
            CityTroubleError, CityRefusedError
        """
        return self._read(Page, "/orders", after=cursor, limit=self.city.page)

    def order(self, number: str) -> dict[str, Any] | None:
        """One order, as it came; None where the platform does not know it.

        Raises:
            CityTroubleError, CityRefusedError
        """
        status, body = self._call("GET", f"/orders/{quote(number, safe='')}")
        if status == 404:
            return None
        _sane(status)
        found = _json(body)
        if not isinstance(found, dict):
            raise CityTroubleError("the answer is no order")
        return found

    def states(self, cursor: str) -> Standings:
        """A part of all orders and how they stand there.

        Raises:
            CityTroubleError, CityRefusedError
        """
        return self._read(Standings, "/states", after=cursor, limit=1000)

    def report(self, number: str, key: str, body: bytes) -> None:
        """Tell what became of an order; the key makes a repetition the same report.

        Raises:
            CityTroubleError, CityRefusedError
        """
        path = f"/orders/{quote(number, safe='')}/reports"
        headers = {"Idempotency-Key": quote(key, safe="/"), "Content-Type": "application/json"}
        status, _ = self._call("POST", path, body, headers)
        _sane(status)

    def _read(self, model: type[Message], path: str, **query: Any) -> Message:
        status, body = self._call("GET", f"{path}?{urlencode(query)}")
        _sane(status)
        try:
            return model.model_validate(_json(body))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CityTroubleError(f"the answer makes no sense: {where}: {first['msg']}"[:200]) from None

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        proof = signed(self._secret, method, self._root + path, now_ms(), body)
        try:
            with self._session.request(
                method,
                self._base + path,
                data=body or None,
                headers={**(headers or {}), **proof},
                timeout=self.city.timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as answer:
                read = bytearray()
                for part in answer.iter_content(65_536):
                    read += part
                    if len(read) > BODY_BYTES:
                        raise CityTroubleError(f"the answer has more than {BODY_BYTES} bytes")
                return answer.status_code, bytes(read)
        except (requests.RequestException, OSError) as error:
            raise CityTroubleError(f"no answer: {type(error).__name__}") from error


def _sane(status: int) -> None:
    if status // 100 == 2:
        return
    if status >= 500 or status in AGAIN:
        raise CityTroubleError(f"HTTP {status}")
    raise CityRefusedError(f"HTTP {status}")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise CityTroubleError("the answer is no JSON") from error
