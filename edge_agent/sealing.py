"""From a case and the frame it was decided on to a sealed picture."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol, cast
from zoneinfo import ZoneInfo

from edge_agent.cases import Case
from edge_agent.evidence import ClockInfo, EvidenceMeta, EvidenceStore
from edge_agent.frames import Frame
from edge_agent.stays import Seen
from protocol.messages import EvidenceRef
from zones.geometry import iou

_OWN = 0.5
"""Detections that overlap the case's vehicle by more are the vehicle itself, whose plate must stay readable."""


class Sealer(Protocol):
    """Seals the picture on which a decision rests; the same case and role give the same reference again."""

    def seal(self, case: Case, role: str, frame: Frame, seen: tuple[Seen, ...]) -> EvidenceRef: ...


class FrameSealer:
    """Fills in what a manifest says of a frame.

    Args:
        evidence: where pictures are kept.
        model_name: the detector's name.
        model_sha256: hash of its weights.
        time_zone: local time on the picture's caption.
        clock_offset_ms: how far the box's clock is from the frames' time base now, milliseconds.
    """

    def __init__(
        self,
        evidence: EvidenceStore,
        model_name: str,
        model_sha256: str,
        time_zone: ZoneInfo,
        clock_offset_ms: Callable[[], int],
    ) -> None:
        self._evidence = evidence
        self._model = (model_name, model_sha256)
        self._time_zone = time_zone
        self._clock_offset_ms = clock_offset_ms

    def seal(self, case: Case, role: str, frame: Frame, seen: tuple[Seen, ...]) -> EvidenceRef:
        """Seal the frame for a case; the same case and role give the same reference again.

        Raises:
            UnavailableError: the disk refuses; nothing was stored.
        """
        local = datetime.fromtimestamp(frame.at_ms / 1000, UTC).astimezone(self._time_zone)
        offset = local.utcoffset()
        meta = EvidenceMeta(
            camera_id=case.camera_id,
            taken_at_ms=frame.at_ms,
            clock=ClockInfo(source="box", offset_ms=self._clock_offset_ms()),
            utc_offset_minutes=0 if offset is None else round(offset.total_seconds() / 60),
            zone_id=case.zone.id,
            zone_name=case.zone.name,
            zone_version=case.zone.version,
            place=case.place or case.zone.name,
            position=case.position,
            model_name=self._model[0],
            model_sha256=self._model[1],
            box=case.box,
            vehicle_class=case.vehicle_class,
            plate=case.plate,
        )
        people = [item.box for item in seen if item.label == "person"]
        others = [item.box for item in seen if item.label != "person" and iou(item.box, case.box) < _OWN]

        def seal(name: str) -> EvidenceRef:
            return self._evidence.seal(
                case.id,
                cast(Literal["confirm", "recheck"], role),
                frame.image,
                meta,
                name=name,
                people=people,
                other_vehicles=others,
            )

        ref = seal(role)
        if role == "recheck" and case.clock_ends_ms is not None and ref.taken_at_ms < case.clock_ends_ms:
            # Sealed before a crash, and the clock has been moved since: that picture proves nothing any more.
            ref = seal(f"recheck-{frame.at_ms}")
        return ref
