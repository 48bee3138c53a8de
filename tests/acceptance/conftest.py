"""The street that the acceptance runs play in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulator import load_scene, zone_file
from benchmarks.simulator.encode import encode
from tests.acceptance.loop import Loop

SCENES = Path(__file__).with_name("scenes")


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Video and zone file of one car that stands on a pavement, drawn once."""
    folder = tmp_path_factory.mktemp("footage")
    scene = load_scene(str(SCENES / "parked.toml"))
    encode(scene, folder / "parked.mp4", gop_s=1.0)
    (folder / "zones.toml").write_text(zone_file(scene), "utf-8")
    return folder / "parked.mp4", folder / "zones.toml"


@pytest.fixture
def street(tmp_path: Path, footage: tuple[Path, Path], free_port: Callable[[], int]) -> Callable[..., Loop]:
    """Sets up the whole loop in this test's folder."""

    def make(**more: Any) -> Loop:
        return Loop(tmp_path, *footage, free_port, **more)

    return make
