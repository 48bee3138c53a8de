"""What a person sees: jurisdictions, grids, and nothing that nobody looked for through a scope."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from central.bays.models import Bay
from central.cases.models import Case, Evidence, HistoryEntry, WorkOrder
from central.driver.models import Objection
from central.fleet.models import Agent, Camera
from central.grids.models import Grid, GridStamp
from central.ingest.intake import take_all
from central.notices.models import Notice
from central.people import scopes, services
from central.people.access import open_to_all, roles
from central.people.models import Role
from central.project import urls as project_urls
from protocol.errors import PatrolError
from tests.central.street import JURISDICTION, TOPICS, picture, reference, task


@pytest.fixture
def tree(agent):
    """Two second-level grids with a leaf each, one case in each leaf, one in none."""
    GridStamp.objects.create(jurisdiction_id=JURISDICTION, stamp="first")
    top = Grid.objects.create(jurisdiction_id=JURISDICTION, code="T", name="T", level=1)
    grids = {"T": top}
    for side in "AB":
        parent = top
        for level in (2, 3, 4):
            code = side * (level - 1)
            parent = Grid.objects.create(
                jurisdiction_id=JURISDICTION, code=code, name=code, level=level, parent=parent
            )
            grids[code] = parent
    for name in ("a", "b", "none"):
        message = task(name, pictures=(reference(picture(1), "confirm"),))
        take_all([(TOPICS.of("tasks"), message.model_dump_json().encode())])
    for case in Case.objects.all():
        case.grid = {"a": grids["AAA"], "b": grids["BBB"]}.get(case.source_key.rpartition("/")[2])
        case.save()
    return grids


def seen(user):
    return {case.source_key.rpartition("/")[2] for case in Case.objects.visible_to(user)}


@pytest.mark.parametrize(
    ("scope", "grids", "expected"),
    [
        ("*", None, {"a", "b", "none"}),
        (JURISDICTION, None, {"a", "b", "none"}),
        (f"elsewhere {JURISDICTION}", None, {"a", "b", "none"}),
        ("elsewhere", None, set()),
        ("", None, set()),
        (JURISDICTION, ["T"], {"a", "b"}),  # what lies in no grid is for those who see the whole
        (JURISDICTION, ["A"], {"a"}),
        (JURISDICTION, ["AAA"], {"a"}),
        (JURISDICTION, ["A", "BBB"], {"a", "b"}),
        ("*", ["BB"], {"b"}),
        (JURISDICTION, [], set()),  # by grid, and none is named
    ],
)
def test_a_person_sees_jurisdictions_or_grids_and_all_below(tree, person, scope, grids, expected):
    user = person("wang", scope=scope)
    if grids is not None:
        services.set_scope(user, scope, grids)
    assert seen(user) == expected
    for model, one in ((WorkOrder, 1), (Evidence, 1)):
        assert model.objects.visible_to(user).count() == one * len(expected), model
    histories = {entry.case_id for entry in HistoryEntry.objects.visible_to(user)}
    assert len(histories) == len(expected)


def test_every_kind_of_row_has_a_scope(tree, person):
    by_grid = person("wang")
    services.set_scope(by_grid, JURISDICTION, ["A"])
    assert {grid.code for grid in Grid.objects.visible_to(by_grid)} == {"A", "AA", "AAA"}
    for model in (Notice, Objection, Bay, Agent, Camera):
        assert isinstance(model.objects.visible_to(by_grid), scopes.Scoped)
    assert Agent.objects.visible_to(by_grid).count() == 1, "the box is for the whole jurisdiction"
    assert Agent.objects.visible_to(person("zhao", scope="elsewhere")).count() == 0


def test_a_grid_that_moves_takes_its_cases_along(tree, person):
    user = person("wang")
    services.set_scope(user, JURISDICTION, ["A"])
    assert seen(user) == {"a"}
    Grid.objects.filter(code="BB").update(parent=tree["A"])
    GridStamp.objects.update(stamp="second")  # as every import does
    fresh = type(user).objects.get(pk=user.pk)
    assert seen(fresh) == {"a", "b"}


def test_the_tree_is_read_once_and_a_scope_costs_two_small_questions(tree, person):
    user = person("wang")
    services.set_scope(user, JURISDICTION, ["A"])
    seen(type(user).objects.get(pk=user.pk))
    fresh = type(user).objects.get(pk=user.pk)
    with CaptureQueriesContext(connection) as asked:
        seen(fresh)
        seen(fresh)
    assert len(asked) == 4, "own grids, the tree's stamp, and the two lists"
    everybody = person("li", scope=JURISDICTION)
    with CaptureQueriesContext(connection) as asked:
        seen(everybody)
    assert len(asked) == 1


def test_a_scope_that_names_nothing_is_refused(tree, person):
    user = person("wang", scope=JURISDICTION)
    Grid.objects.create(jurisdiction_id="elsewhere", code="A", name="A", level=1)
    for scope, grids, field in (
        (JURISDICTION, ["X"], "grid"),
        ("elsewhere", ["AAA"], "grid"),
        ("*", ["A"], "grid"),  # two jurisdictions have one
        ("a;b", None, "scope"),
        ("../x", None, "scope"),
    ):
        with pytest.raises(PatrolError) as caught:
            services.set_scope(user, scope, grids)
        assert caught.value.field == field
    user.refresh_from_db()
    assert (user.scope, user.by_grid) == (JURISDICTION, False)


# Views that forget the scope.


def page(read):
    """A view for dispatchers that gives out what `read(user)` finds."""

    @roles(Role.DISPATCHER)
    def view(request):
        return HttpResponse(str(read(request.user)))

    return view


def mine(user):
    return Case.objects.visible_to(user).order_by("pk")[0]


WRONG = {
    "list": lambda user: list(Case.objects.all()),
    "get": lambda user: Case.objects.get(pk=1),
    "first": lambda user: WorkOrder.objects.filter(state="new").first(),
    "count": lambda user: Case.objects.count(),
    "exists": lambda user: Evidence.objects.exists(),
    "values": lambda user: list(Case.objects.values_list("pk", flat=True)),
    "aggregate": lambda user: HistoryEntry.objects.aggregate(n=Count("pk")),
    "iterator": lambda user: list(Case.objects.iterator()),
    "update": lambda user: Case.objects.filter(pk=1).update(place="x"),
    "delete": lambda user: Objection.objects.all().delete(),
    "by number": lambda user: list(WorkOrder.objects.filter(case_id=1)),
    "by a person": lambda user: list(WorkOrder.objects.filter(assignee=user)),
    "of a person": lambda user: list(user.work_orders.all()),
    "all but a row": lambda user: list(WorkOrder.objects.exclude(case=mine(user))),
    "a lock without a look": lambda user: Case.objects.select_for_update().get(pk=1),
    "among all": lambda user: list(WorkOrder.objects.filter(case__in=Case.objects.all())),
    "joined with all": lambda user: list(Case.objects.visible_to(user).union(Case.objects.all())),
    "get or create": lambda user: Case.objects.get_or_create(source_key="x", defaults={"opened_at_ms": 1}),
}
RIGHT = {
    "through a scope": lambda user: list(Case.objects.visible_to(user).filter(state="open").order_by("pk")),
    "from a row": lambda user: list(mine(user).evidence.filter(role="confirm")),
    "by a row": lambda user: list(WorkOrder.objects.filter(case=mine(user))),
    "by rows": lambda user: list(WorkOrder.objects.filter(case__in=list(Case.objects.visible_to(user)))),
    "among the seen": lambda user: WorkOrder.objects.filter(case__in=Case.objects.visible_to(user)).count(),
    "fetched along": lambda user: [
        list(case.work_orders.all()) for case in Case.objects.visible_to(user).prefetch_related("work_orders")
    ],
    "locked after a look": lambda user: Case.objects.select_for_update().get(pk=mine(user).pk),
    "with a reason": lambda user: Case.objects.unscoped("figures of the whole city").count(),
    "nobody's": lambda user: Case.objects.none().count(),
}


urlpatterns = [*project_urls.urlpatterns]


def test_a_view_that_forgets_the_scope_fails_and_one_that_looks_does_not(tree, person, browse):
    client = browse(person("chen", Role.DISPATCHER, JURISDICTION))
    client.raise_request_exception = True
    del urlpatterns[len(project_urls.urlpatterns) :]
    for number, read in enumerate([*WRONG.values(), *RIGHT.values()]):
        urlpatterns.append(path(f"probe/{number}/", page(read)))
    with override_settings(ROOT_URLCONF=__name__):
        for number, name in enumerate([*WRONG, *RIGHT]):
            if name in WRONG:
                with pytest.raises(scopes.UnscopedError, match="visible_to"):
                    client.get(f"/probe/{number}/")
            elif name == "locked after a look":
                with transaction.atomic():
                    assert client.get(f"/probe/{number}/").status_code == 200
            else:
                assert client.get(f"/probe/{number}/").status_code == 200, name
    assert Case.objects.count() == 3, "outside of a request nobody is asked"


def test_a_view_that_holds_its_own_key_is_not_watched(tree, browse):
    urlpatterns[len(project_urls.urlpatterns) :] = [
        path("probe/", open_to_all(lambda request: HttpResponse(str(Case.objects.count()))))
    ]
    with override_settings(ROOT_URLCONF=__name__):
        assert browse().get("/probe/").content == b"3"


def test_a_reason_is_a_reason(centre):
    with pytest.raises(ValueError, match="say why"):
        Case.objects.unscoped("")
    with pytest.raises(ValueError, match="say why"), scopes.unscoped(""):
        pass
    with scopes.asking(), scopes.unscoped("a worker's step inside a request"):
        assert Case.objects.count() == 0
    with scopes.asking(), pytest.raises(scopes.UnscopedError):
        Case.objects.count()
    assert Case.objects.count() == 0
