"""Video files and folders of pictures: every sampled frame, in stream time, the same each time."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge_agent.ingest import SourceConfig, SteadyClock, open_recording, open_source
from protocol.clock import SystemClock, from_iso
from protocol.errors import PatrolError
from tests.edge_agent.ingest.clips import encode, number_in, numbered
from tests.edge_agent.ingest.conftest import Camera

START_MS = from_iso("2026-01-01T00:00:00Z")

CLIPS = [
    # clip, sampled frames at 2 s, first frame at ms, duration in ms
    ("kerb_street_day_640x360.mp4", 38, 1860, 75_186),  # begins without a keyframe
    ("sidewalk_street_day_640x352.mp4", 19, 0, 37_688),
    ("china_kerb_day_640x480.avi", 9, 0, 18_375),  # MPEG-4 with empty packets: keyframes suffice
    ("china_road_above_640x480.avi", 16, 0, 30_040),  # keyframe every 10 s
    ("night_ir_empty_960x1088_hevc.mp4", 88, 0, 175_068),  # time stamps begin at 4.9 s
    ("carpark_above_768x432.mp4", 16, 0, 30_160),
]


def read(path: Path, loops: int = 1, **fields: object) -> list[tuple[int, int, str]]:
    """(milliseconds since the start, number, hash of the picture) of each frame."""
    recording = open_recording("cam", SourceConfig.model_validate({"url": str(path), **fields}), loops=loops)
    return [
        (frame.at_ms - recording.start_ms, frame.seq, hashlib.sha256(frame.image.tobytes()).hexdigest())
        for frame in recording.frames()
    ]


@pytest.mark.parametrize(("name", "count", "first_ms", "duration_ms"), CLIPS)
def test_real_clips_give_a_frame_every_period_and_the_same_twice(
    name: str, count: int, first_ms: int, duration_ms: int, shared: Path
) -> None:
    path = shared / "footage" / name
    recording = open_recording("cam", SourceConfig(url=str(path)))
    frames = read(path)

    assert recording.duration_ms == pytest.approx(duration_ms, abs=1)
    assert recording.start_ms == START_MS
    assert len(frames) == count
    assert frames[0][0] == first_ms
    assert [seq for _, seq, _ in frames] == list(range(count))
    assert all(after > before for (before, _, _), (after, _, _) in pairwise(frames))
    assert max(after - before for (before, _, _), (after, _, _) in pairwise(frames[1:])) < 4000
    assert read(path) == frames


@pytest.mark.parametrize("period_s", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("name", ["kerb_street_day_640x360.mp4", "china_road_above_640x480.avi"])
def test_skipping_between_boundaries_gives_what_decoding_everything_gives(
    name: str, period_s: float, shared: Path
) -> None:
    path = shared / "footage" / name
    expected = []
    boundary = 0.0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for picture in container.decode(stream):
            at_ms = int(picture.pts * stream.time_base * 1000)
            if at_ms >= boundary:
                boundary = (at_ms // (period_s * 1000) + 1) * period_s * 1000
                image = picture.to_ndarray(format="bgr24")
                expected.append((at_ms, len(expected), hashlib.sha256(image.tobytes()).hexdigest()))

    assert read(path, sample_period_s=period_s, sampling="all") == expected


def test_frames_are_read_only_pictures_of_the_announced_size(shared: Path) -> None:
    recording = open_recording("cam", SourceConfig(url=str(shared / "footage" / "carpark_above_768x432.mp4")))
    frame = next(recording.frames())
    assert recording.size == (768, 432)
    assert frame.image.shape == (432, 768, 3)
    assert frame.image.dtype == np.uint8
    assert not frame.image.flags.writeable


@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_each_frame_is_the_one_that_its_time_says(codec: str, bframes: int, tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", map(numbered, range(95)), codec=codec, gop=40, bframes=bframes)
    config = SourceConfig(url=str(path), sample_period_s=0.7)
    frames = [
        (number_in(frame.image), frame.at_ms - START_MS) for frame in open_recording("cam", config).frames()
    ]
    assert frames == [(number, number * 100) for number in range(0, 95, 7)]


def test_frequent_keyframes_are_decoded_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", map(numbered, range(100)), gop=5)
    config = SourceConfig(url=str(path), sample_period_s=1.2)
    numbers = [number_in(frame.image) for frame in open_recording("cam", config).frames()]
    assert numbers == [0, 15, 25, 40, 50, 60, 75, 85, 100 - 0][: len(numbers)]
    assert all(number % 5 == 0 for number in numbers)


def test_stream_time_goes_on_rising_over_the_seam(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", map(numbered, range(25)), gop=25)
    config = SourceConfig(url=str(path), sample_period_s=1.0, start_at="2026-03-01T08:00:00+08:00")
    recording = open_recording("cam", config, loops=3)
    frames = [
        (frame.at_ms - recording.start_ms, number_in(frame.image), frame.seq) for frame in recording.frames()
    ]

    assert recording.start_ms == from_iso("2026-03-01T00:00:00Z")
    assert recording.duration_ms == 2500
    assert frames == [
        (0, 0, 0),
        (1000, 10, 1),
        (2000, 20, 2),
        (3000, 5, 3),
        (4000, 15, 4),
        (5000, 0, 5),
        (6000, 10, 6),
        (7000, 20, 7),
    ]


def save(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), numbered(number))
    return folder


def test_a_folder_is_ordered_by_number_at_the_period(tmp_path: Path) -> None:
    save(tmp_path, "frame_10.png", "frame_9.png", "frame_100.jpg")
    (tmp_path / "notes.txt").write_text("not a picture")
    recording = open_recording("cam", SourceConfig(url=str(tmp_path), sample_period_s=5))
    frames = [(number_in(frame.image), frame.at_ms - START_MS) for frame in recording.frames()]
    assert frames == [(1, 0), (0, 5000), (2, 10_000)]
    assert recording.duration_ms == 15_000


def test_a_folder_is_timed_by_the_instants_in_its_names_and_sampled(tmp_path: Path) -> None:
    save(tmp_path, "cam_20260601T120000Z.jpg", "cam_20260601T120001Z.jpg", "cam_2026-06-01_12-00-02.500.jpg")
    recording = open_recording("cam", SourceConfig(url=str(tmp_path), sample_period_s=2), loops=2)
    noon = from_iso("2026-06-01T12:00:00Z")
    assert recording.start_ms == noon
    frames = [(number_in(frame.image), frame.at_ms - noon) for frame in recording.frames()]
    assert frames == [(0, 0), (2, 2500), (0, 4000), (2, 6500)]


def test_a_folder_without_numbers_is_in_alphabetical_order(tmp_path: Path) -> None:
    save(tmp_path, "b.png", "a.png")
    frames = open_recording("cam", SourceConfig(url=str(tmp_path))).frames()
    assert [number_in(frame.image) for frame in frames] == [1, 0]


def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    film = encode(tmp_path / "film.mp4", map(numbered, range(20)))
    (tmp_path / "truncated.mp4").write_bytes(film.read_bytes()[:2000])
    (tmp_path / "text.mp4").write_text("not a film")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "same").mkdir()
    save(tmp_path / "same", "20260601T120000Z.jpg", "x20260601T120000Z.jpg")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(sound.encode(frame))

    for name in ("missing.mp4", "truncated.mp4", "text.mp4", "empty.mp4", "folder", "same", "sound.wav"):
        with pytest.raises(PatrolError) as refused:
            open_recording("cam", SourceConfig(url=str(tmp_path / name)))
        assert name.split(".")[0] in (refused.value.file or ""), name
        assert refused.value.field == "url"
        assert refused.value.mend


def test_a_broken_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    save(tmp_path, "1.png")
    (tmp_path / "2.png").write_bytes(b"broken")
    with pytest.raises(PatrolError, match="cannot be read") as refused:
        list(open_recording("cam", SourceConfig(url=str(tmp_path))).frames())
    assert refused.value.file == str(tmp_path / "2.png")


@pytest.mark.parametrize(("url", "loops"), [("rtsp://h/cam", 1), ("film.mp4", 0)])
def test_a_camera_or_no_loop_is_not_a_recording(url: str, loops: int) -> None:
    with pytest.raises(PatrolError):
        open_recording("cam", SourceConfig(url=url), loops=loops)


def test_a_playlist_cannot_reach_the_network(tmp_path: Path, free_port: Callable[[], int]) -> None:
    playlist = tmp_path / "film.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{free_port()}/a.ts\n"
    )
    with pytest.raises(PatrolError):
        list(open_recording("cam", SourceConfig(url=str(playlist))).frames())


def test_a_file_plays_in_real_time_and_has_then_ended(tmp_path: Path, watch: Callable[..., Camera]) -> None:
    path = encode(tmp_path / "film.mp4", map(numbered, range(20)))
    camera = watch(url=str(path))
    first = camera.source.take(5)
    assert first is not None
    assert first.at_ms == START_MS

    health = camera.becomes("ended", 10)

    assert camera.states == ["live", "ended"]
    assert health.frames == 4
    last = camera.source.take(0)
    assert last is not None
    assert (last.at_ms - START_MS, last.seq) == (1500, 3)


def test_playing_stops_in_the_middle(numbered_h264: Path) -> None:
    source = open_source("cam", SourceConfig(url=str(numbered_h264)), clock=SteadyClock(SystemClock()))
    source.start()
    assert source.take(5) is not None
    source.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("playback-")]
