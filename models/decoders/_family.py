"""The families of detectors: how each wants its picture and what its outputs mean.

A decoder is a pure function from the raw outputs of one picture to candidates in pixels of the network's
input; `models.decoding` turns candidates into `Detections` in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.letterbox import Fit, Letterbox

Outputs = Sequence[NDArray[np.float32]]
"""Raw outputs of one picture in the model's order, without the batch axis."""

Shapes = Sequence[tuple[int, ...]]
"""Shapes of the outputs, without the batch axis."""

Size = tuple[int, int]
"""Height, width in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a decoder found in one picture, before suppression.

    Attributes:
        boxes: N x 4, float32; left, top, right, bottom in pixels of the network's input.
        scores: N, float32.
        classes: N numbers of classes.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes the network's input: fitted, channels ordered, ``(value - mean) / std``.

    Attributes:
        fit: where the picture lies.
        fill: grey level, 0 to 255, of the padding.
        rgb: True for red first, False for blue first.
        mean, std: per channel, in the network's channel order, for values from 0 to 255.
    """

    fit: Fit
    fill: int
    rgb: bool
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def tensor(self, picture: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.float32]:
        """The 3 x height x width float32 input of one BGR picture."""
        canvas = letterbox.place(picture, self.fill)
        if self.rgb:
            canvas = canvas[:, :, ::-1]
        tensor = canvas.transpose(2, 0, 1).astype(np.float32, order="C")
        if any(self.mean):
            tensor -= np.array(self.mean, np.float32)[:, None, None]
        if self.std != (1.0, 1.0, 1.0):
            tensor /= np.array(self.std, np.float32)[:, None, None]
        return tensor


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of detector.

    Attributes:
        name: as the catalogue and `--family` write it.
        title: for people.
        preparation: how its input is made.
        stride: the input's sides must be multiples of this many pixels.
        rectangular: a model with dynamic sides may be given an input that is not square.
        end_to_end: the model suppresses doubles itself.
        expects: the outputs in words, for errors.
        classes_of: number of classes if outputs of these shapes, for an input of this size, can be this
            family's; else None.
        decode: (outputs, input size, least score, wanted classes or None for all) -> candidates.
    """

    name: str
    title: str
    preparation: Preparation
    stride: int
    rectangular: bool
    end_to_end: bool
    expects: str
    classes_of: Callable[[Shapes, Size], int | None]
    decode: Callable[[Outputs, Size, float, NDArray[np.intp] | None], Candidates]
