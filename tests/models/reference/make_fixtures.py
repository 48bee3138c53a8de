"""Records what ultralytics itself predicts, so that CI can check the decoders without installing it (AGPL).

Run it in an environment of its own, from the root of the repository:

    python -m venv /tmp/reference
    /tmp/reference/bin/pip install torch torchvision
    /tmp/reference/bin/pip install ultralytics onnx onnxruntime onnxslim pydantic typer rich platformdirs tomli-w
    PYTHONPATH=. /tmp/reference/bin/python tests/models/reference/make_fixtures.py

For each architecture it makes a model with random weights, exports it to ONNX with ultralytics, lets
ultralytics predict with that file on a drawn picture, and

1. compares, live, with `models.open_detector` on the same file (boxes within 1 pixel, scores within 0.001);
2. writes the raw outputs and ultralytics' boxes, scores and classes to `ultralytics.npz` beside this file.

No weights of ultralytics and no photograph are stored.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
import ultralytics
import yaml
from ultralytics import RTDETR, YOLO
from ultralytics.nn.autobackend import AutoBackend

from models import open_detector

CLASSES = 8
SIDE = 160
IOU = 0.5
RECORD = Path(__file__).with_name("ultralytics.npz")


@dataclass(frozen=True)
class Case:
    """One exported model. `picture` is (height, width)."""

    name: str
    config: str
    family: str
    picture: tuple[int, int]
    dynamic: bool = False
    end_to_end: bool = False


CASES = (
    Case("v8", "yolov8n.yaml", "yolo", (120, 200)),
    Case("v9", "yolov9c.yaml", "yolo", (120, 200)),
    Case("11-rectangular", "yolo11n.yaml", "yolo", (96, 160), dynamic=True),
    Case("12", "yolo12n.yaml", "yolo", (200, 120)),
    Case("26-one-to-many", "yolo26n.yaml", "yolo", (117, 203)),
    Case("26-end-to-end", "yolo26n.yaml", "yolo-end2end", (117, 203), end_to_end=True),
    Case("v10-end-to-end", "yolov10n.yaml", "yolo-end2end", (120, 200), end_to_end=True),
    Case("rtdetr-selected", "rtdetr-l.yaml", "rtdetr-selected", (117, 203)),
)


def drawn_picture(height: int, width: int) -> np.ndarray:
    """A street of sorts: a gradient with rectangles and discs."""
    rng = np.random.default_rng(height * 1000 + width)
    picture = np.linspace(60, 200, height, dtype=np.uint8)[:, None, None].repeat(width, 1).repeat(3, 2)
    picture = np.ascontiguousarray(picture)
    for _ in range(12):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        w, h = (int(v) for v in rng.integers(8, 60, 2))
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
        cv2.circle(picture, (x, y + h), 5, (20, 20, 20), -1)
    return picture


def random_model(case: Case, folder: Path) -> YOLO | RTDETR:
    """A model with random weights whose scores and boxes differ from place to place."""
    source = next(Path(ultralytics.__file__).parent.rglob(case.config.replace("n.yaml", ".yaml")), None)
    source = source or next(Path(ultralytics.__file__).parent.rglob(case.config))
    config = yaml.safe_load(source.read_text()) | {"nc": CLASSES}
    path = folder / case.config
    path.write_text(yaml.safe_dump(config))
    torch.manual_seed(20260101)
    model = (RTDETR if "rtdetr" in case.config else YOLO)(str(path))
    network = model.model
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    # Statistics of real activations: else random layers flatten every picture to one value.
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = None
    pictures = torch.stack([torch.from_numpy(drawn_picture(SIDE, SIDE + n)[:, :SIDE]) for n in range(8)])
    with torch.no_grad():
        network(pictures.permute(0, 3, 1, 2).float() / 255)
    network.eval()
    head = network.model[-1]
    for name, parameter in head.named_parameters():
        is_bias = name.endswith("bias")
        last = name.rsplit(".", 2)[-2] == "2"
        if "score_head" in name:
            parameter.data.normal_(-1.0 if is_bias else 0.0, 0.5 if is_bias else 0.06)
        elif "cv3" in name and last:
            parameter.data.normal_(-2.0 if is_bias else 0.0, 0.5 if is_bias else 0.25)
        elif "cv2" in name and last and getattr(head, "reg_max", 1) > 1:
            # Distributions with contrast that prefer short distances.
            bins = torch.arange(head.reg_max).repeat(4).float()
            parameter.data.copy_(-0.7 * bins if is_bias else torch.randn_like(parameter) * 0.2)
        elif "cv2" in name and last and not is_bias:
            parameter.data.normal_(0, 0.05)  # plain distances, which must stay positive
        elif "bbox_head" in name and not is_bias:
            parameter.data.normal_(0, 0.1)
    network.names = dict(enumerate(NAMES))
    return model


NAMES = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck")


def threshold_for(scores: np.ndarray) -> float:
    """A threshold that about a hundred places pass, away from any score so that rounding decides nothing."""
    ordered = np.unique(scores)[::-1][:140]
    gaps = ordered[60:-1] - ordered[61:]
    at = 60 + int(gaps.argmax())
    return float((ordered[at] + ordered[at + 1]) / 2)


def main() -> None:
    record: dict[str, np.ndarray] = {}
    failed = False
    if importlib.util.find_spec("torchvision") is None:
        # Its warm-up only imports torchvision for a faster NMS; without it ultralytics uses its own.
        AutoBackend.warmup = lambda *args, **kwargs: None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        for case in CASES:
            picture = drawn_picture(*case.picture)
            model = random_model(case, folder)
            extra = {"nms": False} if case.end_to_end else {}
            exported = model.export(
                format="onnx", imgsz=SIDE, dynamic=case.dynamic, simplify=False, verbose=False, **extra
            )
            reference = RTDETR(exported) if "rtdetr" in case.config else YOLO(exported, task="detect")
            captured: list[np.ndarray] = []
            prepared: list[np.ndarray] = []

            def keep(predictor, captured=captured, prepared=prepared):
                forward, prepare = predictor.inference, predictor.preprocess

                def inference(image, *args, **kwargs):
                    prepared.append(image.numpy())
                    output = forward(image, *args, **kwargs)
                    captured.append((output[0] if isinstance(output, (list, tuple)) else output).numpy())
                    return output

                predictor.inference, predictor.preprocess = inference, prepare

            reference.add_callback("on_predict_start", keep)
            options = {"imgsz": SIDE, "iou": IOU, "device": "cpu", "verbose": False, "rect": True}
            reference.predict(picture, conf=0.001, **options)
            raw = captured[-1][0]
            scores = raw[4:].max(0) if case.family == "yolo" else raw[:, 4]
            threshold = threshold_for(scores)
            (result,) = reference.predict(picture, conf=threshold, **options)
            expected = result.boxes.data.numpy().astype(np.float32)
            key = case.name
            record[f"{key}/picture"] = np.array(case.picture)
            record[f"{key}/input"] = np.array(prepared[-1].shape[2:])
            record[f"{key}/raw"] = raw.astype(np.float32)
            record[f"{key}/threshold"] = np.array(threshold)
            record[f"{key}/expected"] = expected
            record[f"{key}/family"] = np.array(case.family)
            if case.name in ("v8", "rtdetr-selected", "11-rectangular"):
                record[f"{key}/prepared"] = np.rint(prepared[-1][0] * 255).astype(np.uint8)
                record[f"{key}/pixels"] = picture
            failed |= not compare_live(Path(exported), case, picture, threshold, expected)
    np.savez_compressed(RECORD, iou=np.array(IOU), names=np.array(NAMES), **record)
    print(
        f"ultralytics {ultralytics.__version__}, onnxruntime {onnxruntime.__version__}, torch {torch.__version__}"
    )
    print(f"{RECORD.name}: {RECORD.stat().st_size} bytes")
    sys.exit(failed)


def compare_live(path: Path, case: Case, picture: np.ndarray, threshold: float, expected: np.ndarray) -> bool:
    """Our own detector on the same file: recognised, prepared, run and decoded without any hint."""
    detector = open_detector(
        path, score_threshold=threshold, iou_threshold=IOU, classes=None, merge_vehicles=False
    )
    (found,) = detector.detect([picture])
    height, width = case.picture
    boxes = np.clip(found.boxes, 0, [width, height] * 2)
    good = detector.describe().family == case.family and len(found) == len(expected) > 5
    box_error = score_error = float("nan")
    if good:
        ours = np.concatenate(
            (boxes, found.scores[:, None], [[NAMES.index(label)] for label in found.labels]), axis=1
        )
        # ultralytics clips YOLO's boxes to the picture, we never do: compare inside the picture.
        theirs = np.concatenate((np.clip(expected[:, :4], 0, [width, height] * 2), expected[:, 4:]), axis=1)
        ours, theirs = ours[np.argsort(-ours[:, 4])], theirs[np.argsort(-theirs[:, 4])]
        box_error = float(np.abs(ours[:, :4] - theirs[:, :4]).max())
        score_error = float(np.abs(ours[:, 4] - theirs[:, 4]).max())
        good = box_error <= 1 and score_error <= 1e-3 and bool((ours[:, 5] == theirs[:, 5]).all())
    print(
        f"{case.name:18} {detector.describe().family:16} ours {len(found):3} ultralytics {len(expected):3} "
        f"threshold {threshold:.4f} box error {box_error:.4f} px, score error {score_error:.6f}: "
        f"{'same' if good else 'DIFFERENT'}"
    )
    return good


if __name__ == "__main__":
    main()
