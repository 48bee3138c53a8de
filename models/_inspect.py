"""Recognising what an ONNX file is by running it once."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.catalogue import Entry
from models.decoders import FAMILIES, Family, Size
from models.labels import COCO
from protocol.errors import PatrolError

if TYPE_CHECKING:
    import onnxruntime

NOMINAL_SIDE = 640
"""Long side of the input of a model that leaves its size open and does not name one, pixels."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a model that has run once.

    Attributes:
        family: the decoder that fits.
        names: names of the classes by number.
        nominal: height, width of the input, pixels.
        outputs: name and shape of each output for one picture of that size.
    """

    family: Family
    names: tuple[str, ...]
    nominal: Size
    outputs: tuple[tuple[str, tuple[int, ...]], ...]


def inspect(
    session: onnxruntime.InferenceSession,
    path: Path,
    *,
    family: str | None = None,
    entry: Entry | None = None,
    names: Sequence[str] | None = None,
) -> Inspection:
    """Run a model once on a grey picture and recognise its family from the shapes of its outputs.

    Args:
        session: the open model.
        path: its file, for errors.
        family: the family it must be; None to recognise it.
        entry: its catalogue entry, if it has one.
        names: names of its classes; None: the entry's, else the file's own, else COCO's where there are 80.

    Raises:
        PatrolError: input or outputs are no known detector's, fit several families, or the classes have no names.
    """
    if family is not None and family not in FAMILIES:
        raise PatrolError(
            f"no such family; known are {', '.join(FAMILIES)}", file=path, field="family", value=family
        )
    metadata = session.get_modelmeta().custom_metadata_map
    nominal, shapes = _probe(session, path, entry, metadata)
    bare = [shape[1:] for _, shape in shapes]
    known = _known_names(names, entry, metadata)
    fitting = {
        one.name: count
        for one in FAMILIES.values()
        if family in (None, one.name) and (count := one.classes_of(bare, nominal)) is not None
    }
    shown = "; ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes)
    if not fitting:
        expected = (
            FAMILIES[family].expects
            if family
            else "one of: " + "; ".join(f"{one.name}: {one.expects}" for one in FAMILIES.values())
        )
        raise PatrolError(
            f"expected {expected}; found outputs {shown} for an input of {nominal[0]} x {nominal[1]}",
            file=path,
            field="outputs",
            mend="Use a detector of a known family; `patrol models list` shows some.",
        )
    if len(fitting) > 1:
        fitting = _by_metadata(fitting, metadata)
    if len(fitting) > 1 and known is not None:
        fitting = {name: count for name, count in fitting.items() if count in (0, len(known))} or fitting
    if len(fitting) > 1:
        raise PatrolError(
            f"outputs {shown} fit more than one family: {', '.join(fitting)}",
            file=path,
            field="family",
            mend="Say which with --family.",
        )
    ((family_name, count),) = fitting.items()
    return Inspection(FAMILIES[family_name], _names(count, path, known), nominal, tuple(shapes))


def _probe(
    session: onnxruntime.InferenceSession,
    path: Path,
    entry: Entry | None,
    metadata: dict[str, str],
) -> tuple[Size, list[tuple[str, tuple[int, ...]]]]:
    """The nominal input size, and the outputs' shapes for one picture of it."""
    inputs = session.get_inputs()
    found = "; ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise PatrolError(
            f"expected one input of float32, batch x 3 x height x width; found {found}",
            file=path,
            field="inputs",
        )
    batch, channels, *sides = inputs[0].shape
    if isinstance(channels, int) and channels != 3:
        raise PatrolError(f"expected an input of 3 channels; found {found}", file=path, field="inputs")
    stated = (entry.input if entry else None) or _metadata_size(metadata) or (NOMINAL_SIDE, NOMINAL_SIDE)
    height, width = (
        side if isinstance(side, int) else open_side for side, open_side in zip(sides, stated, strict=True)
    )
    grey = np.full((batch if isinstance(batch, int) else 1, 3, height, width), 0.5, np.float32)
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        outputs: list[Any] = session.run(None, {inputs[0].name: grey})
    except (state.Fail, state.InvalidArgument, state.RuntimeException, state.NotImplemented) as error:
        raise PatrolError(
            f"the model loads but does not run on an input of {height} x {width}: {str(error).splitlines()[0][:300]}",
            file=path,
        ) from error
    shapes = [
        (one.name, tuple(np.shape(output)))
        for one, output in zip(session.get_outputs(), outputs, strict=True)
    ]
    return (height, width), shapes


def _metadata_size(metadata: dict[str, str]) -> Size | None:
    """Height and width that ultralytics wrote into the file."""
    value = _literal(metadata.get("imgsz"))
    match value:
        case [int(height), int(width)]:
            return height, width
        case _:
            return None


def _by_metadata(fitting: dict[str, int], metadata: dict[str, str]) -> dict[str, int]:
    """Of several families, those that what ultralytics wrote into the file allows."""
    if not metadata.keys() & {"head", "description", "end2end"}:
        return fitting
    words = (metadata.get("head", "") + metadata.get("description", "")).lower().replace("-", "")
    transformer = "rtdetr" in words
    return {name: count for name, count in fitting.items() if name.startswith("rtdetr") is transformer}


def _known_names(
    given: Sequence[str] | None, entry: Entry | None, metadata: dict[str, str]
) -> tuple[str, ...] | None:
    """Names of the classes by number: those given, else the entry's, else those written into the file."""
    if given:
        return tuple(given)
    if entry is not None and entry.class_names is not None:
        return entry.class_names
    written = _literal(metadata.get("names"))
    if isinstance(written, dict) and sorted(written) == list(range(len(written))):
        return tuple(str(written[number]) for number in range(len(written)))
    return None


def _names(count: int, path: Path, known: tuple[str, ...] | None) -> tuple[str, ...]:
    if known is None and count in (0, len(COCO)):
        known = COCO
    if known is None or (count and len(known) != count):
        raise PatrolError(
            f"the model has {count} classes, but {len(known) if known else 'no'} names are known for them",
            file=path,
            field="classes",
            mend="Give the names with `patrol models import FILE --classes names.txt`, one a line.",
        )
    return known


def _literal(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
