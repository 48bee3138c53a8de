"""Measuring a reader on labelled pictures: how often right, how sure, and where to draw the line."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from models.detections import Image
from models.plates.calibration import Halvings, accepted, at_threshold, choose_threshold, halvings, wilson
from models.plates.reader import PlateReader
from models.plates.reading import PlateReading
from protocol.errors import PatrolError

LABELS = "labels.csv"
COLUMNS = ("file", "plate")

LARGEST_PICTURE = 64 * 1024 * 1024
"""Bytes; a larger member of a ZIP is no picture but an accident."""

CROP_HEIGHT, CROP_ASPECT = 160, (1.5, 7.0)
"""A picture no higher than this (pixels) and with a width by height in this span is taken as one plate's own crop."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture of the set: its name, the plate it shows, how to get its bytes, and its line in labels.csv."""

    name: str
    plate: str
    fetch: Callable[[], bytes]
    line: int = 0

    def picture(self) -> Image:
        """The picture, H x W x 3, BGR.

        Raises:
            PatrolError: it cannot be read or decoded; the line of labels.csv is named.
        """
        try:
            return decode_picture(self.fetch(), self.name)
        except (PatrolError, OSError) as error:
            problem = (
                error.problem if isinstance(error, PatrolError) else f"it cannot be read: {error.strerror}"
            )
            mend = error.mend if isinstance(error, PatrolError) else "Check its rights."
            field = f"{LABELS} line {self.line}" if self.line else None
            raise PatrolError(problem, file=self.name, field=field, mend=mend) from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """One picture read."""

    name: str
    plate: str
    text: str | None
    confidence: float
    kind: str
    milliseconds: float

    @property
    def right(self) -> bool:
        """Every character as labelled."""
        return self.text == self.plate


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. Shares are from 0 to 1.

    Attributes:
        n: pictures.
        full_plate: share read without any error, at full coverage.
        threshold: confidence chosen on every second picture (1st, 3rd, ...).
        coverage, precision: at that threshold, on the other pictures.
        reverse_threshold, reverse_coverage, reverse_precision: the same with the halves exchanged.
        in_force: the reader's own threshold, with coverage and precision on all pictures.
        in_force_interval: 95% Wilson interval of that precision.
        full_interval: 95% Wilson interval of `full_plate`.
        halved: the threshold chosen on random halves and measured on the others; None for a handful of pictures.
        by_region, by_kind: first character, or kind -> pictures, right ones.
        confusions: (labelled, read) characters -> how often, most frequent first; texts of one length only.
        milliseconds: median per picture, of one core's time: what else runs on the machine does not count.
        wrong: pictures that were read wrongly.
    """

    n: int
    full_plate: float
    threshold: float
    coverage: float
    precision: float
    reverse_threshold: float
    reverse_coverage: float
    reverse_precision: float
    in_force: tuple[float, float, float]
    in_force_interval: tuple[float, float]
    full_interval: tuple[float, float]
    halved: Halvings | None
    by_region: dict[str, tuple[int, int]]
    by_kind: dict[str, tuple[int, int]]
    confusions: tuple[tuple[str, str, int], ...]
    milliseconds: float
    wrong: tuple[Outcome, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        threshold, coverage, precision = self.in_force
        return {
            "n": self.n,
            "full_plate": round(self.full_plate, 5),
            "coverage": round(self.coverage, 5),
            "precision": round(self.precision, 5),
            "threshold": round(self.threshold, 5),
            "halves_exchanged": {
                "coverage": round(self.reverse_coverage, 5),
                "precision": round(self.reverse_precision, 5),
                "threshold": round(self.reverse_threshold, 5),
            },
            "in_force": {
                "coverage": round(coverage, 5),
                "precision": round(precision, 5),
                "threshold": threshold,
                "interval_95": [round(value, 5) for value in self.in_force_interval],
            },
            "full_plate_interval_95": [round(value, 5) for value in self.full_interval],
            "random_halves": None
            if self.halved is None
            else {
                "times": self.halved.times,
                "coverage": round(self.halved.coverage, 5),
                "precision": round(self.halved.precision, 5),
                "interval_95": [round(value, 5) for value in self.halved.interval],
                "worst_half": round(self.halved.worst, 5),
                "thresholds": [round(value, 5) for value in self.halved.thresholds],
            },
            "by_region": {region: {"n": n, "right": right} for region, (n, right) in self.by_region.items()},
            "by_kind": {kind: {"n": n, "right": right} for kind, (n, right) in self.by_kind.items()},
            "confusions": [{"plate": a, "read": b, "times": n} for a, b, n in self.confusions],
            "milliseconds": round(self.milliseconds, 1),
            "wrong": [
                {"file": o.name, "plate": o.plate, "read": o.text, "confidence": round(o.confidence, 4)}
                for o in self.wrong
            ],
        }


def labelled_set(path: Path) -> list[Labelled]:
    """The labelled pictures of a folder or a ZIP file that holds them beside a `labels.csv`.

    Raises:
        PatrolError: no such folder or ZIP, no labels.csv, a wrong header, an empty cell, or a picture that is missing.
    """
    if path.is_dir():
        return list(_entries(path / LABELS, _folder_reader(path)))
    if not path.is_file():
        raise PatrolError(
            "no such folder or ZIP file", file=path, mend="Give a folder that holds labels.csv."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise PatrolError(
            f"not a ZIP file: {error}", file=path, mend="Give a folder or a ZIP file."
        ) from error
    top = {"", *(f"{PurePosixPath(name).parts[0]}/" for name in names if "/" in name)}
    root = next((folder for folder in sorted(top) if folder + LABELS in names), "")
    return list(_entries(path / LABELS, _zip_reader(path, root, names)))


def _folder_reader(folder: Path) -> Callable[[str], Callable[[], bytes] | None]:
    base = folder.resolve()

    def find(name: str) -> Callable[[], bytes] | None:
        file = (base / name).resolve()
        return file.read_bytes if file.is_relative_to(base) and file.is_file() else None

    return find


def _zip_reader(
    path: Path, root: str, names: dict[str, zipfile.ZipInfo]
) -> Callable[[str], Callable[[], bytes] | None]:
    def find(name: str) -> Callable[[], bytes] | None:
        info = names.get(root + name)
        if info is None or info.file_size > LARGEST_PICTURE:
            return None

        def fetch() -> bytes:
            try:
                with zipfile.ZipFile(path) as archive:
                    return archive.read(info)
            except (zipfile.BadZipFile, OSError, RuntimeError) as error:
                raise PatrolError(f"a member cannot be read: {error}", file=path, field=name) from error

        return fetch

    return find


def _entries(labels: Path, find: Callable[[str], Callable[[], bytes] | None]) -> Iterator[Labelled]:
    mend = f"Write a CSV file with the columns {','.join(COLUMNS)}, UTF-8."
    fetch = find(LABELS)
    if fetch is None:
        raise PatrolError("there is no labels.csv", file=labels, mend=mend)
    try:
        text = fetch().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PatrolError("the labels are not UTF-8 text", file=labels, mend=mend) from error
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise PatrolError("a column is missing", file=labels, field=min(missing), mend=mend)
        yield from _rows(rows, labels, find, mend)
    except csv.Error as error:
        raise PatrolError(
            f"not a CSV file: {error}", file=labels, field=f"line {rows.line_num}", mend=mend
        ) from error


def _rows(
    rows: csv.DictReader[str], labels: Path, find: Callable[[str], Callable[[], bytes] | None], mend: str
) -> Iterator[Labelled]:
    count = 0
    for row in rows:
        count += 1
        name, plate = (row["file"] or "").strip(), (row["plate"] or "").strip()
        if not name or not plate:
            raise PatrolError("an empty cell", file=labels, field=f"line {rows.line_num}", mend=mend)
        picture = find(name)
        if picture is None:
            raise PatrolError(
                "a picture is not there",
                file=labels,
                field=f"line {rows.line_num}",
                value=name,
                mend="Check its name.",
            )
        yield Labelled(name, plate, picture, rows.line_num)
    if not count:
        raise PatrolError("the labels name no picture", file=labels, mend=mend)


def decode_picture(data: bytes, name: object) -> Image:
    """A picture from the bytes of a JPEG, PNG, BMP, WebP or TIFF file, as H x W x 3, BGR.

    Raises:
        PatrolError: it is none.
    """
    picture = None
    if data:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise PatrolError(f"the picture cannot be decoded: {error.err}", file=name) from error
    if picture is None:
        raise PatrolError(
            f"no picture can be decoded from these {len(data)} bytes",
            file=name,
            mend="Give a JPEG, PNG, BMP, WebP or TIFF file.",
        )
    return picture.astype(np.uint8, copy=False)


def is_plate_crop(picture: Image) -> bool:
    """Is this picture so small and long that one plate fills it?"""
    height, width = picture.shape[:2]
    return bool(height <= CROP_HEIGHT and CROP_ASPECT[0] <= width / height <= CROP_ASPECT[1])


def read_any(reader: PlateReader, picture: Image) -> list[PlateReading]:
    """The plates in a picture, be it a scene or one plate's own crop."""
    if is_plate_crop(picture):
        reading = reader.read_crop(picture)
        return [] if reading is None else [reading]
    return reader.read(picture)


def evaluate(
    reader: PlateReader, pictures: Sequence[Labelled], *, progress: Callable[[int], None] | None = None
) -> Report:
    """Read every picture and measure. Where a scene shows several plates, the most confident one is scored."""
    outcomes = []
    for number, item in enumerate(pictures, start=1):
        picture = item.picture()
        begin = time.thread_time()
        readings = read_any(reader, picture)
        taken = (time.thread_time() - begin) * 1000
        best = max(readings, key=lambda reading: reading.confidence, default=None)
        kind = reader.automaton.kind(item.plate, best.colour if best else None) or "not legal"
        outcomes.append(
            Outcome(
                item.name,
                item.plate,
                best.text if best else None,
                best.confidence if best else 0.0,
                kind,
                taken,
            )
        )
        if progress is not None:
            progress(number)
    return report(outcomes, reader.threshold)


def report(outcomes: Sequence[Outcome], in_force: float) -> Report:
    """The figures of a set that has been read; at least one outcome. Pure."""
    first, second = outcomes[::2], outcomes[1::2] or outcomes
    threshold, reverse = choose_threshold(first), choose_threshold(second)
    coverage, precision = at_threshold(second, threshold)
    reverse_coverage, reverse_precision = at_threshold(first, reverse)
    confusions = Counter(
        (a, b)
        for outcome in outcomes
        if outcome.text and len(outcome.text) == len(outcome.plate)
        for a, b in zip(outcome.plate, outcome.text, strict=True)
        if a != b
    )
    return Report(
        n=len(outcomes),
        full_plate=sum(outcome.right for outcome in outcomes) / len(outcomes),
        threshold=threshold,
        coverage=coverage,
        precision=precision,
        reverse_threshold=reverse,
        reverse_coverage=reverse_coverage,
        reverse_precision=reverse_precision,
        in_force=(in_force, *at_threshold(outcomes, in_force)),
        in_force_interval=wilson(*accepted(outcomes, in_force)[::-1]),
        full_interval=wilson(sum(outcome.right for outcome in outcomes), len(outcomes)),
        halved=halvings(outcomes, lambda number: outcomes[number].plate[0]),
        by_region=_table(outcomes, lambda outcome: outcome.plate[0]),
        by_kind=_table(outcomes, lambda outcome: outcome.kind),
        confusions=tuple(
            (a, b, n) for (a, b), n in sorted(confusions.items(), key=lambda item: (-item[1], item[0]))
        ),
        milliseconds=float(np.median([outcome.milliseconds for outcome in outcomes])),
        wrong=tuple(outcome for outcome in outcomes if not outcome.right),
    )


def _table(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> dict[str, tuple[int, int]]:
    total: Counter[str] = Counter(key(outcome) for outcome in outcomes)
    right: Counter[str] = Counter(key(outcome) for outcome in outcomes if outcome.right)
    return {
        name: (count, right[name])
        for name, count in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    }
