"""What cameras report of bays: the newest counts, whatever comes when, and what is taken is offered to nobody."""

from __future__ import annotations

import itertools

import pytest

from central.bays.models import Bay, Reservation
from central.bays.services import effective_status, offer_for_case
from central.ingest import intake
from central.ingest.models import Quarantined
from protocol.messages import BayObservation, BayReport
from tests.central.bays.plan import ON_SQLITE, PLACE, at, bay, case
from tests.central.street import AGENT, CAMERA, JURISDICTION, MINUTE, NOON, TOPICS


def seen(bay_id: str = "B1", status: str = "free", at_ms: int = NOON, **changes: object) -> BayObservation:
    plain: dict[str, object] = {
        "bay_id": bay_id,
        "name": f"Bay {bay_id}",
        "status": status,
        "since_ms": at_ms - MINUTE,
        "observed_at_ms": at_ms,
        "allowed": ("car",),
        "position": PLACE,
    }
    return BayObservation(**{**plain, **changes})


def report(*bays: BayObservation, at_ms: int = NOON, **changes: object) -> BayReport:
    plain: dict[str, object] = {
        "jurisdiction_id": JURISDICTION,
        "agent_id": AGENT,
        "camera_id": CAMERA,
        "at_ms": at_ms,
        "bays": bays,
    }
    return BayReport(**{**plain, **changes})


def take(*reports: BayReport) -> list[intake.Answer]:
    return intake.take_all([(TOPICS.of("bays"), each.model_dump_json().encode()) for each in reports])


def test_a_camera_adds_its_bays_and_they_are_offered(centre, agent):
    assert take(report(seen("B1", position=at(40, 0)), seen("B2", "occupied", position=at(10, 0)))) == []
    assert {b.bay_id: b.status for b in Bay.objects.all()} == {"B1": "free", "B2": "occupied"}
    (offer,) = offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + MINUTE)
    assert offer.spot_id == "B1"
    assert offer.name == "Bay B1"


def test_a_bay_that_nobody_knows_and_that_has_no_place_is_left_out(centre, agent):
    take(report(seen(position=None)))
    assert not Bay.objects.exists()


def test_imported_facts_stay_and_only_the_state_follows_the_camera(centre, agent):
    bay(
        "B1",
        at(5, 5),
        name="三里河路 1 号",
        allowed=["car", "motorcycle"],
        status="unknown",
        observed_at_ms=None,
    )
    take(report(seen("B1", "occupied", position=at(500, 0))))
    known = Bay.objects.get()
    assert (known.name, known.allowed) == ("三里河路 1 号", ["car", "motorcycle"])
    assert known.latitude == at(5, 5).latitude
    assert (known.status, known.observed_by) == ("occupied", f"agent:{JURISDICTION}/{AGENT}/{CAMERA}")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_the_newest_observation_wins_in_whatever_order_they_come(centre, agent, order):
    told = [
        report(seen("B1", "free", NOON - 3000)),
        report(seen("B1", "occupied", NOON - 2000)),
        report(seen("B1", "free", NOON - 1000)),
    ]
    for number in order:
        take(told[number])
    take(told[order[0]])
    known = Bay.objects.get()
    assert (known.status, known.free, known.observed_at_ms) == ("free", 1, NOON - 1000)


def test_what_a_camera_cannot_tell_any_more_is_unknown(centre, agent):
    take(report(seen("B1", "free", NOON - MINUTE)))
    take(report(seen("B1", "unknown", NOON - MINUTE, reason="dark"), at_ms=NOON))
    assert effective_status(Bay.objects.get()) == "unknown"
    assert offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + MINUTE) == []


def test_a_box_that_falls_silent_is_believed_for_a_while_only(centre, agent):
    take(report(seen()))
    centre.clock.advance(10 * MINUTE)
    assert effective_status(Bay.objects.get()) == "free"
    centre.clock.advance(1)
    assert effective_status(Bay.objects.get()) == "unknown"


def test_a_clock_that_is_ahead_does_not_silence_what_comes_later(centre, agent):
    take(report(seen("B1", "occupied", NOON + 60 * MINUTE), at_ms=NOON + 60 * MINUTE))
    centre.clock.advance(MINUTE)
    take(report(seen("B1", "free", NOON + MINUTE)))
    assert Bay.objects.get().status == "free"


def test_a_held_bay_that_is_seen_taken_is_let_go(centre, agent):
    take(report(seen()))
    offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + 10 * MINUTE)
    take(report(seen("B1", "free", NOON + 1), at_ms=NOON + 1))
    assert Reservation.objects.get().released_at_ms is None
    centre.clock.advance(MINUTE)
    take(report(seen("B1", "occupied", NOON + MINUTE), at_ms=NOON + MINUTE))
    assert Reservation.objects.get().release_reason == "occupied"


def test_a_camera_cannot_speak_for_a_car_park(centre, agent):
    bay("B1", kind="OffStreetParking", total=50, free=20)
    take(report(seen("B1", "occupied", NOON + 1), at_ms=NOON + 1))
    assert (Bay.objects.get().status, Bay.objects.get().free) == ("free", 20)


def test_one_agents_report_touches_no_other_jurisdiction(centre, agent):
    bay("B1", jurisdiction_id="elsewhere")
    take(report(seen("B1", "occupied", NOON + 1), at_ms=NOON + 1))
    assert Bay.objects.get(jurisdiction_id="elsewhere").status == "free"
    assert Bay.objects.get(jurisdiction_id=JURISDICTION).status == "occupied"


@ON_SQLITE
@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b"{}",
        report().model_dump_json().replace(AGENT, "box-2").encode(),
        report(seen()).model_dump_json().replace('"latitude":39.9145', '"latitude":139.9').encode(),
        report(seen()).model_dump_json().replace('"status":"free"', '"status":"maybe"').encode(),
        report(*(seen(f"B{n}") for n in range(200)))
        .model_dump_json()
        .replace("]", "," + seen().model_dump_json() + "]", 1)
        .encode(),
    ],
    ids=["json", "empty", "other agent", "impossible place", "unknown status", "too many"],
)
def test_a_report_that_makes_no_sense_is_kept_for_a_person(centre, agent, payload):
    (answer,) = intake.take_all([(TOPICS.of("bays"), payload)])
    assert answer.accepted is None
    assert Quarantined.objects.count() == 1
    assert not Bay.objects.exists()
