"""Officers who answer as the script says: some by real pages in Chromium, the others by the same calls that a phone makes."""

from __future__ import annotations

import io
import threading
import uuid
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from PIL import Image

from benchmarks.day.agents import place_of
from benchmarks.day.script import MINUTE, RESPONSE_MS, THINKS_MS, Answer, Script, Stay
from benchmarks.day.world import World, post_of
from protocol.clock import Millis, SystemClock
from protocol.errors import UnavailableError

LOOK_S = 0.3
PLACE_EVERY_S = 1.2
OFFLINE_MS = 4 * MINUTE
"""An outcome that is tapped without a network was tapped so long before it arrives."""

TIMEOUT_S = 20
TRIES = 4


class Hands(Protocol):
    """How an officer presses buttons."""

    def accept(self, order: int) -> None: ...

    def decline(self, order: int, reason: str) -> None: ...

    def photo(self, order: int, data: bytes) -> None: ...

    def tap_offline(self, order: int, result: str, note: str) -> None: ...

    def close(self, order: int, result: str, note: str) -> None: ...


@dataclass(order=True)
class Plan:
    """Something that an officer will do."""

    at_ms: Millis
    what: str = field(compare=False)
    order: int = field(compare=False)
    stay: Stay = field(compare=False)
    tries: int = field(default=1, compare=False)


class Phone:
    """The calls of one officer's phone over HTTP, with keys, as its outbox makes them."""

    def __init__(self, world: World, officer: int, twice: Counter[str]) -> None:
        self.user = world.users[officer]
        self._world = world
        self._twice = twice
        self._web = requests.Session()
        name, value = world.cookies[officer]
        self._web.cookies.set(name, value)
        self._csrf = ""
        self._tapped: dict[int, Millis] = {}
        self.again = False

    def mine(self) -> dict[str, Any]:
        """What is offered and what is mine."""
        return self._json("get", "/dispatch/mine/")

    def stand(self, place: tuple[float, float]) -> None:
        """Say where I am; whoever is not on duty is told so and not followed."""
        fix = {
            "longitude": place[0],
            "latitude": place[1],
            "accuracy_m": 15,
            "at_ms": self._world.clock.utc_ms(),
        }
        answer = self._post("/dispatch/position/", json=fix)
        if answer.status_code not in {200, 409}:
            raise UnavailableError(f"/dispatch/position/ answered HTTP {answer.status_code}")

    def accept(self, order: int) -> None:
        self._act(order, "accept")

    def decline(self, order: int, reason: str) -> None:
        self._act(order, "decline", reason=reason)

    def photo(self, order: int, data: bytes) -> None:
        self._act(order, "photo", data)

    def tap_offline(self, order: int, result: str, note: str) -> None:  # noqa: ARG002
        self._tapped[order] = self._world.clock.utc_ms()

    def close(self, order: int, result: str, note: str) -> None:
        self._act(order, "outcome", result=result, note=note)

    def _act(self, order: int, kind: str, photo: bytes | None = None, **fields: str) -> None:
        tapped = self._tapped.pop(order, self._world.clock.utc_ms())
        sent = {
            "user": str(self.user), "key": str(uuid.uuid4()), "order": str(order), "kind": kind,
            "tapped_ms": str(tapped), "ahead_ms": "0", **fields,
        }  # fmt: skip
        for time in range(2 if self.again else 1):
            files = None if photo is None else {"photo": ("shot.jpg", photo, "image/jpeg")}
            answer = self._post("/field/submissions", data=sent, files=files)
            if answer.status_code != 200:
                raise UnavailableError(
                    f"{kind} of task {order}: HTTP {answer.status_code} {answer.text[:200]}"
                )
            self._twice[kind] += time

    def _post(self, path: str, **what: Any) -> requests.Response:
        if not self._csrf:
            self._csrf = str(self._json("get", "/field/session")["csrf"])
        headers = {"X-CSRFToken": self._csrf, "Referer": self._world.url + path, "Accept": "application/json"}
        return self._web.post(self._world.url + path, headers=headers, timeout=TIMEOUT_S, **what)

    def _json(self, method: str, path: str) -> dict[str, Any]:
        answer = self._web.request(method, self._world.url + path, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            raise UnavailableError(f"{path} answered HTTP {answer.status_code}")
        found: dict[str, Any] = answer.json()
        return found


class Officer:
    """One officer in a thread: looks what is offered and does what the script says."""

    def __init__(self, world: World, script: Script, officer: int, *, browser: bool) -> None:
        self.number, self.browser = officer, browser
        self.failures: list[str] = []
        self.strange: list[str] = []
        self.twice: Counter[str] = Counter()
        self.pressed: Counter[str] = Counter()
        self._world, self._script = world, script
        self._stays: dict[tuple[str, str], list[Stay]] = {}
        for stay in script.stays:
            place = place_of(stay.agent, stay.camera, stay.zone)
            self._stays.setdefault((place, stay.look), []).append(stay)
        self._plans: list[Plan] = []
        self._seen: set[int] = set()
        self._tunnel: Plan | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=f"officer {officer}", daemon=True)

    def start(self) -> None:
        """Begin the day."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(40)

    @property
    def busy(self) -> bool:
        """Whether something is still planned."""
        return bool(self._plans)

    def _guarded(self) -> None:
        try:
            with ExitStack() as stack:
                self._run(stack)
        except BaseException as error:
            self.failures.append(f"officer {self.number} gave up: {error!r}")
            raise

    def _run(self, stack: ExitStack) -> None:
        phone = Phone(self._world, self.number, self.twice)
        hands: Hands = phone
        if self.browser:
            from benchmarks.day.browser import Page

            hands = stack.enter_context(Page(self._world, self.number))
        clock = SystemClock()
        stood = -1_000_000
        place = post_of(self._script, self.number)
        while not self._stop.wait(LOOK_S):
            try:
                if clock.monotonic_ms() - stood >= PLACE_EVERY_S * 1000:
                    stood = clock.monotonic_ms()
                    phone.stand(place)
                self._look(phone.mine())
            except (requests.RequestException, UnavailableError) as error:
                self.failures.append(str(error))
                continue
            now = self._world.clock.utc_ms()
            for plan in sorted(plan for plan in self._plans if plan.at_ms <= now):
                if self._tunnel is not None and plan.order != self._tunnel.order:
                    continue  # without a network nothing else goes either
                self._plans.remove(plan)
                self._through_tunnel(plan)
                if plan.tries > 1 and not _still_to_do(plan, phone.mine()):
                    continue
                phone.again = plan.stay.again
                try:
                    self._do(hands, plan)
                    if plan.what == "taps offline":
                        self._stay_in_tunnel(plan)
                except Exception as error:  # as a person would, the officer tries again; it is counted
                    self.failures.append(
                        f"officer {self.number}, {plan.what} of stay {plan.stay.number}: {error}"
                    )
                    if plan.tries < TRIES:
                        plan.at_ms, plan.tries = now + MINUTE, plan.tries + 1
                        self._plans.append(plan)

    def _look(self, mine: dict[str, Any]) -> None:
        for offer in mine["offers"]:
            if offer["offer"] in self._seen:
                continue
            self._seen.add(offer["offer"])
            due = int(offer["task"]["due_at_ms"])
            came = due - RESPONSE_MS - self._world.began_ms
            alike = self._stays[offer["task"]["place"], offer["task"]["plate"][-2:]]
            stay = max((each for each in alike if each.arrives_ms <= came), key=lambda each: each.number)
            answer = self._answer(stay, due)
            if answer is None:
                self.strange.append(f"officer {self.number} was offered stay {stay.number}")
                continue
            if answer != "silent":
                at = int(offer["offered_at_ms"]) + THINKS_MS[answer]
                self._plans.append(Plan(at, answer, int(offer["task"]["task"]), stay))
            if answer == "accepts":
                self._plan_the_end(int(offer["task"]["task"]), stay, due)

    def _answer(self, stay: Stay, due_ms: Millis) -> Answer | None:
        """What this officer says to this task; None: the script does not ask this officer."""
        asked = self._script.asked(stay.agent, due_ms - RESPONSE_MS - self._world.began_ms)
        place = asked.index(self.number) if self.number in asked else len(stay.answers)
        return stay.answers[place] if place < len(stay.answers) else None

    def _plan_the_end(self, order: int, stay: Stay, due_ms: Millis) -> None:
        if stay.finish != "closed":
            return
        at = due_ms - RESPONSE_MS + stay.closes_ms
        if stay.photo:
            self._plans.append(Plan(at - 4 * MINUTE, "photo", order, stay))
        if stay.offline:
            self._plans.append(Plan(at - OFFLINE_MS, "taps offline", order, stay))
        self._plans.append(Plan(at, "closes", order, stay))

    def _through_tunnel(self, plan: Plan) -> None:
        """The network goes with the tap and is back at the closing."""
        if plan.what == "closes":
            self._tunnel = None
        if plan.what == "taps offline":
            self._tunnel = plan

    def _stay_in_tunnel(self, tap: Plan) -> None:
        """The closing comes no less than four minutes after the tap, however long the tap itself took."""
        for other in self._plans:
            if other.order == tap.order and other.what == "closes":
                other.at_ms = max(other.at_ms, self._world.clock.utc_ms() + OFFLINE_MS)

    def _do(self, hands: Hands, plan: Plan) -> None:
        note = f"第{plan.stay.number}号"
        self.pressed[plan.what] += 1
        match plan.what:
            case "accepts":
                hands.accept(plan.order)
            case "declines":
                hands.decline(plan.order, "太远了")
            case "photo":
                hands.photo(plan.order, _shot(plan.stay.number))
            case "taps offline":
                hands.tap_offline(plan.order, plan.stay.result, note)
            case _:
                hands.close(plan.order, plan.stay.result, note)


def _still_to_do(plan: Plan, mine: dict[str, Any]) -> bool:
    """Whether a button that seemed to fail has not worked after all."""
    if plan.what in {"accepts", "declines"}:
        return plan.order in {offer["task"]["task"] for offer in mine["offers"]}
    return plan.order in {task["task"] for task in mine["tasks"]}


def _shot(number: int) -> bytes:
    """A small photo, different for each stay."""
    out = io.BytesIO()
    image = Image.new("RGB", (640, 480), (number % 256, 90, number // 256 * 40))
    image.paste((200, number * 7 % 256, 60), (40, 40, 200 + number % 200, 300))
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def all_at_rest(officers: list[Officer]) -> bool:
    """Whether nobody has anything left to do."""
    with suppress(RuntimeError):
        return not any(officer.busy for officer in officers)
    return False
