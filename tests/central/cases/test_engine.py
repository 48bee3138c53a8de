"""Cases on a real database: what people press in whatever order, the rules hold and the history proves it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.utils import translation
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from central.cases import actions, history, rules, services
from central.cases.attachments import attach
from central.cases.engine import RefusedError, case_moved
from central.cases.models import Case, Commitment, CommitmentState, Participant, Told, WorkOrder
from central.cases.reporters import reporter_of_user
from central.cases.reports import NewCase, open_case
from central.cases.states import OPEN_STATES, NotPossibleError, Result
from central.parking.services import apply_record, apply_task
from central.statistics.endings import endings
from central.statistics.figures import Source, all_figures
from central.statistics.period import read_period
from central.statistics.replay import differences, replay
from protocol.errors import PatrolError
from protocol.messages import Position
from tests.central.street import MINUTE, NOON, picture, record, task

PLACE = Position(longitude=116.3321, latitude=39.9145)


def faults():
    return [fault.problem for fault in history.verify(history.Audit())]


def report(number: int = 1, **changes) -> Case:
    plain = {
        "source": "person",
        "source_key": f"test/{number}",
        "service_code": "city_appearance",
        "jurisdiction_id": "sanlihe",
        "at_ms": NOON + number,
        "actor": "user:anyone",
        "text": f"{number}号门前有人占道经营",
    }
    return open_case(NewCase(**{**plain, **changes}))[0]


@pytest.fixture
def people(person):
    return {
        "dispatcher": person("duty", "dispatcher"),
        "officer": person("wang", "officer"),
        "second": person("li", "officer"),
        "worker": person("grid", "grid_worker"),
    }


def press(case, user, transition, **fields):
    return actions.take(case.pk, user, transition, fields)


def go(case, people, *, until: str) -> Case:
    """Along the straight way of a street matter."""
    press(case, people["dispatcher"], "establish")
    press(case, people["dispatcher"], "dispatch")
    order = WorkOrder.objects.get(case=case, state="new")
    services.accept(order.pk, people["officer"])
    if until != "handling":
        services.close(order.pk, people["officer"], services.Finding(Result.OTHER, "清理完毕"))
    case.refresh_from_db()
    assert case.process_state == until
    return case


def test_a_street_matter_takes_its_whole_way_and_every_step_is_told_once(people):
    citizen = reporter_of_user(people["second"], "sanlihe")
    moved: list[tuple[str, str]] = []

    def note(case, before, move, **_):
        moved.append((str(before), move.after))

    case_moved.connect(note)
    try:
        case = go(report(reporter=citizen), people, until="verifying")
    finally:
        case_moved.disconnect(note)
    assert moved == [("open", name) for name in ("established", "dispatched", "handling", "verifying")]
    with pytest.raises(RefusedError) as caught:
        press(case, people["worker"], "pass")
    assert (caught.value.refusal.code, caught.value.refusal.field) == ("field", "photo")
    photo = attach(case, people["worker"], picture(), "after.jpg", "after")
    case = press(case, people["worker"], "pass", photo=photo.pk)
    assert (case.state, case.process_state, case.step) == ("closed", "fixed", "verify_close")
    with pytest.raises(RefusedError):
        press(case, people["officer"], "rate", rating=5)
    case = press(case, people["second"], "reopen", reason="又摆出来了")
    assert (case.state, case.process_state, case.round, case.closed_at_ms) == ("open", "established", 1, None)
    told = list(Told.objects.order_by("id").values_list("step", "round"))
    assert told == [("collect", 0), ("establish", 0), ("handle", 0), ("verify_close", 0), ("establish", 1)]
    assert dict(Participant.objects.values_list("part", "actor")) == {
        "handler": "user:wang",
        "verifier": "user:grid",
    }
    assert not faults()


def test_whoever_found_it_does_not_handle_it_and_whoever_handled_it_does_not_judge_it(people):
    case = report(source="patrol", actor="user:wang", collector=True)
    press(case, people["dispatcher"], "establish")
    press(case, people["dispatcher"], "dispatch")
    order = WorkOrder.objects.get()
    with (
        translation.override("zh-hans"),
        pytest.raises(NotPossibleError, match="处理人不得采集、核查或督办"),
    ):
        services.accept(order.pk, people["officer"])
    order.refresh_from_db()
    assert order.state == "new"
    services.accept(order.pk, people["worker"])
    services.close(order.pk, people["worker"], services.Finding(Result.OTHER))
    photo = attach(case, people["worker"], picture(), "a.jpg", "a")
    with pytest.raises(RefusedError) as caught:
        press(case, people["worker"], "pass", photo=photo.pk)
    assert caught.value.refusal.code == "part"
    assert press(case, people["dispatcher"], "pass", photo=photo.pk).process_state == "fixed"


def test_the_time_for_opening_again_ends(people, centre):
    case = go(report(), people, until="verifying")
    press(case, people["dispatcher"], "give_up", reason="权属不明")
    centre.clock.advance(8 * 86_400_000)
    with pytest.raises(RefusedError) as caught:
        press(case, people["dispatcher"], "reopen", reason="again")
    assert caught.value.refusal.code == "reopen"


def test_a_promise_keeps_a_camera_case_from_closing_until_it_is_kept(agent, people):
    with transaction.atomic():
        apply_task(agent, task())
    case = Case.objects.get()
    promise = actions.promise(case.pk, "user:duty", what="画停车线", owner="市政科", due_at_ms=NOON + MINUTE)
    order = WorkOrder.objects.get()
    services.accept(order.pk, people["officer"])
    services.close(order.pk, people["officer"], services.Finding(Result.MOVED_ON))
    case.refresh_from_db()
    assert (case.state, case.process_state) == ("open", "feedback")
    with pytest.raises(RefusedError):
        actions.end_commitment(promise.pk, "user:duty", CommitmentState.WITHDRAWN)
    actions.end_commitment(promise.pk, "user:duty", CommitmentState.DONE)
    actions.end_commitment(promise.pk, "user:duty", CommitmentState.DONE)
    case.refresh_from_db()
    assert (case.state, case.process_state) == ("closed", "closed")
    with pytest.raises(RefusedError):
        actions.promise(case.pk, "user:duty", what="x", owner="y", due_at_ms=1)
    assert not faults()


def test_a_parent_waits_for_its_parts_and_what_is_opened_again_goes_its_own_way(people):
    parent, child = report(1), report(2, place="", text="完全不同的另一件事情")
    actions.make_part(child.pk, parent.pk, "user:duty", "同一工地")
    actions.make_part(child.pk, parent.pk, "user:duty", "同一工地")
    for wrong in ((parent.pk, child.pk), (parent.pk, parent.pk)):
        with pytest.raises(RefusedError):
            actions.make_part(*wrong, "user:duty", "x")
    go(parent, people, until="verifying")
    with pytest.raises(RefusedError) as caught:
        press(parent, people["dispatcher"], "give_up", reason="x")
    assert caught.value.refusal.code == "guard:no_open_children"
    press(child, people["dispatcher"], "refuse", reason="无效")
    press(parent, people["dispatcher"], "give_up", reason="x")
    assert not faults()
    other = report(3, text="路灯不亮")
    with pytest.raises(PatrolError):
        actions.make_part(other.pk, parent.pk, "user:duty", " ")
    with pytest.raises(RefusedError):
        actions.make_part(other.pk, parent.pk, "user:duty", "closed already")


def test_the_audit_sees_a_case_that_was_moved_without_its_history(people):
    case = go(report(), people, until="handling")
    assert not faults()
    Case.objects.filter(pk=case.pk).update(process_state="fixed", state="closed")
    assert any("says 'fixed'" in problem for problem in faults())


def test_older_cases_follow_the_rules_of_parking_from_where_they_stand(agent, people):
    import importlib

    from django.apps import apps

    for number, name in enumerate(("watched", "dispatched", "handling", "closed")):
        with transaction.atomic():
            if name == "watched":
                apply_record(agent, record(f"c{number}", "notified", NOON))
            else:
                apply_task(agent, task(f"c{number}"))
        if name in {"handling", "closed"}:
            order = WorkOrder.objects.get(case__stay__agent_case_id=f"c{number}")
            services.accept(order.pk, people["officer"])
            if name == "closed":
                services.close(order.pk, people["officer"], services.Finding(Result.TICKETED))
    was = dict(Case.objects.values_list("pk", "process_state"))
    steps = dict(Case.objects.values_list("pk", "step"))
    Case.objects.update(definition=None, process_state="", step="")
    migration = importlib.import_module("central.cases.migrations.0008_cases_follow_rules")
    with connection.schema_editor() as editor:
        migration.forwards(apps, editor)
    assert dict(Case.objects.values_list("pk", "process_state")) == was
    assert dict(Case.objects.values_list("pk", "step")) == steps
    assert sorted(was.values()) == ["closed", "dispatched", "handling", "watched"]
    waiting = WorkOrder.objects.get(state="new")
    services.accept(waiting.pk, people["officer"])
    waiting.case.refresh_from_db()
    assert waiting.case.process_state == "handling"


def test_whatever_people_press_in_whatever_order_the_rules_hold(people):
    users = list(people.values())
    definition = rules.service("city_appearance")
    names = [found.name for found in definition.transitions]

    class Office(RuleBasedStateMachine):
        cases = Bundle("cases")
        count = 0

        @rule(target=cases, finder=st.sampled_from(users), round_=st.booleans())
        def tell(self, finder, round_):
            Office.count += 1
            texts = ("占道经营", "垃圾满了", "路灯不亮", "乱贴广告", "噪声扰民")
            actor = f"user:{finder.username}"
            text = texts[Office.count % 5] + str(Office.count)
            source = "patrol" if round_ else "person"
            return report(1000 + Office.count, source=source, actor=actor, collector=round_, text=text).pk

        @rule(case=cases, user=st.sampled_from(users), name=st.sampled_from(names))
        def take(self, case, user, name):
            fields = {"reason": "因为", "rating": 4}
            known = Case.objects.get(pk=case).attachments.first()
            if known is not None:
                fields["photo"] = known.pk
            with suppress(RefusedError):
                actions.take(case, user, name, fields)

        @rule(case=cases, user=st.sampled_from(users))
        def straight_on(self, case, user):
            here = Case.objects.get(pk=case)
            for choice in actions.choices(here, user, "zh"):
                if not choice["blocked"] and choice["required"] == []:
                    actions.take(case, user, choice["name"])
                    return

        @rule(case=cases, user=st.sampled_from(users), finish=st.booleans())
        def work(self, case, user, finish):
            for order in WorkOrder.objects.filter(case=case, state__in=OPEN_STATES):
                try:
                    services.accept(order.pk, user)
                    if finish:
                        services.close(order.pk, user, services.Finding(Result.OTHER))
                except NotPossibleError:
                    pass

        @rule(case=cases)
        def leave(self, case):
            with transaction.atomic():
                locked = Case.objects.select_for_update().get(pk=case)
                Office.count += 1
                services.retract(
                    locked, key=f"r{Office.count}", at_ms=NOON * 2, reason="gone", actor="centre"
                )

        @rule(case=cases)
        def photograph(self, case):
            attach(Case.objects.get(pk=case), users[0], PICTURE, "a.jpg", "a")

        @rule(case=cases, keep=st.booleans())
        def promise(self, case, keep):
            open_ = Commitment.objects.filter(case=case, state="open").first()
            try:
                if open_ is not None and keep:
                    actions.end_commitment(open_.pk, "user:duty", CommitmentState.DONE)
                else:
                    actions.promise(case, "user:duty", what="w", owner="o", due_at_ms=NOON)
            except RefusedError:
                pass

        @rule(child=cases, parent=cases, back=st.booleans())
        def belong(self, child, parent, back):
            try:
                if back:
                    actions.leave_parent(child, "user:duty", "why")
                else:
                    actions.make_part(child, parent, "user:duty", "why")
            except RefusedError:
                pass

        @invariant()
        def rules_hold(self):
            assert not faults()
            for case in Case.objects.prefetch_related(
                "work_orders", "commitments", "children", "participants"
            ):
                state = definition.by_name[case.process_state]
                assert (case.state, case.step) == (state.coarse, state.step)
                assert (case.closed_at_ms is not None) == (case.state == "closed")
                if case.state == "closed":
                    assert not [one for one in case.work_orders.all() if one.state in OPEN_STATES]
                    assert not [one for one in case.commitments.all() if one.state == "open"]
                    assert not [one for one in case.children.all() if one.state != "closed"]
                did: dict[str, set[str]] = {}
                for one in case.participants.all():
                    did.setdefault(one.part, set()).add(one.actor)
                handled = did.get("handler", set())
                assert not handled & (did.get("collector", set()) | did.get("verifier", set()))

        def teardown(self):
            source = Source(Case.objects.all(), WorkOrder.objects.all(), NOON + MINUTE)
            today = read_period({"period": "today"}, NOON)
            again = replay(source.cases, today, source.now_ms)
            found = differences(all_figures(source, today), endings(source, today), again)
            assert set(found.values()) == {"same"}, found

    run_state_machine_as_test(
        Office,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


PICTURE = picture()
