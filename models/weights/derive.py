"""Makes the bundled NanoDet-g from the fixed-size conversion. Needs `onnx` (extra `dev`).

    python models/weights/derive.py nanodet_g_416_coco80_fp16.onnx nanodet_g_coco80_fp16.onnx

No weight changes. Explicit padding goes into the convolution or pooling that follows it, the input's batch,
height and width become free, and outputs get names that say what they are. The outputs for a square picture
are those of the original (a test compares them).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

OUTPUTS = {
    "Identity:0": ("scores_8", 80),
    "Identity_1:0": ("scores_16", 80),
    "Identity_2:0": ("scores_32", 80),
    "Identity_3:0": ("distances_8", 44),
    "Identity_4:0": ("distances_16", 44),
    "Identity_5:0": ("distances_32", 44),
}
"""Output of the original -> name here, columns."""

ONE_PIXEL_AROUND = [0, 0, 1, 1, 0, 0, 1, 1]


def derive(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with free batch, height and width; changes and returns `model`."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        (user,) = users[pad.output[0]]
        if numpy_helper.to_array(constants[pad.input[1]]).tolist() != ONE_PIXEL_AROUND:
            raise ValueError(f"{pad.output[0]}: not one pixel around")
        if user.op_type not in ("Conv", "MaxPool") or any(a.name == "pads" for a in user.attribute):
            raise ValueError(f"{user.output[0]}: cannot take the padding over")
        user.attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))
        user.input[0] = pad.input[0]
        graph.node.remove(pad)

    # Reshapes to 1 x columns x cells keep the batch instead of the 1.
    producers = {name: node for node in graph.node for name in node.output}
    for original, (_, columns) in OUTPUTS.items():
        reshape = producers[producers[original].input[0]]
        shape = f"batch_{columns}_cells"
        if shape not in constants:
            constants[shape] = numpy_helper.from_array(np.array([0, columns, -1], np.int64), shape)
            graph.initializer.append(constants[shape])
        reshape.input[1] = shape

    _name(model)
    _sweep(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def _name(model: onnx.ModelProto) -> None:
    graph = model.graph
    source = graph.input[0].name
    for node in graph.node:
        node.input[:] = ["picture" if name == source else name for name in node.input]
        node.output[:] = [OUTPUTS[name][0] if name in OUTPUTS else name for name in node.output]
    del graph.input[:], graph.output[:]
    kind = onnx.TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info("picture", kind, ["batch", 3, "height", "width"]))
    for name, columns in OUTPUTS.values():
        cells = "cells_" + name.partition("_")[2]
        graph.output.append(helper.make_tensor_value_info(name, kind, ["batch", cells, columns]))
    graph.name = "NanoDet-g"
    model.doc_string = "NanoDet-g, COCO. See PROVENANCE.md beside this file."
    helper.set_model_props(model, {"family": "nanodet", "licence": "Apache-2.0", "changes": "derive.py"})


def _sweep(graph: onnx.GraphProto) -> None:
    """Remove what no output needs any more."""
    outputs = {value.name for value in graph.output}
    while True:
        used = {name for node in graph.node for name in node.input} | outputs
        dead = [node for node in graph.node if used.isdisjoint(node.output)]
        if not dead:
            break
        for node in dead:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


if __name__ == "__main__":
    original, target = map(Path, sys.argv[1:])
    onnx.save(derive(onnx.load(original)), target)
