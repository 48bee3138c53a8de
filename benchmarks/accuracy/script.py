"""Scenes drawn by lot: one situation, one light, one view each, with the faults that belong to it.

Scene `n` of a seed is always the same. Lights and situations take turns, so that each meets each - but headlights, which are
lit at dusk and at night only; the rest is lot.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.simulator.motion import Stop, Track

Light = Literal["day", "dusk", "night", "rain"]
LIGHTS: tuple[Light, ...] = ("day", "dusk", "night", "rain")

Situation = Literal[
    "plain", "bus_5", "bus_15", "bus_60", "replaced", "swapped", "outage", "frozen", "black", "clock", "restart",
    "shake", "crowd", "headlights", "passing", "full_grace",
]  # fmt: skip
SITUATIONS: tuple[Situation, ...] = (
    "plain", "bus_5", "replaced", "outage", "shake", "crowd", "bus_15", "frozen", "headlights", "clock", "bus_60",
    "passing", "swapped", "black", "restart", "plain", "full_grace",
)  # fmt: skip
"""In turn; every seventeenth keeps the real ten minutes. The length shares no factor with the number of lights."""

SIZE = (960, 540)
PERIOD_S = 2.0
CONFIRM_S, GRACE_S = 20, 40
"""Shorter than in a street (60 and 600), so that a scene of four minutes holds whole cases."""

FULL_CONFIRM_S, FULL_GRACE_S = 60, 600

_PAVEMENT = (7.2, 12.5)
_LANE_Y, _FAR_LANE_Y = 5.3, 1.8
_CELLS = (-7.6, 0.0, 7.6)
_COLOURS = ("white", "white", "silver", "grey", "black", "red", "blue", "navy", "brown", "gold", "green")
_KINDS = ("saloon", "hatchback", "suv", "saloon", "suv", "van", "taxi", "carrier", "truck")
BUS_S = {"bus_5": 5, "bus_15": 15, "bus_60": 60}
"""Situation -> how long the bus stands before a car, seconds."""

_BUS_Y = 5.5
"""A bus stops near the kerb, so that the sight line over its roof meets the car as high up as it can."""

_BUS_SIZE = (2.5, 2.98)
"""Width and the height of its roof's edge, metres."""

_CAR_TOP = 1.45
"""Of what the bus must hide, metres."""

_LIT: dict[Light, Light] = {"day": "dusk", "rain": "night"}
"""Where lamps must be lit: the light instead."""


@dataclass(frozen=True, slots=True)
class Script:
    """A scene to be played.

    Attributes:
        number, seed: which one.
        light, situation: its strata; `angle`, `distance` and `crowding` are others.
        scene: tables of the simulator's scene file.
        confirm_s, grace_s: of the zone.
        period_s: between looks.
        jpeg: quality at which each picture is compressed and opened again, as a camera does.
        restarts: when the agent is started anew, seconds, and by how much the wall clock stepped meanwhile.
        stamp_jumps: when the camera's own time stamps jump, seconds, and by how much.
        hidden_vehicle: the car that a bus is meant to hide; empty without one.
    """

    number: int
    seed: int
    light: Light
    situation: Situation
    angle: str
    distance: str
    crowding: str
    scene: dict[str, Any]
    confirm_s: float = CONFIRM_S
    grace_s: float = GRACE_S
    period_s: float = PERIOD_S
    jpeg: int = 75
    restarts: tuple[tuple[float, float], ...] = ()
    stamp_jumps: tuple[tuple[float, float], ...] = ()
    hidden_vehicle: str = ""

    @property
    def name(self) -> str:
        """Words for people and files."""
        return f"{self.seed}-{self.number:03d} {self.light} {self.situation} {self.angle} {self.distance}"


@dataclass
class _Street:
    """A scene in the making."""

    lots: random.Random
    vehicles: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    traffic_s: tuple[float, float] = (12, 30)
    people: int = 2
    shake: float = 0.0
    restarts: tuple[tuple[float, float], ...] = ()
    jumps: tuple[tuple[float, float], ...] = ()
    behind_bus: tuple[str, float, float, float] | None = None
    """Which car a bus hides, where it stands, metres, and from when on the bus does, seconds."""

    def kind(self) -> str:
        return self.lots.choice(_KINDS)

    def colour(self, kind: str) -> str:
        return self.lots.choice(("yellow", "green", "blue") if kind == "taxi" else _COLOURS)

    def park(
        self, cell: int, from_s: float, for_s: float, *, kind: str | None = None, colour: str | None = None
    ) -> dict[str, Any]:
        """A vehicle that stands on the pavement from an instant on, for a while (inf: to the end)."""
        kind = kind or self.kind()
        x = _CELLS[cell] + self.lots.uniform(-0.35, 0.35)
        y = 9.3 + self.lots.uniform(-0.25, 0.5)
        place = {"at": [x, y], "heading": 180 + self.lots.uniform(-5, 5), "wait_s": for_s}
        away = [{"at": [x - 8, _LANE_Y], "heading": 180, "speed_kmh": 18}, {"at": [-95, _LANE_Y - 0.1]}]
        if from_s <= 0:
            route = [place | {"wait_s": for_s + max(0.0, -from_s)}, *away]
        else:
            route = [
                {"at": [70, _LANE_Y]},
                {"at": [x + 8, _LANE_Y], "heading": 180},
                place | {"speed_kmh": 15},
                *away,
            ]
        if math.isinf(for_s):
            route = route[:-2]
        return self.add(
            kind, colour or self.colour(kind), route, stand_s=from_s, speed_kmh=self.lots.uniform(24, 36)
        )

    def add(
        self, kind: str, colour: str, route: list[dict[str, Any]], *, stand_s: float, speed_kmh: float
    ) -> dict[str, Any]:
        """A vehicle that comes to stand for the first time at an instant, or is there already."""
        stops = [
            Stop(
                s["at"][0], s["at"][1], math.radians(s["heading"]) if "heading" in s else None, min(s.get("wait_s", 0), 2e9),
                s.get("speed_kmh", speed_kmh) / 3.6,
            )
            for s in route
        ]  # fmt: skip
        need_ms = Track(stops, 0).halts[0].stand_ms
        vehicle = {
            "id": f"v{len(self.vehicles) + 1}", "kind": kind, "colour": colour, "speed_kmh": speed_kmh,
            "from_s": stand_s - need_ms / 1000, "route": route,
        }  # fmt: skip
        self.vehicles.append(vehicle)
        return vehicle

    def bus(self, camera: tuple[float, float], for_s: float) -> None:
        """A bus that stops in the lane on the line from the camera to the car that it is to hide."""
        assert self.behind_bus is not None
        _, x, y, stand_s = self.behind_bus
        bus_x = x + (camera[0] - x) * (y - _BUS_Y) / (y - camera[1])
        route = [{"at": [90, _BUS_Y]}, {"at": [bus_x, _BUS_Y], "wait_s": for_s}, {"at": [-110, _BUS_Y]}]
        self.add(
            "bus", self.lots.choice(("green", "red", "blue", "white")), route, stand_s=stand_s, speed_kmh=26
        )

    def fault(self, kind: str, from_s: float, for_s: float) -> None:
        self.events.append({"kind": kind, "from_s": from_s, "to_s": from_s + for_s})


def draw_script(seed: int, number: int) -> Script:
    """Scene `number` of a seed."""
    lots = random.Random(f"accuracy {seed} {number}")
    light = LIGHTS[number % len(LIGHTS)]
    situation = SITUATIONS[number % len(SITUATIONS)]
    if situation == "headlights":
        light = _LIT.get(light, light)
    street = _Street(lots)
    duration = 240.0
    full = situation == "full_grace"
    if full:
        duration = 860.0
    _situate(street, situation)
    angle, distance, camera = _camera(lots, 0.0 if street.behind_bus is None else street.behind_bus[2])
    if street.behind_bus is not None:
        street.bus(camera["at"], BUS_S[situation])
    crowding = (
        "crowded"
        if street.people > 5 or street.traffic_s[1] < 8
        else "quiet"
        if street.people == 0
        else "usual"
    )
    camera["shake"] = street.shake
    overlay = lots.random() < 0.5
    if overlay:
        camera["overlay"] = f"Street {number}"
    rain = lots.uniform(0.3, 0.9) if light == "rain" else 0.0
    scene: dict[str, Any] = {
        "schema": 1,
        "title": situation,
        "seed": seed * 1000 + number,
        "size": list(SIZE),
        "fps": 10,
        "duration_s": duration,
        "start": "2026-06-01T02:00:00Z",
        "camera": camera,
        "light": {
            "time": "day" if light == "rain" else light,
            "sun": [lots.uniform(200, 340), lots.uniform(25, 65)],
            "rain": rain,
        },
        "street": _ground(lots),
        "zone": [
            {
                "id": "P1", "name": "Pavement", "kind": "no_parking",
                "polygon": [[16, _PAVEMENT[0]], [-16, _PAVEMENT[0]], [-16, _PAVEMENT[1]], [16, _PAVEMENT[1]]],
                "confirm_after_s": FULL_CONFIRM_S if full else CONFIRM_S, "grace_s": FULL_GRACE_S if full else GRACE_S,
            }
        ],
        "vehicle": street.vehicles,
        "event": street.events,
    }  # fmt: skip
    scene["traffic"] = [
        {"y": _FAR_LANE_Y - 3.6, "x": [-90, 70], "every_s": list(street.traffic_s), "speed_kmh": [24, 40]}
    ]
    scene["traffic"].append(
        {"y": _FAR_LANE_Y, "x": [70, -95], "every_s": list(street.traffic_s), "speed_kmh": [24, 40]}
    )
    if street.people:
        scene["crowd"] = [{"count": street.people, "x": [-14, 14], "y": [7.5, 12.3]}]
    return Script(
        number, seed, light, situation, angle, distance, crowding, scene,
        confirm_s=FULL_CONFIRM_S if full else CONFIRM_S, grace_s=FULL_GRACE_S if full else GRACE_S,
        jpeg=lots.randint(55, 90), restarts=street.restarts, stamp_jumps=street.jumps,
        hidden_vehicle="" if street.behind_bus is None else street.behind_bus[0],
    )  # fmt: skip


def _situate(street: _Street, situation: Situation) -> None:
    """Who comes and goes, and what goes wrong."""
    lots = street.lots
    cells = [0, 1, 2]
    lots.shuffle(cells)
    if situation == "full_grace":
        street.park(cells[0], lots.uniform(20, 40), lots.uniform(740, 780))
        street.park(cells[1], lots.uniform(50, 90), lots.uniform(200, 500))
        street.traffic_s = (15, 40)
        return
    if situation == "passing":
        # Nobody parks: they stop for a moment, stand in the lane, crawl past; and one does.
        street.park(cells[0], lots.uniform(20, 30), lots.uniform(4, 9))
        street.park(cells[1], lots.uniform(70, 80), lots.uniform(4, 9))
        street.park(cells[0], lots.uniform(110, 130), lots.uniform(70, 90))
        x = lots.uniform(-8, 8)
        lane = [
            {"at": [70, _LANE_Y - 0.2]},
            {"at": [x, _LANE_Y - 0.2], "wait_s": 45},
            {"at": [-95, _LANE_Y - 0.2]},
        ]
        kind = street.kind()
        street.add(kind, street.colour(kind), lane, stand_s=lots.uniform(140, 150), speed_kmh=28)
        return
    street.people, street.shake = lots.choice((0, 0, 2, 4)), lots.choice((0.0, 0.0, 0.0, 0.25))
    first_s = lots.choice((-10.0, lots.uniform(10, 30)))
    long_s = lots.uniform(150, 185)
    if situation in ("replaced", "swapped"):
        kind, colour = lots.choice(("saloon", "suv", "hatchback")), lots.choice(("white", "silver", "black"))
        leaves = lots.uniform(75, 95)
        street.park(cells[0], first_s, leaves - first_s, kind=kind, colour=colour)
        gap = lots.uniform(14, 22)
        street.park(cells[0], leaves + gap, lots.choice((math.inf, 80.0)), kind=kind, colour=colour)
        street.park(cells[1], lots.uniform(15, 30), lots.uniform(60, 120))
        if situation == "swapped":
            # Nobody sees it: the camera is away while they change places.
            street.fault("outage", leaves - 6, gap + 14)
        return
    if situation in BUS_S:
        _behind_bus(street, situation, cells, first_s, long_s)
        return
    street.park(cells[0], first_s, long_s)
    street.park(cells[1], lots.uniform(40, 60), lots.choice((lots.uniform(38, 52), lots.uniform(85, 120))))
    if lots.random() < 0.6:
        street.park(cells[2], lots.uniform(85, 105), math.inf)
    at_s = lots.uniform(80, 110)
    match situation:
        case "outage" | "black":
            street.fault(situation, at_s, lots.choice((12, 30, 60)))
        case "frozen":
            street.fault("freeze", at_s, lots.choice((12, 30, 60)))
        case "clock":
            street.jumps = ((at_s, lots.choice((-3600.0, -75.0, 90.0, 3600.0))),)
        case "restart":
            street.fault("outage", at_s, 9)
            street.restarts = ((at_s + 5, lots.choice((-3600.0, -40.0, 0.0, 45.0, 3600.0))),)
        case "shake":
            street.shake = lots.uniform(0.7, 2.2)
        case "crowd":
            street.people, street.traffic_s = lots.randint(8, 14), (3, 7)
        case "headlights":
            street.traffic_s = (3, 7)


def _behind_bus(
    street: _Street, situation: Situation, cells: list[int], first_s: float, long_s: float
) -> None:
    """A car that a bus will hide. Nobody else comes or goes while the bus stands: they would drive through it."""
    lots = street.lots
    # A car, no van, which would look over the roof; in the middle, where no view cuts it.
    cells.sort(key=lambda cell: cell != 1)
    car = street.park(1, first_s, long_s, kind=lots.choice(("saloon", "hatchback", "suv")))
    x, y = next(stop["at"] for stop in car["route"] if "wait_s" in stop)
    next_s = first_s + 10 if first_s > 0 else lots.uniform(10, 25)
    stop_s = lots.uniform(next_s + 10, 70)
    street.behind_bus = (car["id"], x, y, stop_s)
    clear_s = stop_s + BUS_S[situation] + 12
    street.park(cells[1], next_s, clear_s - next_s + lots.uniform(15, 70))
    if lots.random() < 0.6:
        street.park(cells[2], clear_s + lots.uniform(0, 20), math.inf)


def _camera(lots: random.Random, behind_bus_y: float) -> tuple[str, str, dict[str, Any]]:
    """A camera over the other pavement that looks at the cells, from the side or along the street.

    Where a bus is to hide a car that stands at `behind_bus_y`, it hangs low enough not to look over the bus.
    """
    angle = lots.choice(("across", "oblique", "along"))
    distance = lots.choice(("near", "middle", "far"))
    degrees = {
        "across": lots.uniform(70, 100),
        "oblique": lots.uniform(40, 60),
        "along": lots.uniform(26, 36),
    }[angle]
    wide = {"near": lots.uniform(17, 20), "middle": lots.uniform(21, 27), "far": lots.uniform(29, 36)}[
        distance
    ]
    away = min({"near": 17.0, "middle": 22.0, "far": 30.0}[distance], 18.3 / math.sin(math.radians(degrees)))
    height = lots.uniform(4.2, 7.5)
    side = lots.choice((1, -1)) if angle != "across" else 1
    x = away * math.cos(math.radians(degrees)) * side
    y = 9.5 - away * math.sin(math.radians(degrees))
    yaw = 180 - degrees if side > 0 else degrees
    if behind_bus_y:
        beyond = behind_bus_y + 0.5 - (_BUS_Y + _BUS_SIZE[0] / 2)
        height = min(height, _CAR_TOP + (_BUS_SIZE[1] - _CAR_TOP) * (behind_bus_y + 0.5 - y) / beyond)
    camera = {
        "at": [round(x, 2), round(y, 2)], "height": round(height, 2), "yaw": round(yaw, 2),
        "pitch": round(math.degrees(math.atan2(height - 0.8, away)), 2),
        "fov": round(2 * math.degrees(math.atan2(wide / 2, away)), 2),
    }  # fmt: skip
    return angle, distance, camera


def _ground(lots: random.Random) -> dict[str, Any]:
    """A street with a pavement on each side; houses, trees and lamps by lot, none before the cells."""
    things: list[dict[str, Any]] = []
    if lots.random() < 0.6:
        things.append({"kind": "tree", "at": [lots.uniform(-3, 3), 12.2], "repeat": 3, "step": [-9, 0]})
    if lots.random() < 0.5:
        things.append({"kind": "lamp", "at": [lots.uniform(2.5, 5), 12.3], "repeat": 3, "step": [-18, 0]})
    if lots.random() < 0.4:
        things.append({"kind": "bush", "at": [lots.uniform(8, 14), 12.2], "repeat": 4, "step": [-6, 0]})
    return {
        "band": [
            {"kind": "pavement", "y": [-14, -4.2]}, {"kind": "kerb", "y": [-4.2, -4]},
            {"kind": "road", "y": [-4, 7]}, {"kind": "kerb", "y": [7, 7.2]},
            {"kind": "pavement", "y": list(_PAVEMENT)},
        ],
        "line": [{"y": 0, "dash": 3, "gap": 4}, {"y": 3.5, "colour": lots.choice(("yellow", "white"))}, {"y": 6.75, "colour": "white"}],
        "building": [{"y": 12.7, "height": lots.uniform(6, 14)}, {"x": -95, "height": 14}],
        "thing": things,
    }  # fmt: skip
