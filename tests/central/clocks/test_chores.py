"""Chores of other apps in the sweeper: each in its time, and none stops another."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import OperationalError

from central.clocks import chores
from central.shops import sweeping


def test_each_chore_is_done_in_its_time_and_a_broken_one_stops_no_other(monkeypatch, caplog):
    apps.check_apps_ready()
    assert chores._KNOWN["shops"] == (sweeping.EVERY_MS, sweeping.sweep), "shops are gone through"
    monkeypatch.setattr(chores, "_KNOWN", {})
    done: list[str] = []
    chores.every(1000, "broken", lambda: 1 / 0)
    chores.every(1000, "short", lambda: done.append("short"))
    chores.every(5000, "long", lambda: done.append("long"))
    rota = chores.Rota()
    for now in (0, 999, 1000, 5000):
        for chore in rota.due(now):
            chore()
    assert done == ["short", "long", "short", "short", "long"]
    assert [record.message for record in caplog.records] == ["chore broken failed"] * 3

    def no_database() -> None:
        raise OperationalError("gone")

    chores.every(1000, "short", no_database)
    failing = list(rota.due(9000))[1]
    with pytest.raises(OperationalError):
        failing()
