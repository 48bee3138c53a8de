"""The recheck picture that a task names was taken at or after the clock's end, whatever happened before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from edge_agent.cases import Identified, NoticeAccepted, open_case, shift_clock, step
from edge_agent.evidence import AgentKey, EvidenceStore, Sealer
from edge_agent.frames import Frame
from edge_agent.sealing import FrameSealer
from zones import Zone

T0 = 1_767_225_600_000


def test_a_picture_sealed_before_the_clock_was_moved_is_not_used_again(tmp_path: Path) -> None:
    zone = Zone.model_validate(
        {"id": "P1", "name": "Pavement", "polygon": [(0, 0), (400, 0), (400, 300)], "grace_s": 600}
    )
    case, _ = open_case(
        "C-1", "s-1", camera_id="cam1", zone=zone, place="", street="", position=None, vehicle_class="car",
        box=(10.0, 10.0, 200.0, 150.0), why="", first_seen_ms=T0, at_ms=T0,
    )  # fmt: skip
    for happened in (Identified(T0, "京A12345", 0.99), NoticeAccepted(T0)):
        case, _ = step(case, happened)
    sealer = FrameSealer(
        EvidenceStore(
            tmp_path,
            AgentKey.generate(),
            Sealer(jurisdiction_id="j", agent_id="a", device="box", app_version="1"),
        ),
        "detector",
        "0" * 64,
        ZoneInfo("Asia/Shanghai"),
        lambda: 0,
    )
    picture = np.full((240, 320, 3), 90, np.uint8)

    first = sealer.seal(case, "recheck", Frame("cam1", T0 + 600_000, picture, 1), ())
    assert sealer.seal(case, "recheck", Frame("cam1", T0 + 601_000, picture, 2), ()) == first, (
        "a retry changes nothing"
    )

    # The agent died before it could store the task; the machine was off for an hour, and the clock moved along.
    moved = shift_clock(replace(case), 3_600_000)
    assert moved.clock_ends_ms is not None
    again = sealer.seal(moved, "recheck", Frame("cam1", moved.clock_ends_ms + 500, picture, 3), ())
    assert again.taken_at_ms >= moved.clock_ends_ms
    assert again != first
