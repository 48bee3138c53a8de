"""One agent, one street, two frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.evidence import AgentKey, ClockInfo, EvidenceMeta, EvidenceStore, Sealer
from edge_agent.frames import Image
from protocol.messages import Position

SEALER = Sealer(jurisdiction_id="haidian-zgc", agent_id="agent-1", device="N100 SN 0042", app_version="0.1.0")
START_MS = 1_767_225_600_000


def street(width: int = 320, height: int = 180, seed: int = 1) -> Image:
    """A picture with edges, flat parts and camera noise."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (120, 125, 130), np.uint8)
    cv2.rectangle(image, (width // 4, height // 3), (width // 2, height * 3 // 4), (40, 40, 200), -1)
    cv2.line(image, (0, height * 4 // 5), (width, height * 4 // 5), (230, 230, 230), 3)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def meta_at(second: int = 0, **changes: object) -> EvidenceMeta:
    """What the agent knows of a frame `second` seconds into the day."""
    known = EvidenceMeta(
        camera_id="c1",
        taken_at_ms=START_MS + second * 1000,
        clock=ClockInfo(source="camera_ntp", offset_ms=-12, uncertainty_ms=40),
        zone_id="P3",
        zone_name="南侧人行道",
        zone_version="9f3c",
        place="海淀区科育路 12 号门前",
        position=Position(longitude=116.3201, latitude=39.98),
        model_name="nanodet_g",
        model_sha256="ab" * 32,
        box=(80.5, 60, 160, 135),
        vehicle_class="car",
        plate="京A12345",
    )
    return known.model_copy(update=changes)


@pytest.fixture(scope="session")
def key() -> AgentKey:
    return AgentKey.generate()


@pytest.fixture
def store(tmp_path: Path, key: AgentKey) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", key, SEALER)


@pytest.fixture
def sealed(store: EvidenceStore) -> Callable[[str], Path]:
    """A function that seals a case of three pictures and gives its folder."""

    def seal(case_id: str, second: int = 0) -> Path:
        store.seal(case_id, "confirm", street(seed=1), meta_at(second))
        store.seal(case_id, "plate", street(seed=2), meta_at(second + 1))
        store.seal(case_id, "recheck", street(seed=3), meta_at(second + 600))
        return store.root / case_id

    return seal
