"""A frame goes in, a signed picture comes out, once."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.evidence import AgentKey, EvidenceStore, Vault
from edge_agent.evidence._picture import TARGET_BYTES
from edge_agent.evidence.verify import verify_case
from edge_agent.frames import Image
from protocol.errors import PatrolError
from tests.edge_agent.evidence.conftest import SEALER, START_MS, meta_at, street


def decoded(data: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)


def test_a_sealed_picture_is_what_the_reference_says(store: EvidenceStore) -> None:
    ref = store.seal("case-1", "confirm", street(), meta_at())
    data = store.read("case-1", ref.sha256)
    assert (ref.role, ref.taken_at_ms, ref.size) == ("confirm", START_MS, len(data))
    assert decoded(data).shape == (ref.height, ref.width, 3)
    assert store.refs("case-1") == (ref,)


def test_the_manifest_says_who_where_when_and_with_what(store: EvidenceStore) -> None:
    store.seal("case-1", "confirm", street(), meta_at())
    manifest = json.loads((store.root / "case-1/manifest.json").read_bytes())["entries"][0]["manifest"]
    assert manifest["sealer"] == SEALER.model_dump()
    assert manifest["meta"]["clock"] == {"source": "camera_ntp", "offset_ms": -12, "uncertainty_ms": 40}
    assert manifest["meta"]["zone_version"] == "9f3c"
    assert manifest["meta"]["position"] == {"longitude": 116.3201, "latitude": 39.98}
    assert manifest["meta"]["model_sha256"] == "ab" * 32
    assert manifest["picture"]["box"] == [80.5, 60, 160, 135]


def test_each_picture_names_the_one_before_it(store: EvidenceStore) -> None:
    store.seal("case-1", "confirm", street(), meta_at())
    store.seal("case-1", "recheck", street(seed=2), meta_at(600))
    package = json.loads((store.root / "case-1/manifest.json").read_bytes())
    assert package["entries"][0]["manifest"]["previous"] is None
    assert package["entries"][1]["manifest"]["previous"] == package["entries"][0]["sha256"]


def test_sealing_the_same_key_again_changes_nothing(store: EvidenceStore) -> None:
    first = store.seal("case-1", "confirm", street(seed=1), meta_at())
    before = {path.name: path.read_bytes() for path in (store.root / "case-1").iterdir()}
    assert store.seal("case-1", "confirm", street(seed=9), meta_at(5)) == first
    assert {path.name: path.read_bytes() for path in (store.root / "case-1").iterdir()} == before


def test_a_store_opened_later_knows_what_was_sealed(store: EvidenceStore, key: AgentKey) -> None:
    first = store.seal("case-1", "confirm", street(), meta_at())
    later = EvidenceStore(store.root, key, SEALER)
    assert later.seal("case-1", "confirm", street(seed=9), meta_at(5)) == first
    second = later.seal("case-1", "recheck", street(seed=2), meta_at(600))
    assert later.refs("case-1") == (first, second)
    assert verify_case(later.root / "case-1", key.public).intact


def test_names_tell_pictures_of_one_role_apart(store: EvidenceStore) -> None:
    refs = [
        store.seal("case-1", "plate", street(seed=seed), meta_at(seed), name=f"plate-{seed}")
        for seed in (1, 2)
    ]
    assert store.refs("case-1") == tuple(refs)
    assert refs[0].sha256 != refs[1].sha256


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, key: AgentKey) -> None:
    contents = []
    for run in ("a", "b"):
        store = EvidenceStore(tmp_path / run, key, SEALER)
        store.seal("case-1", "confirm", street(), meta_at())
        store.seal("case-1", "recheck", street(seed=2), meta_at(600))
        contents.append({path.name: path.read_bytes() for path in (tmp_path / run / "case-1").iterdir()})
    assert contents[0] == contents[1]


def test_the_caption_stands_below_the_scene_and_hides_none_of_it(store: EvidenceStore) -> None:
    scene = street()
    ref = store.seal("case-1", "confirm", scene, meta_at())
    picture = decoded(store.read("case-1", ref.sha256))
    assert ref.width == scene.shape[1]
    assert ref.height > scene.shape[0]
    difference = np.abs(picture[: scene.shape[0] - 8].astype(int) - scene[:-8].astype(int))
    assert difference.mean() < 4, "the scene is the camera's but for JPEG"
    strip = picture[scene.shape[0] + 8 :]
    assert strip.max() > 200, "something is written"
    assert np.median(strip) < 20, "on black"


@pytest.mark.parametrize(
    "change",
    [
        {"place": "海淀区科育路 14 号门前"},  # where, in Chinese: its characters must be drawn, not boxes
        {"taken_at_ms": START_MS + 1},  # when, to the millisecond
        {"camera_id": "c2"},  # which device
        {"utc_offset_minutes": -210},  # local time west of Greenwich, half an hour off
        {"place": "a\nb"},  # a line break must not push the rest off the strip
        {"place": "很长的地名" * 60},  # too long: shortened, not drawn over the edge
    ],
)
def test_the_caption_shows_time_place_and_device(store: EvidenceStore, change: dict[str, object]) -> None:
    scene = street(640, 360)
    one = store.seal("case-1", "confirm", scene, meta_at())
    other = store.seal("case-1", "confirm", scene, meta_at(0, **change), name="other")
    strips = [decoded(store.read("case-1", ref.sha256))[368:] for ref in (one, other)]
    assert strips[0].shape == strips[1].shape
    assert np.abs(strips[0].astype(int) - strips[1].astype(int)).max() > 100


def test_a_large_frame_is_reduced_and_its_box_with_it(store: EvidenceStore) -> None:
    ref = store.seal("case-1", "confirm", street(3840, 2160), meta_at(0, box=(400.0, 300.0, 2000.0, 1501.0)))
    assert ref.width == 1920
    assert ref.size <= TARGET_BYTES
    (manifest,) = store.manifests("case-1")
    assert manifest.picture.box == (200, 150, 1000, 750.5)
    assert manifest.picture.scene_height == 1080
    assert (manifest.picture.source_width, manifest.picture.source_height) == (3840, 2160)


def test_a_real_full_hd_frame_fits_the_size_and_keeps_its_pixels(store: EvidenceStore, shared: Path) -> None:
    frame = cv2.imread(str(shared / "stills/plate_scene_1920x1080.jpg"))
    assert frame is not None
    ref = store.seal("case-1", "plate", frame.astype(np.uint8), meta_at(0, box=(580.0, 330.0, 1890.0, 980.0)))
    assert ref.width == 1920
    assert ref.height > 1080
    assert ref.size <= TARGET_BYTES


def test_a_noisy_night_frame_still_fits(store: EvidenceStore) -> None:
    rng = np.random.default_rng(7)
    dark = np.clip(street(1920, 1080) * 0.3 + rng.normal(0, 12, (1080, 1920, 3)), 0, 255).astype(np.uint8)
    assert store.seal("case-1", "confirm", dark, meta_at()).size <= TARGET_BYTES


def test_the_picture_that_leaves_is_masked_and_the_original_stays_encrypted(
    tmp_path: Path, key: AgentKey
) -> None:
    vault = Vault(b"k" * 32)
    store = EvidenceStore(tmp_path / "evidence", key, SEALER, originals=vault)
    scene = street(640, 360)
    person = (400.0, 40.0, 480.0, 280.0)
    cv2.circle(scene, (440, 70), 20, (90, 140, 220), -1)
    ref = store.seal("case-1", "confirm", scene, meta_at(), people=[person])
    sent = decoded(store.read("case-1", ref.sha256))
    (manifest,) = store.manifests("case-1")
    assert len(manifest.picture.masked) == 1
    assert np.abs(sent[50:90, 420:460].astype(int) - scene[50:90, 420:460]).max() > 40
    assert manifest.original is not None
    kept = store.root / "case-1" / manifest.original.file
    assert b"JFIF" not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    opened = decoded(vault.open(store.root / "case-1", manifest))
    assert np.abs(opened[:352].astype(int) - scene[:352]).mean() < 4


def test_no_original_is_kept_where_nothing_was_hidden(tmp_path: Path, key: AgentKey) -> None:
    store = EvidenceStore(tmp_path / "evidence", key, SEALER, originals=Vault(b"k" * 32))
    store.seal("case-1", "confirm", street(), meta_at())
    assert store.manifests("case-1")[0].original is None
    assert not (store.root / "case-1/originals").exists()


def test_an_original_opens_with_its_own_key_and_place_only(tmp_path: Path, key: AgentKey) -> None:
    vault = Vault(b"k" * 32)
    store = EvidenceStore(tmp_path / "evidence", key, SEALER, originals=vault)
    for case in ("case-1", "case-2"):
        store.seal(case, "confirm", street(640, 360), meta_at(), people=[(400, 40, 480, 280)])
    (manifest,) = store.manifests("case-1")
    assert manifest.original is not None
    folder = store.root / "case-1"
    with pytest.raises(PatrolError, match="another key"):
        Vault(b"j" * 32).open(folder, manifest)
    mine, other = folder / manifest.original.file, store.root / "case-2" / manifest.original.file
    good = mine.read_bytes()
    # Another case's original; one bit in the head, the ciphertext and the tag; cut short; empty.
    flipped = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in (0, 5, 13, 1000, len(good) - 1)]
    for bad in (other.read_bytes(), *flipped, good[:100], b""):
        mine.write_bytes(bad)
        with pytest.raises(PatrolError, match="altered"):
            vault.open(folder, manifest)


@pytest.mark.parametrize(
    ("case_id", "name"),
    [
        ("../elsewhere", None),  # out of the root
        ("", None),
        (".hidden", None),
        ("case-1", "../x"),
        ("case-1", "Plate"),  # names differ by more than case on every file system
    ],
)
def test_names_that_would_leave_the_folder_are_refused(
    store: EvidenceStore, case_id: str, name: str | None
) -> None:
    with pytest.raises(PatrolError) as caught:
        store.seal(case_id, "confirm", street(), meta_at(), name=name)
    assert caught.value.field in ("case_id", "name")
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((100, 100), np.uint8),  # grey
        np.zeros((100, 100, 3), np.float32),  # not bytes
        np.zeros((0, 100, 3), np.uint8),  # empty
    ],
    ids=["grey", "float", "empty"],
)
def test_what_is_no_picture_is_refused(store: EvidenceStore, image: Image) -> None:
    with pytest.raises(PatrolError, match="expected height x width x 3"):
        store.seal("case-1", "confirm", image, meta_at())
    assert list(store.root.iterdir()) == []


def test_a_damaged_case_is_not_written_to(store: EvidenceStore) -> None:
    store.seal("case-1", "confirm", street(), meta_at())
    manifest = store.root / "case-1/manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    with pytest.raises(PatrolError, match="not JSON"):
        store.seal("case-1", "recheck", street(), meta_at(600))
    assert sorted(path.name for path in (store.root / "case-1").iterdir()) == [
        "01-confirm.jpg",
        "manifest.json",
    ]


def test_another_agents_case_is_not_written_to(store: EvidenceStore) -> None:
    store.seal("case-1", "confirm", street(), meta_at())
    other = EvidenceStore(store.root, AgentKey.generate(), SEALER)
    with pytest.raises(PatrolError, match="another key"):
        other.seal("case-1", "recheck", street(), meta_at(600))


def test_a_changed_picture_is_not_read_out(store: EvidenceStore) -> None:
    ref = store.seal("case-1", "confirm", street(), meta_at())
    path = store.root / "case-1/01-confirm.jpg"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(PatrolError, match="not the picture"):
        store.read("case-1", ref.sha256)
    with pytest.raises(PatrolError, match="no such picture"):
        store.read("case-1", "0" * 64)
