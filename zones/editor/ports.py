"""What the editor needs of whoever shows it a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the camera, ready for a browser.

    Attributes:
        number: counts up with each new picture.
        data: the encoded picture.
        media_type: "image/jpeg" or "image/png".
        width, height: of the picture as the camera gave it, pixels.
        source: where it comes from, for people; without passwords.
    """

    number: int
    data: bytes
    media_type: str
    width: int
    height: int
    source: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One vehicle that a detector saw.

    Attributes:
        box: left, top, right, bottom in pixels of the shot's `width` and `height`.
        label: class.
        score: 0 to 1.
    """

    box: tuple[float, float, float, float]
    label: str
    score: float


class Sight(Protocol):
    """The camera and its detector. Called from several threads; calls may take seconds."""

    @property
    def can_renew(self) -> bool:
        """Whether there is more than one picture to be had."""

    @property
    def detects(self) -> bool:
        """Whether vehicles are looked for."""

    def shot(self) -> Shot:
        """The picture at hand."""

    def renew(self) -> Shot:
        """A fresh picture.

        Raises:
            PatrolError: there is none, or it has another shape than the one at hand.
        """

    def seen(self, number: int) -> tuple[Seen, ...] | None:
        """The vehicles in a shot; None where the shot is no longer at hand. Waits for the detector.

        Raises:
            PatrolError: the detector failed.
        """
