"""Whom the centre sends where: nearest, free, fresh, allowed, and never two drivers to one bay."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection

from central.bays import services
from central.bays.models import Reservation
from central.bays.services import live_reservation, nearby, offer_for_case
from central.cases import history
from tests.central.bays.plan import ON_SQLITE, PLACE, at, bay, case
from tests.central.street import MINUTE, NOON

UNTIL = NOON + 10 * MINUTE


def offer(for_case, **changes):
    wanted = {"vehicle_class": "car", "position": PLACE, "until_ms": UNTIL}
    return offer_for_case(for_case, **{**wanted, **changes})


def ids(offers):
    return [each.spot_id for each in offers]


def test_the_nearest_free_bays_come_in_order_and_the_first_is_held(centre):
    for name, east in (("far", 300), ("near", 40), ("middle", -120), ("farther", 400), ("too-far", 900)):
        bay(name, at(east, 0))
    got = offer(case())
    assert ids(got) == ["near", "middle", "far"]
    assert [each.reserved_until_ms for each in got] == [UNTIL, None, None]
    assert got[0].distance_m == pytest.approx(40 * 1.3, rel=0.01)
    assert got[0].name == "Bay near"
    assert got[0].position == at(40, 0)


@ON_SQLITE
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "occupied", "free": 0},
        {"status": "closed"},
        {"status": "unknown"},
        {"free": 0},
        {"allowed": ["bus"]},
        {"allowed": []},
        {"public": False},
        {"observed_at_ms": None},
        {"observed_at_ms": NOON - 10 * MINUTE - 1},
        {"jurisdiction_id": "elsewhere"},
    ],
    ids=str,
)
def test_what_is_not_known_to_be_free_and_allowed_is_not_offered(centre, changes):
    bay("no", at(10, 0), **changes)
    bay("yes", at(500, 0))
    assert ids(offer(case())) == ["yes"]


def test_an_observation_grows_too_old_while_time_passes(centre):
    bay("b", at(10, 0))
    centre.clock.advance(10 * MINUTE)
    assert ids(nearby(case("a"), vehicle_class="car", position=PLACE)) == ["b"]
    centre.clock.advance(1)
    assert nearby(case("b"), vehicle_class="car", position=PLACE) == []


def test_without_bays_nothing_is_offered(centre):
    assert offer(case()) == []
    assert Reservation.objects.count() == 0


def test_a_repetition_gives_the_same_bay_for_as_long_or_longer(centre):
    bay("a", at(10, 0)), bay("b", at(20, 0))
    first = case()
    assert offer(first)[0].reserved_until_ms == UNTIL
    bay("nearer", at(1, 0))
    again = offer(first)
    assert (again[0].spot_id, again[0].reserved_until_ms) == ("a", UNTIL)
    assert ids(again) == ["a", "nearer", "b"]
    assert offer(first, until_ms=UNTIL - MINUTE)[0].reserved_until_ms == UNTIL
    assert offer(first, until_ms=UNTIL + MINUTE)[0].reserved_until_ms == UNTIL + MINUTE
    assert Reservation.objects.count() == 1


def test_two_drivers_are_never_sent_to_one_bay(centre):
    bay("a", at(10, 0)), bay("b", at(20, 0))
    one, two, three = case("1"), case("2"), case("3")
    assert ids(offer(one)) == ["a", "b"]
    assert ids(offer(two)) == ["b"]
    assert offer(three) == []
    assert ids(nearby(one, vehicle_class="car", position=PLACE)) == ["a"]
    services.release_for(one, "case_over")
    assert ids(offer(three)) == ["a"]


def test_a_hold_ends_by_itself(centre):
    bay("a", at(10, 0), observed_at_ms=UNTIL)
    one, two = case("1"), case("2")
    offer(one)
    centre.clock.set_utc(UNTIL - 1)
    assert offer(two, until_ms=UNTIL * 2) == []
    centre.clock.set_utc(UNTIL)
    assert live_reservation(one) is None
    assert ids(offer(two, until_ms=UNTIL + MINUTE)) == ["a"]
    assert services.sweep() == 0, "the old hold was ended when the new one was made"
    centre.clock.set_utc(UNTIL + MINUTE)
    assert services.sweep() == 1
    assert Reservation.objects.filter(released_at_ms__isnull=True).count() == 0


def test_a_bay_that_was_taken_by_a_stranger_is_replaced(centre):
    gone = bay("a", at(10, 0))
    bay("b", at(20, 0))
    one = case()
    offer(one)
    gone.status, gone.free = "occupied", 0
    gone.save()
    assert ids(nearby(one, vehicle_class="car", position=PLACE)) == ["b"]
    assert offer(one)[0].spot_id == "b"
    assert live_reservation(one).bay.bay_id == "b"


def test_a_bay_nobody_has_looked_at_lately_stays_held_for_whom_it_was_told(centre):
    bay("a", at(10, 0))
    one = case()
    offer(one)
    centre.clock.advance(11 * MINUTE)
    assert live_reservation(one) is None
    two = case("2")
    bay("c", at(30, 0), observed_at_ms=centre.clock.utc_ms() - 9 * MINUTE)
    offer(two, until_ms=centre.clock.utc_ms() + 20 * MINUTE)
    centre.clock.advance(5 * MINUTE)
    assert ids(nearby(two, vehicle_class="car", position=PLACE)) == ["c"]


def test_another_bay_can_be_asked_for(centre):
    bay("a", at(10, 0)), bay("b", at(20, 0))
    one = case()
    offer(one)
    services.release_for(one, "declined")
    got = offer(one, avoid={"a"})
    assert ids(got) == ["b", "a"]
    assert got[0].reserved_until_ms == UNTIL


def test_a_car_park_takes_as_many_as_it_has_places(centre):
    bay("park", at(10, 0), kind="OffStreetParking", total=200, free=2)
    first = [offer(case(str(number))) for number in range(3)]
    assert [ids(each) for each in first] == [["park"], ["park"], []]
    assert sorted(Reservation.objects.values_list("slot", flat=True)) == [0, 1]


def test_holding_is_in_the_history_and_the_callers_case_goes_on(centre):
    bay("a", at(10, 0))
    one = case()
    from django.db import transaction

    with transaction.atomic():
        offer(one)
        history.append(one, "opened", NOON, "system")
    kinds = list(one.history.values_list("kind", flat=True))
    assert kinds == ["bay_held", "opened"]
    assert list(history.verify(history.Audit())) == []


def test_a_driver_on_the_way_keeps_his_bay_a_little(centre):
    bay("a", at(10, 0))
    one = case()
    offer(one)
    centre.clock.advance(MINUTE)
    services.release_at_end(one, "self_corrected")
    assert live_reservation(one).until_ms == NOON + MINUTE + services.EN_ROUTE_MS
    centre.clock.advance(MINUTE)
    services.release_at_end(one, "self_corrected")
    assert live_reservation(one).until_ms == NOON + MINUTE + services.EN_ROUTE_MS, "never longer"
    services.release_at_end(one, "closed")
    assert live_reservation(one) is None


@pytest.mark.parametrize(("bays", "cases"), [(12, 12), (5, 12)])
def test_however_many_ask_at_once_each_bay_has_one_driver(centre, bays, cases):
    for number in range(bays):
        bay(f"b{number}", at(10 + number, 0))
    asked = [case(str(number)) for number in range(cases)]
    got: dict[int, list[str]] = {}
    problems: list[BaseException] = []
    ready = threading.Barrier(cases)

    def ask(number: int) -> None:
        try:
            ready.wait()
            held = offer(asked[number])
            got[number] = [each.spot_id for each in held if each.reserved_until_ms]
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(cases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    counted = Counter(spot for spots in got.values() for spot in spots)
    assert max(counted.values()) == 1
    # Nobody goes away empty while a bay is free.
    assert len(counted) == min(bays, cases)
    assert Reservation.objects.filter(released_at_ms__isnull=True).count() == len(counted)


def test_one_case_asked_for_by_many_at_once_holds_one_bay(centre):
    for number in range(6):
        bay(f"b{number}", at(10 + number, 0))
    one = case()
    got: list[str] = []
    ready = threading.Barrier(6)

    def ask() -> None:
        from central.cases.models import Case

        mine = Case.objects.get(pk=one.pk)
        ready.wait()
        try:
            got.append(offer(mine)[0].spot_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len(set(got)) == 1
    assert Reservation.objects.count() == 1
