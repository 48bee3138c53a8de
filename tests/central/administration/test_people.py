"""The page of people: who may make, change and close whom."""

from __future__ import annotations

import re
from typing import Any

import pytest

from central.grids.models import Grid
from central.people.models import Role, User
from central.people.services import set_scope
from tests.central.administration.saying import said
from tests.central.street import JURISDICTION


def test_people_are_made_changed_and_closed(keeper: Any, centre: Any, browse: Any) -> None:
    new = {"name": "zhao", "full_name": "Zhao Min", "role": "officer", "scope": JURISDICTION, "grids": ""}
    words = said(keeper, keeper.post("/administration/people/add/", new))
    link = re.search(r"http://testserver(/login/\S+)", words)
    assert link is not None
    stranger = browse()
    assert stranger.post(link[1]).status_code == 302
    assert stranger.get("/officer/").status_code == 200
    zhao = User.objects.get(username="zhao")
    keeper.post(
        f"/administration/people/{zhao.pk}/", {"role": "dispatcher", "scope": JURISDICTION, "grids": ""}
    )
    zhao.refresh_from_db()
    assert zhao.role == Role.DISPATCHER
    keeper.post(f"/administration/people/{zhao.pk}/active/", {"active": "0"})
    assert stranger.get("/officer/").status_code == 302
    assert "exists already" in said(keeper, keeper.post("/administration/people/add/", new))


@pytest.mark.parametrize("scope", ["*", "elsewhere", f"{JURISDICTION} elsewhere", ""])
def test_nobody_gives_more_than_he_has(keeper: Any, centre: Any, person: Any, scope: str) -> None:
    keeper.post("/administration/people/add/", {"name": "eve", "role": "officer", "scope": scope})
    assert not User.objects.filter(username="eve").exists()
    li = person("li", scope=JURISDICTION)
    keeper.post(f"/administration/people/{li.pk}/", {"role": "administrator", "scope": scope})
    li.refresh_from_db()
    assert (li.role, li.scope) == (Role.OFFICER, JURISDICTION)


def test_the_mighty_and_oneself_are_out_of_reach(keeper: Any, tree: list[Grid], person: Any) -> None:
    boss = person("boss", "administrator", scope="*")
    me = User.objects.get(username="keeper")
    for user in (boss, me):
        for what in ("", "active/", "link/", "second-factor/"):
            assert (
                keeper.post(f"/administration/people/{user.pk}/{what}", {"role": "officer"}).status_code
                == 404
            )
    assert "boss" not in keeper.get("/administration/people/").content.decode()
    set_scope(me, JURISDICTION, ["g3"])  # from now on a keeper of some grids
    whole = person("whole", scope=JURISDICTION)
    assert keeper.post(f"/administration/people/{whole.pk}/link/").status_code == 404
    new = {"name": "eve", "role": "administrator", "scope": JURISDICTION}
    for grids in ("", "g2", "g4 g1"):
        keeper.post("/administration/people/add/", {**new, "grids": grids})
        assert not User.objects.filter(username="eve").exists(), grids
    keeper.post("/administration/people/add/", {**new, "grids": "g4"})
    eve = User.objects.get(username="eve")
    keeper.post(f"/administration/people/{eve.pk}/", {**new, "role": "officer", "grids": ""})
    eve.refresh_from_db()
    assert (eve.by_grid, eve.role) == (True, "administrator"), "all or nothing"
    page = keeper.get("/administration/people/").content.decode()
    assert "eve" in page
    assert "whole" not in page
