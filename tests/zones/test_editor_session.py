"""The file behind the page: never written over somebody's change, whole or not at all, as it was written before."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import PatrolError, UnavailableError
from tests.zones.editing import TWO_ZONES
from zones import load_zone_file
from zones.editor import Session
from zones.editor.session import ChangedOnDiskError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "street.toml"
    path.write_text(TWO_ZONES)
    return path


def renamed(session: Session, name: str = "Other") -> dict[str, Any]:
    data = copy.deepcopy(session.opened.data)
    data["zone"][0]["name"] = name
    return data


def test_saving_nothing_writes_nothing(path: Path) -> None:
    session = Session(path)
    before = path.stat()
    session.save(session.opened.data, [0, 1], session.opened.digest)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_one_save_follows_another(path: Path) -> None:
    session = Session(path)
    first = session.save(renamed(session), [0, 1], session.opened.digest)
    data = copy.deepcopy(first.data)
    data["zone"].reverse()
    second = session.save(data, [1, 0], first.digest)
    assert [zone["id"] for zone in second.data["zone"]] == ["bay", "walk"]
    assert "# where people walk\n[[zone]]" in path.read_text()


def test_a_file_that_changed_on_disk_is_left_alone(path: Path) -> None:
    session = Session(path)
    base = session.opened.digest
    path.write_text(TWO_ZONES + "# mine\n")
    with pytest.raises(ChangedOnDiskError):
        session.save(renamed(session), [0, 1], base)
    assert path.read_text() == TWO_ZONES + "# mine\n"
    # Another tab of the same page that saved meanwhile is somebody else, too.
    session.reopen()
    session.save(renamed(session), [0, 1], session.opened.digest)
    with pytest.raises(ChangedOnDiskError):
        session.difference(renamed(session, "Third"), [0, 1], base)


def test_a_change_of_an_older_text_is_saved_under_another_name_with_that_text(path: Path) -> None:
    """Two tabs: one deleted the first zone and saved, the other still shows both."""
    session = Session(path)
    first = session.opened
    mine = renamed(session)
    session.save({**first.data, "zone": first.data["zone"][1:]}, [1], first.digest)
    session.save(mine, [0, 1], first.digest, name="mine.toml")
    assert path.with_name("mine.toml").read_text() == TWO_ZONES.replace("North pavement", "Other")


def test_a_file_that_vanished_is_not_silently_made_anew(path: Path) -> None:
    session = Session(path)
    path.unlink()
    with pytest.raises(ChangedOnDiskError):
        session.save(renamed(session), [0, 1], session.opened.digest)
    assert not path.exists()


def test_a_new_file_that_appeared_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    session = Session(path, {"schema": 1, "picture": {"width": 640, "height": 360}, "zone": []})
    data = {
        **session.opened.data,
        "zone": [{"id": "a", "name": "A", "polygon": [[0, 0], [90, 0], [90, 90]]}],
    }
    path.write_text("theirs")
    with pytest.raises(ChangedOnDiskError):
        session.save(data, [None], "")
    path.unlink()
    session.save(data, [None], "")
    assert load_zone_file(path).zone[0].id == "a"


def test_line_ends_byte_order_mark_rights_and_links_are_kept(path: Path) -> None:
    link = path.with_name("link.toml")
    link.symlink_to(path.name)
    path.write_bytes(b"\xef\xbb\xbf" + TWO_ZONES.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    session = Session(link)
    session.save(renamed(session), [0, 1], session.opened.digest)
    raw = path.read_bytes()
    assert (
        raw == b"\xef\xbb\xbf" + TWO_ZONES.replace("North pavement", "Other").replace("\n", "\r\n").encode()
    )
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_no_zone_file_is_not_written(path: Path) -> None:
    session = Session(path)
    data = renamed(session, "")
    with pytest.raises(PatrolError, match="at least 1 character"):
        session.save(data, [0, 1], session.opened.digest)
    assert path.read_text() == TWO_ZONES


def test_a_folder_without_room_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(path)
    data, base = renamed(session), session.opened.digest

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        session.save(data, [0, 1], base)
    assert path.read_text() == TWO_ZONES
    assert [one.name for one in path.parent.iterdir()] == ["street.toml"]


@pytest.mark.parametrize(
    "name", ["../up.toml", "a/b.toml", ".hidden.toml", "x.txt", "street.toml", "", "a\nb.toml"]
)
def test_save_as_stays_in_the_folder_and_writes_over_nothing(path: Path, name: str) -> None:
    session = Session(path)
    with pytest.raises(PatrolError):
        session.save(renamed(session), [0, 1], session.opened.digest, name=name)
    assert [one.name for one in path.parent.iterdir()] == ["street.toml"]


def test_save_as_json_and_go_on_with_it(path: Path) -> None:
    session = Session(path)
    saved = session.save(renamed(session), [0, 1], session.opened.digest, name="street.json")
    assert json.loads(path.with_name("street.json").read_text())["zone"][0]["name"] == "Other"
    data = copy.deepcopy(saved.data)
    data["street"] = "Oak"
    session.save(data, [0, 1], saved.digest)
    assert load_zone_file(path.with_name("street.json")).street == "Oak"
    assert path.read_text() == TWO_ZONES


@pytest.mark.parametrize("origins", [[0], [0, 0], [0, 2], [0, -1]])
def test_origins_must_name_zones(path: Path, origins: list[int | None]) -> None:
    session = Session(path)
    with pytest.raises(PatrolError, match="origin"):
        session.save(renamed(session), origins, session.opened.digest)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "zone = [", "cannot be parsed"),
        ("a.toml", "x" * (5 * 1024 * 1024), "larger than 4 MiB"),
        ("a.json", "[1]", "holds no table of zones"),
        ("a.txt", TWO_ZONES, "no zone file by its name"),
        ("a.toml", b"\xff\xfe\x00", "not UTF-8"),
        ("none.toml", None, "does not exist"),
    ],
    ids=["toml", "large", "json", "ending", "bytes", "missing"],
)
def test_what_cannot_be_opened_is_told(
    tmp_path: Path, name: str, text: str | bytes | None, problem: str
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PatrolError, match=problem):
        Session(tmp_path / name)
