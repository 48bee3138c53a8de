"""What several files of the agent's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge_agent.publishing import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "published")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
