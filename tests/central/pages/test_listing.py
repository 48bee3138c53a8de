"""The list of cases against a plain reading of all of them: nothing lost, nothing twice, the order that was asked for."""

from __future__ import annotations

import itertools

from django.db import connection
from django.test.utils import CaptureQueriesContext

from central.cases.models import Case
from central.pages import listing, queries
from central.pages.filters import SHOWN, Filters
from central.pages.kept import WAITING_MS, Kept
from central.people.models import Role
from central.people.services import set_scope
from tests.central.pages.city import make_city
from tests.central.street import JURISDICTION, MINUTE, NOON

FILTERS = [
    {},
    {"grid": "ga"},
    {"grid": "gaab"},
    {"grid": "gaaba"},
    {"grid": "no-such"},
    {"camera": "box-1/north"},
    {"camera": "box-2/south"},
    {"officer": "wang"},
    {"officer": "nobody"},
    {"service": "fire_lane"},
    {"q": "京a1"},
    {"q": "三里河"},
    {"q": "北门"},
    {"q": "100% _"},
    {"q": "#7"},
    {"q": "' OR 1=1 --"},
    {"grid": "gab", "service": "fire_lane", "camera": "box-1/north"},
]


def walk(user, filters):
    """Numbers of all cases of a list, page by page."""
    found, before = [], filters.before
    for _ in range(200):
        page = listing.page(user, Filters.read({**_plain(filters), "before": before}))
        found += [row.case for row in page.rows]
        before = page.older
        if not before:
            return found
    raise AssertionError("the pages never end")


def _plain(filters):
    return {
        name: getattr(filters, name) for name in ("show", "service", "grid", "camera", "officer", "q", "sort")
    }


def everything():
    """All cases with what a reader of them looks at."""
    cases = Case.objects.select_related("stay__agent", "grid__parent__parent__parent")
    return list(cases.prefetch_related("work_orders__assignee"))


def slowly(user, filters, cases=None):
    """The same list, by looking at every case in Python."""
    rows = []
    for case in everything() if cases is None else cases:
        order = next(iter(case.work_orders.all()), None)
        open_order = order if order is not None and order.state in {"new", "accepted"} else None
        if user.scope not in {"*", case.jurisdiction_id} or not _fits(case, order, filters):
            continue
        key = _key(case, order, open_order, filters)
        if key is not None:
            rows.append((key, case.pk))
    return [number for _, number in sorted(rows)]


def _fits(case, order, filters):
    if filters.service and case.service_code != filters.service:
        return False
    if filters.grid:
        node, codes = case.grid, set()
        while node is not None:
            codes.add(node.code)
            node = node.parent
        if filters.grid not in codes:
            return False
    if filters.camera and filters.camera != f"{case.stay.agent.agent_id}/{case.stay.camera_id}":
        return False
    if filters.officer and (
        order is None or order.assignee is None or order.assignee.username != filters.officer
    ):
        return False
    if filters.q:
        anywhere = case.state == "open" and filters.q in case.place
        starts = case.place.startswith(filters.q) and (
            filters.show in {"closed", "retracted", "watched", "all"}
        )
        plate = case.stay.plate.startswith(filters.q.upper())
        number = filters.q.removeprefix("#") == str(case.pk)
        if filters.sort == "newest" and filters.show == "all":
            anywhere = False
            starts = case.place.startswith(filters.q)
        if not (anywhere or starts or plate or number):
            return False
    return True


def _key(case, order, open_order, filters):
    show = filters.show
    due = (0, open_order.due_at_ms, -open_order.pk) if open_order else None
    if show in {"new", "accepted"}:
        return due if open_order and open_order.state == show else None
    if show == "overdue":
        return due if open_order and open_order.due_at_ms < NOON else None
    if show == "watched":
        runs = case.state == "watched" and case.stay.agent_state == "notified" and not filters.officer
        return (case.stay.clock_ends_ms, -case.pk) if runs else None
    if show in {"closed", "retracted"}:
        return (-order.ended_at_ms, -order.pk) if order is not None and order.state == show else None
    if filters.sort == "newest":
        return (-case.opened_at_ms, -case.pk) if show == "all" or case.state == "open" else None
    if case.state == "open":
        return due or (None if filters.officer else (1, -case.opened_at_ms, -case.pk))
    return (2, -case.closed_at_ms, -case.pk) if show == "all" and case.state == "closed" else None


def test_every_list_is_what_a_plain_reading_gives(person, centre, monkeypatch):
    make_city(person)
    dispatcher = person("chen", Role.DISPATCHER, JURISDICTION)
    everywhere = person("zhou", Role.DISPATCHER)
    cases = everything()
    lists = [
        {"show": show, "sort": sort, **more}
        for show, more in itertools.product(SHOWN, FILTERS)
        for sort in (("urgency", "newest") if show in {"all", "open"} else ("urgency",))
    ]
    seen = 0
    for number, given in enumerate(lists):
        # Small pages cross the borders between parts; a small `FEW` walks along the index instead of sorting.
        monkeypatch.setattr(listing, "PAGE", (11, 6)[number % 2])
        monkeypatch.setattr(listing, "FEW", (4000, 3)[number // 2 % 2])
        user = dispatcher if number % 3 else everywhere
        filters = Filters.read(given)
        expected = slowly(user, filters, cases)
        assert walk(user, filters) == expected, (given, user.scope)
        seen += bool(expected)
    assert seen > 60, "most lists have something in them"


def test_the_number_found_is_exact_until_it_says_that_there_are_more(person, centre, monkeypatch):
    make_city(person)
    user = person("chen", Role.DISPATCHER)
    filters = Filters(show="open", grid="ga")
    everything = len(slowly(user, filters))
    assert listing.page(user, filters).found == everything
    assert not listing.page(user, filters).more
    monkeypatch.setattr(listing, "FEW", 3)
    page = listing.page(user, filters)
    assert (page.found, page.more) == (3, True)
    assert listing.page(user, Filters(show="open")).found is None, "counting all would read all"


def test_a_cursor_that_is_none_begins_at_the_top(person, centre):
    make_city(person, 12)
    user = person("chen", Role.DISPATCHER)
    top = slowly(user, Filters())
    for before in (
        "x",
        "d-1",
        "d--1-2",
        "d-1-" + "9" * 40,
        "z-1-1",
        "c-99999999999999999999-1",
        "é-1-1",
        "d-١-١",
    ):
        assert walk(user, Filters(before=before)) == top, before


def test_a_page_costs_the_same_queries_whatever_is_on_it(person, browse, centre):
    make_city(person, 8)
    client = browse(person("chen", Role.DISPATCHER))
    client.get("/?show=all")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get("/?show=all")
    make_more(40)
    with CaptureQueriesContext(connection) as many:
        client.get("/?show=all")
    assert len(many) <= len(few) + 1


def make_more(count):
    """Copies of the newest open case."""
    from central.cases.models import WorkOrder

    order = (
        WorkOrder.objects.filter(state="new").order_by("pk").last() or WorkOrder.objects.order_by("pk").last()
    )
    case, stay = order.case, order.case.stay
    for number in range(count):
        case.pk, case.source_key = None, f"more-{number}"
        case.save(force_insert=True)
        stay.pk, stay.case = None, case
        stay.save(force_insert=True)
        order.pk, order.key, order.case = None, f"more-{number}", case
        order.outcome_id = f"more-{number}" if order.state == "closed" else None
        order.save(force_insert=True)


def test_the_figures_count_what_the_lists_show(person, centre):
    make_city(person)
    by_grid = person("gao", Role.DISPATCHER)
    set_scope(by_grid, JURISDICTION, ["ga"])
    for user in (
        person("chen", Role.DISPATCHER, JURISDICTION),
        person("zhou", Role.DISPATCHER),
        by_grid,
        person("none", Role.DISPATCHER, ""),
    ):
        counts = queries.counts(user)
        for figure, show in (
            ("new", "new"),
            ("accepted", "accepted"),
            ("late", "overdue"),
            ("watched", "watched"),
        ):
            assert counts[figure] == len(walk(user, Filters(show=show))), (figure, user.scope)
    assert sum(counts.values()) == 0, "nobody's scope is nothing"


def test_costly_figures_are_kept_for_a_while_and_cheap_ones_never(person, centre, monkeypatch):
    make_city(person, 20)
    user = person("chen", Role.DISPATCHER)
    first = queries.counts(user)
    monkeypatch.setattr(queries, "_figures", Kept())
    asked = []

    def slow(of):
        asked.append(of)
        centre.clock.advance(100)
        return dict(first, new=len(asked))

    monkeypatch.setattr(queries, "_count", slow)
    assert [queries.counts(user)["new"] for _ in range(3)] == [1, 1, 1], (
        "it cost 100 ms, so it stays for two seconds"
    )
    centre.clock.advance(2_001 + WAITING_MS)
    assert queries.counts(user)["new"] == 2
    monkeypatch.setattr(queries, "_count", lambda of: asked.append(of) or dict(first, new=len(asked)))
    centre.clock.advance(MINUTE)
    assert [queries.counts(user)["new"] for _ in range(2)] == [3, 4]


def test_addresses_hold_only_what_was_asked(centre):
    filters = Filters.read({"show": "open", "grid": "g 1&x", "before": "d-1-2", "q": "京A", "junk": "1"})
    assert filters.address() == "?show=open&grid=g+1%26x&q=%E4%BA%ACA"
    assert filters.address(show="all", grid="") == "?show=all&q=%E4%BA%ACA"
    assert "before=d-1-2" in filters.address(before=filters.before)
    assert Filters.read({"show": "' OR", "sort": "x", "q": "a\x00b" * 50}) == Filters(q=("ab" * 50)[:60])
