"""A centre that dies at any step of a warning and comes back: one message, one answer, an unbroken history."""

from __future__ import annotations

import pytest
from django.db import connection

from central.cases.history import Audit, verify
from central.notices.models import Notice
from notifier.policy import NoticePolicy
from notifier.sms import Refused, Retry
from tests.central.notices.world import UNKNOWN, Crash, World, answers, request, take
from tests.central.street import MINUTE

SCENES = {
    "all is well": [],
    "the answer is lost": [(True, UNKNOWN)],
    "busy, then lost": [(False, Retry("429", 1.0)), (False, UNKNOWN)],
    "refused": [(False, Refused("landline", "30006"))],
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_centre_that_dies_at_any_step_sends_nothing_twice_and_loses_nothing(
    world: World, scene: str
) -> None:
    """Ingest and worker die at every sixth of all steps; the scenes and databases begin at different ones."""
    world.policy = NoticePolicy(per_number_per_day=0)
    offset = (len(scene) + len(connection.vendor)) % 6
    for fired in range(1_000):
        case = f"s{fired}"
        now = world.clock.utc_ms()
        asked = request(case, street=case, asked_at_ms=now, give_up_ms=now + 60 * MINUTE)
        world.gateway.script = list(SCENES[scene])
        world.gateway.phones.clear()
        with world.dying_at(1 + offset + 6 * fired) as died:
            try:
                take(asked)
                courier = world.courier(world.fatal)
                while Notice.objects.filter(settled_at_ms=None).exists():
                    while courier.run_once():
                        pass
                    world.clock.advance(10_000)
            except Crash:
                connection.close()
        take(asked)
        world.live(2 * MINUTE, 10_000)
        assert len(world.gateway.phones) <= 1, died
        assert len(answers(case)) == 1, died
        if scene != "refused" or not died:
            assert answers(case)[0].state == ("refused" if scene == "refused" else "accepted"), died
        assert not Notice.objects.filter(settled_at_ms=None).exists()
        if not died:
            break
    assert fired > 10
    assert list(verify(Audit())) == []
