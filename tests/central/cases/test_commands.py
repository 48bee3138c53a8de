"""The documented example is a working service, and the commands say what they do."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from typer.testing import CliRunner

from central.cases import actions, rules, services
from central.cases.attachments import attach, path_of
from central.cases.models import Case, WorkOrder
from central.cases.states import Result
from tests.central.cases.test_engine import faults, report
from tests.central.street import picture

DOCUMENT = Path(__file__).parents[3] / "docs" / "cases.md"


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "services"
    folder.mkdir()
    (example,) = re.findall(r"```toml\n(.+?)```", DOCUMENT.read_text("utf-8"), re.S)
    (folder / "ebike_indoors.toml").write_text(example, "utf-8")
    return folder


@pytest.fixture
def patrol(centre):
    """Run `patrol …` in this process, on this centre."""
    from patrol.main import app

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, words, catch_exceptions=False, env={"NO_COLOR": "1"})
        assert result.exit_code == code, result.output
        return result.stdout

    return run


def test_a_service_of_ones_own_needs_a_file_and_no_code(centre, own, person):
    duty, officer, worker = person("duty", "dispatcher"), person("wang"), person("grid", "grid_worker")
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, services_folder=own)):
        assert {"ebike_indoors", "sidewalk_parking"} <= set(rules.services())
        case = report(service_code="ebike_indoors", text="4单元一层楼道有人给电动车充电")
        assert (case.priority, case.step) == (1, "collect")
        actions.take(case.pk, duty, "dispatch")
        order = WorkOrder.objects.get()
        services.accept(order.pk, officer)
        services.close(order.pk, officer, services.Finding(Result.OTHER))
        photo = attach(case, worker, picture(), "a.jpg", "a")
        offered = actions.choices(Case.objects.get(), worker, "zh")
        assert [(one["name"], one["title"], one["required"]) for one in offered] == [
            ("pass", "核查通过", ["photo", "place_now"])
        ]
        done = actions.take(case.pk, worker, "pass", {"photo": photo.pk, "place_now": "shed"})
        assert (done.state, done.process_state) == ("closed", "removed")
        assert not faults()


def test_services_are_listed_drawn_and_checked(patrol, own, tmp_path):
    listed = {row["service_code"]: row for row in json.loads(patrol("central", "services", "list", "--json"))}
    assert listed["sidewalk_parking"]["sources"] == ["camera", "patrol"]
    assert "city_appearance" in patrol("central", "services", "list")
    drawn = patrol("central", "services", "show", "sidewalk_parking")
    assert "● watched" in drawn
    assert "dispatch → dispatched  (on task_issued)" in drawn
    diagram = patrol("central", "services", "show", "sidewalk_parking", "--mermaid")
    assert diagram.startswith("stateDiagram-v2")
    assert "feedback --> closed : close" in diagram
    whole = json.loads(patrol("central", "services", "show", "residents_voice", "--json"))
    assert whole["sha256"] == listed["residents_voice"]["sha256"]
    good = own / "ebike_indoors.toml"
    assert (
        json.loads(patrol("central", "services", "check", str(good), "--json"))["service_code"]
        == "ebike_indoors"
    )
    bad = tmp_path / "bad.toml"
    bad.write_text(good.read_text("utf-8").replace('to = "removed"', 'to = "gone"'), "utf-8")
    from protocol.errors import PatrolError

    with pytest.raises(PatrolError, match="no state 'gone'"):
        patrol("central", "services", "check", str(bad))


def test_keys_are_made_listed_and_revoked_and_shown_once(patrol):
    made = json.loads(patrol("central", "keys", "add", "hotline", "--jurisdiction", "sanlihe", "--json"))
    assert made["rights"] == ["note", "open", "photo", "read"]
    listed = patrol("central", "keys", "list")
    assert "hotline" in listed
    assert made["key"] not in listed
    patrol("central", "keys", "revoke", "hotline")
    assert json.loads(patrol("central", "keys", "list", "--json"))[0]["state"] == "revoked"


def test_the_audit_reads_photos_and_texts_when_asked(patrol, person):
    case = report(text="门前有垃圾")
    made = attach(case, person("wang"), picture(), "a.jpg", "a")
    assert json.loads(patrol("central", "audit", "verify", "--files", "--json"))["faults"] == []
    path = path_of(made.stored_sha256)
    path.write_bytes(path.read_bytes() + b"x")
    Case.objects.update(text="门前没有垃圾")
    assert json.loads(patrol("central", "audit", "verify", "--json"))["faults"] == []
    found = json.loads(patrol("central", "audit", "verify", "--files", "--json", code=1))["faults"]
    assert sorted(fault["problem"].split(": ")[-1] for fault in found) == [
        "the file was changed",
        "the report's text was changed after it was written",
    ]
    path.unlink()
    found = json.loads(patrol("central", "audit", "verify", "--files", "--json", code=1))["faults"]
    assert any("cannot be read" in fault["problem"] for fault in found)


def test_an_unknown_folder_of_services_is_said(centre):
    from central.project.environment import read
    from protocol.errors import PatrolError

    environment = read({"PATROL_CENTRAL_SERVICES": "/nowhere/services"})
    with override_settings(PATROL=environment), pytest.raises(PatrolError, match="no such folder"):
        rules.services()
    assert os.environ.get("PATROL_CENTRAL_SERVICES") is None
