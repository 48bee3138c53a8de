"""Routes as functions of time: where a vehicle is at any millisecond, and exactly when it stands.

A route runs through points by smooth curves. Along it the speed obeys each stretch's limit, a comfortable
acceleration and a limit in bends; the time at each tenth of a metre follows, so that any instant can be asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._draw import Pose

Floats = NDArray[np.floating]

ACCELERATE = 1.6
BRAKE = 1.9
SIDEWAYS = 2.2
"""Comfortable limits, metres per second squared."""

_STEP_M = 0.1
_FOREVER = 1e9


@dataclass(frozen=True)
class Stop:
    """A point of a route.

    Args:
        x, y: metres.
        heading: radians, None where the route itself gives it.
        wait_s: how long to stand there.
        speed: limit on the way here, metres per second.
        reverse: driven backwards on the way here.
        place: name of the place, if it has one.
    """

    x: float
    y: float
    heading: float | None
    wait_s: float
    speed: float
    reverse: bool = False
    place: str | None = None


@dataclass(frozen=True)
class Halt:
    """A time of standing still, milliseconds from the scene's start; `leave_ms` None when it never leaves."""

    stand_ms: int
    leave_ms: int | None
    pose: Pose
    place: str | None


@dataclass(frozen=True)
class _Drive:
    start_s: float
    times: Floats
    xs: Floats
    ys: Floats
    headings: Floats
    speeds: Floats


class Track:
    """A vehicle's whole way.

    Args:
        stops: its points in order.
        from_s: when it is at the first.
    """

    def __init__(self, stops: Sequence[Stop], from_s: float) -> None:
        self.start_s = from_s
        self._drives: list[_Drive] = []
        self.halts: list[Halt] = []
        headings = _headings(stops)
        now = from_s
        first = 0
        self._halt(stops[0], headings[0], now)
        now += stops[0].wait_s
        for i in range(1, len(stops)):
            if (
                stops[i].wait_s > 0
                or i == len(stops) - 1
                or stops[i].reverse != stops[min(i + 1, len(stops) - 1)].reverse
            ):
                drive = _drive(
                    stops[first : i + 1], headings[first : i + 1], now,
                    from_rest=stops[first].wait_s > 0 or (first > 0), to_rest=stops[i].wait_s > 0 or i < len(stops) - 1,
                )  # fmt: skip
                self._drives.append(drive)
                now = drive.start_s + float(drive.times[-1])
                self._halt(stops[i], headings[i], now)
                now += stops[i].wait_s
                first = i
        self.end_s = now
        """When it vanishes; very large when it stands to the end."""

    def _halt(self, stop: Stop, heading: float, now: float) -> None:
        if stop.wait_s > 0:
            leave = None if now + stop.wait_s >= _FOREVER else round((now + stop.wait_s) * 1000)
            self.halts.append(Halt(round(now * 1000), leave, Pose(stop.x, stop.y, heading), stop.place))

    def halt_at(self, t_ms: int) -> Halt | None:
        """The stay that covers this instant, if it stands."""
        for halt in self.halts:
            if halt.stand_ms <= t_ms and (halt.leave_ms is None or t_ms < halt.leave_ms):
                return halt
        return None

    def at(self, t_ms: int) -> tuple[Pose, float, float] | None:
        """Pose, speed (m/s) and acceleration (m/s²) at an instant; None while it does not exist."""
        halt = self.halt_at(t_ms)
        if halt is not None:
            return halt.pose, 0.0, 0.0
        t = t_ms / 1000
        for drive in self._drives:
            local = t - drive.start_s
            if -0.0006 <= local <= drive.times[-1] + 0.0006:
                at = float(np.interp(local, drive.times, np.arange(len(drive.times))))
                i = min(int(at), len(drive.times) - 2)
                f = at - i
                pose = Pose(
                    float(drive.xs[i] * (1 - f) + drive.xs[i + 1] * f),
                    float(drive.ys[i] * (1 - f) + drive.ys[i + 1] * f),
                    float(drive.headings[i] * (1 - f) + drive.headings[i + 1] * f),
                )
                span = float(drive.times[i + 1] - drive.times[i])
                push = float(drive.speeds[i + 1] - drive.speeds[i]) / span if span > 0 else 0.0
                return pose, float(drive.speeds[i] * (1 - f) + drive.speeds[i + 1] * f), push
        return None


def _headings(stops: Sequence[Stop]) -> list[float]:
    """Direction the vehicle points at each stop."""
    result = []
    for i, stop in enumerate(stops):
        if stop.heading is not None:
            result.append(stop.heading)
            continue
        before, after = stops[max(i - 1, 0)], stops[min(i + 1, len(stops) - 1)]
        backwards = stop.reverse if i > 0 else len(stops) > 1 and stops[1].reverse
        angle = math.atan2(after.y - before.y, after.x - before.x) if len(stops) > 1 else 0.0
        result.append(angle + math.pi if backwards else angle)
    return result


def _straight(stops: Sequence[Stop], headings: Sequence[float]) -> bool:
    angle = math.atan2(stops[1].y - stops[0].y, stops[1].x - stops[0].x)
    return all(abs(math.remainder(heading - angle, 2 * math.pi)) < 1e-9 for heading in headings)


def _drive(
    stops: Sequence[Stop], headings: Sequence[float], start_s: float, *, from_rest: bool, to_rest: bool
) -> _Drive:
    if len(stops) == 2 and not (from_rest or to_rest or stops[1].reverse) and _straight(stops, headings):
        length = math.hypot(stops[1].x - stops[0].x, stops[1].y - stops[0].y)
        speed = stops[1].speed
        return _Drive(
            start_s,
            np.array([0.0, length / speed]),
            np.array([s.x for s in stops]),
            np.array([s.y for s in stops]),
            np.array([headings[0], headings[0]]),
            np.array([speed, speed]),
        )
    xs, ys, limits = [], [], []
    backwards = stops[-1].reverse
    for (a, angle_a), (b, angle_b) in zip(
        zip(stops, headings, strict=True), zip(stops[1:], headings[1:], strict=True), strict=False
    ):
        sign = -1.0 if backwards else 1.0
        chord = math.hypot(b.x - a.x, b.y - a.y)
        count = max(2, math.ceil(chord / _STEP_M))
        u = np.linspace(0, 1, count + 1)[1:] if xs else np.linspace(0, 1, count + 1)
        h00, h10, h01, h11 = 2 * u**3 - 3 * u**2 + 1, u**3 - 2 * u**2 + u, -2 * u**3 + 3 * u**2, u**3 - u**2
        pull = chord * sign
        xs.extend(h00 * a.x + h10 * math.cos(angle_a) * pull + h01 * b.x + h11 * math.cos(angle_b) * pull)
        ys.extend(h00 * a.y + h10 * math.sin(angle_a) * pull + h01 * b.y + h11 * math.sin(angle_b) * pull)
        limits.extend([b.speed] * len(u))
    x, y = np.array(xs), np.array(ys)
    step = np.hypot(np.diff(x), np.diff(y))
    direction = np.unwrap(np.arctan2(np.diff(y), np.diff(x)))
    heading = np.concatenate([direction[:1], (direction[1:] + direction[:-1]) / 2, direction[-1:]])
    bend = np.abs(np.gradient(heading)) / np.maximum(
        np.gradient(np.concatenate([[0], np.cumsum(step)])), 1e-6
    )
    speed = np.minimum(np.array(limits), np.sqrt(SIDEWAYS / np.maximum(bend, 1e-4)))
    if from_rest:
        speed[0] = 0.0
    if to_rest:
        speed[-1] = 0.0
    for i in range(1, len(speed)):
        speed[i] = min(speed[i], math.sqrt(speed[i - 1] ** 2 + 2 * ACCELERATE * step[i - 1]))
    for i in range(len(speed) - 2, -1, -1):
        speed[i] = min(speed[i], math.sqrt(speed[i + 1] ** 2 + 2 * BRAKE * step[i]))
    pace = np.maximum((speed[1:] + speed[:-1]) / 2, 0.05)
    times = np.concatenate([[0], np.cumsum(step / pace)])
    if backwards:
        heading = heading + math.pi
    # The curve ends in the given heading; unwrap so that a standing pose and the drive's last pose agree.
    heading = heading + 2 * math.pi * round((headings[0] - heading[0]) / (2 * math.pi))
    heading[0] = headings[0]
    last = headings[-1] + 2 * math.pi * round((heading[-1] - headings[-1]) / (2 * math.pi))
    heading[-1] = last
    return _Drive(start_s, times, x, y, heading, speed)
