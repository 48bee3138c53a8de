"""The owners' table: sealed, audited, imported row by row, and never in doubt about whom to warn."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from notifier.owners import (
    LocalDirectory,
    NoOwner,
    Owner,
    OwnerRow,
    OwnersConfig,
    OwnersKey,
    key_from_environment,
    key_from_file,
    make_directory,
)
from notifier.owners._key import new_secret, write_key_file
from notifier.owners._plates import normal_phone, normal_plate
from notifier.owners.rotation import finish_rotation, next_key_file, rotate
from protocol.clock import ManualClock
from protocol.errors import PatrolError, UnavailableError

LI = OwnerRow("京A12345", "+8613800138000", "zh-Hans")
WANG = OwnerRow("沪B99999", "+8613900139000", "en")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "owners.key"
    write_key_file(file, new_secret())
    return file


@pytest.fixture
def open_table(tmp_path: Path, key_file: Path) -> Iterator[Callable[[], LocalDirectory]]:
    opened: list[LocalDirectory] = []

    def open_() -> LocalDirectory:
        opened.append(LocalDirectory(tmp_path / "owners.db", key_from_file(key_file), ManualClock()))
        return opened[-1]

    yield open_
    for directory in opened:
        directory.close()


@pytest.fixture
def table(open_table: Callable[[], LocalDirectory]) -> LocalDirectory:
    directory = open_table()
    directory.add([LI, WANG])
    return directory


# Looking up


@pytest.mark.parametrize("plate", ["京A12345", "京A·12345", "京a12345", " 京A 12345", "京Ａ１２３４５"])
def test_a_plate_is_found_in_any_spelling(table: LocalDirectory, plate: str) -> None:
    assert table.find(plate, "warning case1") == Owner("+8613800138000", "zh-Hans")


def test_an_unknown_plate_has_no_owner(table: LocalDirectory) -> None:
    assert table.find("京A12346", "warning") == NoOwner("not_found")
    assert table.find("?", "warning") == NoOwner("not_found")


def test_two_owners_of_one_plate_are_ambiguous(table: LocalDirectory) -> None:
    assert table.add([OwnerRow(LI.plate, "+8613700137000")]) == ["second_owner"]
    assert table.find(LI.plate, "warning") == NoOwner("ambiguous")


def test_an_owner_who_opted_out_is_not_warned(table: LocalDirectory) -> None:
    table.add([OwnerRow(LI.plate, LI.phone, LI.language, opted_out=True)])
    assert table.find(LI.plate, "warning") == NoOwner("opted_out")


def test_adding_the_same_row_again_changes_nothing(table: LocalDirectory) -> None:
    assert table.add([LI, WANG]) == ["unchanged", "unchanged"]


def test_every_look_up_is_written_down_with_its_purpose_and_masked(
    table: LocalDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table.find(LI.plate, "warning case1")
    table.find("京A00000", "check by hand")
    newest, oldest = table.lookups()
    assert (oldest.purpose, oldest.plate, oldest.answer) == ("warning case1", "京A***45", "found")
    assert (newest.purpose, newest.plate, newest.answer) == ("check by hand", "京A***00", "not_found")
    for secret in (LI.plate, LI.phone):
        assert secret not in caplog.text
        assert secret not in repr(Owner(LI.phone)) + repr(LI)


def test_an_answer_is_given_only_if_it_could_be_written_down(table: LocalDirectory) -> None:
    table._db.execute("DROP TABLE lookups")
    with pytest.raises(UnavailableError):
        table.find(LI.plate, "warning")


# Sealing


def test_the_files_hold_no_plate_and_no_number(table: LocalDirectory, tmp_path: Path) -> None:
    table.find(LI.plate, "warning")
    content = b"".join(file.read_bytes() for file in tmp_path.glob("owners.db*"))
    for secret in (LI.plate.encode(), b"13800138000", b"A12345"):
        assert secret not in content
    assert (tmp_path / "owners.db").stat().st_mode & 0o077 == 0


def test_another_key_does_not_open_the_table(table: LocalDirectory, tmp_path: Path) -> None:
    stranger = OwnersKey.of(bytes(32))
    with pytest.raises(PatrolError, match="another key") as error:
        LocalDirectory(tmp_path / "owners.db", stranger, ManualClock())
    assert error.value.field == "owners.key_file"


def test_a_row_moved_to_another_plate_does_not_open(table: LocalDirectory) -> None:
    """Somebody who may write the file cannot make one owner receive another's warnings."""
    (first, one), (second, other) = table._db.execute("SELECT plate_mark, sealed FROM owners").fetchall()
    for mark, sealed in ((first, other), (second, one)):
        table._db.execute("UPDATE owners SET sealed = ? WHERE plate_mark = ?", (sealed, mark))
    assert table.verify().unreadable == 2
    with pytest.raises(UnavailableError):
        table.find(LI.plate, "warning")


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_sealed_opens_only_with_key_and_binding(content: bytes, bound_to: bytes) -> None:
    key, other = OwnersKey.of(b"a" * 32), OwnersKey.of(b"b" * 32)
    sealed = key.seal(content, bound_to)
    assert key.unseal(sealed, bound_to) == content
    for wrong_key, binding in ((other, bound_to), (key, bound_to + b"x")):
        with pytest.raises(ValueError, match="cannot be opened"):
            wrong_key.unseal(sealed, binding)
    assert key.index("plate", "A") != other.index("plate", "A")


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("", 0o600, "is empty"),
        ("not base64!", 0o600, "holds no key"),
        ("YWJj", 0o600, "holds no key"),  # too short
        pytest.param(new_secret(), 0o644, "others may read", id="a good key that others may read"),
    ],
)
def test_a_key_file_that_is_none_is_named(tmp_path: Path, content: str, mode: int, said: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(PatrolError, match=said) as error:
        key_from_file(file)
    assert error.value.file == str(file)
    assert error.value.mend


def test_a_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNERS", new_secret())
    assert key_from_environment("OWNERS").name
    with pytest.raises(PatrolError, match="not set"):
        key_from_environment("NOT_THERE")


def test_a_file_that_is_no_table_or_of_a_newer_version_is_left_alone(tmp_path: Path, key_file: Path) -> None:
    key = key_from_file(key_file)
    nonsense = tmp_path / "nonsense.db"
    nonsense.write_bytes(b"this is no database, it is a text" * 100)
    with pytest.raises(PatrolError, match="no table of owners"):
        LocalDirectory(nonsense, key, ManualClock())
    assert nonsense.read_bytes().startswith(b"this is no database")
    newer = tmp_path / "newer.db"
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(PatrolError, match="newer version"):
        LocalDirectory(newer, key, ManualClock())


# Rotation


def test_rotation_seals_every_row_anew(
    table: LocalDirectory, open_table: Callable[[], LocalDirectory], tmp_path: Path, key_file: Path
) -> None:
    before = {bytes(row[0]) for row in table._db.execute("SELECT plate_mark FROM owners")}
    old = key_from_file(key_file)
    table.close()
    assert rotate(tmp_path / "owners.db", key_file, ManualClock()) == 2
    again = open_table()
    assert again.find(LI.plate, "warning") == Owner(LI.phone, LI.language)
    after = {bytes(row[0]) for row in again._db.execute("SELECT plate_mark FROM owners")}
    assert not before & after
    assert key_from_file(key_file).name != old.name
    assert not next_key_file(key_file).exists()


@pytest.mark.parametrize("cut", ["before the table was sealed", "after the table was sealed"])
def test_a_power_cut_during_rotation_leaves_a_table_that_opens(
    table: LocalDirectory, tmp_path: Path, key_file: Path, cut: str
) -> None:
    file = tmp_path / "owners.db"
    waiting = next_key_file(key_file)
    write_key_file(waiting, new_secret())
    if cut == "after the table was sealed":
        table.rotate(key_from_file(waiting))
    table.close()
    config = OwnersConfig(directory="local", file=file, key_file=key_file)
    directory = make_directory(config, ManualClock())
    assert directory.find(LI.plate, "warning") == Owner(LI.phone, LI.language)
    assert not waiting.exists()
    assert isinstance(directory, LocalDirectory)
    directory.close()


def test_a_rotation_that_fails_changes_nothing(
    table: LocalDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailsAtTheSecond(OwnersKey):
        sealed = 0

        def seal(self, content: bytes, bound_to: bytes) -> bytes:
            FailsAtTheSecond.sealed += 1
            if FailsAtTheSecond.sealed == 2:
                raise sqlite3.OperationalError("database or disk is full")
            return super().seal(content, bound_to)

    with pytest.raises(UnavailableError, match="full"):
        table.rotate(FailsAtTheSecond.of(b"n" * 32))
    assert table.find(LI.plate, "warning") == Owner(LI.phone, LI.language)
    assert table.verify().unreadable == 0


def test_finishing_a_rotation_that_never_began_is_harmless(tmp_path: Path, key_file: Path) -> None:
    finish_rotation(tmp_path / "no.db", key_file)
    assert key_file.exists()


# Configuration


@pytest.mark.parametrize(
    "values",
    [
        {"directory": "local"},
        {"directory": "local", "file": "a.db"},  # no key
        {"directory": "local", "file": "a.db", "key_file": "k", "key_env": "K"},  # two keys
        {"directory": "cloud"},
        {"file": "a.db", "colour": "red"},
    ],
)
def test_a_contradictory_configuration_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        OwnersConfig.model_validate(values)


def test_a_box_without_directory_knows_nobody() -> None:
    assert make_directory(OwnersConfig(), ManualClock()).find("京A12345", "x") == NoOwner("no_directory")


# Spelling


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("13800138000", "+8613800138000"),
        ("138-0013-8000", "+8613800138000"),
        ("０１３８", None),
        ("008613800138000", "+8613800138000"),
        ("+852 9123 4567", "+85291234567"),
        ("+86 10 6512 3456", None),  # a landline receives no SMS
        ("110", None),
        ("", None),
    ],
)
def test_phone_numbers_have_one_spelling(text: str, normal: str | None) -> None:
    if normal is None:
        with pytest.raises(ValueError, match="number"):
            normal_phone(text)
    else:
        assert normal_phone(text) == normal


@given(st.text(max_size=20))
def test_the_spelling_of_plates_is_settled_after_once(text: str) -> None:
    try:
        once = normal_plate(text)
    except ValueError:
        return
    assert normal_plate(once) == once
