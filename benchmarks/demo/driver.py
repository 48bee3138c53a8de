"""A driver who does what the message says, on the same page as a person: follows the link, sees his bay, drives off and
says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import requests

from benchmarks.demo.check import Finding
from benchmarks.demo.stage import OFFERED_BAYS
from protocol.clock import Millis
from protocol.errors import UnavailableError

_LINK = re.compile(r"https?://[^\s/]+/n/[\w-]{32}(?![\w-])")
_NONCE = re.compile(r'name="nonce" value="([^"]+)"')
_BAY = re.compile(r"<b>([^<]+)</b>")
_TIMEOUT_S = 10
_PULLS_OUT_MS = 1_000
"""He presses the button at the wheel: a moment after the car has begun to move."""


@dataclass
class ScriptedDriver:
    """One warned driver with a phone: no cookie, no script.

    Args:
        camera: at which his vehicle stands.
        plate: of his vehicle; it must never be on the page in full.
    """

    camera: str
    plate: str
    link: str = ""
    bays: list[str] = field(default_factory=list)
    kept: int = 0
    picture: bool = False
    plate_shown: bool = False
    pressed: bool = False
    thanked: bool = False
    kept_after: bool = False

    def open(self, messages: list[dict[str, Any]]) -> str | None:
        """Follow the link of the message that came for this camera's case; the link, when it has just been opened."""
        if self.link:
            return None
        for message in messages:
            found = _LINK.search(str(message["text"]))
            if f"/{self.camera}/" in str(message["key"]) and found is not None:
                self.link = found[0]
                page = self._page()
                self.bays = [unescape(name) for name in _BAY.findall(page)]
                self.kept = page.count('class="keep"')
                self.plate_shown = self.plate in page
                return self.link
        return None

    def look(self) -> bool:
        """Whether the own vehicle can be seen by now; asked until it can."""
        if self.link and not self.picture:
            answer = requests.get(f"{self.link}/picture.jpg", timeout=_TIMEOUT_S)
            self.picture = answer.status_code == 200 and answer.content.startswith(b"\xff\xd8")
            return self.picture
        return False

    def leave(self, now_ms: Millis, leaves_ms: Millis) -> bool:
        """Press "I have left", once, when the vehicle pulls out; True if it was pressed now."""
        if not self.link or self.pressed or now_ms < leaves_ms + _PULLS_OUT_MS:
            return False
        nonce = _NONCE.search(self._page())
        if nonce is None:  # no button any more: the camera was faster
            return False
        form = {"nonce": nonce[1], "lang": "en"}
        answer = requests.post(f"{self.link}/left", data=form, timeout=_TIMEOUT_S, allow_redirects=False)
        self.pressed = answer.status_code == 303
        return self.pressed

    def thanks(self) -> bool:
        """Whether the page thanks him by now; True when it has just begun to."""
        if not self.pressed or self.thanked:
            return False
        page = self._page()
        self.thanked = "The sidewalk is clear" in page
        self.kept_after = 'class="keep"' in page
        return self.thanked

    def findings(self) -> list[Finding]:
        """What he met, compared with what the street has."""
        wanted = ", ".join(OFFERED_BAYS)
        return [
            _equal("the link in his message opens", yes=bool(self.link)),
            Finding("driver: bays offered", wanted, ", ".join(self.bays), self.bays == list(OFFERED_BAYS)),
            Finding("driver: bays kept for him", "1", str(self.kept), self.kept == 1),
            _equal("his plate is masked", yes=bool(self.link) and not self.plate_shown),
            _equal("sees his own vehicle", yes=self.picture),
            _equal("says that he has left", yes=self.pressed),
            _equal("is thanked: the sidewalk is clear", yes=self.thanked),
            _equal("his bay stays kept while he is on the way", yes=self.kept_after),
        ]

    def _page(self) -> str:
        answer = requests.get(self.link, headers={"Accept-Language": "en"}, timeout=_TIMEOUT_S)
        if answer.status_code != 200:
            raise UnavailableError(f"the driver's page answered HTTP {answer.status_code}")
        return answer.text


def _equal(what: str, *, yes: bool) -> Finding:
    return Finding(f"driver: {what}", "yes", "yes" if yes else "no", yes)
