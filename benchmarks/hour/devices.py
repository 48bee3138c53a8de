"""Devices that alarm, over the real broker and over HTTP, and those who look at their alarms."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.centre import Centre
from benchmarks.hour.ground import MINUTE, Spot, spot
from benchmarks.hour.stage import TIMEOUT_S, Life, Stage, StoryError
from benchmarks.hour.tally import Tally
from benchmarks.published import Row, one
from protocol.errors import UnavailableError

SERVICE = "iot_alarm"
SECOND = 1000

Kind = Literal[
    "calm",
    "fire",
    "flapping",
    "leak",
    "trace",
    "tampered",
    "twice",
    "false",
    "battery",
    "once",
    "moved",
    "silent",
    "camera",
]
"""calm: nothing. fire: smoke, urgent. flapping: smoke that comes and goes, one case. leak: gas, urgent, and traces of it, not
urgent. trace: traces alone. tampered: a detector taken off. twice: taken off again while its case is open. false: a dispatcher
finds nothing the matter. battery: low, which opens no case and lasts. once: low in one message, which is not enough. moved: a
cover, ended by hand. silent: a lift that is not heard for a while. camera: sends a picture, which is refused."""

TYPES: dict[str, str] = {
    "calm": "smoke", "fire": "smoke", "flapping": "smoke", "leak": "gas", "trace": "gas", "tampered": "smoke",
    "twice": "smoke", "false": "smoke", "battery": "smoke", "once": "smoke", "moved": "manhole", "silent": "lift",
    "camera": "smoke",
}  # fmt: skip
WELL: dict[str, dict[str, Any]] = {
    "smoke": {"smoke": 0.4, "battery": 88, "tamper": False}, "gas": {"gas": {"lel": 0, "valve": 1}}, "manhole": {"tilt": 1},
    "lift": {"state": "run", "floor": 3},
}  # fmt: skip
BEAT_MS = {"smoke": 60 * MINUTE, "gas": 30 * MINUTE, "manhole": 60 * MINUTE, "lift": 3 * MINUTE}
"""How often a device that is well says so."""

CASES = {"fire", "flapping", "leak", "trace", "tampered", "twice", "false", "moved"}
URGENT = {"fire", "flapping", "leak", "moved"}

Says = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Device:
    """One device and what becomes of it.

    Attributes:
        number: from 0. at_ms: when something begins.
        kind: what happens.
        http: whether it speaks HTTP, else MQTT.
        twice: whether its messages are brought twice.
        heeded: whether a dispatcher says that the alarm was seen.
    """

    number: int
    at_ms: int
    kind: Kind
    http: bool
    twice: bool
    heeded: bool

    @property
    def type(self) -> str:
        """Code of its type."""
        return TYPES[self.kind]

    @property
    def name(self) -> str:
        """As the broker knows it."""
        return f"{self.type}-{self.number:04d}"

    @property
    def spot(self) -> Spot:
        """Where it hangs."""
        return spot(self.number)

    @property
    def says(self) -> list[Says]:
        """Its messages that are out of the ordinary, and the first that is well again; own times from the hour's beginning."""
        at, m = self.at_ms, MINUTE
        match self.kind:
            case "fire":
                return [(at, {"smoke": 22.5}), (at + 9 * m, {"smoke": 0.5})]
            case "flapping":
                return [(at + n * 3 * m + off, {"smoke": value})
                        for n in range(4) for off, value in ((0, 19.0), (m, 0.4))]  # fmt: skip
            case "leak":
                return [(at, {"gas": {"lel": 34}}), (at + 8 * m, {"gas": {"lel": 0}})]
            case "trace":
                return [(at, {"gas": {"lel": 14}}), (at + 9 * m, {"gas": {"lel": 1}})]
            case "tampered" | "false":
                return [(at, {"smoke": 0.1, "tamper": True}), (at + 9 * m, {"smoke": 0.1, "tamper": False})]
            case "twice":
                return [(at + n * 5 * m, {"tamper": n % 2 == 0}) for n in range(4)]
            case "battery":
                return [(at, {"battery": 9}), (at + m, {"battery": 8})]
            case "once":
                return [(at, {"battery": 9}), (at + m, {"battery": 80})]
            case "moved":
                return [(at, {"tilt": 40}), (at + m, {"tilt": 41}), (at + 16 * m, {"tilt": 0})]
            case "camera":
                return [(at, {"smoke": 0.3, "image": "/9j/4AAQSkZJRgABAQ"}), (at + m, {"smoke": 0.3})]
            case _:
                return []

    @property
    def quiet(self) -> tuple[int, int]:
        """When it is not heard: a silent lift for a good while, others only while something is the matter."""
        if self.kind == "silent":
            return self.at_ms, self.at_ms + 24 * MINUTE
        said = self.says
        return (said[0][0] - 2 * MINUTE, said[-1][0] + 30 * MINUTE) if said else (0, 0)


def write(dice: random.Random, count: int, arriving_ms: int) -> list[Device]:
    """Devices by the dice."""
    kinds: tuple[Kind, ...] = (
        "calm", "fire", "flapping", "leak", "trace", "tampered", "twice", "false", "battery", "once", "moved", "silent",
        "camera",
    )  # fmt: skip
    found = []
    for number in range(count):
        kind = dice.choices(kinds, (18, 12, 4, 8, 8, 10, 5, 8, 6, 4, 8, 7, 2))[0]
        found.append(
            Device(
                number=number,
                at_ms=dice.randrange(3 * MINUTE, arriving_ms),
                kind=kind,
                http=kind != "silent" and dice.random() < 0.3,
                twice=dice.random() < 0.15,
                heeded=dice.random() < 0.6,
            )
        )
    return found


ALARMS: dict[str, dict[str, str]] = {
    "fire": {"smoke": "well"}, "leak": {"leak": "well", "trace": "well"}, "trace": {"trace": "well"},
    "tampered": {"tamper": "well"}, "false": {"tamper": "well"}, "battery": {"battery": ""}, "moved": {"moved": "person"},
    "silent": {"silent": "heard"},
}  # fmt: skip
"""What happens -> the alarms of it, each once, and why each ends; empty where it lasts."""

TIMES = {"flapping": ("smoke", 4), "twice": ("tamper", 2)}


def count(devices: list[Device], tally: Tally) -> None:
    """The figures of these devices."""
    figures = tally.figures
    for name in ("live", "unheeded", "raised", "flapping", "with_case", "refused"):
        figures[f"iot.{name}"] += 0
    for device in devices:
        alarms = [(what, why) for what, why in ALARMS.get(device.kind, {}).items()]
        if device.kind in TIMES:
            what, times = TIMES[device.kind]
            alarms = [(what, "well")] * times
        for what, why in alarms:
            figures["iot.raised"] += 1
            figures[f"iot.raised {what}"] += 1
            figures["iot.live"] += not why
            figures[f"iot.ended {why or 'not yet'}"] += 1
        # Of an alarm that comes again, or that has a second one beside it, only the first is said to be seen.
        figures["iot.unheeded"] += len(alarms) - (device.heeded and bool(alarms))
        figures["iot.flapping"] += device.kind == "flapping"
        figures["iot.with_case"] += len(alarms) if device.kind in CASES else 0
        figures["iot.refused"] += (device.kind == "camera") * (1 + device.twice)
        grid = device.spot.grid
        if device.kind in URGENT:
            tally.case(SERVICE, "mmmc", "fixed", grid)
        if device.kind in {"leak", "trace", "tampered"}:
            tally.case(SERVICE, "mc", "fixed", grid)
        if device.kind == "twice":
            tally.case(SERVICE, "mmmc", "fixed", grid)
        if device.kind == "false":
            tally.case(SERVICE, "c", "refused", grid)


def lives(devices: list[Device], stage: Stage) -> Iterator[tuple[str, Life]]:
    """What people do with their alarms."""
    for device in devices:
        kinds = {
            "flapping": ["smoke"], "twice": ["tamper"]
        }.get(device.kind, list(ALARMS.get(device.kind, ())))  # fmt: skip
        for what in kinds:
            yield (
                f"{what} of {device.name} ({device.kind})",
                _alarm(device, stage, what, first=what == kinds[0]),
            )


def _alarm(device: Device, stage: Stage, what: str, *, first: bool) -> Life:
    from central.iot.models import Alarm

    alarms = Alarm.objects.unscoped("a benchmark reads all of its own centre").filter(
        device__name=device.name, kind=what
    )
    began = device.at_ms + {
        "silent": 10 * MINUTE,
        "trace": 2 * MINUTE,
        "battery": MINUTE,
        "moved": MINUTE,
    }.get(what, 0)
    yield began + MINUTE
    alarm = yield from stage.until(f"{what} is raised", lambda: alarms.order_by("pk").first())
    if device.heeded and first:
        yield stage.now_ms + MINUTE
        stage.act("dispatcher0", f"/iot/alarms/{alarm.pk}/acknowledge/", {"note": "知道了"})
    if device.kind not in CASES:
        return
    case = yield from stage.until(
        f"{what} has a case",
        lambda: alarms.order_by("pk").values_list("case_id", flat=True).first(),
    )
    if device.kind == "moved":
        yield began + 10 * MINUTE
        stage.act("dispatcher0", f"/iot/alarms/{alarm.pk}/clear/")
    if device.kind == "false":
        yield began + 4 * MINUTE
        stage.step("dispatcher0", case, "false_alarm", reason="装修时误碰")
        return
    if what != "trace" and device.kind in URGENT:
        yield from stage.until("an officer has reported", lambda: _state_is(case, "verifying"))
        # Nobody closes it while the device still comes and goes: the next alarm would be another case.
        calm = device.says[-1][0] + 12 * MINUTE if device.kind == "flapping" else 0
        yield max(stage.now_ms + MINUTE, calm)
        stage.step("worker0", case, "pass")
        return
    if device.kind == "twice":
        yield device.says[-1][0]
    yield from stage.until("the device is well again", lambda: _state_is(case, "recovered"))
    yield stage.now_ms + MINUTE
    stage.step("dispatcher0", case, "settled", reason="现场核实已恢复")


def _state_is(case: int, state: str) -> bool | None:
    from central.cases.models import Case

    return Case._base_manager.filter(pk=case, process_state=state).exists() or None


# --- the devices themselves -------------------------------------------------------------------------------------------------


@dataclass
class Swarm:
    """All devices, each with a log-in and a connection of its own, in one thread that says what is due."""

    made: Centre
    stage: Stage
    devices: list[Device]
    keys: dict[str, str]
    sent: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name="devices", daemon=True)
        self._links: dict[str, mqtt.Client] = {}
        self._web = requests.Session()
        self._count: dict[str, int] = {}

    def start(self) -> None:
        """Connect them all, and begin.

        Raises:
            UnavailableError: the broker does not let one in.
        """
        host, _, port = self.made.broker.removeprefix("mqtt://").partition(":")
        for device in self.devices:
            if device.http:
                continue
            link = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device.name, protocol=mqtt.MQTTv5)
            link.username_pw_set(device.name, self.made.passwords[device.name])
            ready = threading.Event()
            link.on_connect = lambda _c, _u, _f, reason, _p, ready=ready: (
                None if reason.is_failure else ready.set()
            )
            link.connect(host, int(port), keepalive=300)
            link.loop_start()
            if not ready.wait(30):
                raise UnavailableError(f"the broker does not let {device.name} in")
            self._links[device.name] = link
        self._thread.start()

    def close(self) -> None:
        """All fall silent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30)
        for link in self._links.values():
            link.disconnect()
            link.loop_stop()

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.failures.append(f"the devices gave up: {error!r}")
            raise

    def _run(self) -> None:
        plan: list[tuple[int, Device, dict[str, Any]]] = []
        for device in self.devices:
            plan.append((-MINUTE, device, {}))
            plan += [(at_ms, device, values) for at_ms, values in device.says]
        plan.sort(key=lambda each: each[0])
        beats = {device.name: -MINUTE for device in self.devices}
        while not self._stop.wait(0.05):
            now = self.stage.now_ms
            while plan and plan[0][0] <= now:
                at_ms, device, values = plan.pop(0)
                self._say(device, at_ms, values)
                beats[device.name] = at_ms
            for device in self.devices:
                begins, ends = device.quiet
                if (
                    now - beats[device.name] < BEAT_MS[device.type]
                    or begins <= now < ends
                    or device.kind == "battery"
                ):
                    continue
                beats[device.name] = now
                self._say(device, now, {})

    def _say(self, device: Device, at_ms: int, values: dict[str, Any]) -> None:
        """Its own time is the script's, however late the message is."""
        number = self._count[device.name] = self._count.get(device.name, 0) + 1
        told = {"ts": self.stage.utc_ms(at_ms), "seq": number, **(values or WELL[device.type])}
        payload = json.dumps(told).encode()
        for _ in range(1 + device.twice):
            self.sent += 1
            if not device.http:
                topic = f"patrol/v1/{self.stage.jurisdiction}/devices/{device.name}/telemetry"
                self._links[device.name].publish(topic, payload, qos=1)
                continue
            answer = self._web.post(
                self.made.url + "/api/v1/devices/telemetry", data=payload, timeout=TIMEOUT_S,
                headers={"Authorization": f"Bearer {self.keys[device.name]}", "Content-Type": "application/json"},
            )  # fmt: skip
            if answer.status_code != (422 if "image" in values else 204):
                self.failures.append(f"{device.name}: HTTP {answer.status_code} {answer.text[:120]}")


def register(devices: list[Device], jurisdiction: str) -> dict[str, str]:
    """Put them into the centre's registry; name -> key of those that speak HTTP."""
    from central.iot import registry

    registry.store(
        jurisdiction,
        [
            registry.Wanted(one_.name, one_.type, f"{one_.spot.words}{one_.type}", one_.spot.words, one_.spot.longitude,
                            one_.spot.latitude)
            for one_ in devices
        ],
    )  # fmt: skip
    return {
        one_.name: registry.new_key(registry.find(jurisdiction, one_.name)) for one_ in devices if one_.http
    }


def published(stage: Stage, web: requests.Session, tally: Tally) -> Iterator[Row]:
    """The tabs of the page of alarms, and what lies in the tables."""
    import re

    from django.db.models import Count

    from central.iot.models import Alarm, Unreadable

    true = tally.of("iot")
    page = web.get(stage.centre.url + "/iot/", timeout=TIMEOUT_S)
    if page.status_code != 200:
        raise StoryError(f"/iot/ answered HTTP {page.status_code}")
    tabs = dict(re.findall(r'show=(\w+)"[^>]*>[^<]+<b>(\d+)</b>', page.text))
    yield one("active alarms, on the page", tabs.get("live", "0"), true["live"])
    yield one("alarms that nobody has seen, on the page", tabs.get("unheard", "0"), true["unheeded"])
    alarms = Alarm.objects.unscoped("a benchmark counts all of its own centre")
    yield one("alarms raised", alarms.count(), true["raised"])
    kinds = dict(alarms.order_by().values_list("kind").annotate(n=Count("pk")))
    for name in sorted({n.removeprefix("raised ") for n in true if n.startswith("raised ")} | set(kinds)):
        yield one(f"… {name}", kinds.get(name, 0), true.get(f"raised {name}", 0))
    ends = dict(alarms.order_by().values_list("cleared_why").annotate(n=Count("pk")))
    words = {why or "not yet": n for why, n in ends.items()}
    for name in sorted({n.removeprefix("ended ") for n in true if n.startswith("ended ")} | set(words)):
        yield one(f"alarms ended: {name}", words.get(name, 0), true.get(f"ended {name}", 0))
    yield one("alarms that flap", alarms.filter(flapping=True).count(), true["flapping"])
    yield one("alarms with a case", alarms.filter(case__isnull=False).count(), true["with_case"])
    refused = Unreadable.objects.unscoped("a benchmark counts all of its own centre")
    yield one("messages refused", sum(refused.values_list("times", flat=True)), true["refused"])
