"""Opening a detector by name and running it over pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import catalogue
from models._inspect import inspect
from models._session import open_session
from models.decoders import Family, Size
from models.decoding import Choice, decode
from models.detections import Detections, Image
from models.labels import VEHICLES
from models.letterbox import Letterbox, rectangular_input
from models.regions import Region, check_regions, merge
from protocol.errors import PatrolError, UnavailableError

if TYPE_CHECKING:
    import onnxruntime

MAX_BATCH = 4
"""Pictures per run of a model with a free batch: it bounds memory, and more gains nothing on a CPU."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a detector is, for people and reports.

    Attributes:
        name: catalogue name, or the file's stem.
        path: the ONNX file.
        sha256: of the file that was opened.
        family: name of the decoder.
        input: height, width in pixels; for open sides the square that bounds it.
        rectangular: the input follows the picture's shape.
        batch: pictures per run; None for any number.
        classes: names the detector looks for.
        providers: execution providers in use.
        threads: threads inside one operator.
    """

    name: str
    path: str
    sha256: str
    family: str
    input: tuple[int, int]
    rectangular: bool
    batch: int | None
    classes: tuple[str, ...]
    providers: tuple[str, ...]
    threads: int


class Detector:
    """A model ready to look at pictures. Made by `open_detector`; may be called from several threads."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        family: Family,
        names: Sequence[str],
        choice: Choice,
        nominal: Size,
        *,
        name: str,
        path: Path,
        sha256: str,
        threads: int,
    ) -> None:
        self._session = session
        self._family = family
        self._names = tuple(names)
        self._choice = choice
        self._nominal = nominal
        self._name = name
        self._path = path
        self._sha256 = sha256
        self._threads = threads
        model_input = session.get_inputs()[0]
        self._input_name = model_input.name
        batch, _, height, width = model_input.shape
        self._batch = batch if isinstance(batch, int) else None
        self._rectangular = family.rectangular and not isinstance(height, int) and not isinstance(width, int)

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        """Look at pictures of any sizes; those whose inputs have one size run as one batch where the model can.

        Args:
            pictures: each height x width x 3, uint8, BGR.

        Returns:
            One `Detections` per picture, in order, best score first, boxes in its pixels and not clipped to it.

        Raises:
            PatrolError: a picture has another shape or type.
        """
        for number, picture in enumerate(pictures):
            _check_picture(picture, f"pictures[{number}]")
        by_size: dict[Size, list[int]] = {}
        for number, picture in enumerate(pictures):
            by_size.setdefault(self._input_for(picture), []).append(number)
        results: list[Detections | None] = [None] * len(pictures)
        for size, numbers in by_size.items():
            step = self._batch or MAX_BATCH
            for start in range(0, len(numbers), step):
                chunk = numbers[start : start + step]
                for number, detections in zip(
                    chunk, self._run([pictures[number] for number in chunk], size), strict=True
                ):
                    results[number] = detections
        return [detections for detections in results if detections is not None]

    def detect_regions(self, picture: Image, regions: Sequence[Region]) -> Detections:
        """Look at parts of one picture, as large as the network allows.

        Args:
            picture: height x width x 3, uint8, BGR.
            regions: left, top, right, bottom in pixels; clipped to the picture. `models.regions.tiles` makes
                regions that cover a picture.

        Returns:
            Detections in pixels of the whole picture, best score first, each object once. One that ends at a
            region's border inside the picture is flagged `cut` unless another region saw it whole.

        Raises:
            PatrolError: the picture has another shape or type, or a region lies outside it.
        """
        _check_picture(picture, "picture")
        size = (picture.shape[0], picture.shape[1])
        inside = check_regions(size, regions)
        found = self.detect([picture[top:bottom, left:right] for left, top, right, bottom in inside])
        return merge(size, inside, found, self._choice)

    def describe(self) -> Description:
        """What this detector is."""
        wanted = self._choice.classes
        return Description(
            name=self._name,
            path=str(self._path),
            sha256=self._sha256,
            family=self._family.name,
            input=self._nominal,
            rectangular=self._rectangular,
            batch=self._batch,
            classes=tuple(name for name in self._names if wanted is None or name in wanted),
            providers=tuple(self._session.get_providers()),
            threads=self._threads,
        )

    def _input_for(self, picture: Image) -> Size:
        if not self._rectangular:
            return self._nominal
        return rectangular_input(picture.shape[:2], max(self._nominal), self._family.stride)

    def _run(self, pictures: Sequence[Image], size: Size) -> list[Detections]:
        preparation = self._family.preparation
        letterboxes = [Letterbox.fit(picture.shape[:2], size, preparation.fit) for picture in pictures]
        tensors = [
            preparation.tensor(picture, box) for picture, box in zip(pictures, letterboxes, strict=True)
        ]
        # A model with a fixed batch above one wants full batches: the rest is filled and thrown away.
        tensors += [tensors[-1]] * ((self._batch or len(tensors)) - len(tensors))
        outputs: list[Any] = self._session.run(None, {self._input_name: np.stack(tensors)})
        return [
            decode(self._family, [output[row] for output in outputs], letterbox, self._names, self._choice)
            for row, letterbox in enumerate(letterboxes)
        ]


def open_detector(
    name_or_path: str | Path = catalogue.DEFAULT,
    *,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
    score_threshold: float = 0.35,
    iou_threshold: float = 0.6,
    classes: Collection[str] | None = VEHICLES,
    merge_vehicles: bool = True,
    family: str | None = None,
) -> Detector:
    """Open a detector.

    Args:
        name_or_path: a name of the catalogue, or a path to an ONNX file.
        providers: execution providers in order of preference, by ONNX Runtime's names.
        threads: threads inside one operator.
        score_threshold: from 0 to 1; a detection scores more.
        iou_threshold: from 0 to 1; a box that overlaps a better one of its kind by more is a double.
        classes: names looked for; None for all that the model knows.
        merge_vehicles: vehicles of different classes count as one kind: a van that is both car and truck is
            one detection, with the better score's name.
        family: the decoder, for a file whose outputs fit more than one.

    Raises:
        PatrolError: no such model, a file that is no whole ONNX model or not the one listed, outputs that fit no known family, a
            threshold out of range, or a class that the model does not know.
        UnavailableError: the model's file or an execution provider is not on this machine.
    """
    for field, value in (("score_threshold", score_threshold), ("iou_threshold", iou_threshold)):
        if not 0 <= value <= 1:
            raise PatrolError("expected a number from 0 to 1", field=field, value=value)
    entry, path = _locate(name_or_path)
    sha256 = _check_hash(entry, path)
    session = open_session(path, providers, threads)
    found = inspect(session, path, family=family or (entry.family if entry else None), entry=entry)
    wanted = None if classes is None else frozenset(classes)
    unknown = sorted((wanted or frozenset()) - set(found.names))
    if unknown:
        raise PatrolError(
            f"the model {path.name} knows no such class; it knows {', '.join(found.names)}",
            field="classes",
            value=unknown[0],
        )
    return Detector(
        session,
        found.family,
        found.names,
        Choice(score_threshold, iou_threshold, wanted, merge_vehicles),
        found.nominal,
        name=entry.name if entry else path.stem,
        path=path,
        sha256=sha256,
        threads=threads,
    )


def _locate(name_or_path: str | Path) -> tuple[catalogue.Entry | None, Path]:
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix == ".onnx" or len(path.parts) > 1:
        return None, path
    entry = catalogue.entry(name_or_path)
    if entry.family is None:
        raise PatrolError(
            f"is a model for another task ({entry.task}), not a detector of vehicles",
            field="model",
            value=entry.name,
        )
    return entry, catalogue.find(entry.name)


def _check_hash(entry: catalogue.Entry | None, path: Path) -> str:
    if not path.is_file():
        raise PatrolError("no such model file", file=path, mend="`patrol models list` shows known models.")
    try:
        found = catalogue.sha256(path)
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
    if entry is not None and entry.sha256 != found:
        raise PatrolError(
            f"is not the file that the catalogue lists as {entry.name}: expected SHA-256 {entry.sha256}, "
            f"found {found}",
            file=path,
            mend="It may be truncated or replaced: copy, fetch or import it again.",
        )
    return found


def _check_picture(picture: Image, field: str) -> None:
    shape = getattr(picture, "shape", None)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3:
        raise PatrolError(
            f"expected height x width x 3 of uint8, found {shape} of {getattr(picture, 'dtype', type(picture).__name__)}",
            field=field,
        )
    if picture.shape[2] != 3 or 0 in picture.shape:
        raise PatrolError(f"expected height x width x 3 of uint8, found {shape}", field=field)
