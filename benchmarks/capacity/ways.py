"""Two other ways to watch the same cameras: the least that anybody must do, and what comparable systems do.

    python -m benchmarks.capacity.ways floor 8554 50 --seconds 10 --period 10 --cores 0
    python -m benchmarks.capacity.ways peer 8554 2 --seconds 10 --cores 0

Prints the processor seconds per camera and second as JSON. The floor receives every byte, looks at none, and decodes the
keyframes that the checks need. The peer decodes every picture by FFmpeg and runs the detector five times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time

PEER_FPS = 5


def floor(port: int, cameras: int, seconds: float, period_s: float) -> float:
    """Processor seconds per camera and second of receiving and of one keyframe a period."""
    from av.packet import Packet

    from benchmarks.capacity.clips import load_media
    from edge_agent.ingest import SourceConfig, SteadyClock
    from edge_agent.ingest._decode import SharedDecoder
    from edge_agent.ingest._hub import SCRATCH_BYTES, TICK_S, Hub
    from edge_agent.ingest._rtp import Cutter
    from edge_agent.ingest._thin import ThinReader
    from protocol.clock import SystemClock

    class NoHub(Hub):
        """The connections are read here instead."""

        def add(self, link: object) -> None:
            """Leave it alone."""

    clock = SteadyClock(SystemClock())
    readers = []
    for number in range(cameras):
        config = SourceConfig(url=f"rtsp://127.0.0.1:{port}/cam{number}")
        readers.append(ThinReader(config, clock, hub=NoHub()))
        readers[-1].open()
    sockets = [reader._socket for reader in readers if reader._socket is not None]
    view = memoryview(bytearray(SCRATCH_BYTES))
    began, cpu = time.monotonic(), time.process_time()
    pause = threading.Event()
    while (lived_s := time.monotonic() - began) < seconds:
        for sock in sockets:
            try:
                sock.recv_into(view)
            except BlockingIOError:
                continue
        pause.wait(TICK_S)
    receiving = (time.process_time() - cpu) / (cameras * lived_s)
    for reader in readers:
        reader.close()
    media = load_media("main")[0]
    cutter = Cutter("h264", parameter_sets=media.parameter_sets)
    for index, unit in enumerate(media.units):
        wire = unit.stamped(cutter.packets & 0xFFFF, index * 3600, 1)
        cutter.feed(wire, len(wire))
    decoder = SharedDecoder("h264")
    decoder.alone(Packet(cutter.keyframes[0].data))  # type: ignore[arg-type]
    cpu = time.thread_time()
    for keyframe in cutter.keyframes:
        decoder.alone(Packet(keyframe.data))  # type: ignore[arg-type]
    return receiving + (time.thread_time() - cpu) / len(cutter.keyframes) / period_s


def peer(port: int, cameras: int, seconds: float, model: str) -> float:
    """Processor seconds per camera and second of full decoding and detection at 5 fps."""
    import av

    from models.detector import open_detector

    detector = open_detector(model)
    ready = threading.Barrier(cameras + 1)
    stop = threading.Event()
    watched_s = [0.0] * cameras

    def watch(number: int) -> None:
        url = f"rtsp://127.0.0.1:{port}/cam{number}"
        with av.open(url, options={"rtsp_transport": "tcp"}) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            pictures = container.decode(stream)
            next(pictures)
            ready.wait()
            first = due = None
            for picture in pictures:
                at = float(picture.time or 0.0)
                first = at if first is None else first
                if due is None or at >= due:
                    due = at + 1 / PEER_FPS
                    detector.detect([picture.to_ndarray(format="bgr24")])
                watched_s[number] = at - first
                if stop.is_set():
                    return

    threads = [threading.Thread(target=watch, args=(number,), daemon=True) for number in range(cameras)]
    for thread in threads:
        thread.start()
    ready.wait()
    cpu = time.process_time()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join(10)
    # By the streams' own time: where the processor does not suffice they run late.
    return (time.process_time() - cpu) / max(1e-9, sum(watched_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("floor", "peer"))
    parser.add_argument("port", type=int)
    parser.add_argument("cameras", type=int)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--period", type=float, default=10)
    parser.add_argument("--model", default="nanodet-g")
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    given = parser.parse_args()
    if given.cores:
        os.sched_setaffinity(0, given.cores)
    if given.way == "floor":
        cost = floor(given.port, given.cameras, given.seconds, given.period)
    else:
        cost = peer(given.port, given.cameras, given.seconds, given.model)
    print(json.dumps({"cpu_s_per_camera_s": cost}))


if __name__ == "__main__":
    sys.exit(main())
