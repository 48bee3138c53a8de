"""Makes the bundled plate reader from the Caffe files in the Python package hyperlpr. Needs `onnx` (extra `dev`).

    pip download --no-deps hyperlpr==0.0.2 && unzip hyperlpr-0.0.2-py3-none-any.whl
    python models/weights/convert_hyperlpr.py hyperlpr/models/dnn/SegmenationFree-Inception.caffemodel \
        hyperlpr_plates_fp16.onnx

The package stores its weights as float16; they are copied bit for bit and computed in float32. Batch normalisation
is folded into one factor and one offset per channel, kept in float32. The layers are those of the package's
`SegmenationFree-Inception.prototxt`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.generic]

EPSILON = 1e-3
"""`eps` of every batch normalisation in the prototxt."""

LAYER, LAYER_NAME, LAYER_BLOBS = 100, 1, 7
BLOB_SHAPE, BLOB_FLOATS, BLOB_HALVES, SHAPE_SIDE = 7, 5, 12, 1
"""Field numbers in caffe.proto, with OpenCV's extension for float16."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value of each field of a Protocol Buffers message."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
            case 1 | 5 as wire:
                size = 8 if wire == 1 else 4
                yield key >> 3, data[place : place + size]
                place += size
            case 2:
                size = varint()
                yield key >> 3, data[place : place + size]
                place += size
            case wire:
                raise ValueError(f"wire type {wire}")


def blob(data: bytes) -> Array:
    """One array of weights, float16 or float32 as stored."""
    shape: list[int] = []
    values: list[Array] = []
    for number, value in fields(data):
        if number == BLOB_SHAPE:
            assert isinstance(value, bytes)
            for side, size in fields(value):
                if side == SHAPE_SIDE and isinstance(size, int):
                    shape.append(size)
                elif side == SHAPE_SIDE and isinstance(size, bytes):
                    # Packed: a run of varints is read as the fields of a made-up message.
                    shape += [int(v) for _, v in fields(b"".join(b"\x08" + part for part in _varints(size)))]
        elif number in (BLOB_FLOATS, BLOB_HALVES):
            assert isinstance(value, bytes)
            values.append(np.frombuffer(value, np.float32 if number == BLOB_FLOATS else np.float16))
    return np.concatenate(values).reshape(shape)


def _varints(data: bytes) -> Iterator[bytes]:
    start = 0
    for place, byte in enumerate(data, start=1):
        if byte < 0x80:
            yield data[start:place]
            start = place


def layers(data: bytes) -> dict[str, list[Array]]:
    """Name of each layer that has weights -> its arrays."""
    found: dict[str, list[Array]] = {}
    for number, value in fields(data):
        if number != LAYER or not isinstance(value, bytes):
            continue
        parts = list(fields(value))
        (name,) = [part.decode() for key, part in parts if key == LAYER_NAME and isinstance(part, bytes)]
        blobs = [blob(part) for key, part in parts if key == LAYER_BLOBS and isinstance(part, bytes)]
        if blobs:
            found[name] = blobs
    return found


class _Network:
    def __init__(self, weights: dict[str, list[Array]]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **settings: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **settings))
        return output

    def constant(self, name: str, values: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def convolution(self, name: str, source: str, pads: list[int], normalised: str | None) -> str:
        kernel, bias = self.weights[name]
        stored = self.constant(f"{name}_half", kernel.astype(np.float16))
        inputs = [source, self.add("Cast", [stored], f"{name}_kernel", to=TensorProto.FLOAT)]
        inputs.append(self.constant(f"{name}_bias", bias.reshape(-1).astype(np.float32)))
        result = self.add("Conv", inputs, name, pads=pads)
        if normalised is None:
            return result
        mean, variance, scale = (part.reshape(-1).astype(np.float64) for part in self.weights[normalised])
        gamma, beta = (part.reshape(-1).astype(np.float64) for part in self.weights[f"{normalised}_scale"])
        factor = gamma / np.sqrt(variance / scale[0] + EPSILON)
        offset = beta - mean / scale[0] * factor
        for operator, part, values in (("Mul", "factor", factor), ("Add", "offset", offset)):
            shaped = self.constant(f"{name}_{part}", values.astype(np.float32).reshape(1, -1, 1, 1))
            result = self.add(operator, [result, shaped], f"{name}_{operator.lower()}")
        return self.add("Relu", [result], f"{name}_relu")


def convert(data: bytes) -> onnx.ModelProto:
    """The reader: n x 3 x w x 40 (BGR, 0 to 1, lying on its side) to n x w/8 x 84 probabilities, blank last."""
    network = _Network(layers(data))
    x = "plate"
    for number in range(3):
        x = network.convolution(f"conv{number}", x, [1, 1, 1, 1], f"bn{number}")
        x = network.add("MaxPool", [x], f"pool{number}", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    x = network.convolution("conv2d_1", x, [0, 0, 0, 0], "batch_normalization_1")
    branches = [
        network.convolution(f"conv2d_{number}", x, [reach, 0, reach, 0], f"batch_normalization_{number}")
        for number, reach in ((2, 3), (3, 2), (4, 1), (5, 0))
    ]
    x = network.add("Concat", branches, "branches", axis=1)
    x = network.convolution("conv_1024_11", x, [0, 0, 0, 0], "batch_normalization_6")
    x = network.convolution("conv_class_11", x, [0, 0, 0, 0], None)
    x = network.add("Softmax", [x], "classes", axis=1)
    x = network.add("Squeeze", [x, network.constant("across", np.array([3], np.int64))], "line")
    network.add("Transpose", [x], "characters", perm=[0, 2, 1])
    graph = helper.make_graph(
        network.nodes,
        "hyperlpr_plates",
        [helper.make_tensor_value_info("plate", TensorProto.FLOAT, ["n", 3, "width", 40])],
        [helper.make_tensor_value_info("characters", TensorProto.FLOAT, ["n", "slices", 84])],
        network.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="street-patrol"
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_bytes(convert(source.read_bytes()).SerializeToString(deterministic=True))
