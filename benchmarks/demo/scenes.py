"""The demo's footage: two scenes, drawn once, in parallel, and kept in the user's cache."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.simulator import Scene, load_scene
from benchmarks.simulator.truth import Truth

SCENES = {"pavement": "demo_pavement", "bays": "demo_bays"}
"""Camera -> built-in scene."""

ENCODING: dict[str, Any] = {"codec": "h264", "fps": 6, "gop_s": 1.0}
"""Six pictures a second look alive and are drawn in half a minute; a keyframe a second feeds a check a second."""


@dataclass(frozen=True, slots=True)
class Footage:
    """One camera's scene."""

    camera: str
    scene: Scene
    truth: Truth
    video: Path


def render_all(progress: Callable[[float], None]) -> list[Footage]:
    """Draw what the cache does not hold; `progress` gets the share done.

    Raises:
        PatrolError, UnavailableError: a scene cannot be drawn or kept.
    """
    context = multiprocessing.get_context("spawn")
    shares = [context.Value("d", 0.0) for _ in SCENES]
    with ProcessPoolExecutor(len(SCENES), context, initializer=_begin, initargs=(shares,)) as pool:
        jobs: list[Future[Path]] = [pool.submit(_render, name, n) for n, name in enumerate(SCENES.values())]
        while any(not job.done() for job in jobs):
            progress(sum(share.value for share in shares) / len(shares))
            _wait_for_any(jobs, 0.25)
        videos = [job.result() for job in jobs]
    progress(1.0)
    footage = []
    for (camera, name), video in zip(SCENES.items(), videos, strict=True):
        scene = load_scene(name)
        footage.append(Footage(camera, scene, scene.truth(), video))
    return footage


def _wait_for_any(jobs: list[Future[Path]], timeout_s: float) -> None:
    from concurrent.futures import FIRST_COMPLETED, wait

    wait([job for job in jobs if not job.done()], timeout=timeout_s, return_when=FIRST_COMPLETED)


_shares: list[Any] = []


def _begin(shares: list[Any]) -> None:
    _shares[:] = shares


def _render(name: str, number: int) -> Path:
    from benchmarks.rtsp._prepare import rendered

    def note(done: int, total: int) -> None:
        _shares[number].value = done / max(1, total)

    return rendered(name, ENCODING, progress=note)
