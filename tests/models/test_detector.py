"""Opening detectors and looking at pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import VEHICLES, Detections, Image, catalogue, open_detector
from models.detector import MAX_BATCH
from protocol.errors import PatrolError, UnavailableError


@pytest.fixture(scope="module")
def yolox(shared: Path) -> Path:
    return shared / "models/yolox_nano.onnx"


def network(path: Path, outputs: dict[str, list[int]], inputs: tuple[object, ...] = (1, 3, 64, 64)) -> Path:
    """An ONNX file with these outputs, all of them constants."""
    nodes, values = [], []
    for name, shape in outputs.items():
        tensor = helper.make_tensor("value", TensorProto.FLOAT, shape, np.zeros(shape, np.float32).ravel())
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        nodes, "test", [helper.make_tensor_value_info("images", TensorProto.FLOAT, inputs)], values
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def test_the_default_needs_nothing_but_the_distribution_and_sees_cars(street: Image) -> None:
    (found,) = open_detector().detect([street])
    assert len(found) >= 8
    assert set(found.labels) <= VEHICLES
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert found.scores.min() > 0.35


def test_it_describes_itself() -> None:
    described = open_detector().describe()
    assert (described.name, described.family, described.input) == ("nanodet-g", "nanodet", (416, 416))
    assert described.rectangular
    assert described.batch is None
    assert set(described.classes) == VEHICLES
    assert described.providers == ("CPUExecutionProvider",)
    assert described.sha256 == catalogue.entry("nanodet-g").sha256


def test_a_fixed_model_describes_itself(yolox: Path) -> None:
    described = open_detector(yolox).describe()
    assert (described.family, described.input, described.rectangular) == ("yolox", (416, 416), False)
    assert described.batch == 1


@pytest.mark.parametrize("model", ["nanodet-g", "yolox"])
def test_a_batch_of_mixed_sizes_gives_what_single_pictures_give(
    model: str, pictures: dict[str, Image], yolox: Path
) -> None:
    """Bit for bit: a replay must not depend on how cameras happened to share a batch."""
    detector = open_detector(yolox if model == "yolox" else model, score_threshold=0.2)
    several = list(pictures.values())
    assert len({picture.shape for picture in several}) > 3
    together = detector.detect(several)
    assert together == [detector.detect([picture])[0] for picture in several]
    assert sum(map(len, together)) > 30


def test_more_pictures_than_a_batch_keep_their_order(street: Image) -> None:
    detector = open_detector()
    mirrored = np.ascontiguousarray(street[:, ::-1])
    many = [street, mirrored] * (MAX_BATCH // 2 + 1)
    results = detector.detect(many)
    assert results[0::2] == [results[0]] * (len(many) // 2)
    assert results[1::2] == [results[1]] * (len(many) // 2)
    assert results[0] != results[1]


def test_no_pictures_no_results() -> None:
    assert open_detector().detect([]) == []


def test_a_view_that_is_not_contiguous_is_seen_alike(street: Image) -> None:
    detector = open_detector()
    flipped = street[::-1][::-1]
    assert detector.detect([flipped]) == detector.detect([street])


def test_only_the_classes_asked_for_are_found(street: Image) -> None:
    (buses,) = open_detector(classes={"bus"}).detect([street])
    assert set(buses.labels) == {"bus"}
    (everything,) = open_detector(classes=None, score_threshold=0.1).detect([street])
    assert set(everything.labels) - VEHICLES


def test_boxes_may_reach_beyond_the_picture(pictures: dict[str, Image]) -> None:
    """Clipping a box to the picture would move the foot of a vehicle that leaves it."""
    outside = 0
    for picture in pictures.values():
        (found,) = open_detector(score_threshold=0.1).detect([picture])
        height, width = picture.shape[:2]
        outside += int(((found.boxes < 0) | (found.boxes > [width, height, width, height])).sum())
    assert outside > 0


def test_an_empty_night_holds_no_vehicle() -> None:
    dark = np.full((1088, 960, 3), 12, np.uint8)
    assert open_detector().detect([dark]) == [Detections.empty()]


def test_threads_sleep_while_they_wait(street: Image) -> None:
    """Waiting sessions must not burn the cores that decode video."""
    detector = open_detector(threads=2)
    options = detector._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert detector.detect([street]) == open_detector(threads=2).detect([street])


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((10, 10), np.uint8), r"found \(10, 10\) of uint8"),
        (np.zeros((10, 10, 4), np.uint8), r"found \(10, 10, 4\)"),
        (np.zeros((10, 10, 3), np.float32), "of float32"),
        (np.zeros((0, 10, 3), np.uint8), r"found \(0, 10, 3\)"),
        (None, "of NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(picture: object, words: str) -> None:
    with pytest.raises(PatrolError, match=words) as caught:
        open_detector().detect([np.zeros((8, 8, 3), np.uint8), picture])  # type: ignore[list-item]
    assert caught.value.field == "pictures[1]"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(PatrolError, match=r"no such model; it has nanodet-g, yolox-nano") as caught:
        open_detector("nanodet-x")
    assert caught.value.value == "nanodet-x"


def test_a_plate_reader_is_no_detector() -> None:
    with pytest.raises(PatrolError, match="another task"):
        open_detector("rapidocr-reader")


def test_a_model_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(UnavailableError, match="not on this machine") as caught:
        open_detector("yolox-tiny")
    assert caught.value.mend == "Run: patrol models fetch yolox-tiny"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PatrolError, match="no such model file") as caught:
        open_detector(tmp_path / "gone.onnx")
    assert caught.value.file == str(tmp_path / "gone.onnx")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_named(share: float, yolox: Path, tmp_path: Path) -> None:
    whole = yolox.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PatrolError, match=r"expected an ONNX model .* found .* bytes") as caught:
        open_detector(path)
    assert caught.value.file == str(path)
    assert "truncated" in str(caught.value.mend)


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    with pytest.raises(PatrolError, match="expected an ONNX model"):
        open_detector(path)


def test_foreign_outputs_are_named_beside_what_was_expected(tmp_path: Path) -> None:
    path = network(tmp_path / "classifier.onnx", {"logits": [1, 1000]})
    with pytest.raises(PatrolError, match="found outputs logits 1x1000 for an input of 64 x 64") as caught:
        open_detector(path)
    assert "nanodet: six outputs" in caught.value.problem
    assert (caught.value.file, caught.value.field) == (str(path), "outputs")


def test_foreign_inputs_are_named(tmp_path: Path) -> None:
    path = network(tmp_path / "text.onnx", {"boxes": [1, 300, 6]}, inputs=(1, 77))
    with pytest.raises(
        PatrolError, match=r"batch x 3 x height x width; found images tensor\(float\) \[1, 77\]"
    ):
        open_detector(path)
    path = network(tmp_path / "grey.onnx", {"boxes": [1, 300, 6]}, inputs=(1, 1, 64, 64))
    with pytest.raises(PatrolError, match="3 channels"):
        open_detector(path)


def test_outputs_that_fit_two_families_ask_which(tmp_path: Path, street: Image) -> None:
    path = network(tmp_path / "boxes.onnx", {"boxes": [1, 300, 6]})
    with pytest.raises(PatrolError, match="fit more than one family: yolo-end2end, rtdetr") as caught:
        open_detector(path)
    assert caught.value.mend == "Say which with --family."
    assert open_detector(path, family="yolo-end2end").detect([street]) == [Detections.empty()]
    with pytest.raises(PatrolError, match="no such family; known are nanodet, yolox, yolo"):
        open_detector(path, family="yolo99")
    with pytest.raises(PatrolError, match="expected six outputs"):
        open_detector(path, family="nanodet")


def test_classes_without_names_ask_for_them(tmp_path: Path) -> None:
    path = network(tmp_path / "own.onnx", {"boxes": [1, 84, 11]})  # YOLOX, 64 x 64, six classes
    with pytest.raises(PatrolError, match="6 classes, but no names") as caught:
        open_detector(path)
    assert "--classes" in str(caught.value.mend)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(PatrolError, match="knows no such class; it knows person, bicycle, car") as caught:
        open_detector(classes={"car", "tuk-tuk"})
    assert caught.value.value == "tuk-tuk"


def test_an_unknown_provider_lists_those_available() -> None:
    with pytest.raises(UnavailableError, match=r"it has .*CPUExecutionProvider") as caught:
        open_detector(providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert caught.value.value == "CUDAExecutionProvider"
    with pytest.raises(PatrolError, match="at least one execution provider"):
        open_detector(providers=[])


@pytest.mark.parametrize(
    ("option", "value"), [("score_threshold", 1.2), ("iou_threshold", -0.1), ("threads", 0)]
)
def test_options_out_of_range_are_named(option: str, value: float) -> None:
    with pytest.raises(PatrolError, match="expected") as caught:
        open_detector(**{option: value})  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.value) == (option, value)
