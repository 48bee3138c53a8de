"""The bundled weights are what their provenance note says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from models import Image, catalogue
from models.decoders import FAMILIES
from models.letterbox import Letterbox

WEIGHTS = catalogue.find("nanodet-g")


def load_derivation() -> object:
    spec = importlib.util.spec_from_file_location("derive", WEIGHTS.with_name("derive.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_note_states_the_hash_and_the_licences_lie_beside() -> None:
    note = WEIGHTS.with_name("PROVENANCE.md").read_text()
    assert catalogue.sha256(WEIGHTS) in note
    licences = {path.name: path.read_text() for path in (WEIGHTS.parent / "licences").iterdir()}
    assert "Apache License" in licences["nanodet-LICENSE"]
    assert "RangiLyu" in licences["nanodet-LICENSE"]
    assert "MIT License" in licences["human-models-LICENSE"]
    assert all(f"licences/{name}" in note for name in licences)


def test_they_are_the_original_with_free_axes_and_nothing_else(shared: Path, street: Image) -> None:
    original = shared / "models/nanodet_g_416_coco80_fp16.onnx"
    assert catalogue.sha256(original) in WEIGHTS.with_name("PROVENANCE.md").read_text()

    def kernels(path: Path) -> list[bytes]:
        tensors = map(numpy_helper.to_array, onnx.load(path).graph.initializer)
        return sorted(tensor.tobytes() for tensor in tensors if tensor.ndim == 4)

    assert kernels(WEIGHTS) == kernels(original)

    box = Letterbox.fit(street.shape[:2], (416, 416))
    tensor = FAMILIES["nanodet"].preparation.tensor(street, box)[None]
    before = run(original, tensor)
    after = run(WEIGHTS, tensor)
    derivation = load_derivation()
    for name, (new_name, _) in derivation.OUTPUTS.items():  # type: ignore[attr-defined]
        np.testing.assert_allclose(after[new_name], before[name], rtol=0, atol=1e-5)


def test_the_derivation_still_gives_these_weights(shared: Path, tmp_path: Path, street: Image) -> None:
    model = onnx.load(shared / "models/nanodet_g_416_coco80_fp16.onnx")
    again = tmp_path / "again.onnx"
    onnx.save(load_derivation().derive(model), again)  # type: ignore[attr-defined]
    tensor = np.random.default_rng(3).normal(size=(2, 3, 96, 160)).astype(np.float32)
    ours, theirs = run(WEIGHTS, tensor), run(again, tensor)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def run(path: Path, tensor: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: tensor}), strict=True))


def test_the_plate_reader_is_what_the_note_says_and_keeps_the_makers_floats() -> None:
    file = WEIGHTS.with_name("hyperlpr_plates_fp16.onnx")
    note = WEIGHTS.with_name("PROVENANCE.md").read_text()
    assert catalogue.sha256(file) in note
    assert "Apache License" in (file.parent / "licences" / "hyperlpr-LICENSE").read_text()
    kernels = [
        tensor
        for tensor in onnx.load(file).graph.initializer
        if len(tensor.dims) == 4 and tensor.data_type == onnx.TensorProto.FLOAT16
    ]
    assert len(kernels) == 10
    (characters,) = onnxruntime.InferenceSession(file).run(
        None, {"plate": np.zeros((2, 3, 160, 40), np.float32)}
    )
    assert characters.shape == (2, 20, 84)
    assert characters.sum(axis=2) == pytest.approx(1.0, abs=1e-4)


def test_arrays_of_caffe_files_are_read_in_both_forms() -> None:
    spec = importlib.util.spec_from_file_location("convert", WEIGHTS.with_name("convert_hyperlpr.py"))
    assert spec is not None
    assert spec.loader is not None
    convert = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(convert)

    def field(number: int, data: bytes) -> bytes:
        key = number << 3 | 2
        return (bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])) + bytes([len(data)]) + data

    values = np.array([[0.5, -2.0, 3.0], [1.0, 0.25, -8.0]], np.float16)
    packed, single = field(7, field(1, bytes([2, 3]))), field(7, bytes([8, 2, 8, 3]))
    for shape in (packed, single):
        halves = convert.blob(shape + field(12, values.tobytes()))
        floats = convert.blob(shape + field(5, values.astype(np.float32).tobytes()))
        assert (halves == values).all()
        assert (floats == values).all()
    layer = field(
        100, field(1, b"conv0") + field(2, b"Convolution") + field(7, packed + field(12, values.tobytes()))
    )
    ((name, (array,)),) = convert.layers(layer).items()
    assert name == "conv0"
    assert (array == values).all()
