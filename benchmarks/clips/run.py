"""One clip through `edge_agent.replay`, with a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.clips.compare import Found, Outcome, match
from benchmarks.clips.truth import Clip
from edge_agent.build import Perceiver
from edge_agent.ingest import SourceConfig, open_recording
from edge_agent.replay import replay
from edge_agent.store import Store
from edge_agent.vault import Vault
from protocol.errors import UnavailableError
from zones import load_zone_file

Progress = Callable[[float], None]
"""Told the share done, 0 to 1."""

_MARGIN_S = 60
"""Tasks are only counted on when the clock ends this long before the recording does, or is nowhere near."""


def run_clip(
    clip: Clip, shared: Path, perceiver: Perceiver, *, loops: int = 1, progress: Progress | None = None
) -> Outcome:
    """Play a clip `loops` times on end and compare its cases with the truth.

    Args:
        clip: what to play.
        shared: the folder of real inputs.
        perceiver: detector and plate reader.
        loops: how often.
        progress: told how far it is.

    Raises:
        UnavailableError: the recording is not there.
        PatrolError: the recording or the zone file is wrong.
    """
    video = shared / clip.file
    if not video.is_file():
        raise UnavailableError(
            "the recording is not there",
            file=video,
            field="--shared",
            mend="Name the folder of real inputs, or set PATROL_SHARED.",
        )
    zones = load_zone_file(clip.zones)
    recording = open_recording(
        clip.name, SourceConfig(url=str(video), sample_period_s=clip.period_s), loops=loops
    )
    whole_ms = (recording.duration_ms or 0) * loops
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as name:
        folder = Path(name)
        result = replay(
            recording,
            zones,
            perceiver,
            camera_id=clip.name,
            period_s=clip.period_s,
            data_dir=folder,
            on_frame=lambda _frame, so_far: (
                progress(((so_far.last_ms or 0) - (so_far.first_ms or 0)) / max(1, whole_ms))
                if progress is not None
                else None
            ),
        )
        store = Store(folder / "replay.db", Vault.open(folder / "keys" / "box.key"))
        try:
            cases = [store.case(case_id) for case_id in result.cases]
        finally:
            store.close()
    found = [Found(c.id, c.box, c.state, c.task_issued) for c in cases if c is not None]
    seconds = ((result.last_ms or 0) - (result.first_ms or 0)) / 1000
    clock_s = max(zone.confirm_after_s + zone.grace_s for zone in zones.zone)
    due: int | None = None
    if seconds < clock_s:
        due = 0
    elif seconds > clock_s + _MARGIN_S:
        due = len(clip.standing)
    return match(clip, found, seconds, due)
