"""Who keeps a centre, and its grids."""

from __future__ import annotations

from typing import Any

import pytest

from central.grids.models import Grid
from tests.central.street import JURISDICTION


@pytest.fixture
def keeper(agent: Any, person: Any, browse: Any) -> Any:
    """An administrator of the street's jurisdiction."""
    return browse(person("keeper", "administrator", scope=JURISDICTION))


@pytest.fixture
def tree(agent: Any) -> list[Grid]:
    nodes: list[Grid] = []
    for level in (1, 2, 3, 4):
        parent = nodes[-1] if nodes else None
        nodes.append(
            Grid.objects.create(
                jurisdiction_id=JURISDICTION,
                code=f"g{level}",
                name=f"Part {level}",
                level=level,
                parent=parent,
            )
        )
    return nodes
