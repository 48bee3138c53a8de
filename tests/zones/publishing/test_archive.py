"""The folder of published versions: nothing half, nothing twice, nothing rewritten unnoticed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.errors import PatrolError, UnavailableError
from tests.zones.publishing.test_signed import AT_MS, KEY, STRANGER, TEXT
from zones.publishing import Archive, SignedZones, SigningKey


def publish(archive: Archive, text: str = TEXT, key: SigningKey = KEY, **more: object) -> SignedZones:
    facts = {"camera": "cam1", "at_ms": AT_MS, "author": "Li Wei", "reason": "A test", **more}
    facts.setdefault("expected", archive.history().current)
    return archive.publish(text, key, **facts)  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three versions."""
    made = Archive(tmp_path / "cam1")
    for number in (1, 2, 3):
        publish(made, f"{TEXT}# {number}\n")
    return made


def test_versions_count_up_and_name_the_one_before(archive: Archive) -> None:
    past = archive.history([KEY.public])
    assert [entry.head.version for entry in past.entries] == [1, 2, 3]
    assert [entry.head.previous for entry in past.entries] == [None, *(e.sha256 for e in past.entries[:-1])]
    assert (past.current, past.faults, past.unfinished) == (3, (), ())
    current = archive.current()
    assert current is not None
    assert current.sha256 == past.entries[-1].sha256
    assert archive.path_of(2).stat().st_mode & 0o777 == 0o444


def test_an_empty_folder_has_no_history(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "none")
    assert archive.current() is None
    assert archive.history().entries == ()
    with pytest.raises(PatrolError, match="no such version"):
        archive.version(1)


# What was done to a history


def removed(archive: Archive) -> None:
    archive.path_of(2).unlink()


def exchanged(archive: Archive) -> None:
    one, two = archive.path_of(1), archive.path_of(2)
    keep = one.read_bytes()
    one.unlink()
    two.rename(one)
    two.write_bytes(keep)


def rewritten(archive: Archive) -> None:
    """By somebody with a key: the second version says something else, properly signed."""
    other = Archive(archive.folder.parent / "other")
    publish(other, f"{TEXT}# 1\n")
    publish(other, f"{TEXT}# never\n")
    archive.path_of(2).unlink()
    archive.path_of(2).write_bytes(other.path_of(2).read_bytes())


def edited(archive: Archive) -> None:
    path = archive.path_of(2)
    data = path.read_bytes().replace(b"200, 100", b"300, 100")
    path.unlink()
    path.write_bytes(data)


def beginning_cut(archive: Archive) -> None:
    archive.path_of(1).unlink()


def end_cut(archive: Archive) -> None:
    archive.path_of(3).unlink()


def renumbered(archive: Archive) -> None:
    archive.path_of(3).rename(archive.path_of(4))


def current_edited(archive: Archive) -> None:
    archive.current_path.write_bytes(archive.current_path.read_bytes() + b"# more\n")


def current_gone(archive: Archive) -> None:
    archive.current_path.unlink()


@pytest.mark.parametrize(
    ("harm", "version"),
    [
        (removed, 2),
        (exchanged, 1),
        (rewritten, 3),
        (edited, 2),
        (beginning_cut, 1),
        (end_cut, 3),
        (renumbered, 3),
        (current_edited, None),
        (current_gone, None),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_was_done_to_a_history_is_noticed(
    archive: Archive, harm: Callable[[Archive], None], version: int | None
) -> None:
    harm(archive)
    faults = archive.history([KEY.public]).faults
    assert faults
    assert faults[0].version == version


def test_the_newest_versions_cannot_be_cut_off_from_who_wrote_a_hash_down(archive: Archive) -> None:
    known = archive.history().entries[-1].sha256
    assert archive.history(contains=[known[:12]]).faults == ()
    archive.path_of(3).unlink()
    archive.current_path.write_bytes(archive.path_of(2).read_bytes())
    assert archive.history().faults == (), "nothing in the folder tells"
    assert "no version has the hash" in archive.history(contains=[known[:12]]).faults[0].problem


def test_a_version_by_somebody_else_is_noticed_where_keys_are_given(archive: Archive) -> None:
    publish(archive, f"{TEXT}# 4\n", STRANGER)
    assert archive.history().faults == ()
    assert [fault.version for fault in archive.history([KEY.public]).faults] == [4, None]
    assert archive.history([KEY.public, STRANGER.public]).faults == ()


def test_nothing_is_built_on_a_damaged_history(archive: Archive) -> None:
    archive.path_of(2).unlink()
    with pytest.raises(PatrolError, match="the history is damaged: version 2 is missing"):
        publish(archive, expected=3)
    assert archive.numbers() == [1, 3]


def test_publishing_mends_a_current_file_that_was_changed(archive: Archive) -> None:
    current_edited(archive)
    publish(archive, f"{TEXT}# 4\n")
    past = archive.history()
    assert (past.current, past.faults) == (4, ())


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (TEXT.replace("cam1", "cam2"), {}, "belong to camera cam2"),
        (TEXT.replace("cam1", "cam2"), {"camera": "cam2"}, "holds zones of camera cam1"),
        (TEXT.replace("[200, 100]", "[10, 90]").replace("[200, 10]", "[200, 300]"), {}, "crosses itself"),
        (TEXT, {"author": ""}, "cannot be published"),
        (TEXT, {"expected": 2}, "Li Wei has published version 3 meanwhile"),
        (TEXT, {"expected": None}, "Li Wei has published version 3 meanwhile"),
    ],
)
def test_what_may_not_be_published_leaves_no_trace(
    archive: Archive, text: str, more: dict[str, object], said: str
) -> None:
    before = archive.current_path.read_bytes()
    with pytest.raises(PatrolError, match=said):
        publish(archive, text, **more)
    assert archive.numbers() == [1, 2, 3]
    assert archive.current_path.read_bytes() == before


# Crashes and races


class Crash(BaseException):
    """The process is gone."""


_STEPS = ("write", "fsync", "link", "replace", "unlink", "fchmod")


def crash_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> list[str]:
    """Let the process die before one of its file system calls, the `steps`-th of them."""
    done: list[str] = []

    def guard(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if len(done) >= steps:
                raise Crash(name)
            done.append(name)
            return real(*arguments, **options)

        return call

    for name in ("fsync", "link", "fchmod", "open"):
        monkeypatch.setattr(os, name, guard(name, getattr(os, name)))
    for name in ("replace", "mkdir"):
        monkeypatch.setattr(Path, name, guard(name, getattr(Path, name)))
    return done


def test_a_crash_anywhere_leaves_the_old_version_in_force_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every point between two file system calls is tried; afterwards the next publishing goes through."""
    outcomes = []
    for steps in range(100):
        archive = Archive(tmp_path / str(steps))
        first = publish(archive)
        with monkeypatch.context() as patch:
            done = crash_after(patch, steps)
            try:
                publish(archive, f"{TEXT}# 2\n", expected=1)
                crashed = False
            except Crash:
                crashed = True
        current = archive.current()
        assert current is not None
        past = archive.history([KEY.public])
        assert past.faults == ()
        outcomes.append((current.head.version, len(past.entries)))
        assert current.sha256 == (first.sha256 if current.head.version == 1 else past.entries[-1].sha256)
        publish(archive, f"{TEXT}# 3\n", reason="Again")
        after = archive.history([KEY.public])
        assert (after.faults, after.unfinished) == ((), ())
        assert after.current == after.entries[-1].head.version
        assert not [path for path in archive.folder.rglob(".*") if path.name != ".lock"], (
            "nothing half is left"
        )
        if not crashed:
            break
    assert set(outcomes) == {(1, 1), (1, 2), (2, 2)}, done


RACE = """
import sys
from pathlib import Path
from zones.publishing import Archive, SigningKey
from protocol.errors import PatrolError

folder, key, name = sys.argv[1:]
archive, signer = Archive(Path(folder)), SigningKey.load(Path(key))
text = Path(folder).with_name("draft.toml").read_text("utf-8")
print("ready", flush=True)
sys.stdin.readline()
won = 0
for number in range(10):
    expected = archive.history().current
    try:
        done = archive.publish(f"{text}# {name} {number}\\n", signer, camera="cam1", at_ms=1, author=name, reason="race",
                               expected=expected)
        won += 1
    except PatrolError as error:
        assert "meanwhile" in error.problem, error
print(won)
"""


def test_two_who_publish_at_once_never_get_the_same_number(tmp_path: Path, root: Path) -> None:
    """Each publishes only on what it has looked at: as many versions as successes, in one unbroken chain."""
    (tmp_path / "draft.toml").write_text(TEXT, "utf-8")
    KEY.save(tmp_path / "k.pem")
    folder = tmp_path / "cam1"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(folder), str(tmp_path / "k.pem"), name],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("Li", "Wang", "Zhang")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    won = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    past = Archive(folder).history([KEY.public])
    assert past.faults == ()
    assert len(past.entries) == sum(won) == past.current
    by_author = [entry.head.author for entry in past.entries]
    assert [by_author.count(name) for name in ("Li", "Wang", "Zhang")] == won


def test_without_a_lock_the_number_itself_decides(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system whose locks do nothing, somebody takes version 4 between the look and the write."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    rival = Archive(archive.folder)
    real = Archive.path_of

    def overtake(self: Archive, version: int) -> Path:
        if version == 4 and self is archive and not real(self, 4).exists():
            publish(rival, f"{TEXT}# rival\n", author="Wang")
        return real(self, version)

    monkeypatch.setattr(Archive, "path_of", overtake)
    with pytest.raises(PatrolError, match="Wang has published version 4 meanwhile"):
        publish(archive, f"{TEXT}# mine\n", expected=3)
    current = archive.current()
    assert current is not None
    assert (current.head.author, archive.numbers()) == ("Wang", [1, 2, 3, 4])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError):
        publish(Archive(tmp_path / "file" / "cam1"), expected=None)
