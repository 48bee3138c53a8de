"""The whole loop with real servers: what is killed in it changes nothing of what the centre hears."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.clock import SystemClock
from tests.acceptance.loop import Loop, check_promises

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

EXPECTED = ["confirmed", "notified", "rechecking", "tasked", "closed"]
"""The states of the one case, as an undisturbed run gives them."""

Street = Callable[..., Loop]


def test_undisturbed(street: Street) -> None:
    with street() as loop:
        loop.finish()
        assert loop.agent.states() == ["observing", *EXPECTED]
        assert loop.centre.states() == EXPECTED
        assert set(loop.centre.seen.values()) == {1}
        assert loop.agent.stop() == 0
        check_promises(loop)


def test_the_agent_is_killed_in_every_state(street: Street) -> None:
    with street() as loop:
        for state in ("observing", "confirmed", "notified", "rechecking", "tasked"):
            loop.reached(state)
            loop.agent.kill()
            loop.agent.start()
        loop.finish()
        assert loop.centre.states() == EXPECTED
        assert loop.agent.stop() == 0
        check_promises(loop)


def test_camera_and_broker_are_killed_on_the_way(street: Street) -> None:
    with street() as loop:
        loop.reached("observing")
        loop.camera.kill()
        loop.watch.until(lambda: loop.centre.health and not camera_is_live(loop), "a camera that is not live")
        loop.start_camera()
        loop.reached("confirmed")
        loop.broker.kill()
        loop.broker.start()
        loop.reached("notified")
        # The camera is away when the clock ends: without a picture nobody is fined.
        loop.camera.kill()
        loop.reached("rechecking")
        loop.broker.kill()
        assert "tasked" not in loop.agent.states()
        back_ms = SystemClock().utc_ms()
        loop.start_camera()
        loop.reached("tasked")
        loop.broker.start()
        loop.finish()
        assert loop.centre.states() == EXPECTED
        (task,) = loop.centre.of("enforcement_task")
        assert task["rechecked_at_ms"] >= back_ms
        assert loop.agent.stop() == 0
        check_promises(loop)


def camera_is_live(loop: Loop) -> bool:
    return bool(loop.centre.health[-1]["cameras"][0]["state"] == "live")
