"""Telling of a camera's state while others ask for it."""

from __future__ import annotations

import itertools
import threading

from edge_agent.ingest._status import Status
from protocol.messages import CameraHealth


def test_the_health_can_be_asked_for_while_a_listener_is_told() -> None:
    told: list[CameraHealth] = []
    asked = threading.Event()
    status: Status

    def listener(health: CameraHealth) -> None:
        asker = threading.Thread(target=lambda: (status.health(), asked.set()), daemon=True)
        asker.start()
        assert asked.wait(10), "whoever asks for the health waits for the listener"
        told.append(health)

    status = Status("cam", lambda: 1_000, listener)
    status.become("live", "")
    assert [health.state for health in told] == ["live"]


def test_changes_are_told_in_their_order_by_many_threads() -> None:
    told: list[str] = []
    status = Status("cam", lambda: 1_000, lambda health: told.append(health.state))
    states = ("live", "stalled", "unreachable", "connecting")
    threads = [
        threading.Thread(
            target=lambda shift=n: [status.become(states[(i + shift) % 4], "") for i in range(200)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one != other for one, other in itertools.pairwise(told)), "each one is a change"
    assert told[-1] == status.health().state
