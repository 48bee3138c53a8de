"""Puts the parts together. The only place that knows which class fills which port."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

from edge_agent.attention import Camera
from edge_agent.bays import BayWatch
from edge_agent.cases import Case
from edge_agent.doubts import Doubts
from edge_agent.effects import Ask, EffectWriter
from edge_agent.engine import Engine, Listener
from edge_agent.evidence import AgentKey, EvidenceStore, load_or_create_secret
from edge_agent.evidence import Sealer as EvidenceSealer
from edge_agent.evidence import Vault as OriginalsVault
from edge_agent.identity import Identity
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.permits import PERMITS_FILE, PermitBook
from edge_agent.plates import PlateDesk
from edge_agent.rechecks import Rechecks
from edge_agent.rests import RestKeeper
from edge_agent.rule_change import RulesIndex
from edge_agent.sealing import FrameSealer
from edge_agent.stays import StayRules
from edge_agent.store import Store
from models.detector import Detector, open_detector
from models.labels import VEHICLES
from zones import ZoneFile

WATCHED = frozenset({*VEHICLES, "bicycle", "person"})
"""Vehicles stay; people are looked for because they hide vehicles, and so that their faces can be masked."""

SPARING_FROM_S = 5.0
"""Cameras with this sampling period or a longer one are looked at sparingly (`EyesConfig.sparing`)."""

SPARING_AGE = 6
"""Periods after which a part of such a camera's picture is looked at again although nothing changed there."""

SPARING_CALM_AGE = 60
"""The same where nothing has changed for long, or while there is no time for it."""

_FAINT = 0.1
"""The detector reports down to this; tracking uses its own threshold, closer looks count faint answers too."""


@dataclass(frozen=True, slots=True)
class Perceiver:
    """The models, shared by all cameras.

    Attributes:
        detector: finds vehicles and people.
        input_side: the side of its input, pixels.
        model_name, model_sha256: what evidence says about it.
        plates: reads plates, or None.
        plate_wait_s: how long after confirmation a plate is waited for, seconds.
        eyes: how cameras are looked at.
    """

    detector: Detector
    input_side: int
    model_name: str
    model_sha256: str
    plates: PlateDesk | None = None
    plate_wait_s: float = 20
    eyes: EyesConfig = field(default_factory=EyesConfig)


def open_perceiver(
    model: str = "nanodet-g",
    *,
    threads: int = 1,
    score_threshold: float = 0.2,
    providers: tuple[str, ...] = ("CPUExecutionProvider",),
    plates: bool = True,
    max_looks: int = 12,
    plate_wait_s: float = 20,
) -> Perceiver:
    """Load the models.

    Raises:
        PatrolError: a model is unknown, damaged or foreign, or a provider is not available.
    """
    detector = open_detector(
        model,
        providers=providers,
        threads=threads,
        score_threshold=_FAINT,
        iou_threshold=0.5,
        classes=WATCHED,
    )
    facts = detector.describe()
    desk = None
    if plates:
        from edge_agent.plate_reading import open_desk

        desk = open_desk(threads=threads, max_looks=max_looks)
    return Perceiver(
        detector,
        max(facts.input),
        facts.name,
        facts.sha256,
        desk,
        plate_wait_s,
        EyesConfig(score=score_threshold),
    )


def make_camera(
    camera_id: str,
    zones: ZoneFile,
    width: int,
    height: int,
    perceiver: Perceiver,
    store: Store,
    period_s: float,
    *,
    kept: Mapping[str, ZoneFile] | None = None,
) -> Camera:
    """What the engine needs of a camera whose pictures have this size.

    Args:
        kept: earlier zone files by which stays of cases in flight are still judged.

    Raises:
        PatrolError: the pictures have another shape than the zones'.
    """
    index = RulesIndex(zones, width, height, kept or {})
    eyes = perceiver.eyes
    if period_s >= SPARING_FROM_S:
        # Bays are called free after two detections within 25 s; elsewhere the place's look tells who still stands there.
        has_bays = any(zone.kind == "parking_bay" for zone in zones.zone)
        period_ms = 0 if has_bays else round(period_s * 1000)
        eyes = replace(
            eyes,
            sparing=True,
            max_age_ms=max(eyes.max_age_ms, SPARING_AGE * period_ms),
            calm_age_ms=SPARING_CALM_AGE * period_ms,
        )
    return Camera(
        id=camera_id,
        eyes=Eyes(index, perceiver.detector, perceiver.input_side, eyes),
        rules=StayRules.for_period(period_s),
        state=store.camera(camera_id),
        place=zones.place,
        street=zones.street,
        bays=BayWatch(index),
        doubts=Doubts() if eyes.sparing else None,
    )


def make_engine(
    store: Store,
    identity: Identity,
    data_dir: Path,
    perceiver: Perceiver,
    *,
    time_zone: str = "Asia/Shanghai",
    clock_offset_ms: Callable[[], int] = lambda: 0,
    text: Callable[[Case, str], str] | None = None,
    ask: Ask | None = None,
    on_event: Listener | None = None,
    rests: RestKeeper | None = None,
    rechecks: Rechecks | None = None,
) -> Engine:
    """The deciding loop with its evidence store and outbox.

    Raises:
        PatrolError: a key is damaged.
        UnavailableError: the data folder cannot be written.
    """
    key = AgentKey.load_or_create(data_dir / "keys" / "evidence.pem")
    evidence = EvidenceStore(
        data_dir / "evidence",
        key,
        EvidenceSealer(
            jurisdiction_id=identity.jurisdiction_id,
            agent_id=identity.agent_id,
            device=f"{platform.node()} {platform.machine()}",
            app_version=version("street-patrol"),
        ),
        originals=OriginalsVault(load_or_create_secret(data_dir / "keys" / "originals.key")),
    )
    sealer = FrameSealer(
        evidence, perceiver.model_name, perceiver.model_sha256, ZoneInfo(time_zone), clock_offset_ms
    )
    return Engine(
        store,
        sealer,
        EffectWriter(identity, store.vault, evidence, text, ask=ask),
        plates=perceiver.plates,
        plate_wait_ms=round(perceiver.plate_wait_s * 1000),
        permits=PermitBook(data_dir / PERMITS_FILE, store.vault, readonly=True),
        on_event=on_event,
        rests=rests,
        rechecks=rechecks,
    )
