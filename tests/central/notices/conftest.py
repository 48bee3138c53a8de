"""Owners and a gateway for the tests of warnings."""

from __future__ import annotations

from typing import Any

import pytest

from notifier.owners import OwnerRow
from tests.central.notices.world import PHONE, PLATE, World


@pytest.fixture
def world(centre: Any, agent: Any) -> World:
    """A centre that knows one owner."""
    from central.owners import services

    services.add([OwnerRow(PLATE, PHONE)])
    return World(centre.clock)
