"""Many reports of one matter: put together whatever the order, explained, told once, taken apart with a reason."""

from __future__ import annotations

import itertools
import threading

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.cases import actions, clustering, history, rules
from central.cases.alike import Report, clusters, pairs, score
from central.cases.definition import Duplicates
from central.cases.engine import RefusedError
from central.cases.models import Case, Likeness, Reporter, Told
from central.parking.services import apply_task
from tests.central.cases.test_engine import PLACE, faults, report
from tests.central.street import NOON, task

MINUTE = 60_000
RULE = Duplicates(radius_m=60, minutes=1440, threshold=0.6)
METRE = 1 / 111_320


def at(number: int, text: str, metres: float = 0, minutes: float = 0, **more) -> Report:
    return Report(number, NOON + int(minutes * MINUTE), 116.3321, 39.9145 + metres * METRE, text, **more)


@pytest.mark.parametrize(
    ("text", "other", "metres", "minutes", "same"),
    [
        # The same heap in other words, from next door, an hour later.
        ("东门垃圾桶满了没人清运", "东门的垃圾桶满了，一直没人清", 10, 60, True),
        ("３号楼电梯坏了三天", "3号楼电梯坏了三天！", 0, 300, True),
        ("Overflowing bins at the east gate", "overflowing BINS at the east gate.", 20, 30, True),
        ("东门垃圾桶满了没人清运", "东门的垃圾桶满了，一直没人清", 61, 60, False),  # too far
        ("东门垃圾桶满了没人清运", "东门的垃圾桶满了，一直没人清", 10, 1441, False),  # too long ago
        ("东门垃圾桶满了没人清运", "楼上半夜装修噪声太大", 5, 10, False),  # another matter
        ("东门垃圾桶满了", "", 0, 0, False),  # nearness alone is not enough
    ],
)
def test_likeness_is_place_time_and_words(text, other, metres, minutes, same):
    how = score(at(1, text), at(2, other, metres, minutes), RULE)
    assert (how is not None and how.total >= RULE.threshold) == same
    if how is not None:
        assert set(how.parts) <= {"place", "time", "text", "plate"}
        assert how == score(at(2, other, metres, minutes), at(1, text), RULE), "the same both ways"


def test_plates_decide_where_both_are_told():
    one = at(1, "占道", plate="京A12345")
    assert score(one, at(2, "完全另外的话", plate="京A12345", metres=20, minutes=30), RULE).total >= 0.6
    assert score(one, at(2, "占道", plate="京B99999"), RULE) is None
    strict = RULE.model_copy(update={"same_plate": True})
    assert score(one, at(2, "占道"), strict) is None
    assert pairs("Ａb c") == pairs("abc")


def test_without_a_position_only_the_same_words_for_the_place_count():
    here = Report(1, NOON, text="电梯坏了", place="3号楼")
    assert score(here, Report(2, NOON, text="电梯坏了", place="3 号楼"), RULE).total == 1
    assert score(here, Report(2, NOON, text="电梯坏了", place="5号楼"), RULE) is None


WORDS = ("东门垃圾桶满了没人清运", "东门的垃圾桶又满了没人清", "店外经营占了人行道", "店外经营把人行道全占了")


def test_the_order_of_arrival_changes_no_cluster(centre):
    runs = itertools.count()
    rule = rules.service("city_appearance").duplicates
    met = set()

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(st.sampled_from(WORDS), st.integers(0, 120), st.integers(0, 2000)),
            min_size=3,
            max_size=7,
        ),
        st.randoms(use_true_random=False),
    )
    def check(told, random):
        run = next(runs)
        reports = [at(number, text, metres, minutes) for number, (text, metres, minutes) in enumerate(told)]
        wanted = clusters(reports, rule)
        met.update(len(group) for group in wanted)
        random.shuffle(reports)
        made = {}
        for one in reports:
            position = PLACE.model_copy(update={"latitude": one.latitude})
            case = report(
                source_key=f"run{run}/{one.number}",
                jurisdiction_id=f"j{run}",
                at_ms=one.at_ms,
                text=one.text,
                position=position,
            )
            made[case.pk] = one.number
        groups: dict[int, set[int]] = {}
        for case in Case.objects.filter(pk__in=made):
            groups.setdefault(case.parent_id or case.pk, set()).add(made[case.pk])
        assert {frozenset(group) for group in groups.values()} == wanted

    check()
    assert {1, 2, 3} <= met
    assert not faults()


def reporter() -> Reporter:
    return Reporter.objects.create(jurisdiction_id="sanlihe", made_at_ms=1)


def test_ten_complaints_are_one_case_and_everybody_is_told_once(person):
    duty = person("duty", "dispatcher")
    people = [reporter() for _ in range(9)]
    made = [
        report(
            number,
            text=f"东门垃圾桶满了没人清运{'！' * number}",
            position=PLACE,
            reporter=(people + people)[number],
        )
        for number in range(10)
    ]
    parent = made[0]
    children = Case.objects.filter(parent=parent, relation="duplicate")
    assert children.count() == 9
    assert {child.process_state for child in children} == {"merged"}
    assert Likeness.objects.filter(kind="merged").count() == 9
    assert set(Likeness.objects.first().parts) == {"place", "time", "text"}
    actions.take(parent.pk, duty, "establish")
    told = list(Told.objects.values_list("case_id", "reporter_id", "step"))
    assert len(told) == len(set(told)) == 18
    assert set(told) == {(parent.pk, one.pk, step) for one in people for step in ("collect", "establish")}
    assert not faults()


def test_what_was_taken_apart_stays_apart_and_can_be_put_together_by_people(person):
    one, two = (report(number, text="东门垃圾桶满了没人清运", position=PLACE) for number in (1, 2))
    two.refresh_from_db()
    assert two.parent_id == one.pk
    with pytest.raises(RefusedError):
        actions.take(two.pk, person("duty", "dispatcher"), "establish")
    clustering.take_apart(two.pk, "user:duty", "两个门")
    two.refresh_from_db()
    assert (two.parent_id, two.relation, two.process_state, two.state) == (None, "", "reported", "open")
    with pytest.raises(RefusedError):
        clustering.take_apart(two.pk, "user:duty", "again")
    three = report(3, text="东门垃圾桶满了没人清运", position=PLACE)
    two.refresh_from_db()
    assert three.parent_id == one.pk
    assert two.parent_id is None, "a third report does not bring together what people took apart"
    clustering.put_together(two.pk, one.pk, "user:duty", "还是一个")
    clustering.put_together(two.pk, one.pk, "user:duty", "还是一个")
    two.refresh_from_db()
    assert two.parent_id == one.pk
    assert not faults()


def test_a_closed_case_is_named_and_takes_nothing_in_and_one_on_the_way_is_only_suggested(person):
    duty = person("duty", "dispatcher")
    words = {"text": "东门垃圾桶满了没人清运", "position": PLACE}
    first = report(1, **words)
    actions.take(first.pk, duty, "refuse", {"reason": "已清"})
    second = report(2, **words)
    assert (second.state, second.parent_id) == ("open", None), "it is back: that is a new matter"
    assert Likeness.objects.get(case=second, other=first).kind == "related"
    actions.take(second.pk, duty, "establish")
    actions.take(second.pk, duty, "dispatch")
    third = report(3, text="店外经营占道", position=PLACE)
    # Like both: the new one goes to the second, which is on its way already; the third stays for people to decide.
    bridge = report(4, text="东门垃圾桶满了没人清运 店外经营占道", position=PLACE)
    bridge.refresh_from_db()
    assert bridge.parent_id == second.pk
    third.refresh_from_db()
    assert third.parent_id in {None, second.pk}
    assert not faults()


def test_a_vehicle_that_comes_again_is_a_new_stay(agent):
    from django.db import transaction

    for number in ("c1", "c2"):
        with transaction.atomic():
            apply_task(agent, task(number))
    assert Case.objects.filter(parent__isnull=False).count() == 0
    assert not Likeness.objects.exists()


def test_two_like_reports_at_the_same_moment_see_one_another(centre):
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def tell(number: int) -> None:
        barrier.wait()
        try:
            report(number, text="东门垃圾桶满了没人清运", position=PLACE)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert Case.objects.filter(parent__isnull=True).count() == 1
    assert Case.objects.filter(relation="duplicate").count() == 3
    assert not list(history.verify(history.Audit()))
