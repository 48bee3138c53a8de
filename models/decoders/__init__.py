"""One module per way of writing boxes into output tensors.

Each decoder is a pure, vectorised function; the `Family` beside it says how its input is made. `FAMILIES`
lists them by the name that the catalogue uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.decoders import nanodet, rtdetr, yolo, yolox
from models.decoders._family import Candidates, Family, Outputs, Preparation, Shapes, Size

__all__ = ["FAMILIES", "Candidates", "Family", "Outputs", "Preparation", "Shapes", "Size"]

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            nanodet.FAMILY,
            yolox.FAMILY,
            yolo.ONE_TO_MANY,
            yolo.END_TO_END,
            rtdetr.FAMILY,
            rtdetr.SELECTED,
        )
    }
)
"""Family by name."""
