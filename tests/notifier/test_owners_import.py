"""Lists of owners as offices save them, and the commands that read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notifier.owners._csv import read_owners
from patrol.main import main
from protocol.errors import PatrolError

# Import


def csv(tmp_path: Path, content: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "owners.csv"
    file.write_bytes(content.encode(encoding))
    return file


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("plate,phone\n京A12345,13800138000\n", "utf-8"),
        ("plate,phone\n京A12345,13800138000\n", "utf-8-sig"),  # as Excel saves it
        ("车牌,手机号,语言\n京A12345,13800138000,中文\n", "gb18030"),  # as a Chinese Excel saves it
        ('phone,"plate"\r\n"138 0013 8000","京A·12345"\r\n\r\n', "utf-8"),
    ],
)
def test_lists_are_read_as_offices_save_them(tmp_path: Path, content: str, encoding: str) -> None:
    (reading,) = read_owners(csv(tmp_path, content, encoding))
    assert reading.row is not None
    assert (reading.row.plate, reading.row.phone) == ("京A12345", "+8613800138000")
    assert reading.line == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("京A12345,123", "neither a mainland mobile number"),
        ("京,13800138000", "4 to 10 characters"),
        ("京A123<5,13800138000", "letters, digits"),
        ("京A12345", "neither a mainland mobile number"),  # too few cells
        ("京A12345,13800138000,zh,no,more", "more cells"),
        ("京A12345,13800138000,fr,", "language"),
        ("京A12345,13800138000,zh,perhaps", "opted_out"),
    ],
)
def test_a_bad_row_says_what_is_wrong_and_shows_nothing(tmp_path: Path, row: str, said: str) -> None:
    content = f"plate,phone,language,opted_out\n沪B99999,13900139000,,\n{row}\n"
    good, bad = read_owners(csv(tmp_path, content))
    assert good.row is not None
    assert bad.row is None
    assert bad.line == 3
    assert said in str(bad.problem)
    assert "13800138000" not in repr(bad)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks the column plate"),
        (b"plate,mobile\n", "unknown or repeated column"),
        (b"plate,plate,phone\n", "unknown or repeated column"),
        (b"plate\n", "lacks the column phone"),
        (b'plate,phone\n"never ends', "no CSV"),
        (b"\xff\xff\xff\xff", "neither UTF-8 nor GB 18030"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "owners.csv"
    file.write_bytes(content)
    with pytest.raises(PatrolError, match=said) as error:
        read_owners(file)
    assert error.value.file == str(file)


# The command


def run(*arguments: object) -> int:
    try:
        main(["owners", *map(str, arguments)])
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_the_commands_from_key_to_rotation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, table = tmp_path / "k", tmp_path / "t.db"
    where = ("--table", table, "--key-file", key)
    assert run("init-key", key) == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert run("init-key", key) == 2, "an existing key is never overwritten"
    good = csv(tmp_path, "plate,phone\n京A12345,13800138000\n沪B99999,13900139000\n")
    assert run("import", good, *where) == 0
    capsys.readouterr()
    assert run("check", *where, "--plate", "京A12345", "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown) == {
        "plates": 2,
        "owners": 2,
        "ambiguous": 0,
        "opted_out": 0,
        "unreadable": 0,
        "plate": "京A***45",
        "answer": "found",
        "phone": "+86138****8000",
    }
    assert run("rotate", *where) == 0
    assert run("check", *where, "--plate", "京A12345") == 0
    assert run("check", *where, "--plate", "京A00000") == 1


def test_with_a_bad_row_nothing_is_imported_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, table = tmp_path / "k", tmp_path / "t.db"
    run("init-key", key)
    mixed = csv(tmp_path, "plate,phone\n京A12345,13800138000\n沪B99999,bad\n")
    where = ("--table", table, "--key-file", key)
    capsys.readouterr()
    assert run("import", mixed, *where, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [row["result"] for row in report["rows"]] == ["not_imported", "bad"]
    assert not table.exists()
    assert run("import", mixed, *where, "--skip-bad-rows", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"added": 1, "bad": 1}
    assert "13800138000" not in json.dumps(report)


def test_a_second_owner_is_reported_and_replacing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, table = tmp_path / "k", tmp_path / "t.db"
    run("init-key", key)
    where = ("--table", table, "--key-file", key)
    assert run("import", csv(tmp_path, "plate,phone\n京A12345,13800138000\n"), *where) == 0
    second = csv(tmp_path, "plate,phone\n京A12345,13900139000\n")
    assert run("import", second, *where) == 1
    assert "second owner" in capsys.readouterr().out
    assert run("check", *where, "--plate", "京A12345") == 1
    assert run("import", second, *where, "--replace") == 0
    assert run("check", *where, "--plate", "京A12345") == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check", "--table", "missing.db", "--key-file", "k"), 2),
        (("rotate", "--table", "missing.db", "--key-file", "k"), 2),
        (("import", "missing.csv", "--table", "t.db", "--key-file", "missing"), 3),
        (("import", "missing.csv", "--table", "t.db"), 2),  # no key named
    ],
)
def test_a_mistake_at_the_command_line_is_one_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("error ")
    assert "Traceback" not in said
    assert not (tmp_path / "t.db").exists()
