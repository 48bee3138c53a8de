"""Detectors of vehicles: pictures in, boxes in pixels out.

``open_detector()`` opens the bundled model, which needs no download; `models.catalogue` knows others.
"""

from __future__ import annotations

from models.detections import Box, Detection, Detections, Image
from models.detector import Detector, open_detector
from models.labels import COCO, VEHICLES

__all__ = ["COCO", "VEHICLES", "Box", "Detection", "Detections", "Detector", "Image", "open_detector"]
