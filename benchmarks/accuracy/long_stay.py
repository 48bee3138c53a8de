"""Three vehicles stand for twelve hours, from the morning into the night, while people and traffic pass.

The light goes from one drawn hour to the next by fading, clouds change it from look to look. Everything else is as in
the other scenes: the same engine, in stream time, with the real minute and ten minutes.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy.play import Log, play
from benchmarks.accuracy.score import Judgement, Rules, judge
from benchmarks.accuracy.script import FULL_CONFIRM_S, FULL_GRACE_S, Script, draw_script
from benchmarks.accuracy.truth import true_stays
from benchmarks.simulator.scene import Scene
from edge_agent.build import Perceiver
from edge_agent.frames import Image

HOURS = 12.0
PERIOD_S = 30.0
"""Seconds between looks, as of a box at its limit; twelve hours at two seconds would draw fifteen times as many pictures."""

_LIGHTS: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.0, {"time": "dusk", "sun": [330, 10]}),
    (1.0, {"time": "day", "sun": [330, 20]}),
    (3.0, {"time": "day", "sun": [300, 40]}),
    (5.0, {"time": "day", "sun": [270, 60]}),
    (7.0, {"time": "day", "sun": [240, 45]}),
    (9.0, {"time": "day", "sun": [215, 22]}),
    (10.5, {"time": "dusk", "sun": [205, 10]}),
    (11.25, {"time": "night", "sun": [205, 10]}),
    (HOURS, {"time": "night", "sun": [205, 10]}),
)
"""Hour of the stay -> light. They come at dawn."""

_CLOUD = 0.12
"""Brightness goes up and down by at most this share."""


def long_script(seed: int, hours: float = HOURS) -> Script:
    """The script of a seed's long stay."""
    lots = random.Random(f"long stay {seed}")
    plain = draw_script(seed, 0)
    vehicles = [
        {
            "id": f"v{number + 1}", "kind": kind, "colour": lots.choice(("white", "black", "red", "silver", "blue")), "from_s": 0,
            "route": [{"at": [x, 9.4 + lots.uniform(-0.2, 0.4)], "heading": 180 + lots.uniform(-4, 4), "wait_s": np.inf}],
        }
        for number, (x, kind) in enumerate(((-7.6, "saloon"), (0.0, "suv"), (7.6, "van")))
    ]  # fmt: skip
    scene = plain.scene | {
        "title": "twelve hours",
        "duration_s": hours * 3600,
        "camera": {"at": [9.0, -8.0], "height": 6.5, "yaw": 117.0, "pitch": 16.0, "fov": 62.0},
        "light": dict(_LIGHTS[0][1]),
        "vehicle": vehicles,
        "event": [],
        "traffic": [
            {"y": -1.8, "x": [-90, 70], "every_s": [20, 90], "speed_kmh": [24, 40]},
            {"y": 1.8, "x": [70, -95], "every_s": [20, 90], "speed_kmh": [24, 40]},
        ],
        "crowd": [{"count": 3, "x": [-30, 30], "y": [7.4, 12.3]}],
    }
    return replace(
        plain, situation="plain", angle="oblique", distance="middle", crowding="usual", scene=scene, period_s=PERIOD_S,
        confirm_s=FULL_CONFIRM_S, grace_s=FULL_GRACE_S, restarts=(), stamp_jumps=(),
    )  # fmt: skip


class DayLight:
    """The pictures of a scene whose light changes with the hour.

    Args:
        script: of the scene.
    """

    def __init__(self, script: Script) -> None:
        zone = script.scene["zone"][0] | {"confirm_after_s": script.confirm_s, "grace_s": script.grace_s}
        self._scene = script.scene | {"zone": [zone]}
        self._hours: dict[int, Scene] = {}
        self._lots = random.Random(f"clouds {script.seed}")
        self._phases = [self._lots.uniform(0, 6.3) for _ in range(3)]
        self.scene = self._at(0)

    def _at(self, number: int) -> Scene:
        """The scene in one of the lights; only those next to the hour are kept."""
        if number not in self._hours:
            self._hours = {n: s for n, s in self._hours.items() if abs(n - number) <= 1}
            self._hours[number] = Scene.from_dict(self._scene | {"light": dict(_LIGHTS[number][1])})
        return self._hours[number]

    def render(self, t_ms: int) -> Image:
        """The picture at a millisecond of the scene."""
        hour = t_ms / 3_600_000
        number = max(n for n, (start, _) in enumerate(_LIGHTS[:-1]) if start <= hour or n == 0)
        start, end = _LIGHTS[number][0], _LIGHTS[number + 1][0]
        share = min(1.0, max(0.0, (hour - start) / (end - start)))
        picture = self._at(number).render(t_ms)
        if share > 0.01:
            picture = cv2.addWeighted(picture, 1 - share, self._at(number + 1).render(t_ms), share, 0)  # type: ignore[assignment]
        waves = sum(
            np.sin(t_ms / period + at) for period, at in zip((61e3, 223e3, 941e3), self._phases, strict=True)
        )
        return np.asarray(cv2.convertScaleAbs(picture, alpha=1 + _CLOUD * float(waves) / 3), dtype=np.uint8)


def judge_long_stay(seed: int, perceiver: Perceiver, hours: float = HOURS) -> tuple[Script, Judgement, Log]:
    """Play a seed's long stay and judge it."""
    script = long_script(seed, hours)
    light = DayLight(script)
    log = play(script, light.scene, perceiver, render=light.render)
    rules = Rules(
        round(script.confirm_s * 1000),
        round(script.grace_s * 1000),
        round(script.period_s * 1000),
        light.scene.duration_ms,
    )
    return script, judge(true_stays(light.scene, occlusion=False), log, rules), log
