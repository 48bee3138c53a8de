"""Fitting a picture into a network's input, and the exact way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Image


class Fit(StrEnum):
    """Where the picture lies in the network's input."""

    CENTRE = "centre"
    """Aspect kept, padding shared by both sides."""
    CORNER = "corner"
    """Aspect kept, padding right and below."""
    STRETCH = "stretch"
    """Aspect given up, no padding."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Geometry between a picture and the network's input: ``input = picture * scale + pad``.

    The scales are those of the whole-pixel size that the picture was really resized to, so that the inverse
    is exact; they differ from one another by rounding only, unless the picture is stretched.

    Attributes:
        scale_x, scale_y: input pixels per picture pixel.
        pad_left, pad_top: input pixels beside and above the picture.
        width, height: size of the resized picture inside the input, pixels.
        input_width, input_height: size of the whole input, pixels.
    """

    scale_x: float
    scale_y: float
    pad_left: int
    pad_top: int
    width: int
    height: int
    input_width: int
    input_height: int

    @classmethod
    def fit(cls, picture: tuple[int, int], into: tuple[int, int], how: Fit = Fit.CENTRE) -> Letterbox:
        """The geometry for a picture of (height, width) in an input of (height, width), pixels."""
        picture_height, picture_width = picture
        input_height, input_width = into
        if how is Fit.STRETCH:
            width, height = input_width, input_height
        else:
            scale = min(input_width / picture_width, input_height / picture_height)
            width = min(input_width, max(1, round(picture_width * scale)))
            height = min(input_height, max(1, round(picture_height * scale)))
        spare_x, spare_y = input_width - width, input_height - height
        centred = how is Fit.CENTRE
        return cls(
            scale_x=width / picture_width,
            scale_y=height / picture_height,
            pad_left=spare_x // 2 if centred else 0,
            pad_top=spare_y // 2 if centred else 0,
            width=width,
            height=height,
            input_width=input_width,
            input_height=input_height,
        )

    def place(self, picture: Image, fill: int) -> Image:
        """The picture resized (bilinear) into a new input_height x input_width x 3 canvas of grey `fill`."""
        canvas = np.full((self.input_height, self.input_width, 3), fill, np.uint8)
        inner = canvas[self.pad_top : self.pad_top + self.height, self.pad_left : self.pad_left + self.width]
        if picture.shape[:2] == (self.height, self.width):
            inner[:] = picture
        else:
            inner[:] = cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        return canvas

    def to_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """N x 4 boxes from input pixels to picture pixels; not clipped."""
        pad = np.array([self.pad_left, self.pad_top] * 2, np.float64)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float64)
        return ((boxes - pad) / scale).astype(np.float32)

    def to_input(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """N x 4 boxes from picture pixels to input pixels; the inverse of `to_picture`."""
        pad = np.array([self.pad_left, self.pad_top] * 2, np.float64)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float64)
        return (boxes * scale + pad).astype(np.float32)


def rectangular_input(picture: tuple[int, int], long_side: int, stride: int) -> tuple[int, int]:
    """The smallest (height, width) input, multiples of `stride`, for a picture whose long side becomes `long_side`."""
    height, width = picture
    scale = long_side / max(height, width)
    return (
        min(long_side, stride * math.ceil(round(height * scale) / stride)) or stride,
        min(long_side, stride * math.ceil(round(width * scale) / stride)) or stride,
    )
