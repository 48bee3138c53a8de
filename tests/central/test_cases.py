"""A work order's life, the outcome's way back, and a history that shows every edit."""

from __future__ import annotations

import threading
from typing import get_args

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from central.cases import history, services
from central.cases.models import Case, HistoryEntry, WorkOrder
from central.cases.states import OPEN_STATES, STEPS, NotPossibleError, Result, Step, WorkState, next_state
from central.fleet.models import Letter
from central.fleet.services import confirm_letter, take_due_letters
from central.parking.services import apply_record, apply_retraction, apply_task
from protocol.messages import Outcome, OutcomeResult
from tests.central.street import MINUTE, NOON, record, retraction, task


@pytest.fixture
def order(agent):
    with transaction.atomic():
        apply_task(agent, task())
    return WorkOrder.objects.get()


def faults():
    return list(history.verify(history.Audit()))


def test_the_officers_results_are_the_protocols():
    assert set(Result.values) == set(get_args(OutcomeResult))


@pytest.mark.parametrize("state", list(WorkState))
@pytest.mark.parametrize("step", list(Step))
def test_only_the_steps_of_the_table_are_possible(state, step):
    if (state, step) in STEPS:
        assert next_state(state, step) == STEPS[state, step]
    else:
        with pytest.raises(NotPossibleError) as caught:
            next_state(state, step)
        assert caught.value.state == state


def test_accept_and_close_send_the_outcome_to_the_agent_until_it_confirms(order, person, agent, centre):
    officer = person("wang")
    services.accept(order.pk, officer)
    closed = services.close(order.pk, officer, services.Finding(Result.MOVED_ON, " drove away "))
    assert (closed.state, closed.note) == (WorkState.CLOSED, "drove away")
    sent = [letter.payload for letter in take_due_letters()]
    outcome = Outcome.model_validate_json(sent[0])
    assert (outcome.case_id, outcome.result, outcome.note) == ("c1", "moved_on", "drove away")
    assert take_due_letters() == [], "not again at once"
    waits = []
    for _ in range(9):
        due = Letter.objects.get().next_at_ms
        waits.append(due - centre.clock.utc_ms())
        centre.clock.set_utc(due)
        assert [letter.payload for letter in take_due_letters()] == sent
    assert waits == sorted(waits)
    assert waits[0] == 3000
    assert waits[-1] <= 5 * MINUTE
    with transaction.atomic():
        apply_record(agent, record("c1", "closed", NOON + MINUTE, outcome_id=outcome.outcome_id))
    centre.clock.advance(24 * 60 * MINUTE)
    assert take_due_letters() == []
    assert not confirm_letter(agent, outcome.outcome_id), "only the first confirmation counts"
    assert not faults()


def test_pressing_twice_closes_once(order, person):
    officer = person("wang")
    for _ in range(2):
        services.accept(order.pk, officer)
    ids = {services.close(order.pk, officer, services.Finding(Result.TICKETED)).outcome_id for _ in range(3)}
    assert len(ids) == 1
    assert Letter.objects.count() == 1
    told = HistoryEntry.objects.exclude(kind__startswith="clock_").order_by("number")
    kinds = list(told.values_list("kind", flat=True))
    assert kinds == ["opened", "task_issued", "accepted", "outcome"]


def test_another_result_after_closing_is_refused(order, person):
    officer = person("wang")
    services.accept(order.pk, officer)
    services.close(order.pk, officer, services.Finding(Result.TICKETED))
    with pytest.raises(NotPossibleError):
        services.close(order.pk, officer, services.Finding(Result.TOWED))
    assert WorkOrder.objects.get().result == Result.TICKETED


def test_of_two_officers_who_press_at_the_same_moment_one_gets_it(order, person, centre):
    officers = [person("wang"), person("li")]
    barrier = threading.Barrier(2)
    outcomes: dict[str, object] = {}

    def press(officer):
        barrier.wait()
        try:
            outcomes[officer.username] = services.accept(order.pk, officer).assignee_id
        except NotPossibleError as error:
            outcomes[officer.username] = error.state
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(officer,)) for officer in officers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    order.refresh_from_db()
    assert order.assignee_id in {officer.pk for officer in officers}
    assert sorted(map(str, outcomes.values())) == sorted([str(order.assignee_id), "accepted"])
    assert HistoryEntry.objects.filter(kind="accepted").count() == 1


def test_a_retraction_reaches_the_officer_who_is_on_the_way(order, person, agent):
    officer = person("wang")
    services.accept(order.pk, officer)
    with transaction.atomic():
        apply_retraction(agent, retraction())
    order.refresh_from_db()
    assert order.state == WorkState.RETRACTED
    with pytest.raises(NotPossibleError) as caught:
        services.close(order.pk, officer, services.Finding(Result.TICKETED))
    assert caught.value.state == WorkState.RETRACTED
    assert not Letter.objects.exists(), "no outcome for a vehicle that left"


def test_a_retraction_after_the_end_changes_nothing_but_the_history(order, person, agent):
    officer = person("wang")
    services.accept(order.pk, officer)
    services.close(order.pk, officer, services.Finding(Result.TICKETED))
    with transaction.atomic():
        apply_retraction(agent, retraction())
    order.refresh_from_db()
    assert order.state == WorkState.CLOSED
    assert HistoryEntry.objects.order_by("-number").first().kind == "retraction_too_late"


def test_the_officer_of_another_jurisdiction_finds_nothing(order, person):
    for scope in ("elsewhere", ""):
        stranger = person(f"zhao{scope}", scope=scope)
        with pytest.raises(WorkOrder.DoesNotExist):
            services.accept(order.pk, stranger)
        assert not Case.objects.visible_to(stranger).exists()


def test_the_database_itself_refuses_to_change_the_history(order):
    for statement in ("UPDATE cases_historyentry SET actor = 'me'", "DELETE FROM cases_historyentry"):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert not faults()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE cases_historyentry SET body = '{}' WHERE number = 2", "changed"),
        ("UPDATE cases_historyentry SET at_ms = at_ms + 1 WHERE number = 1", "changed"),
        ("DELETE FROM cases_historyentry WHERE number = 1", "missing"),
        (  # the end cut off
            "DELETE FROM cases_historyentry WHERE number = (SELECT MAX(number) FROM cases_historyentry)",
            "knows of",
        ),
        ("DELETE FROM cases_historyentry", "knows of"),  # all of it
    ],
)
def test_the_audit_finds_what_somebody_with_the_database_in_hand_has_done(order, statement, problem):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER cases_historyentry_no_update")
            cursor.execute("DROP TRIGGER cases_historyentry_no_delete")
        else:
            cursor.execute("ALTER TABLE cases_historyentry DISABLE TRIGGER ALL")
        cursor.execute(statement)
    found = faults()
    assert found
    assert any(problem in fault.problem for fault in found)


def test_the_audit_digest_changes_with_every_entry(order, person):
    before = history.Audit()
    assert not list(history.verify(before))
    services.accept(order.pk, person("wang"))
    after = history.Audit()
    assert not list(history.verify(after))
    assert after.entries > before.entries > 0
    assert before.digest != after.digest


def test_the_audit_reads_one_moment_while_officers_go_on_working(order, person):
    officer = person("wang")
    moments: list[int] = []

    def work():
        try:
            services.accept(order.pk, officer)
        finally:
            connection.close()

    def between(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if "historyentry" in sql and not moments:
            moments.append(order.pk)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(20)
        return answer

    seen = history.Audit()
    with connection.execute_wrapper(between):
        assert list(history.verify(seen)) == []
    assert HistoryEntry.objects.filter(kind="accepted").count() == 1, "and nobody had to wait"
    after = history.Audit()
    assert list(history.verify(after)) == []
    assert after.entries > seen.entries


def test_whatever_happens_in_whatever_order_the_rules_hold(agent, person):
    officers = [person("wang"), person("li")]

    class Life(RuleBasedStateMachine):
        numbers = Bundle("numbers")
        count = 0

        @rule(target=numbers)
        def begin(self):
            Life.count += 1
            return f"case-{Life.count}"

        @rule(number=numbers, at=st.integers(NOON, NOON + 5 * MINUTE), again=st.booleans())
        def issue(self, number, at, again):
            name = f"sanlihe/box-1/gate-north/{number}/{'again' if again else 'task'}"
            if not WorkOrder.objects.filter(key=name).exists():
                with transaction.atomic():
                    apply_task(agent, task(number, issued_at_ms=at, idempotency_key=name))

        @rule(number=numbers, at=st.integers(NOON, NOON + 5 * MINUTE))
        def leave(self, number, at):
            message = retraction(number, at)
            from central.cases.models import Retraction

            if not Retraction.objects.filter(key=message.idempotency_key).exists():
                with transaction.atomic():
                    apply_retraction(agent, message)

        @rule(number=numbers, officer=st.sampled_from(officers))
        def press_accept(self, number, officer):
            for order in WorkOrder.objects.filter(case__stay__agent_case_id=number):
                held = (order.state, order.assignee_id)
                try:
                    services.accept(order.pk, officer)
                    assert held in {(WorkState.NEW, None), (WorkState.ACCEPTED, officer.pk)}
                except NotPossibleError:
                    assert held != (WorkState.NEW, None)

        @rule(number=numbers, officer=st.sampled_from(officers), result=st.sampled_from(Result.values))
        def press_close(self, number, officer, result):
            for order in WorkOrder.objects.filter(case__stay__agent_case_id=number):
                held = (order.state, order.assignee_id)
                try:
                    services.close(order.pk, officer, services.Finding(Result(result)))
                    assert held in {(WorkState.ACCEPTED, officer.pk), (WorkState.CLOSED, officer.pk)}
                except NotPossibleError:
                    assert held != (WorkState.ACCEPTED, officer.pk)

        @invariant()
        def rules_hold(self):
            assert not faults()
            for case in Case.objects.prefetch_related("work_orders", "retractions"):
                orders = list(case.work_orders.all())
                live = [order for order in orders if order.state in OPEN_STATES]
                assert len(live) <= 1
                assert (case.state == "open") == bool(live)
                for order in live:
                    assert all(taken.at_ms < order.issued_at_ms for taken in case.retractions.all())
            closed = set(WorkOrder.objects.filter(state="closed").values_list("outcome_id", flat=True))
            assert closed == set(Letter.objects.values_list("letter_id", flat=True))

    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_tables_are_those_of_the_models(centre):
    from django.core.management import call_command

    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
