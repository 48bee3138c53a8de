"""A backup made while agents send, and the way back from it, on both databases; and backups that are not to be trusted."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from central.cases import pictures
from central.cases.history import Audit, verify
from central.cases.models import Case, HistoryEntry
from central.ingest.intake import take_all
from central.live import beats
from central.operations.backup import archive, engines, make
from central.operations.backup.restore import restore
from protocol.errors import PatrolError
from tests.central.street import TOPICS, picture, reference, sha256, task

ONCE = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)


def quiet(*_):
    """Nobody looks at the progress."""


@pytest.fixture
def centre(centre):
    """The programs of the server's own version."""
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, pg_bin=client_programs(centre))):
        yield centre


def client_programs(centre):
    if centre.engine == "sqlite":
        return None
    import pgserver

    return Path(pgserver.__file__).parent / "pginstall" / "bin"


def send(number):
    """A task with a picture, taken."""
    data = picture(number)
    sent = task(case_id=f"case-{number}", pictures=(reference(data),))
    take_all([(TOPICS.of("tasks"), sent.model_dump_json().encode()), (TOPICS.evidence(sha256(data)), data)])
    return data


def rows():
    """Every row of every table but sessions."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if "session" not in table:
                cursor.execute(f'SELECT * FROM "{table}"')
                found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def test_a_backup_made_while_agents_send_brings_back_that_instant(agent, person, browse, centre, tmp_path):
    for number in range(3):
        data = send(number)
    browse(person("wang"))
    begun, stop = threading.Event(), threading.Event()

    def go_on():
        number = 100
        while not stop.is_set():
            send(number)
            number += 1
            begun.set()
        connection.close()

    writer = threading.Thread(target=go_on)
    writer.start()
    assert begun.wait(30)
    before = Case.objects.count()
    path, manifest, _ = make.make(tmp_path / "busy.tar", quiet)
    stop.set()
    writer.join(30)
    assert before <= manifest.cases <= Case.objects.count()
    assert make.verify(path, quiet) == manifest
    assert path.stat().st_mode & 0o077 == 0

    # What happens after the backup is gone after the restore, and nothing is half there.
    for number in range(10, 12):
        send(number)
    pictures.path_of(sha256(data)).unlink()
    with pytest.raises(PatrolError, match="there is a centre"):
        restore(path, quiet)
    done = restore(path, quiet, replace=True)
    assert done.good, (done.differs, done.faults)
    assert done.files == 1
    assert Case.objects.count() == manifest.cases == manifest.counts["cases_case"]
    audit = Audit()
    assert list(verify(audit)) == []
    assert audit.digest == manifest.digest
    assert pictures.path_of(sha256(data)).read_bytes() == data

    # In peace, every row of every table is the same afterwards, but sessions: those are over.
    quiet_before = rows()
    path, manifest, _ = make.make(tmp_path / "quiet.tar", quiet)
    send(500)
    assert restore(path, quiet, replace=True).good
    assert rows() == quiet_before
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM django_session")
        assert cursor.fetchone() == (0,)
    # It is a working database: ids go on, and histories still cannot be changed.
    send(501)
    assert Case.objects.count() == manifest.cases + 1
    with pytest.raises(Exception, match=r"append|history"):
        HistoryEntry.objects.update(actor="somebody")


@ONCE
def test_a_backup_into_an_empty_place_by_command(agent, centre, tmp_path):
    send(1)
    new, out = tmp_path / "new", tmp_path / "backups"
    out.mkdir()

    def patrol(*arguments, **env):
        command = [sys.executable, "-m", "patrol", "central", *arguments]
        return subprocess.run(command, env=centre.env(**env), capture_output=True, text=True, timeout=60)

    connection.close()
    done = patrol("backup", "--out", str(out), "--keep", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["keys"]) == {"secret_key"}
    with tarfile.open(told["file"]) as tar:
        names = tar.getnames()
    assert names[0] == "database.sqlite3"
    assert names[-1] == "manifest.json"
    assert not any("key" in name for name in names)
    again = patrol("restore", told["file"], "--json", PATROL_CENTRAL_DATA=str(new))
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert answer["good"]
    assert (answer["digest"], answer["cases"]) == (told["digest"], 1)
    assert answer["keys"] == {"secret_key": "other"}, (
        "the key was not in the backup, and another one was made"
    )


@ONCE
def test_what_is_damaged_or_newer_or_in_use_changes_nothing(agent, centre, tmp_path):
    send(1)
    path, _, _ = make.make(tmp_path / "good.tar", quiet)
    before = rows()
    text = path.read_bytes()

    def refused(match, *, replace=True, data=None):
        file = tmp_path / "other.tar"
        file.write_bytes(text if data is None else data)
        with pytest.raises(PatrolError, match=match):
            restore(file, quiet, replace=replace)
        assert rows() == before

    refused("damaged", data=text[: len(text) // 2])
    refused("damaged", data=b"no tar at all" * 1000)
    at = text.index(b"\xff\xd8\xff") + 200
    refused("evidence/|thumbnails/", data=text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
    refused("manifest", data=text[: text.index(b"manifest.json") - 10] + bytes(10240))

    def packed(name):
        file = tmp_path / "evil.tar"
        with tarfile.open(file, "w") as tar:
            info = tarfile.TarInfo(name)
            info.size = 0
            tar.addfile(info)
        return file.read_bytes()

    for name in ("media/evidence/../../../evil", "/etc/passwd", "media/evidence/aa/secret_key"):
        refused("does not belong", data=packed(name))
    told = archive.read(path, quiet)
    for changed, match in (
        ({"migrations": [*told.migrations, "cases.0999_later"]}, "newer version"),
        ({"engine": "postgresql"}, "is of postgresql"),
        ({"format": 2}, "form"),
    ):
        wrong = json.dumps({**told.as_dict(), **changed}, ensure_ascii=False, indent=1).encode()
        file = tmp_path / "changed.tar"
        with tarfile.open(path) as good, tarfile.open(file, "w") as tar:
            for info in good:
                data = wrong if info.name == "manifest.json" else good.extractfile(info).read()
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        refused(match, data=file.read_bytes())
    beats.Pulse(beats.SWEEP).beat()
    before = rows()
    refused("workers are running: sweep")
    centre.clock.advance(beats.SILENT_MS + 1)
    refused("there is a centre", replace=False)
    with pytest.raises(PatrolError, match="exists already"):
        make.make(path, quiet)


@ONCE
def test_a_full_disk_leaves_no_half_backup_and_only_as_many_as_wanted_are_kept(
    agent, centre, tmp_path, monkeypatch
):
    folder = tmp_path / "backups"
    folder.mkdir()
    made = []
    for _ in range(3):
        made.append(make.make(folder, quiet, keep=2)[0])
        centre.clock.advance(1000)
    assert sorted(folder.iterdir()) == sorted(made[1:])
    shutil.copy(made[2], folder / "my-own-copy.tar")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.Writer, "finish", full)
    with pytest.raises(PatrolError, match="No space left"):
        make.make(folder, quiet, keep=1)
    assert len(list(folder.iterdir())) == 3, "nothing was deleted, and no draft was left"


@ONCE
def test_programs_that_are_missing_are_named(centre, tmp_path):
    nowhere = dataclasses.replace(settings.PATROL, pg_bin=tmp_path)
    with override_settings(PATROL=nowhere), pytest.raises(PatrolError, match="pg_dump is not there"):
        engines._run("pg_dump", environment={})
