"""One warning a stay, whatever fails: asked for, sent once, answered once, never after anybody waits for it."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from central.cases.history import Audit, verify
from central.cases.models import Case, Evidence, WorkOrder
from central.fleet.models import Letter
from central.notices import texts
from central.notices.courier import take_due
from central.notices.models import NoticeState, Warned
from central.owners import services as owners
from central.owners.models import Lookup
from central.statistics import figures
from central.statistics.endings import endings
from central.statistics.figures import Source
from central.statistics.period import read_period
from central.statistics.replay import differences, replay
from notifier.owners import OwnerRow
from notifier.policy import NoticePolicy
from notifier.sms import Accepted, Refused, Retry, reference
from tests.central.notices.world import (
    GRACE_S,
    PHONE,
    PLATE,
    UNKNOWN,
    World,
    answers,
    ended,
    notice,
    request,
    second_agent,
    take,
)
from tests.central.street import JURISDICTION, MINUTE, NOON, picture, record
from tests.central.street import reference as picture_of

HOUR = 60 * MINUTE


def test_a_request_becomes_one_message_and_one_answer_however_often_it_comes(world: World) -> None:
    for _ in range(3):
        assert take(request()).accepted == request().idempotency_key
    world.live(5_000)
    take(request())
    world.live(5_000)
    [sent] = world.gateway.phones
    assert sent.to == PHONE
    assert reference(request().idempotency_key) in sent.text
    assert "京A***45" in sent.text
    assert PLATE not in sent.text
    [answer] = answers()
    assert (answer.state, answer.case_id, answer.key) == ("accepted", "c1", request().idempotency_key)
    assert notice().state == NoticeState.ACCEPTED
    assert list(verify(Audit())) == []


def test_the_text_names_a_deadline_that_is_never_later_than_the_clock_can_end(world: World) -> None:
    own = "{place}的{plate}请在{deadline}前开走，编号{reference}[，照片{link}][，退订回{opt_out}]"
    texts.put(JURISDICTION, "zh-Hans", own, reason="shorter", author="user:keeper")
    world.clock.advance(47_000)
    take(request(asked_at_ms=NOON, give_up_ms=NOON + 20 * MINUTE))
    world.gateway.script = [(False, Retry("429", 100.0))]
    world.live(3 * MINUTE)
    [answer] = answers()
    sent_ms = notice().sent_at_ms
    assert answer.told_until_ms == (sent_ms + round(GRACE_S * 1000)) // MINUTE * MINUTE
    assert answer.told_until_ms <= answer.at_ms + GRACE_S * 1000
    # 12:02:27 in Beijing, and ten minutes, without the seconds.
    assert "12:12前开走" in world.gateway.phones[0].text


def test_the_case_knows_its_picture_and_its_place_before_anything_is_enforced(world: World) -> None:
    data = picture(3)
    take(request(evidence=picture_of(data, "confirm"), position={"longitude": 116.33, "latitude": 39.91}))
    case = Case.objects.get()
    assert (case.place, case.longitude) == ("三里河路12号北门人行道", 116.33)
    assert Evidence.objects.get(case=case).role == "confirm"
    for name in ("c2", "c3"):
        take(request(name, street=name))
        take(record(name, "confirmed", NOON, zone_name="第1段人行道"))
    period, source = read_period({}, NOON), Source(Case.objects.all(), WorkOrder.objects.all(), NOON)
    shown = figures.all_figures(source, period)
    assert [place.name for place in shown.places] == ["三里河路12号北门人行道"]
    again = replay(source.cases, period, NOON)
    assert set(differences(shown, endings(source, period), again).values()) == {"same"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "not_found"),
        ([OwnerRow(PLATE, PHONE), OwnerRow(PLATE, "+8613900139000")], "ambiguous"),
        ([OwnerRow(PLATE, PHONE, None, True)], "opted_out"),
        ([OwnerRow(PLATE, "+85291234567")], "the owner's number is a foreign one"),
    ],
)
def test_where_nobody_can_be_told_the_agent_hears_why(
    world: World, rows: list[OwnerRow], reason: str
) -> None:
    owners.add(rows, replace=True)
    take(request())
    world.live(3_000)
    assert world.gateway.calls == 0
    [answer] = answers()
    assert (answer.state, answer.reason) == ("refused", reason)
    assert Warned.objects.exclude(notice=None).count() == 0
    assert Lookup.objects.get().answer in ("found", reason)


def test_every_look_up_says_who_asked_and_why(world: World) -> None:
    take(request())
    world.live(2_000)
    lookup = Lookup.objects.get()
    assert (lookup.who, lookup.plate_masked, lookup.answer) == ("notices worker", "京A***45", "found")
    assert lookup.purpose == f"warning {request().idempotency_key}"


@pytest.mark.parametrize("how", ["right away", "after the gateway was busy"])
def test_a_vehicle_that_left_is_not_warned_any_more(world: World, how: str) -> None:
    take(request())
    if how != "right away":
        world.gateway.script = [(False, Retry("429", 60.0))]
        world.live(2_000)
    take(ended())
    world.live(2 * MINUTE)
    assert world.gateway.phones == []
    assert notice().state == NoticeState.CANCELLED
    assert answers() == []


def test_a_request_that_comes_after_the_vehicle_left_is_not_carried_out(world: World) -> None:
    take(ended())
    take(request())
    world.live(5_000)
    assert world.gateway.calls == 0
    assert notice().state == NoticeState.CANCELLED


def test_a_vehicle_that_leaves_while_the_gateway_is_being_asked_ends_in_the_drivers_favour(
    world: World,
) -> None:
    """The message may be out: it is looked up, its answer goes to the agent, which notes it."""
    take(request())
    world.gateway.script = [(True, UNKNOWN)]
    world.live(2_000)
    take(ended())
    world.live(2 * MINUTE)
    assert len(world.gateway.phones) == 1
    assert [answer.state for answer in answers()] == ["accepted"]


@pytest.mark.parametrize("late_ms", [-1, 0, 1])
def test_nothing_is_sent_from_the_moment_on_at_which_the_agent_stops_waiting(
    world: World, late_ms: int
) -> None:
    take(request())
    world.clock.set_utc(NOON + 10 * MINUTE + late_ms)
    world.courier().run_once()
    assert len(world.gateway.phones) == (1 if late_ms < 0 else 0)
    [answer] = answers()
    assert answer.state == ("accepted" if late_ms < 0 else "refused")
    assert late_ms < 0 or answer.reason == "gave up: not sent in time"


def test_a_centre_whose_clock_is_behind_does_not_send_too_late(world: World) -> None:
    """The agent's clock is five minutes ahead: what has passed here since the request has passed there as well."""
    ahead = 5 * MINUTE
    take(request(asked_at_ms=NOON + ahead, give_up_ms=NOON + ahead + 10 * MINUTE))
    world.clock.set_utc(NOON + 10 * MINUTE)
    world.courier().run_once()
    assert world.gateway.calls == 0


@pytest.mark.parametrize(
    "script",
    [
        [(True, UNKNOWN)],  # it took it, and nobody heard
        [(False, UNKNOWN)],  # it never did, and nobody knows
        [(False, Retry("429", 5.0)), (True, UNKNOWN)],
        [(False, UNKNOWN), (False, UNKNOWN), (True, None)],
    ],
)
def test_an_unknown_outcome_is_looked_up_and_never_just_sent_again(world: World, script: list) -> None:
    take(request(give_up_ms=NOON + HOUR))
    world.gateway.script = list(script)
    world.live(10 * MINUTE)
    assert len(world.gateway.phones) == 1
    assert [answer.state for answer in answers()] == ["accepted"]


def test_an_outcome_that_nobody_can_tell_is_said_to_be_unknown_and_nothing_is_sent_again(
    world: World,
) -> None:
    take(request())
    world.gateway.script = [(True, UNKNOWN)]
    world.gateway.looks = [UNKNOWN] * 100
    world.live(20 * MINUTE)
    assert len(world.gateway.phones) == 1
    assert [answer.state for answer in answers()] == ["unknown"]
    assert Warned.objects.get().notice is not None, "it may have gone out, so it counts as a warning"


def test_a_refusal_lets_the_next_camera_warn(world: World) -> None:
    world.gateway.script = [(False, Refused("landline", "30006"))]
    take(request("c1"))
    take(request("c2"))
    world.live(5_000)
    assert [answers(case)[0].state for case in ("c1", "c2")] == ["refused", "accepted"]


def test_a_plate_is_warned_once_per_street_by_any_camera_of_any_agent(world: World) -> None:
    second_agent()
    take(request("c1"))
    world.live(2_000)
    take(request("c2", agent="box-2"))
    take(request("c3", street="月坛南街"))
    world.live(2_000)
    assert [answers(case)[0].state for case in ("c1", "c2", "c3")] == ["accepted", "refused", "accepted"]
    assert answers("c2")[0].reason == "already warned in this street"
    world.clock.advance(4 * HOUR)
    now = world.clock.utc_ms()
    take(request("c4", agent="box-2", asked_at_ms=now, give_up_ms=now + HOUR))
    world.live(2_000)
    assert answers("c4")[0].state == "accepted"


def work_at_once(world: World, count: int) -> None:
    """So many workers, real threads on a real database, that begin in the same moment and work until nothing is due."""
    barrier = threading.Barrier(count)

    def work() -> None:
        barrier.wait(10)
        courier = world.courier()
        try:
            while courier.run_once():
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_two_workers_at_once_warn_a_plate_once(world: World) -> None:
    """Two cameras ask in the same moment."""
    for number in range(6):
        take(request(f"c{number}"))
    work_at_once(world, 3)
    assert len(world.gateway.phones) == 1
    states = sorted(answer.state for answer in answers())
    assert states == ["accepted"] + ["refused"] * 5


def test_a_notice_that_one_worker_has_is_not_taken_by_another(world: World) -> None:
    take(request())
    assert take_due(30_000) is not None
    assert take_due(30_000) is None
    world.clock.advance(30_000)
    assert take_due(30_000) is not None, "whoever took it first is gone"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"per_number_per_day": 2}, "this number has had its messages of the day"),
        ({"per_agent_per_hour": 2}, "this box has asked for too many messages within an hour"),
        ({"segments_per_day": 2}, "the messages of the day are used up"),
    ],
)
def test_limits_hold_over_all_streets(world: World, policy: dict, reason: str) -> None:
    world.policy = NoticePolicy.model_validate(policy)
    for number in range(4):
        take(request(f"c{number}", street=f"street {number}"))
    world.live(3_000)
    assert len(world.gateway.phones) == 2
    assert {answer.reason for answer in answers() if answer.state == "refused"} == {reason}


QUIET = {"quiet": [{"from": "11:00", "to": "13:00"}]}


@pytest.mark.parametrize(
    "policy", [{"per_number_per_day": 1}, {"per_agent_per_hour": 1}, {"segments_per_day": 1}], ids=str
)
def test_workers_that_race_do_not_pass_a_limit(world: World, policy: dict) -> None:
    """Six streets, one number and one box: nothing but the limit itself stands between the workers."""
    world.policy = NoticePolicy.model_validate({"per_number_per_day": 0, "per_agent_per_hour": 0, **policy})
    for number in range(6):
        take(request(f"c{number}", street=f"street {number}"))
    work_at_once(world, 3)
    assert len(world.gateway.phones) == 1
    assert sorted(answer.state for answer in answers()) == ["accepted"] + ["refused"] * 5


def test_in_quiet_hours_nobody_is_written_to(world: World) -> None:
    world.policy = NoticePolicy.model_validate(QUIET)
    take(request())
    world.live(2_000)
    [answer] = answers()
    assert (answer.state, answer.reason) == ("refused", "no messages are sent at this hour")


def test_a_held_message_is_told_once_and_sent_at_its_hour(world: World) -> None:
    world.policy = NoticePolicy.model_validate({**QUIET, "quiet_then": "hold"})
    take(request())
    world.live(2_000)
    [answer] = answers()
    assert (answer.state, answer.until_ms) == ("held", NOON + HOUR)
    assert answer.reason == "the message waits until 13:00"
    world.clock.set_utc(NOON + HOUR - 1)
    assert not world.courier().run_once()
    world.live(3_000)
    assert [answer.state for answer in answers()] == ["held", "accepted"]
    assert answers()[1].told_until_ms == NOON + HOUR + 10 * MINUTE


def test_a_held_message_has_its_whole_time_from_its_hour_on_and_not_more(world: World) -> None:
    world.policy = NoticePolicy.model_validate({**QUIET, "quiet_then": "hold"})
    take(request())
    world.live(2_000)
    world.clock.set_utc(NOON + HOUR + 10 * MINUTE)
    world.live(2_000)
    assert world.gateway.calls == 0
    assert [answer.state for answer in answers()] == ["held", "refused"]


def test_a_held_message_of_a_vehicle_that_left_is_not_sent(world: World) -> None:
    world.policy = NoticePolicy.model_validate({**QUIET, "quiet_then": "hold"})
    take(request())
    world.live(2_000)
    take(ended())
    world.clock.set_utc(NOON + HOUR)
    world.live(5_000)
    assert world.gateway.calls == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"idempotency_key": "x"},
        {"time_zone": "Nowhere/Land"},
        {"grace_s": 0.0001},
        {"street": ""},
        {"place": ""},
        {"languages": ["en", "zh-Hans"]},
    ],
)
def test_an_odd_request_is_carried_out_all_the_same(world: World, odd: dict) -> None:
    assert take(request(**odd)).accepted
    world.live(2_000)
    [answer] = answers("c1")
    assert answer.state == "accepted"


def test_a_configuration_that_is_broken_keeps_no_request_from_being_stored(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "notices.toml"
    file.write_text("surprise = 1\n")
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, notices_file=file)):
        assert take(request()).accepted
    assert notice().state == NoticeState.WAITING


def test_the_centre_signs_where_the_agent_names_nobody(world: World) -> None:
    take(request("c1", street="one"))
    take(request("c2", street="two", sender="岗亭"))
    courier = world.courier()
    conf = courier.conf.model_copy(update={"sender": "东华门街道", "opt_out": "TD"})
    object.__setattr__(courier, "conf", conf)
    while courier.run_once():
        pass
    first, second = (sent.text for sent in world.gateway.phones)
    assert first.startswith("【东华门街道】")
    assert first.endswith("拒收请回复TD")
    assert second.startswith("【岗亭】")


def test_an_answer_is_repeated_until_a_record_names_it(world: World) -> None:
    take(request())
    world.live(2_000)
    [answer] = answers()
    take(record("c1", "confirmed", NOON))
    assert Letter.objects.get().confirmed_at_ms is None
    take(record("c1", "notified", NOON + 3_000, notice_result_id=answer.result_id))
    assert Letter.objects.get().confirmed_at_ms is not None
    assert list(verify(Audit())) == []


def test_a_key_that_does_not_fit_stops_nothing_and_is_told_in_time(world: World, centre) -> None:
    take(request())
    (centre.data / "owners.key").write_text("bm9uc2Vuc2U=\n")
    world.live(11 * MINUTE, 5_000)
    assert world.gateway.calls == 0
    assert notice().state == NoticeState.WAITING, "without its key a notice cannot even be read; it waits"
    assert "no key" in notice().reason


def test_an_accepted_message_keeps_its_gateways_own_count_and_price(world: World) -> None:
    world.gateway.script = [(True, Accepted("SM9", 3, "-0.24", "USD"))]
    take(request())
    world.live(2_000)
    found = notice()
    assert (found.segments, str(found.price.normalize()), found.currency) == (3, "0.24", "USD")
