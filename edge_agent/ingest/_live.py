"""A live camera: connects, reads, notices that it is stuck, connects again."""

from __future__ import annotations

import logging
import threading
import traceback
from pathlib import Path

from edge_agent.frames import Frame, Image
from edge_agent.ingest._backoff import Backoff
from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._freeze import FreezeWatch
from edge_agent.ingest._problem import SourceProblem
from edge_agent.ingest._reader import FfmpegReader, PacketReader
from edge_agent.ingest._rtp import NotUnderstood
from edge_agent.ingest._session import Session
from edge_agent.ingest._slot import Slot
from edge_agent.ingest._status import OnChange, Status
from edge_agent.ingest._thin import ThinReader
from edge_agent.ingest._time import SteadyClock
from edge_agent.ingest._watchdog import WATCHDOG
from protocol.clock import Millis, iso
from protocol.errors import PatrolError
from protocol.messages import CameraHealth

NOTICE_MARGIN_MS = 500
"""The watchdog notices silence this much before the limit, so that it is never late by its own ticks."""

FLOWING_MS = 1_000
"""A stream whose last packet is younger than this flows: what is missing is then a keyframe."""

HUNG_MARGIN_MS = 5_000
"""A thread that has not come back this long after all its own limits hangs, and another takes its place."""

MOST_HUNG = 3
"""No more than so many hung threads per camera are left behind; then the camera waits for one of them."""

UNTAKEN_PERIODS = 2
"""While a picture waits to be looked at no other is decoded, unless it has waited for so long: a box with more to do than it can do
would spend its time on pictures that nobody sees."""

PATIENCE_PERIODS = 2
"""For so long a picture waits for those of other cameras to be looked at before it is decoded; no longer than a stream may be silent,
or the pictures behind it would pass for a backlog, and half of that where the waiting thread is the one that receives."""

JOIN_S = 2.0
"""How long `stop` waits for the thread. One that waits for a silent camera ends later, by its own limit."""

log = logging.getLogger(__name__)


class LiveSource:
    """One RTSP camera.

    Args:
        camera_id: stands in frames and health.
        config: where it is and how it is read.
        clock: the process's steady clock.
        on_change: called with the health at each change of state, in the thread that noticed it; must be quick.
    """

    def __init__(
        self,
        camera_id: str,
        config: SourceConfig,
        clock: SteadyClock,
        on_change: OnChange | None = None,
    ) -> None:
        self._camera_id = camera_id
        self._config = config
        self._clock = clock
        self._thin = config.reads_thinly
        self._slot = Slot()
        self._status = Status(camera_id, clock.utc_ms, on_change)
        self._freeze = FreezeWatch()
        self._wanted_now = threading.Event()
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._hung: list[_Worker] = []
        self._stopped = False
        self._seq = 0
        self._last_ms: Millis | None = None
        self._size: tuple[int, int] | None = None

    def start(self) -> None:
        with self._lock:
            if self._stopped or self._worker is not None:
                return
            self._worker = self._new_worker()
        WATCHDOG.add(self)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            worker = self._worker
        WATCHDOG.remove(self)
        self._slot.close()
        if worker is not None:
            worker.leave()
            if worker.thread is not threading.current_thread():
                worker.thread.join(JOIN_S)

    def health(self) -> CameraHealth:
        return self._status.health()

    def take(self, timeout_s: float) -> Frame | None:
        return self._slot.take(timeout_s)

    def request_now(self) -> None:
        self._wanted_now.set()
        self._slot.hurry()

    def check(self) -> None:
        """Called by the watchdog: tell silence from life, whatever the camera's thread is stuck in."""
        with self._lock:
            worker = self._worker
        session = worker.session if worker is not None else None
        if worker is None or session is None:
            return
        now_ms = self._clock.monotonic_ms()
        silent_ms = now_ms - session.active_ms
        if not session.opened:
            # Connecting and describing the stream each have the limit for themselves.
            limit_ms = round(2000 * self._config.connect_timeout_s) + HUNG_MARGIN_MS
            if silent_ms >= limit_ms:
                self._status.become("unreachable", "the attempt to connect hangs: check the name service")
        else:
            limit_ms = 2 * round(1000 * self._config.stall_after_s) + HUNG_MARGIN_MS
            if silent_ms >= 1000 * self._config.stall_after_s - NOTICE_MARGIN_MS:
                self._status.become("stalled", f"nothing received for {silent_ms / 1000:.0f} s")
            elif silent_ms < FLOWING_MS and now_ms - session.picture_ms > session.patience_ms:
                seconds = (now_ms - session.picture_ms) // 1000
                self._status.become("stalled", f"packets arrive, but no keyframe to decode for {seconds} s")
        if silent_ms >= limit_ms:
            self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        """Leave a hung thread behind and go on with a new one."""
        with self._lock:
            self._hung = [hung for hung in self._hung if hung.thread.is_alive()]
            if self._stopped or self._worker is not worker or len(self._hung) >= MOST_HUNG:
                return
            worker.leave()
            self._hung.append(worker)
            log.warning("camera %s: its reader hangs and is replaced", self._camera_id)
            self._worker = self._new_worker()

    def _make_reader(self) -> PacketReader:
        make = ThinReader if self._thin else FfmpegReader
        return make(self._config, self._clock)

    def _falls_back(self, problem: SourceProblem) -> bool:
        """Whether FFmpeg is to try at once because the thin reader does not know this camera."""
        if not (self._thin and self._config.reader == "auto" and isinstance(problem, NotUnderstood)):
            return False
        self._thin = False
        self._status.note("reader", f"read by FFmpeg, at a higher cost: unknown here is {problem.what}")
        return True

    def _new_worker(self) -> _Worker:
        return _Worker(self, f"camera-{self._camera_id}")

    def _publish(self, image: Image, taken_ms: Millis) -> None:
        """Put a new picture into the slot, unless it is not newer than the last."""
        if self._last_ms is not None and taken_ms <= self._last_ms:
            self._slot.give_up()
            return
        self._last_ms = taken_ms
        size = (image.shape[1], image.shape[0])
        if self._size is not None and size != self._size:
            was, now = (f"{width}x{height}" for width, height in (self._size, size))
            self._status.note(
                "size", f"the picture changed from {was} to {now} at {iso(taken_ms)}: check the zones"
            )
        self._size = size
        frame = Frame(self._camera_id, taken_ms, image, self._seq)
        self._seq += 1
        self._status.delivered(taken_ms)
        self._status.become("live", "")
        self._slot.put(frame)


class _Worker:
    """The thread of one camera: connection after connection. Also the outlet of its sessions."""

    def __init__(self, source: LiveSource, name: str) -> None:
        self._source = source
        self.cancel = threading.Event()
        self.session: Session | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        source = self._source
        backoff = Backoff(source._config)
        while not self.cancel.is_set():
            session = Session(source._make_reader(), source._config, source._clock, self)
            self.session = session
            problem = self._outcome(session)
            self.session = None
            if self.cancel.is_set():
                return
            source._status.note("keyframes", "")
            if source._falls_back(problem):
                continue
            source._status.become(problem.state, problem.reason)
            lived_ms = 0
            if session.first_picture_ms is not None:
                lived_ms = session.active_ms - session.first_picture_ms
            if self.cancel.wait(backoff.wait_s(problem.state, lived_ms)):
                return
            source._status.reconnecting()

    def leave(self) -> None:
        """End soon, whatever it waits for."""
        self.cancel.set()
        session = self.session
        if session is not None:
            session.interrupt()

    def _outcome(self, session: Session) -> SourceProblem:
        """Run a session to its end and say why it ended."""
        try:
            session.run()
        except SourceProblem as problem:
            return problem
        except PatrolError as error:
            return SourceProblem(
                "unauthorised", f"{error.field}: {error.problem}" if error.field else error.problem
            )
        except Exception as error:
            # Neither the text nor the traceback may be shown: both may quote the address.
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            log.error("camera %s: unexpected %s", self._source._camera_id, what)
            return SourceProblem("unreachable", f"unexpected {what}")
        return SourceProblem("unreachable", "the camera closed the connection")

    def cancelled(self) -> bool:
        return self.cancel.is_set()

    def wanted_now(self) -> bool:
        return self._source._wanted_now.is_set()

    def makes_room(self) -> None:
        source = self._source
        longest_s = source._config.stall_after_s * (1.0 if source._thin else 0.5)
        patience_s = min(PATIENCE_PERIODS * source._config.sample_period_s, longest_s)
        source._slot.reserve(0 if self.cancel.is_set() or self.wanted_now() else patience_s)

    def gives_up(self) -> None:
        self._source._slot.give_up()

    def untaken(self) -> bool:
        source = self._source
        since_ms = source._slot.waiting_since()
        limit_ms = UNTAKEN_PERIODS * 1000 * source._config.sample_period_s
        return since_ms is not None and source._clock.utc_ms() - since_ms < limit_ms

    def connected(self) -> None:
        if not self.cancel.is_set():
            self._source._status.become("connecting", "connected, waiting for a keyframe")

    def repeats(self, image: Image) -> bool:
        source = self._source
        freeze_after_s = source._config.freeze_after_s
        if freeze_after_s is None or self.cancel.is_set():
            return False
        same_ms = source._freeze.same_for_ms(image, source._clock.monotonic_ms())
        if same_ms is not None and same_ms >= freeze_after_s * 1000:
            source._status.become("frozen", f"the picture has not changed for {same_ms // 1000} s")
        return same_ms is not None

    def deliver(self, image: Image, taken_ms: Millis) -> None:
        if not self.cancel.is_set():
            self._source._publish(image, taken_ms)

    def answered(self) -> None:
        self._source._wanted_now.clear()

    def remark(self, text: str) -> None:
        if not self.cancel.is_set():
            self._source._status.note("keyframes", text)
