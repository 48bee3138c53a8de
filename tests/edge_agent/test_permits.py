"""Permit lists of a box: encrypted, read row by row, valid by the wall of the zone."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from edge_agent.permits import PERMITS_FILE, Permit, PermitBook, check_moment
from edge_agent.permits_csv import read_permits
from edge_agent.ruling import NoPermits, RuleDesk
from edge_agent.vault import Vault
from patrol.main import main
from protocol.errors import PatrolError, UnavailableError
from tests.edge_agent.scripted import zones_with
from zones.holidays import known_years

VAULT = Vault(bytes(range(32)))
PLATE, OTHER = "京A12345", "沪B6789D"
PLACE = "Asia/Shanghai"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture
def book(tmp_path: Path):
    with PermitBook(tmp_path / PERMITS_FILE, VAULT) as one:
        yield one


def test_a_permit_is_found_on_its_list_and_nowhere_else(book: PermitBook) -> None:
    changes = book.add([Permit("residents", PLATE), Permit("post", PLATE, "2026-03-01", "2026-03-31")])
    assert changes == ["added", "added"]
    assert book.add([Permit("residents", PLATE), Permit("post", PLATE)]) == ["unchanged", "changed"]
    assert book.of(PLATE, 0, PLACE) == {"residents": None, "post": None}
    assert book.of(OTHER, 0, PLACE) == {}
    assert book.lists() == {"residents", "post"}


@pytest.mark.parametrize(
    ("span", "place", "inside", "outside"),
    [
        (
            ("2026-03-01", "2026-03-31"),
            "Asia/Shanghai",
            ["2026-03-01T00:00+08:00", "2026-03-31T23:59:59+08:00"],
            ["2026-02-28T23:59:59+08:00", "2026-04-01T00:00+08:00"],
        ),
        (
            ("2026-03-28 12:00", "2026-03-29"),  # the night in which Berlin's summer time begins
            "Europe/Berlin",
            ["2026-03-28T12:00+01:00", "2026-03-29T23:59+02:00"],
            ["2026-03-28T11:59+01:00", "2026-03-30T00:00+02:00"],
        ),
        (("", "2026-03-01 08:00"), "Asia/Shanghai", ["2026-03-01T07:59+08:00"], ["2026-03-01T08:00+08:00"]),
    ],
)
def test_it_is_valid_by_the_wall_of_the_zone(
    book: PermitBook, span: tuple[str, str], place: str, inside: list[str], outside: list[str]
) -> None:
    book.add([Permit("residents", PLATE, *span)])
    assert all(book.of(PLATE, ms(at), place) for at in inside)
    assert not any(book.of(PLATE, ms(at), place) for at in outside)
    until = next(iter(book.of(PLATE, ms(inside[0]), place).values()))
    assert until == ms(outside[-1])


def test_the_file_alone_tells_nothing(book: PermitBook, tmp_path: Path) -> None:
    book.add([Permit("residents", PLATE, note="王小明")])
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (PLATE, PLATE[1:], "王小明"):
        assert secret.encode() not in content
        assert json.dumps(secret).strip('"').encode() not in content
    assert book.path.stat().st_mode & 0o077 == 0
    assert PLATE not in repr(book.entries())
    with PermitBook(book.path, Vault(bytes(32))) as stranger:
        assert stranger.of(PLATE, 0, PLACE) == {}
        with pytest.raises(PatrolError, match="does not open"):
            stranger.entries()


def test_a_removed_plate_is_gone_and_an_empty_list_is_still_a_list(book: PermitBook) -> None:
    book.add([Permit("residents", PLATE), Permit("residents", OTHER), Permit("post", PLATE)])
    assert book.remove("residents", PLATE) == 1
    assert book.of(PLATE, 0, PLACE) == {"post": None}
    with pytest.raises(PatrolError, match="not on the list"):
        book.remove("residents", PLATE)
    assert book.remove("post") == 1
    assert book.lists() == {"residents"}
    with pytest.raises(PatrolError, match="no such permit list"):
        book.remove("post")
    assert book.add([], lists=["post"]) == []
    assert book.lists() == {"residents", "post"}


def test_replacing_touches_only_the_lists_that_are_named(book: PermitBook) -> None:
    book.add([Permit("residents", PLATE), Permit("post", PLATE)])
    assert book.add([Permit("residents", OTHER)], replace=True) == ["added"]
    assert book.of(PLATE, 0, PLACE) == {"post": None}


def test_a_reader_sees_what_is_entered_beside_it_and_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / PERMITS_FILE
    with PermitBook(path, VAULT, readonly=True) as reader:
        assert reader.lists() == frozenset()
        assert not path.exists()
        with PermitBook(path, VAULT) as writer:
            writer.add([Permit("residents", PLATE)])
            assert reader.of(PLATE, 0, PLACE) == {"residents": None}
            writer.remove("residents")
        assert reader.lists() == frozenset()


def test_a_row_that_was_moved_to_another_list_is_refused(book: PermitBook) -> None:
    book.add([Permit("residents", PLATE)])
    assert book._db is not None
    book._db.execute("UPDATE permits SET list = 'police'")
    with pytest.raises(PatrolError, match="was moved"):
        book.of(PLATE, 0, PLACE)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / PERMITS_FILE
    path.write_bytes(b"no database, only words" * 100)
    with pytest.raises(PatrolError, match="no table of permits"):
        PermitBook(path, VAULT)
    with PermitBook(path, VAULT, readonly=True) as reader, pytest.raises(PatrolError):
        reader.lists()


@pytest.mark.parametrize("text", ["2026-02-30", "1.3.2026", "2026-03-01 25:00", "tomorrow"])
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a date"):
        check_moment(text)
    assert check_moment("2026-03-01T08:00") == "2026-03-01 08:00"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    rows = read_permits(
        write(
            tmp_path / "p.csv",
            "车牌,名单,有效期起,有效期止,备注\n"
            "京A·12345,residents,2026-01-01,2026-12-31,甲\n"
            "x,residents,,,\n"
            "沪B6789D,resi dents,,,\n"
            "沪B6789D,post,2026-05-01,2026-04-01,\n"
            "沪B6789D,post,2026-05-01 09:00,2026-05-01,\n"
            "沪C6789D,post,soon,,\n"
            "沪D6789D,post,,\n"
            "沪D6789D,post,,,丙\n"
            "\n"
            "沪D6789D,post,,,,\n",
            "gb18030",
        )
    )
    assert [(r.line, r.permit is not None) for r in rows] == [
        (2, True), (3, False), (4, False), (5, False), (6, True), (7, False), (8, True), (9, False), (11, False),
    ]  # fmt: skip
    assert rows[0].permit == Permit("residents", PLATE, "2026-01-01", "2026-12-31", "甲")
    assert rows[0].plate == "京A***45"
    assert [r.problem for r in rows if r.problem] == [
        "a plate has 4 to 10 characters",
        "the list needs a name of letters, digits, '_', '.' and '-'",
        "valid_to is before valid_from",
        "valid_from is neither a date like 2026-03-01 nor a moment like 2026-03-01 08:00",
        "the plate is on this list above, with other words",
        "has more cells than the heading",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plate\n京A12345\n", "lacks the column list"),
        ("list\nresidents\n", "lacks the column plate"),
        ("plate,list,colour\n", "unknown or repeated"),
        ("plate,list,plate\n", "unknown or repeated"),
        ('plate,list\n"京A12345\n', "is no CSV"),
    ],
)
def test_a_table_with_another_heading_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PatrolError, match=said):
        read_permits(write(tmp_path / "p.csv", text))


def test_a_missing_table_is_not_available(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        read_permits(tmp_path / "none.csv", "residents")


# The command


def patrol(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = 0
    try:
        main(["zones", "permits", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_import_list_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    table = write(tmp_path / "p.csv", f"plate,valid_to\n{PLATE},2026-12-31\n{OTHER},\n")
    zones = tmp_path / "street.toml"
    from zones import dump_zone_file

    zones.write_text(dump_zone_file(zones_with(exempt=[{"reason": "r", "permit": "residents"}])))
    code, out, err = patrol(capsys, "list", "--data", data, "--zones", zones)
    assert code == 1
    assert "zone P1 names the permit list residents" in err
    assert list(data.iterdir()) == [], "looking makes nothing"
    where = ("--data", data, "--json")
    code, out, _ = patrol(capsys, "import", table, "--list", "residents", "--dry-run", *where)
    assert (code, json.loads(out)["counts"]) == (0, {"would_import": 2})
    assert not (data / PERMITS_FILE).exists()
    code, out, _ = patrol(capsys, "import", table, "--list", "residents", *where)
    assert (code, json.loads(out)["counts"]) == (0, {"added": 2})
    code, out, _ = patrol(capsys, "list", "--zones", zones, *where)
    assert (code, json.loads(out)) == (0, {"lists": {"residents": 2}, "missing": {}})
    code, out, _ = patrol(capsys, "list", "residents", "--data", data)
    assert code == 0
    assert "京A***45" in out
    assert PLATE not in out
    code, out, _ = patrol(capsys, "remove", "residents", "--plate", PLATE, "--dry-run", *where)
    assert json.loads(out) == {"list": "residents", "removed": 1, "dry_run": True}
    code, out, _ = patrol(capsys, "remove", "residents", "--plate", PLATE, *where)
    assert json.loads(out)["removed"] == 1
    code, _, err = patrol(capsys, "remove", "residents", "--plate", PLATE, *where)
    assert code == 2
    assert PLATE not in err


def test_with_a_bad_row_nothing_is_imported_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    table = write(tmp_path / "p.csv", f"plate,list\n{PLATE},residents\nx,residents\n")
    code, out, err = patrol(capsys, "import", table, "--data", data)
    assert code == 1
    assert "Nothing was imported" in err
    code, out, _ = patrol(capsys, "import", table, "--data", data, "--skip-bad-rows", "--json")
    assert code == 1
    assert json.loads(out)["counts"] == {"added": 1, "bad": 1}


def test_the_folder_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for where in ((), ("--data", tmp_path, "--agent", tmp_path / "agent.toml")):
        code, _, err = patrol(capsys, "list", *where)
        assert code == 2
        assert "data folder is named" in err
    code, _, err = patrol(capsys, "list", "--data", tmp_path / "none")
    assert code == 2


# Health


def test_what_the_box_cannot_apply_is_in_its_health(tmp_path: Path) -> None:
    zones = zones_with(
        hours=[{"days": ["workday"]}],
        exempt=[{"reason": "r", "permit": "residents"}, {"reason": "s", "plates": ["京*"]}],
    )
    last = max(known_years())
    desk = RuleDesk(NoPermits(), None, 0)
    (problem,) = desk.problems({"cam1": zones}, ms(f"{last}-06-01T00:00Z"))
    assert problem.startswith("permits: camera cam1, zone P1: the permit list residents is not on this box")
    problems = desk.problems({"cam1": zones}, ms(f"{last}-12-05T00:00Z"))
    assert [p.partition(":")[0] for p in problems] == ["calendar", "permits"]
    assert str(last + 1) in problems[0]
    with PermitBook(tmp_path / PERMITS_FILE, VAULT) as book:
        book.add([], lists=["residents"])
        assert RuleDesk(book, None, 0).problems({"cam1": zones}, ms(f"{last}-06-01T00:00Z")) == []
