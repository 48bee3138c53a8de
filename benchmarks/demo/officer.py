"""An officer who works by the same pages as a person: opens the link, accepts, says what was found."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import requests

from protocol.errors import UnavailableError

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_TASK = re.compile(r'href="(/officer/(\d+)/)"')
_TIMEOUT_S = 10


class ScriptedOfficer:
    """One logged-in officer.

    Args:
        link: a one-time log-in link.
    """

    def __init__(self, link: str) -> None:
        self._link = link
        self._web = requests.Session()

    def log_in(self) -> None:
        """Follow the link and press its button."""
        self._submit(self._link, self._link, {})

    def waiting(self) -> list[int]:
        """Numbers of the tasks on the officer's page, newest first."""
        page = self._get("/officer/")
        return sorted({int(number) for _, number in _TASK.findall(page)}, reverse=True)

    def pictures(self, number: int) -> int:
        """How many evidence pictures the task's page shows, each fetched and seen to be a JPEG."""
        page = self._get(f"/officer/{number}/")
        found = set(re.findall(r'src="(/cases/\d+/pictures/[0-9a-f]{64}\.jpg)"', page))
        for address in found:
            answer = self._web.get(urljoin(self._link, address), timeout=_TIMEOUT_S)
            if answer.status_code != 200 or not answer.content.startswith(b"\xff\xd8"):
                raise UnavailableError(f"{address} is no picture (HTTP {answer.status_code})")
        return len(found)

    def accept(self, number: int) -> None:
        """Press Accept."""
        self._submit(f"/officer/{number}/", f"/officer/{number}/accept/", {})

    def close(self, number: int, result: str, note: str) -> None:
        """Say what was found."""
        self._submit(f"/officer/{number}/", f"/officer/{number}/close/", {"result": result, "note": note})

    def _get(self, address: str) -> str:
        answer = self._web.get(urljoin(self._link, address), timeout=_TIMEOUT_S)
        if answer.status_code != 200:
            raise UnavailableError(f"{address} answered HTTP {answer.status_code}")
        return answer.text

    def _submit(self, form: str, action: str, fields: dict[str, str]) -> None:
        token = _TOKEN.search(self._get(form))
        if token is None:
            raise UnavailableError(f"{form} has no form")
        address = urljoin(self._link, action)
        answer = self._web.post(
            address,
            data={**fields, "csrfmiddlewaretoken": token.group(1)},
            headers={"Referer": address},
            timeout=_TIMEOUT_S,
        )
        if answer.status_code != 200:
            raise UnavailableError(f"{action} answered HTTP {answer.status_code}")
