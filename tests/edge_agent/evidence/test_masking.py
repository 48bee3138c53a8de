"""What is hidden cannot be recognised; what the case is about stays as it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.evidence.masking import (
    BLOCKS,
    Box,
    head_region,
    hidden_regions,
    hide,
    mask_people,
    plate_region,
)
from edge_agent.frames import Image
from tests.edge_agent.evidence.conftest import street

SHAPE = (360, 640, 3)


def chequered(height: int = 360, width: int = 640) -> Image:
    """Black and white squares of 2 pixels: any detail that survives is visible."""
    rows, columns = np.indices((height, width)) // 2
    return np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_head_becomes_a_few_blocks() -> None:
    image = chequered()
    hidden = mask_people(image, people=[(200, 100, 280, 340)])
    head = hidden[100:172, 200:280]
    assert len(np.unique(head.reshape(-1, 3), axis=0)) <= 4 * BLOCKS**2
    assert head.min() > 100, "no detail is left"
    assert head.max() < 160
    assert np.array_equal(hidden[180:340], image[180:340]), "the body stays"


def test_the_given_picture_is_not_touched() -> None:
    image = chequered()
    mask_people(image, people=[(200, 100, 280, 340)], vehicles=[(0, 0, 100, 100)])
    assert np.array_equal(image, chequered())


def test_a_neighbours_plate_is_hidden_but_not_the_one_of_the_case() -> None:
    image = chequered()
    case, neighbour = (250, 100, 450, 300), (100, 110, 320, 310)
    hidden = mask_people(image, people=[], vehicles=[neighbour], keep=case)
    assert np.array_equal(hidden[100:300, 250:450], image[100:300, 250:450])
    beside, below = hidden[200:300, 100:250], hidden[300:310, 250:320]
    assert beside.min() > 60
    assert beside.max() < 200
    assert below.min() > 60


def test_a_head_in_front_of_the_vehicle_is_hidden() -> None:
    """A person's face counts for more than a piece of bodywork."""
    image = chequered()
    hidden = mask_people(image, people=[(300, 120, 360, 320)], keep=(250, 100, 450, 300))
    assert not np.array_equal(hidden[125:170, 305:355], image[125:170, 305:355])


edges = st.floats(-200, 900, allow_nan=False)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(edges), draw(edges)
    return (left, top, left + draw(st.floats(0.1, 700)), top + draw(st.floats(0.1, 700)))


@given(people=st.lists(boxes(), max_size=4), vehicles=st.lists(boxes(), max_size=4), keep=st.none() | boxes())
def test_every_pixel_of_a_head_and_of_a_foreign_plate_is_covered(
    people: list[Box], vehicles: list[Box], keep: Box | None
) -> None:
    """Boxes over the edge of the picture or outside of it included."""
    covered = np.zeros(SHAPE[:2], bool)
    for left, top, right, bottom in hidden_regions(SHAPE, people, vehicles, keep):
        assert 0 <= left < right <= SHAPE[1]
        assert 0 <= top < bottom <= SHAPE[0]
        covered[top:bottom, left:right] = True
    rows, columns = np.indices(SHAPE[:2]) + 0.5

    def inside(box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        left, top, right, bottom = box
        return (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)

    for person in people:
        assert covered[inside(head_region(person))].all()
    for vehicle in vehicles:
        kept = (
            inside((keep[0] - 1, keep[1] - 1, keep[2] + 1, keep[3] + 1))
            if keep
            else np.zeros(SHAPE[:2], bool)
        )
        assert covered[inside(plate_region(vehicle)) & ~kept].all()


def test_overlapping_regions_do_not_depend_on_their_order() -> None:
    image = street(640, 360)
    regions = [(10, 10, 200, 200), (150, 150, 300, 300)]
    for left, top, right, bottom in regions:
        assert not np.array_equal(hide(image, regions)[top:bottom, left:right], image[top:bottom, left:right])
    assert np.array_equal(hide(image, regions)[10:150, 10:150], hide(image, regions[::-1])[10:150, 10:150])


@pytest.mark.parametrize("name", ["plate_scene_1920x1080.jpg"])
def test_a_real_plate_loses_its_strokes(shared: Path, name: str) -> None:
    image = cv2.imread(str(shared / "stills" / name))
    assert image is not None
    image = image.astype(np.uint8)
    plate = (slice(750, 860), slice(1750, 1865))
    hidden = mask_people(image, people=[], vehicles=[(590, 330, 1890, 980)])

    def strokes(picture: Image) -> float:
        return float(np.abs(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_64F)).mean())

    assert strokes(hidden[plate]) < strokes(image[plate]) / 4
