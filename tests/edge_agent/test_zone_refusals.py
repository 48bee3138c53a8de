"""Zones that are refused leave the old ones in force until somebody mends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.errors import PatrolError, UnavailableError
from tests.edge_agent.publishing import (
    CAR,
    CONFIRM_S,
    ONE,
    OTHER,
    PAVEMENT,
    SETTLE_S,
    TWO,
    Office,
    Street,
    street,
    zones_text,
)
from zones.publishing import SigningKey


def truncated(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes()[:-20])


def tampered(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes().replace(b"confirm_after_s = 4", b"confirm_after_s = 1"))


def other_author(one: Street, office: Office) -> None:
    path = office.archive.current_path
    path.write_bytes(path.read_bytes().replace(b'"Li Wei"', b'"Wang Wu"'))


def deleted(one: Street, office: Office) -> None:
    office.archive.current_path.unlink()


def foreign_key(one: Street, office: Office) -> None:
    stranger = Office(office.archive.folder.parent / "stranger")
    stranger.publish(ONE)
    stranger.publish(ONE + "# \n")
    stranger.publish(TWO)
    office.archive.current_path.write_bytes(stranger.archive.current_path.read_bytes())


def replayed(one: Street, office: Office) -> None:
    office.archive.current_path.write_bytes(office.archive.path_of(1).read_bytes())


def unsigned(one: Street, office: Office) -> None:
    office.archive.current_path.write_text(TWO)


def wrong_camera(one: Street, office: Office) -> None:
    other = Office(office.archive.folder.parent / "cam2", office.key)
    for _ in range(3):
        other.publish(zones_text(camera="cam2") + f"# {_}\n", camera="cam2")
    office.archive.current_path.write_bytes(other.archive.current_path.read_bytes())


def another_shape(one: Street, office: Office) -> None:
    office.publish(zones_text().replace("height = 240", "height = 320"))


def garbage(one: Street, office: Office) -> None:
    office.archive.current_path.write_bytes(bytes(range(256)) * 8)


def a_folder(one: Street, office: Office) -> None:
    office.archive.current_path.unlink()
    office.archive.current_path.mkdir()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (truncated, "changed or cut off"),
        (tampered, "changed or cut off"),
        (other_author, "head was changed"),
        (deleted, "does not exist"),
        (foreign_key, "not trusted"),
        (replayed, "older than version 2"),
        (unsigned, "not signed"),
        (wrong_camera, "belongs to camera cam2"),
        (another_shape, "another shape"),
        (garbage, "not signed"),
        (a_folder, "cannot be read"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_refused_leaves_the_old_zones_in_force_until_it_is_mended(
    office: Office, data: Path, harm: Callable[[Street, Office], None], said: str
) -> None:
    office.publish(ONE + "# the first\n")
    current = office.publish(ONE)
    with street(data, office.archive.folder, trusted_keys=[office.key.public.line]) as one:
        one.beat(CAR, times=2)
        harm(one, office)
        one.settle()
        (problem,) = one.updates.problems
        assert problem.startswith("zones_refused: camera cam1: ")
        assert said in problem
        assert one.updates.told("cam1").sha256 == current.sha256
        one.beat(CAR, times=SETTLE_S + CONFIRM_S)
        assert one.states() == ["observing", "confirmed", "unnotifiable"], "the old zones go on"
        # The agent is started again while the file is still bad: the copy is used.
        beats = one.beats
    with street(data, office.archive.folder, start=beats, trusted_keys=[office.key.public.line]) as one:
        one.beat(CAR)
        (problem,) = one.updates.problems
        assert said in problem
        assert one.updates.told("cam1").sha256 == current.sha256
        if office.archive.current_path.is_dir():
            office.archive.current_path.rmdir()
        office.archive.current_path.write_bytes(current.data)
        one.settle()
        assert one.updates.problems == []
        assert "rules_changed" not in one.states()


def test_a_file_that_breaks_the_reader_does_not_stop_the_agent(
    office: Office, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of the program that a file brings to light is a refusal like any other."""
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR)
        office.publish(TWO)
        monkeypatch.setattr("edge_agent.zone_rules.open_signed", lambda *_, **__: 1 / 0)
        one.settle()
        assert "cannot be used: ZeroDivisionError" in one.updates.problems[0]
        assert one.updates.told("cam1").version == 1


def test_an_agent_never_starts_without_zones(office: Office, data: Path) -> None:
    office.publish(ONE)
    tampered(None, office)  # type: ignore[arg-type]
    with pytest.raises(PatrolError, match="changed or cut off"), street(data, office.archive.folder):
        pass


def test_a_key_that_is_no_longer_trusted_brings_its_zones_down(office: Office, data: Path) -> None:
    """Neither the file nor its copy is used after the key was withdrawn; a version by the new key is."""
    office.publish(ONE)
    new = SigningKey.generate()
    with street(data, office.archive.folder, trusted_keys=[office.key.public.line]) as one:
        one.beat()
    with (
        pytest.raises(PatrolError, match="not trusted"),
        street(data, office.archive.folder, trusted_keys=[new.public.line]),
    ):
        pass
    office.key = new
    office.publish(TWO)
    with street(data, office.archive.folder, start=10, trusted_keys=[new.public.line]) as one:
        one.beat(OTHER, times=SETTLE_S)
        assert one.states() == ["rules_changed", "observing"]


def test_during_a_change_of_keys_both_may_publish(office: Office, data: Path) -> None:
    old, new = office.key, SigningKey.generate()
    office.publish(ONE)
    with street(data, office.archive.folder, trusted_keys=[old.public.line, new.public.line]) as one:
        one.beat()
        office.key = new
        office.publish(TWO)
        one.settle()
        assert one.updates.told("cam1").version == 2
        office.key = old
        office.publish(ONE)
        one.settle()
        assert one.updates.told("cam1").version == 3
        assert one.updates.problems == []


def test_a_disk_that_refuses_changes_nothing_and_is_tried_again(
    office: Office, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.publish(ONE)
    with street(data, office.archive.folder) as one:
        one.beat(CAR, times=SETTLE_S)
        before = one.engine.cameras["cam1"].state
        published = office.publish(zones_text(("P1", [*PAVEMENT[:2], (300, 210), (20, 210)], "")))

        def refuse(*_: object) -> None:
            raise UnavailableError("the disk is full, nothing was stored")

        with monkeypatch.context() as patch:
            patch.setattr(one.store, "save_camera", refuse)
            with pytest.raises(UnavailableError):
                one.settle()
        assert one.engine.cameras["cam1"].state == before
        assert one.states() == ["observing"]
        one.settle()
        assert one.updates.told("cam1").sha256 == published.sha256
        assert one.states() == ["observing", "rules_changed", "ended"]
