"""A grid gets other people or other ground: its open cases follow, each once, also where a worker dies in between."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from shapely.geometry import MultiPolygon, box

from central.cases import services as cases
from central.cases.history import Audit, verify
from central.cases.models import Case, HistoryEntry, WorkOrder
from central.cases.states import NotPossibleError
from central.dispatch import lease, rerouting, services
from central.dispatch.models import Assignment, Offer, ReroutedCase, Rerouting
from central.grids import services as grids
from central.grids.models import Grid
from central.grids.reading import Entry, GridRow
from central.ingest import intake
from protocol.errors import PatrolError
from protocol.messages import Position
from tests.central.dispatch.ground import store_square
from tests.central.street import JURISDICTION, TOPICS, task

HERE = (116.3321, 39.9145)


@pytest.fixture
def world(centre, agent, person):
    """A leaf with a primary, whom nobody on duty outranks; `new` and `other` are there to take over."""
    store_square(JURISDICTION, *HERE)

    class World:
        clock = centre.clock
        old, new, other = (person(name, "grid_worker", JURISDICTION) for name in ("old", "new", "other"))
        dispatcher = person("desk", "dispatcher", JURISDICTION)

        @staticmethod
        def leaf():
            return Grid.objects.get(code="leaf")

        @staticmethod
        def task(name):
            sent = task(name, position=Position(longitude=HERE[0], latitude=HERE[1]))
            intake.take_all([(TOPICS.of("tasks"), sent.model_dump_json().encode())])
            return WorkOrder.objects.get(case__stay__agent_case_id=name)

        def hand_over(self, primary, deputy=None, **more):
            return grids.hand_over(
                JURISDICTION, "leaf", primary=primary, deputy=deputy, by=self.dispatcher, **more
            )

        @staticmethod
        def finish():
            while rerouting.work():
                pass

    world = World()
    world.hand_over(world.old)
    world.finish()
    return world


def asked(order):
    return [(o.officer.username, o.state) for o in Offer.rows.filter(order=order).order_by("pk")]


def kinds(order):
    return [e.kind for e in HistoryEntry.objects.filter(case=order.case).order_by("number")]


def test_what_nobody_accepted_is_offered_anew_and_what_somebody_accepted_is_asked_about(world):
    open_, taken = world.task("c1"), world.task("c2")
    while lease.work():
        pass
    assert asked(open_) == asked(taken) == [("old", "offered")]
    services.accept(taken.pk, world.old)
    told = rerouting.preview(world.leaf(), world.new, None)
    assert (told.cases, told.anew, told.asked, told.moved) == (2, 1, 1, 0)
    assert rerouting.preview(world.leaf(), world.new, world.old).anew == 0, "a deputy may be asked as well"

    world.hand_over(world.new, reason="moved to another district")
    assert asked(open_) == [("old", "offered")], "the change itself takes no time"
    world.finish()
    assert asked(open_) == [("old", "withdrawn")]
    lease.work()
    assert asked(open_)[-1] == ("new", "offered")
    assert kinds(open_)[-3:] == ["handed_over", "offer_withdrawn", "offered"]
    taken.refresh_from_db()
    assert (taken.state, taken.assignee) == ("accepted", world.old)
    (question,) = rerouting.questions()
    assert (question.order, question.officer) == (taken, world.old)
    assert kinds(taken)[-2:] == ["handed_over", "handover_asked"]

    with pytest.raises(PatrolError, match="why"):
        rerouting.keep(question.pk, world.dispatcher, " ")
    rerouting.keep(question.pk, world.dispatcher, "he is there already")
    rerouting.keep(question.pk, world.dispatcher, "he is there already")
    assert kinds(taken).count("handover_kept") == 1
    assert not rerouting.questions().exists()
    assert list(verify(Audit())) == []
    assert Rerouting.rows.filter(ended_at_ms__isnull=True).count() == 0


def test_accepted_tasks_move_where_it_was_said_so_and_a_question_ends_with_a_reassignment(world):
    first = world.task("c1")
    services.accept(first.pk, world.old)
    assert rerouting.preview(world.leaf(), world.new, None, move_accepted=True).moved == 1
    world.hand_over(world.new, reason="retired", move_accepted=True)
    world.finish()
    first.refresh_from_db()
    assert first.assignee == world.new
    entry = HistoryEntry.objects.filter(case=first.case, kind="reassigned").get()
    assert "retired" in entry.body

    world.hand_over(world.other)
    world.finish()
    (question,) = rerouting.questions()
    services.reassign(first.pk, world.dispatcher, world.other, "nearer")
    assert not rerouting.questions().exists()
    with pytest.raises(NotPossibleError):
        rerouting.keep(question.pk, world.dispatcher, "too late")


def test_a_crash_in_the_midst_goes_on_and_takes_no_case_twice(world, monkeypatch):
    orders = [world.task(f"c{number}") for number in range(5)]
    while lease.work():
        pass
    world.hand_over(world.new)
    real, calls = rerouting._follow, []

    def dies(case, step):
        real(case, step)
        calls.append(case.pk)
        if len(calls) == 3:
            raise DatabaseError("the server went away after everything was written")

    monkeypatch.setattr(rerouting, "_follow", dies)
    with pytest.raises(DatabaseError):
        rerouting.work()
    newest = Rerouting.rows.latest("pk")
    assert ReroutedCase.rows.filter(rerouting=newest, state="todo").count() == 3, "two were kept, one was not"
    world.finish()
    assert len(calls) == 6
    for order in orders:
        assert kinds(order).count("handed_over") == 1
        assert asked(order) == [("old", "withdrawn")]
    assert list(verify(Audit())) == []
    assert rerouting.work() == 0

    # One that cannot be done stops no other, and is tried again later.
    monkeypatch.setattr(
        rerouting, "_follow", lambda case, step: 1 / 0 if case == orders[0].case else real(case, step)
    )
    world.hand_over(world.other)
    assert rerouting.work() == 4
    assert rerouting.work() == 0
    monkeypatch.setattr(rerouting, "_follow", real)
    world.clock.advance(rerouting.PUT_OFF_MS)
    assert rerouting.work() == 2, "the case, and the end"


def test_new_ground_takes_open_cases_along_when_it_is_in_force(world):
    order, closed = world.task("c1"), world.task("c2")
    Case.objects.filter(pk=closed.case_id).update(state="closed")
    while lease.work():
        pass
    lon, lat = HERE
    wide = MultiPolygon([box(lon - 0.01, lat - 0.01, lon + 0.03, lat + 0.01)])
    rows = [
        ("top", 1, None, None),
        ("middle", 2, "top", None),
        ("lower", 3, "middle", None),
        ("other", 4, "lower", wide),
    ]
    world.clock.advance(1000)
    ahead = world.clock.utc_ms() + 3_600_000
    grids.store(
        JURISDICTION,
        [
            Entry(n, GridRow(code=code, name=code, level=level, parent=parent, primary="new" if level == 4 else None), ground)
            for n, (code, level, parent, ground) in enumerate(rows, 1)
        ],
        from_ms=ahead,
    )  # fmt: skip
    world.finish()
    order.case.refresh_from_db()
    assert order.case.grid.code == "leaf", "not yet"
    world.clock.advance(3_600_001)
    world.finish()
    order.case.refresh_from_db()
    closed.case.refresh_from_db()
    assert (order.case.grid.code, closed.case.grid.code) == ("other", "leaf")
    assert asked(order)[0] == ("old", "withdrawn")
    assert Assignment.rows.get(order=order).state == "waiting"
    lease.work()
    assert asked(order)[-1] == ("new", "offered")
    assert kinds(order).count("grid") == 2
    assert list(verify(Audit())) == []


def test_what_is_handed_over_to_the_same_people_asks_for_nothing(world):
    before = Rerouting.rows.count()
    world.hand_over(world.old)
    assert Rerouting.rows.count() == before
    with pytest.raises(PatrolError, match="somebody has to answer"):
        grids.hand_over(JURISDICTION, "leaf", primary=world.new, deputy=None, move_accepted=True)
    assert world.leaf().primary == world.old, "all or nothing"
    assert cases.accept(world.task("c9").pk, world.old).assignee == world.old
