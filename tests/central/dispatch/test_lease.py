"""Offers from the task to the answer, on both databases, by the clock of the test."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils import translation

from central.cases import engine
from central.cases import services as cases
from central.cases.history import Audit, verify
from central.cases.models import HistoryEntry, WorkOrder
from central.cases.states import NotPossibleError, Result
from central.dispatch import lease, positions, rosters, services
from central.dispatch.models import Assignment, Offer, OfficerPosition, Push
from central.ingest import intake
from central.live.models import Change
from central.people.models import User
from protocol.errors import PatrolError
from protocol.messages import OfficerTask
from tests.central.street import JURISDICTION, MINUTE, NOON, TOPICS, retraction, task

LEASE = 120_000
HERE = (116.3321, 39.9145)


@pytest.fixture
def world(centre, agent, person):
    """Officers to be put on duty, tasks to be sent."""

    class World:
        clock = centre.clock

        def officer(self, name, *, away_m=0.0, hours=8, known=True, grids=(), begins=0):
            user = person(name, scope=JURISDICTION)
            rosters.store(
                JURISDICTION,
                [
                    rosters.Wanted(
                        name, NOON - MINUTE + begins, NOON + begins + hours * 60 * MINUTE, tuple(grids)
                    )
                ],
            )
            if known:
                lon, lat = HERE
                positions.take(
                    user,
                    positions.Fix(
                        longitude=lon, latitude=lat + math.degrees(away_m / 6_371_008.8), accuracy_m=10,
                        at_ms=centre.clock.utc_ms(),
                    ),
                )  # fmt: skip
            return user

        def task(self, case="c1", **changes):
            intake.take_all([(TOPICS.of("tasks"), task(case, **changes).model_dump_json().encode())])
            return WorkOrder.objects.get(case__stay__agent_case_id=case)

        def retract(self, case="c1"):
            message = retraction(case, at_ms=centre.clock.utc_ms() + 2000)
            intake.take_all([(TOPICS.of("tasks"), message.model_dump_json().encode())])

        def asked(self, order):
            return [
                (offer.officer.get_username(), offer.state)
                for offer in Offer.rows.filter(order=order).order_by("pk").select_related("officer")
            ]

    return World()


def test_the_nearest_is_asked_and_silence_passes_it_on(world):
    far = world.officer("far", away_m=2000)
    near = world.officer("near", away_m=300)
    order = world.task()
    assert lease.work() == 1
    assert world.asked(order) == [("near", "offered")]
    offer = Offer.rows.get()
    assert offer.expires_at_ms == NOON + LEASE
    assert (offer.rank, offer.why["source"], offer.why["metres"]) == (1, "position", 390)
    assert Change.objects.filter(topic=f"officer-{near.pk}").exists()
    assert lease.work() == 0
    world.clock.advance(LEASE - 1)
    assert lease.work() == 0
    world.clock.advance(1)
    assert lease.work() == 1
    assert world.asked(order) == [("near", "expired"), ("far", "offered")]
    services.accept(order.pk, far)
    assert services.accept(order.pk, far).assignee == far
    assert world.asked(order)[-1] == ("far", "accepted")
    assert Assignment.rows.get().due_at_ms is None
    told = HistoryEntry.objects.exclude(kind__startswith="clock_")
    kinds = list(told.values_list("kind", flat=True))
    assert kinds == ["opened", "task_issued", "offered", "offer_expired", "offered", "accepted"]
    assert not list(verify(Audit()))


def test_everybody_is_asked_as_often_as_the_rule_says_and_then_a_dispatcher_sees_it(world):
    one, two = world.officer("one", away_m=100), world.officer("two", away_m=500)
    order = world.task()
    for user in (one, two, one, two):
        assert lease.work() == 1
        services.decline(order.pk, user, "on another case")
        assert services.decline(order.pk, user, "on another case").state == "declined"
    assert [name for name, _ in world.asked(order)] == ["one", "two", "one", "two"]
    assert lease.work() == 1
    search = Assignment.rows.get()
    assert (search.state, search.reason) == ("unassigned", "all_declined")
    assert Change.objects.filter(topic=lease.UNASSIGNED).count() == 1
    # Nobody is pestered again, but who comes on duty later is asked.
    world.clock.advance(lease.LOOK_AGAIN_MS)
    lease.work()
    assert len(world.asked(order)) == 4
    world.officer("three", away_m=3000)
    assert lease.work() == 1
    assert world.asked(order)[-1] == ("three", "offered")


def test_nobody_on_duty_is_seen_and_mended_by_the_next_shift(world):
    order = world.task()
    assert lease.work() == 1
    assert Assignment.rows.get().reason == "nobody_on_duty"
    # A shift that begins in two minutes wakes the search at its begin, not at the next look.
    world.officer("late", known=False, begins=3 * MINUTE)
    lease.work()
    world.clock.advance(2 * MINUTE - 1)
    assert lease.work() == 0
    world.clock.advance(1)
    assert lease.work() == 1
    assert world.asked(order) == [("late", "offered")]


def test_the_database_holds_one_open_offer_for_an_order(world):
    one, two = world.officer("one"), world.officer("two")
    order = world.task()
    lease.work()
    with pytest.raises(IntegrityError), transaction.atomic():
        Offer.rows.create(order=order, officer=two, offered_at_ms=NOON, state="accepted")
    assert world.asked(order) == [(one.get_username(), "offered")]


def test_an_officer_who_was_not_asked_may_take_it_and_the_other_is_told(world):
    asked, beside = world.officer("asked", away_m=10), world.officer("beside", away_m=20)
    order = world.task()
    lease.work()
    cases.accept(order.pk, beside)  # as the pages do
    assert world.asked(order) == [("asked", "withdrawn"), ("beside", "accepted")]
    with pytest.raises(NotPossibleError):
        services.accept(order.pk, asked)
    with pytest.raises(NotPossibleError):
        services.decline(order.pk, asked, "too late")
    told = [OfficerTask.model_validate_json(row.payload) for row in Push.objects.order_by("pk")]
    assert [(each.state, each.reason) for each in told] == [
        ("offered", ""),
        ("withdrawn", services.TAKEN),
    ]


def test_a_vehicle_that_leaves_withdraws_the_offer(world):
    officer = world.officer("one")
    order = world.task()
    lease.work()
    world.retract()
    assert world.asked(order) == [("one", "withdrawn")]
    assert Offer.rows.get().reason == services.RETRACTED
    assert Assignment.rows.get().state == "over"
    world.clock.advance(LEASE)
    assert lease.work() == 0
    with pytest.raises(NotPossibleError):
        services.accept(order.pk, officer)


def test_a_retraction_that_came_first_asks_nobody(world):
    world.officer("one")
    world.retract()
    order = world.task()
    assert order.state == "retracted"
    assert lease.work() == 0
    assert not Offer.rows.exists()


def test_a_dispatcher_gives_it_to_another_even_when_it_was_accepted(world, person):
    one, two = world.officer("one"), world.officer("two", away_m=900)
    chief = person("chief", role="dispatcher", scope=JURISDICTION)
    order = world.task()
    lease.work()
    services.accept(order.pk, one)
    with pytest.raises(PatrolError, match="say why"):
        services.reassign(order.pk, chief, two, " ")
    for _ in range(2):
        done = services.reassign(order.pk, chief, two, "one is at an accident")
        assert done.assignee == two
    assert world.asked(order) == [("one", "withdrawn"), ("two", "accepted")]
    entry = HistoryEntry.objects.get(kind="reassigned")
    said = {"officer": "Two", "before": "One", "reason": "one is at an accident", "to": "two"}
    assert json.loads(entry.body) == said
    outsider = person("outsider", scope="elsewhere")
    with pytest.raises(PatrolError, match="cannot be sent there"):
        services.reassign(order.pk, chief, outsider, "nobody else")
    with pytest.raises(WorkOrder.DoesNotExist):
        services.reassign(order.pk, person("foreign", role="dispatcher", scope="elsewhere"), two, "mine")
    cases.close(order.pk, two, cases.Finding(Result.TICKETED))
    with pytest.raises(NotPossibleError):
        services.reassign(order.pk, chief, one, "again")


def test_giving_a_new_task_is_accepting_it_and_who_found_the_case_does_not_handle_it(world, person):
    finder, two = world.officer("finder", away_m=10), world.officer("two", away_m=900)
    chief = person("chief", role="dispatcher", scope=JURISDICTION)
    order = world.task()
    engine.participate(order.case, "collector", "user:finder")
    with (
        translation.override("en"),
        pytest.raises(PatrolError, match="neither collects, verifies nor supervises it"),
    ):
        services.reassign(order.pk, chief, finder, "nearest")
    lease.work()
    assert world.asked(order) == [("two", "offered")], "the nearest one found it"
    world.clock.advance(10 * MINUTE)
    services.reassign(order.pk, chief, two, "he knows the street")
    order.refresh_from_db()
    assert (order.case.process_state, order.assignee) == ("handling", two)
    states = dict(order.case.clocks.values_list("kind", "state"))
    assert states == {"response": "stopped", "resolution": "running"}
    assert list(verify(Audit())) == []


def test_work_is_shared_out_by_load(world):
    world.officer("one", away_m=100)
    world.officer("two", away_m=400)
    for number in range(6):
        world.task(f"c{number}")
    assert lease.work() == 6
    names = list(Offer.rows.values_list("officer__username", flat=True))
    assert (names.count("one"), names.count("two")) == (3, 3)


def test_what_is_said_to_the_device_is_what_an_officer_needs(world):
    officer = world.officer("one", away_m=300)
    order = world.task()
    lease.work()
    row = Push.objects.get()
    assert row.topic == f"patrol/v1/{JURISDICTION}/officers/officer-{officer.pk}/tasks"
    assert row.expires_at_ms == NOON + LEASE
    told = json.loads(row.payload)
    assert (told["plate"], told["task_id"], told["distance_m"]) == ("京A•••45", str(order.pk), 390)
    assert OfficerTask.model_validate(told).position is not None
    assert not {"phone", "owner", "evidence", "why"} & set(told)


def test_a_grid_without_anybody_on_duty_goes_to_those_who_answer_for_it(world, person):
    from central.grids.models import Grid
    from tests.central.dispatch.ground import store_square

    store_square(JURISDICTION, *HERE)
    grid = Grid.objects.get(code="leaf")
    grid.primary, grid.deputy = person("primary", scope=JURISDICTION), person("deputy", scope=JURISDICTION)
    grid.save()
    order = world.task()
    assert order.case.grid == grid
    lease.work()
    services.decline(order.pk, grid.primary, "ill")
    lease.work()
    assert world.asked(order) == [("primary", "declined"), ("deputy", "offered")]
    services.decline(order.pk, grid.deputy, "away")
    # One on duty elsewhere only does not count; one for a branch that holds the grid does.
    world.officer("elsewhere", grids=["other"])
    world.officer("here", grids=["top"], away_m=5000)
    lease.work()
    assert world.asked(order)[-1] == ("here", "offered")


def test_places_are_kept_while_on_duty_and_the_newest_wins(world, person):
    officer = world.officer("one", hours=1)
    fix = {"longitude": 1.0, "latitude": 2.0, "accuracy_m": 5.0}
    assert positions.take(officer, positions.Fix(**fix, at_ms=NOON + 1)) is False, "a clock that is ahead"
    world.clock.advance(1000)
    assert positions.take(officer, positions.Fix(**fix, at_ms=NOON + 500))
    assert not positions.take(officer, positions.Fix(**{**fix, "longitude": 9.0}, at_ms=NOON + 400))
    assert OfficerPosition.objects.get().longitude == 1.0
    with pytest.raises(positions.NotOnDutyError):
        positions.take(person("idle"), positions.Fix(**fix, at_ms=NOON))
    lease.sweep()
    assert OfficerPosition.objects.count() == 1
    # Another shift tomorrow keeps nothing of today's.
    day = 24 * 60 * MINUTE
    rosters.store(JURISDICTION, [rosters.Wanted("one", NOON + day, NOON + day + MINUTE)])
    world.clock.advance(60 * MINUTE)
    lease.sweep()
    assert not OfficerPosition.objects.exists()
    with pytest.raises(positions.NotOnDutyError):
        positions.take(officer, positions.Fix(**fix, at_ms=NOON + 61 * MINUTE))


def test_an_officer_who_may_not_look_at_the_case_is_not_sent(world):
    officer = world.officer("one")
    User.objects.filter(pk=officer.pk).update(scope="elsewhere")
    order = world.task()
    lease.work()
    assert world.asked(order) == []
    User.objects.filter(pk=officer.pk).update(scope=JURISDICTION, is_active=False)
    world.clock.advance(lease.LOOK_AGAIN_MS)
    lease.work()
    assert world.asked(order) == []


def test_one_round_can_be_the_rule(world):
    one = world.officer("one")
    order = world.task()
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, offer_rounds=1, lease_ms=5000)):
        lease.work()
        assert Offer.rows.get().expires_at_ms == NOON + 5000
        services.decline(order.pk, one, "no")
        lease.work()
    assert Assignment.rows.get().reason == "all_declined"
    assert world.asked(order) == [("one", "declined")]
