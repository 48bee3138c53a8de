"""`patrol zones rehearse` as a person or a script calls it, and the report that it writes."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser

from benchmarks.rehearsal import EDITS, Street, draw_lots, live_through
from benchmarks.rehearsal.edits import OLD
from edge_agent.rehearsal.past import read_past
from patrol.main import main
from zones import dump_zone_file

STAYS = 30


@pytest.fixture(scope="module")
def street() -> Street:
    return draw_lots(2, STAYS, day_s=3 * 3600)


@pytest.fixture(scope="module")
def folder(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent's data folder after a morning, and zone files."""
    folder = tmp_path_factory.mktemp("data")
    live_through(street, street.zone_file(OLD), folder)
    for edit in EDITS:
        (folder / f"{edit.name}.toml").write_text(dump_zone_file(street.zone_file(edit.plan)), "utf-8")
    (folder / "old.toml").write_text(dump_zone_file(street.zone_file(OLD)), "utf-8")
    return folder


@pytest.fixture
def data(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(folder, tmp_path / "data")
    return tmp_path / "data"


def patrol(*arguments: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(["zones", "rehearse", *(str(each) for each in arguments)])
    code = stopped.value.code
    return code if isinstance(code, int) else 0


Captured = pytest.CaptureFixture[str]


def rehearsed(capsys: Captured, *arguments: object) -> tuple[int, dict[str, Any]]:
    code = patrol(*arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


# Exit codes, words and JSON


def test_nothing_flips(folder: Path, capsys: Captured) -> None:
    assert patrol(folder / "same.toml", "--on", folder) == 0
    assert "nothing flips" in capsys.readouterr().out


def test_what_flips_is_listed(folder: Path, capsys: Captured) -> None:
    code, told = rehearsed(capsys, folder / "moved.toml", "--on", folder / "agent.db")
    assert code == 1
    assert told["flips"]
    assert sum(told["flips_by_kind"].values()) == len(told["flips"])
    assert told["looked_at"]["stays"] + told["looked_at"]["other_rests"] >= STAYS - 3
    assert told["history_differs"] == []
    assert told["old"]["from"] == "in force last"
    first = told["flips"][0]
    assert {"new_case", "no_case"} & set(first["kinds"])
    assert first["old"]["why"] != first["new"]["why"]
    assert "plate" not in json.dumps(told).replace("plates", "")
    assert patrol(folder / "moved.toml", "--on", folder) == 1
    assert "flip" in capsys.readouterr().out


def test_a_script_can_look_at_a_part_of_the_day(folder: Path, capsys: Captured) -> None:
    whole = rehearsed(capsys, folder / "moved.toml", "--on", folder)[1]
    middle = whole["flips"][len(whole["flips"]) // 2]["time"]
    parts = [
        rehearsed(capsys, folder / "moved.toml", "--on", folder, option, middle.replace(" ", "T"))[1]
        for option in ("--until", "--since")
    ]
    assert [flip["rest"] for part in parts for flip in part["flips"]] == [f["rest"] for f in whole["flips"]]


def test_two_folders_are_one_rehearsal(folder: Path, data: Path, capsys: Captured) -> None:
    once = rehearsed(capsys, folder / "moved.toml", "--on", folder)[1]
    twice = rehearsed(capsys, folder / "moved.toml", "--on", folder, data)[0:2][1]
    assert len(twice["flips"]) == 2 * len(once["flips"])
    assert len(twice["sources"]) == 2


def test_old_zones_can_be_named(folder: Path, capsys: Captured) -> None:
    code, told = rehearsed(capsys, folder / "moved.toml", "--on", folder, "--old", folder / "moved.toml")
    assert (code, told["flips"]) == (0, [])


def test_nothing_is_written_into_the_data(data: Path, capsys: Captured) -> None:
    before = {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
    assert patrol(data / "moved.toml", "--on", data) == 1
    assert {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()} == before


def test_a_running_agent_may_be_read(data: Path, capsys: Captured) -> None:
    writer = sqlite3.connect(data / "agent.db", isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE meta SET value = value")
        assert patrol(data / "same.toml", "--on", data) == 0
    finally:
        writer.execute("ROLLBACK")
        writer.close()


def test_history_that_says_something_else_is_told(data: Path, capsys: Captured) -> None:
    """Somebody, or a time of other zones, decided otherwise: it is not hidden, and it is no flip."""
    db = sqlite3.connect(data / "agent.db")
    rest_id, decided = db.execute(
        "SELECT rest_id, decided FROM rests WHERE decided IS NOT NULL LIMIT 1"
    ).fetchone()
    db.execute("UPDATE rests SET decided = NULL WHERE rest_id = ?", (rest_id,))
    db.commit()
    db.close()
    code, told = rehearsed(capsys, data / "same.toml", "--on", data)
    assert code == 0
    (differs,) = told["history_differs"]
    assert (differs["rest_id"], differs["told"]) == (rest_id, "no case")
    assert json.loads(decided)[0]["zone_id"] in differs["recomputed"]


def test_a_zone_where_nobody_looked_is_told(data: Path, capsys: Captured) -> None:
    db = sqlite3.connect(data / "agent.db")
    for table in ("rests", "rests_standing"):
        db.execute(f"UPDATE {table} SET looked = '[400, 200, 800, 500]'")
    db.commit()
    db.close()
    _, told = rehearsed(capsys, data / "enlarged.toml", "--on", data)
    shares = {one["zone"]: one["share"] for one in told["not_seen"]}
    assert 0.2 < shares["P1"] < 0.9
    assert patrol(data / "enlarged.toml", "--on", data) in (0, 1)
    assert "lies where nobody looked" in capsys.readouterr().out


def test_without_the_key_only_those_that_still_stand_are_unknown(data: Path, capsys: Captured) -> None:
    shutil.rmtree(data / "keys")
    code, told = rehearsed(capsys, data / "moved.toml", "--on", data)
    assert code == 1
    assert told["history_differs"] == []
    assert not (data / "keys").exists()


def test_wrong_input_is_one_clear_error(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    square = street_file(tmp_path)
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).execute("CREATE TABLE other (x)")
    cases: list[tuple[list[object], str]] = [
        ([folder / "moved.toml", "--on", folder / "nowhere"], "does not exist"),
        ([folder / "nowhere.toml", "--on", folder], "nowhere.toml"),
        ([folder / "moved.toml", "--on", folder, "--html", "report.pdf"], "--html"),
        ([folder / "moved.toml", "--on", folder, "--picture", folder / "agent.db"], "--picture"),
        ([folder / "moved.toml", "--on", folder, "--since", "yesterday"], "--since"),
        ([folder / "moved.toml", "--on", folder, "--since", "2031-01-01"], "no vehicle at rest in that time"),
        ([folder / "moved.toml", "--on", folder, "--camera", "cam9"], "cam1"),
        ([folder / "moved.toml", "--on", empty], "remembers no rests"),
        ([folder / "moved.toml", "--on", folder / "moved.toml", "--old", folder / "old.toml"], "moved.toml"),
        ([folder / "moved.toml", "--on", folder / "keys"], "--old"),
        ([square, "--on", folder, "--camera", "cam1"], "another shape"),
    ]
    for arguments, told in cases:
        assert patrol(*arguments) == 2, arguments
        assert told in capsys.readouterr().err, arguments


def street_file(folder: Path) -> Path:
    path = folder / "square.toml"
    path.write_text(
        '[picture]\nwidth = 400\nheight = 400\n[[zone]]\nid = "P1"\nname = "P"\npolygon = [[0, 0], [99, 0], [99, 99]]\n'
    )
    return path


def test_a_damaged_database_is_told(data: Path, capsys: Captured) -> None:
    db = sqlite3.connect(data / "agent.db")
    db.execute("UPDATE rests SET body = '{\"id\": 3}' WHERE rest_id = (SELECT min(rest_id) FROM rests)")
    db.commit()
    db.close()
    assert patrol(data / "moved.toml", "--on", data) == 2
    assert "cannot be read as an agent's database" in capsys.readouterr().err


# The report


class Reader(HTMLParser):
    """Tags, and what they would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)
        self.loads.extend(
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        )
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("report")
    cv2.imwrite(str(where / "street.png"), np.full((360, 640, 3), 140, np.uint8))
    out = where / "report.html"
    assert (
        patrol(folder / "moved.toml", "--on", folder, "--html", out, "--picture", where / "street.png") == 1
    )
    return out


def test_the_report_loads_nothing_and_runs_nothing(page: Path) -> None:
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    assert not reader.open
    assert "script" not in reader.tags
    assert "link" not in reader.tags
    assert reader.loads
    assert all(value.startswith("data:image/jpeg;base64,") for value in reader.loads)
    for value in reader.loads:
        raw = np.frombuffer(base64.b64decode(value.partition(",")[2]), np.uint8)
        assert cv2.imdecode(raw, cv2.IMREAD_COLOR) is not None
    assert not re.search(r"https?://", page.read_text("utf-8"))


def test_the_same_input_gives_the_same_bytes(page: Path, folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.html"
    picture = page.parent / "street.png"
    words = (folder / "moved.toml", "--on", folder, "--html", again, "--picture", picture)
    assert patrol(*words, "--dry-run") == 1
    assert not again.exists()
    assert patrol(*words) == 1
    assert again.read_bytes() == page.read_bytes()


def test_a_name_that_looks_like_markup_stays_text(folder: Path, street: Street, tmp_path: Path) -> None:
    zones = street.zone_file(EDITS[3].plan)
    evil = "<script>alert(1)</script>"
    zones = zones.model_copy(
        update={"place": evil, "zone": tuple(z.model_copy(update={"name": evil}) for z in zones.zone)}
    )
    (tmp_path / "evil.toml").write_text(dump_zone_file(zones), "utf-8")
    out = tmp_path / "evil.html"
    assert patrol(tmp_path / "evil.toml", "--on", folder, "--html", out) == 1
    assert "<script" not in out.read_text("utf-8")


@pytest.mark.parametrize("width", [390, 1440])
def test_filters_and_languages_work_without_scripts(
    page: Path, folder: Path, chromium: Browser, width: int, capsys: Captured
) -> None:
    told = rehearsed(capsys, folder / "moved.toml", "--on", folder)[1]
    context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    view = context.new_page()
    view.goto(page.as_uri())
    assert view.locator(".flip:visible").count() == len(told["flips"])
    counts = {kind: count for kind, count in told["flips_by_kind"].items() if count}
    assert len(counts) > 1
    for kind, count in counts.items():
        view.locator(f"label[for=show-{kind}]").click()
        assert view.locator(".flip:visible").count() == count
    view.locator("label[for=show-all]").click()
    assert view.locator(".flip:visible").count() == len(told["flips"])
    assert view.get_by_text("过去的").first.is_visible()
    view.locator("label[for=lang-en]").click()
    assert view.get_by_text("With the new zones").is_visible()
    assert not view.get_by_text("过去的").first.is_visible()
    # Nothing is wider than the screen.
    width_of = view.locator("body").bounding_box()
    assert width_of is not None
    assert width_of["width"] <= width
    assert view.locator("main").bounding_box()["width"] <= width  # type: ignore[index]
    assert all(url.startswith(("file:", "data:")) for url in asked)
    context.close()


# Whose memory it is


def test_vehicles_that_still_stand_have_their_decisions(folder: Path) -> None:
    past = read_past(folder / "agent.db")
    standing = [each for each in past.rests if each.rest.ended_ms is None]
    assert standing
    assert all(each.known for each in standing)
