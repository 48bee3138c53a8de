"""Where the hour is played: people with browsers, and lives that go on at their time.

A life is a generator: it yields the instant (milliseconds from the beginning of the hour) at which it goes on, and between two
yields does what somebody does then. A few threads take the next life that is due.
"""

from __future__ import annotations

import heapq
import io
import itertools
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from PIL import Image
from requests.adapters import HTTPAdapter

from benchmarks.centre import JURISDICTION, Centre
from benchmarks.hour.ground import MINUTE
from protocol.errors import UnavailableError

T = TypeVar("T")
Life = Generator[int, None, None]

HANDS = 6
"""Threads in which people act."""

TIMEOUT_S = 60
LOOK_MS = MINUTE // 2
PATIENCE_MS = 30 * MINUTE
"""How long a life waits for what the centre does by itself."""

_FIELD = re.compile(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"')


class StoryError(Exception):
    """The centre did not do what the script expects here."""


class _From(HTTPAdapter):
    """Calls from an address of its own on this machine: limits for one address are not the limits of a whole sub-district."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self._address, 0))  # type: ignore[no-untyped-call]


@dataclass
class Stage:
    """Who is there, what they do, and what went wrong.

    Attributes:
        staff: name of a person -> cookie of the session and number at the centre.
        failures: what went otherwise than the script says, in words.
        calls: HTTP calls by what they were for.
        late_ms: by how much the latest step came too late, milliseconds of the script.
    """

    centre: Centre
    staff: dict[str, tuple[tuple[str, str], int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    late_ms: int = 0

    def __post_init__(self) -> None:
        self._local = threading.local()
        self._heap: list[tuple[int, int, str, Life]] = []
        self._turn = threading.Condition()
        self._order = itertools.count()
        self._busy = 0
        self._over = False
        self._threads: list[threading.Thread] = []

    @property
    def jurisdiction(self) -> str:
        """Whose hour this is."""
        return JURISDICTION

    @property
    def now_ms(self) -> int:
        """Milliseconds since the beginning of the hour."""
        return self.centre.clock.utc_ms() - self.centre.began_ms

    def utc_ms(self, at_ms: int) -> int:
        """An instant of the script on the centre's clock."""
        return self.centre.began_ms + at_ms

    # --- people -----------------------------------------------------------------------------------------------------

    def act(
        self,
        person: str,
        path: str,
        given: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
    ) -> requests.Response:
        """Somebody of the staff sends a form.

        Raises:
            StoryError: it was not taken.
        """
        web = self._browser(person)
        answer = web.post(
            self.centre.url + path, data=given or {}, files=files, allow_redirects=False, timeout=TIMEOUT_S
        )
        self.calls[f"{person.rstrip('0123456789')} does"] += 1
        if answer.status_code >= 400:
            raise StoryError(f"{person}: {path} answered HTTP {answer.status_code}: {_said(answer.text)}")
        return answer

    def step(self, person: str, case: int, name: str, **given: Any) -> None:
        """Somebody takes a step of a case on its page.

        Raises:
            StoryError: the case does not take it.
        """
        self.act(person, f"/cases/{case}/steps/{name}/", given)

    def step_with_photo(self, person: str, case: int, name: str) -> None:
        """The same with a photo, as its proof."""
        files = {"photo_file": ("shot.jpg", photo(case), "image/jpeg")}
        self.act(person, f"/cases/{case}/steps/{name}/", {}, files)

    def browser_of(self, number: int) -> requests.Session:
        """A resident's or a program's own browser, with an address of its own."""
        web = requests.Session()
        adapter = _From(f"127.{1 + number // 60_000}.{number // 240 % 250}.{1 + number % 240}")
        web.mount("http://", adapter)
        web.headers["Accept-Language"] = "zh-hans"
        return web

    def form(self, web: requests.Session, path: str) -> dict[str, str]:
        """Open a page with a form: the values that it carries hidden.

        Raises:
            StoryError: it does not open.
        """
        page = web.get(self.centre.url + path, timeout=TIMEOUT_S)
        self.calls["resident opens a page"] += 1
        if page.status_code != 200:
            raise StoryError(f"{path} answered HTTP {page.status_code}: {_said(page.text)}")
        found: dict[str, str] = {}
        for name, value in _FIELD.findall(page.text):
            found.setdefault(name, value)
        return found

    def _browser(self, person: str) -> requests.Session:
        known: dict[str, requests.Session] | None = getattr(self._local, "browsers", None)
        if known is None:
            known = self._local.browsers = {}
        if person not in known:
            from django.conf import settings

            web = requests.Session()
            (name, value), _number = self.staff[person]
            token = secrets.token_hex(16)
            web.cookies.set(name, value)
            web.cookies.set(settings.CSRF_COOKIE_NAME, token)
            web.headers.update({"X-CSRFToken": token, "Accept-Language": "en"})
            known[person] = web
        return known[person]

    # --- lives ------------------------------------------------------------------------------------------------------

    def add(self, lives: Iterable[tuple[str, Life]]) -> None:
        """Lives with a name each; they begin when they say."""
        with self._turn:
            for name, life in lives:
                heapq.heappush(self._heap, (0, next(self._order), name, life))
            self._turn.notify_all()

    def until(self, what: str, look: Callable[[], T | None]) -> Generator[int, None, T]:
        """Wait for what the centre does by itself.

        Args:
            what: in words, for the failure.
            look: gives what is waited for, or None as long as it is not there.

        Raises:
            StoryError: it did not come in time.
        """
        ends = self.now_ms + PATIENCE_MS
        while True:
            found = look()
            if found is not None:
                return found
            if self.now_ms > ends:
                raise StoryError(f"{what}: did not happen within {PATIENCE_MS // MINUTE} min")
            yield self.now_ms + LOOK_MS

    def start(self) -> None:
        """Let lives go on."""
        for number in range(HANDS):
            thread = threading.Thread(target=self._work, name=f"hands {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def alive(self) -> int:
        """How many lives go on."""
        with self._turn:
            return len(self._heap) + self._busy

    def close(self) -> None:
        """No life goes on."""
        with self._turn:
            self._over = True
            self._turn.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _work(self) -> None:
        from django.db import connection

        try:
            while (taken := self._next()) is not None:
                at_ms, name, life = taken
                if at_ms:
                    self.late_ms = max(self.late_ms, self.now_ms - at_ms)
                again: int | None = None
                try:
                    again = next(life)
                except StopIteration:
                    pass
                except (StoryError, UnavailableError, requests.RequestException) as error:
                    self.failures.append(f"{name}: {error}")
                except (
                    Exception
                ) as error:  # a mistake of the benchmark's own shows as a failure, not as a figure
                    self.failures.append(f"{name}: {error!r}")
                with self._turn:
                    self._busy -= 1
                    if again is not None:
                        heapq.heappush(self._heap, (again, next(self._order), name, life))
                    self._turn.notify()
        finally:
            connection.close()

    def _next(self) -> tuple[int, str, Life] | None:
        with self._turn:
            while not self._over:
                if self._heap:
                    wait_ms = self._heap[0][0] - self.now_ms
                    if wait_ms <= 0:
                        at_ms, _order, name, life = heapq.heappop(self._heap)
                        self._busy += 1
                        return at_ms, name, life
                    self._turn.wait(wait_ms / 1000 / self.centre.clock.speed)
                else:
                    self._turn.wait(0.5)
            return None


def photo(number: int) -> bytes:
    """A small photo, different for each number."""
    out = io.BytesIO()
    image = Image.new("RGB", (480, 360), (number % 256, 120, number // 256 % 256))
    image.paste((200, number * 7 % 256, 60), (40, 40, 200 + number % 200, 240))
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _said(text: str) -> str:
    """What a page says of an error, without its frame."""
    found = re.search(r'role="alert"[^>]*>(.*?)</', text, re.DOTALL)
    shown = found[1] if found else text
    return re.sub(r"<[^>]+>|\s+", " ", shown).strip()[:200]
