"""What the map gets: only what its reader may see, the same cases as the list, small, and not sent twice."""

from __future__ import annotations

import gzip
import json

import pytest
import shapely
from shapely.geometry import Polygon

from central.cases.models import Case, WorkOrder
from central.grids.models import GridArea, GridStamp
from central.live.services import announce
from central.pages import geometry, maps
from central.parking.models import Stay
from central.people.models import Role
from tests.central.pages.city import make_city, make_grids, square
from tests.central.pages.test_listing import slowly
from tests.central.street import JURISDICTION, MINUTE, NOON


def unpack(flat, scale):
    points, x, y = [], 0, 0
    for dx, dy in zip(flat[::2], flat[1::2], strict=True):
        x, y = x + dx, y + dy
        points.append((x / scale, y / scale))
    return points


def test_the_map_shows_the_live_cases_of_the_list_that_have_a_place(person, browse, centre):
    from central.pages.filters import Filters

    make_city(person)
    user = person("chen", Role.DISPATCHER, JURISDICTION)
    client = browse(user)
    for show, more in (
        ("all", {}),
        ("open", {"grid": "gab"}),
        ("overdue", {}),
        ("watched", {"q": "京A1"}),
        ("new", {"officer": "wang"}),
        ("closed", {}),
    ):
        body = client.get("/map/cases/", {"show": show, **more}).json()
        listed = set(slowly(user, Filters.read({"show": show, **more})))
        if show == "all":
            listed |= set(slowly(user, Filters.read({"show": "watched", **more})))
        placed = Case.objects.filter(pk__in=listed, longitude__isnull=False).exclude(state="closed")
        # Open without a task has no clock, and the map is of clocks.
        wanted = {
            case.pk
            for case in placed
            if case.state == "watched" or case.work_orders.filter(state__in=["new", "accepted"])
        }
        assert set(body["id"]) == wanted, more
        lengths = {len(body[name]) for name in ("id", "lon", "lat", "due", "state")}
        assert lengths == {len(wanted)}
        known = {case.pk: case for case in placed.select_related("stay").prefetch_related("work_orders")}
        for number, lon, due in zip(body["id"], body["lon"], body["due"], strict=True):
            case = known[number]
            dues = {order.due_at_ms for order in case.work_orders.all()} | {case.stay.clock_ends_ms}
            assert abs(lon / body["scale"] - case.longitude) < 1e-5
            assert body["now"] + due * 1000 in dues


def test_what_did_not_change_is_not_sent_again(person, browse, centre):
    make_city(person, 20)
    client, other = (
        browse(person("chen", Role.DISPATCHER)),
        browse(person("zhou", Role.DISPATCHER, "elsewhere")),
    )
    for address in ("/map/cases/?show=open", "/map/cameras/", "/map/grids/4/"):
        answer = client.get(address)
        assert answer["Cache-Control"] == "private, no-cache"
        again = client.get(address, headers={"if-none-match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert other.get(address, headers={"if-none-match": answer["ETag"]}).status_code == 200, (
            "another reader's"
        )
    mark = client.get("/map/cases/")["ETag"]
    announce("tasks")
    assert client.get("/map/cases/", headers={"if-none-match": mark}).status_code == 200
    mark = client.get("/map/cases/?show=overdue")["ETag"]
    centre.clock.advance(MINUTE)
    assert client.get("/map/cases/?show=overdue", headers={"if-none-match": mark}).status_code == 200, (
        "time passed"
    )


def test_five_thousand_live_cases_fit_into_half_a_megabyte(person, browse, centre):
    Case.objects.bulk_create(
        Case(pk=10_000_000 + n, source_key=f"k{n}", jurisdiction_id=JURISDICTION, state="open", opened_at_ms=NOON,
             place="三里河路12号北门人行道" * 3, longitude=116.3 + n / 50_000, latitude=39.9 + n / 70_000)
        for n in range(5000)
    )  # fmt: skip
    WorkOrder.objects.bulk_create(
        WorkOrder(case_id=10_000_000 + n, key=f"k{n}", kind="enforce", state="new", issued_at_ms=NOON,
                  received_at_ms=NOON, due_at_ms=NOON + n * 1000)
        for n in range(5000)
    )  # fmt: skip
    answer = browse(person("chen", Role.DISPATCHER)).get("/map/cases/")
    assert len(answer.json()["id"]) == 5000
    assert not answer.json()["more"]
    assert len(answer.content) < 250_000
    assert len(gzip.compress(answer.content)) < 120_000


def test_more_than_can_be_drawn_is_cut_at_the_least_urgent(person, browse, centre, monkeypatch):
    make_city(person)
    monkeypatch.setattr(maps, "SHOWN", 5)
    body = browse(person("chen", Role.DISPATCHER)).get("/map/cases/?show=open").json()
    dues = sorted(
        WorkOrder.objects.filter(state__in=["new", "accepted"], case__longitude__isnull=False).values_list(
            "due_at_ms", flat=True
        )
    )
    assert body["more"]
    assert [body["now"] + due * 1000 for due in body["due"]] == dues[:5]


def test_cameras_stand_where_their_newest_case_is(person, browse, centre):
    make_city(person)
    found = {
        name: (lon, lat, state)
        for name, lon, lat, state in browse(person("chen", Role.DISPATCHER, JURISDICTION))
        .get("/map/cameras/")
        .json()["cameras"]
    }
    assert set(found) <= {"box-1/north", "box-1/south", "box-2/north", "box-2/south"}
    for name, (lon, _, state) in found.items():
        agent, camera = name.split("/")
        newest = Stay.objects.filter(
            agent__agent_id=agent,
            agent__jurisdiction_id=JURISDICTION,
            camera_id=camera,
            case__longitude__isnull=False,
        ).latest("case")
        assert abs(lon / geometry.SCALE - newest.case.longitude) < 1e-5
        assert state == "live"
    assert browse(person("none", Role.DISPATCHER, "")).get("/map/cameras/").json() == {"cameras": []}


def test_outlines_of_each_level_cover_the_same_ground(person, browse, centre):
    make_grids()
    client = browse(person("chen", Role.DISPATCHER))
    counts = []
    for level in (1, 2, 3, 4):
        body = client.get(f"/map/grids/{level}/").json()
        counts.append(len(body["code"]))
        shapes = [Polygon(unpack(ring, body["scale"])) for rings in body["rings"] for ring in rings]
        assert shapely.union_all(shapes).area == pytest.approx(0.08 * 0.01, rel=1e-3)
        for shape, (x, y) in zip(shapes, body["at"], strict=True):
            assert shape.contains(shapely.Point(x / body["scale"], y / body["scale"])), (
                "its name stands in it"
            )
    assert counts == [1, 2, 4, 8]
    assert client.get("/map/grids/9/").json()["code"] == []
    assert browse(person("zhou", Role.DISPATCHER, "elsewhere")).get("/map/grids/4/").json()["code"] == []


def test_neighbours_keep_their_common_border_when_points_are_left_out(centre):
    """Each border has points of its own on either side of a wavy line, and is thinned once for both."""
    import math

    wave = [(0.01 * n / 200, 0.0004 * math.sin(n / 9)) for n in range(201)]
    below = Polygon([(0, -0.01), (0.01, -0.01), *reversed(wave)])
    above = Polygon([*wave, (0.01, 0.01), (0, 0.01)])
    slim = geometry._simplified([below, above], 0.0002)
    assert sum(len(shape.exterior.coords) for shape in slim) < 250
    assert shapely.coverage_is_valid(slim)
    assert slim[0].intersection(slim[1]).area == 0


def test_a_new_import_of_grids_shows_at_once(person, browse, centre):
    leaves = make_grids()
    client = browse(person("chen", Role.DISPATCHER))
    before = client.get("/map/grids/4/")
    GridArea.objects.filter(grid=leaves[0]).update(coordinates=square(116.2, 39.8))
    GridStamp.objects.update(stamp="two")
    after = client.get("/map/grids/4/", headers={"if-none-match": before["ETag"]})
    assert after.status_code == 200
    first = json.loads(after.content)
    assert unpack(first["rings"][0][0], first["scale"])[0][0] == pytest.approx(116.2, abs=0.011)


def test_a_tile_server_is_let_through_and_nothing_else(person, browse, centre, settings_with):
    client = browse(person("chen", Role.DISPATCHER))
    assert "img-src 'self';" in client.get("/")["Content-Security-Policy"]
    with settings_with(tiles="https://tiles.example.org:8443/{z}/{x}/{y}.png?k=1", tiles_credit="City <map>"):
        answer = client.get("/")
    policy = answer["Content-Security-Policy"]
    assert "img-src 'self' https://tiles.example.org:8443;" in policy
    assert policy.count("https:") == 1
    assert 'data-tiles="https://tiles.example.org:8443/{z}/{x}/{y}.png?k=1"' in answer.content.decode()
    assert "City &lt;map&gt;" in answer.content.decode()


@pytest.fixture
def settings_with():
    import dataclasses
    from contextlib import contextmanager

    from django.conf import settings
    from django.test import override_settings

    @contextmanager
    def changed(**values):
        with override_settings(PATROL=dataclasses.replace(settings.PATROL, **values)):
            yield

    return changed


@pytest.mark.parametrize(
    "text",
    [
        "https://x.org/{z}/{x}.png",
        "https://x.org/{z}/{x}/{y}.png; script-src *",
        "javascript:{z}{x}{y}",
        "//x.org/{z}/{x}/{y}",
        "https://x.org/{z}/{x}/{y} *",
    ],
)
def test_an_address_that_is_no_tile_server_is_refused(text, tmp_path):
    from central.project import environment
    from protocol.errors import PatrolError

    with pytest.raises(PatrolError) as refused:
        environment.read({"PATROL_CENTRAL_DATA": str(tmp_path), "PATROL_CENTRAL_TILES": text})
    assert "PATROL_CENTRAL_TILES" in str(refused.value)
