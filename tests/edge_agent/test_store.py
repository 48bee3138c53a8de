"""The agent's database: all or nothing, sealed, and honest about files that are not its own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.cases import Identified, NoticeAccepted, step
from edge_agent.stays import CameraState
from edge_agent.store import SCHEMA_VERSION, Store, connect
from edge_agent.vault import Vault
from notifier.outbox import FileTransactions
from protocol.errors import PatrolError, UnavailableError
from tests.edge_agent.crashing import box
from tests.edge_agent.scripted import Beat
from tests.edge_agent.test_cases import T0, opened

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.db"


def open_store(path: Path, key: bytes = KEY) -> Store:
    return Store(path, Vault(key))


def test_what_is_stored_comes_back_equal(tmp_path: Path) -> None:
    """A whole life of stays with looks, gaps, plates and checks, and a case with its pictures."""
    with box(tmp_path) as one:
        one.live([Beat("empty")] * 2 + [Beat("A")] * 8 + [Beat("bus")] * 3 + [Beat("A")] * 6)
        state = one.engine.cameras["cam1"].state
        assert state.stays[0].gaps
        assert state.stays[0].plates
        assert one.store.camera("cam1") == state
        (case,) = one.store.open_cases()
        assert case.evidence
        one.store.save_case(case)
        assert one.store.open_cases() == [case]
        assert one.store.case(case.id) == one.store.case_of_stay(case.stay_id) == case


def test_what_names_a_vehicle_is_in_none_of_its_files(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live([Beat("A")] * 24)
        assert one.sms_sent()
        files = [p for p in tmp_path.glob("agent.db*") if p.is_file()]
        assert files
        for file in files:
            data = file.read_bytes()
            for secret in ("沪A8K526", "A8K526", "+8613900000001", "13900000001"):
                assert secret.encode() not in data, (file.name, secret)


def test_a_stay_cannot_have_two_cases(path: Path) -> None:
    store = open_store(path)
    case, _ = opened()
    store.save_case(case)
    other, _ = opened()
    object.__setattr__(other, "id", "C-2")
    with pytest.raises(sqlite3.IntegrityError):
        store.save_case(other)
    store.close()


def test_an_arrival_counts_once_however_often_it_comes(path: Path) -> None:
    store = open_store(path)
    worker = FileTransactions(path)
    for _ in range(3):
        with worker() as db:
            store.arrive(db, "notice_accepted", "C-1", {}, "k#result")
    (arrival,) = store.arrivals()
    store.arrived(arrival)
    with worker() as db:
        store.arrive(db, "notice_accepted", "C-1", {}, "k#result")
    assert store.arrivals() == []
    worker.close()
    store.close()


def test_results_are_taken_in_the_order_in_which_they_came(path: Path) -> None:
    store = open_store(path)
    for number in range(5):
        store.arrive(store.db, "outcome", f"C-{number}", {"outcome_id": f"O{number}"}, f"outcome/O{number}")
    assert [a.case_id for a in store.arrivals()] == [f"C-{n}" for n in range(5)]
    assert [a.case_id for a in store.arrivals(2)] == ["C-0", "C-1"]
    store.close()


def test_a_warning_is_remembered_by_street_and_time(path: Path) -> None:
    store = open_store(path)
    mark = store.vault.mark("京A12345")
    store.note_notice(mark, "Kerb Street", "C-1", T0)
    store.note_notice(mark, "Kerb Street", "C-2", T0 + 5_000)
    assert store.last_notice(mark, "Kerb Street", T0) == "C-2"
    assert store.last_notice(mark, "Kerb Street", T0 + 5_001) is None
    assert store.last_notice(mark, "Other Street", T0) is None
    assert store.last_notice(store.vault.mark("京A12346"), "Kerb Street", T0) is None
    store.forget_notice("C-2")
    assert store.last_notice(mark, "Kerb Street", T0) == "C-1"
    store.close()


def test_old_events_are_forgotten_and_new_ones_are_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.store._EVENTS_KEPT", 500)
    store = open_store(path)
    with store.transaction():
        for number in range(2_000):
            store.add_event(T0 + number, {"n": number})
    kept = [body["n"] for _, body in store.events()]
    assert kept == list(range(1_500, 2_000))
    store.close()


def test_a_full_disk_stores_nothing_of_a_decision_and_says_so(path: Path) -> None:
    store = open_store(path)
    case, _ = opened()
    with store.transaction():
        store.save_case(case)
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")
    warned, _ = step(case, Identified(T0, "京A12345", 0.99))
    warned, _ = step(warned, NoticeAccepted(T0 + 1_000))

    def decide() -> None:
        with store.transaction():
            store.save_case(warned)
            store.add_event(T0, {"reason": "x" * 100_000})

    with pytest.raises(UnavailableError, match=r"full") as told:
        decide()
    assert told.value.file == str(path)
    assert told.value.mend is not None
    assert "Free space" in told.value.mend
    assert store.open_cases() == [case]
    assert store.events() == []
    store.db.execute("PRAGMA max_page_count = 100000")
    decide()
    assert store.open_cases() == [warned]
    assert len(store.events()) == 1
    store.close()


def test_a_mistake_inside_a_decision_stores_nothing(path: Path) -> None:
    store = open_store(path)

    def decide() -> None:
        with store.transaction():
            store.save_camera(CameraState("cam1", T0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide()
    assert store.camera_ids() == []
    assert not store.db.in_transaction
    store.close()


def test_a_newer_version_is_left_alone(path: Path) -> None:
    open_store(path).close()
    db = connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(PatrolError, match="newer version") as told:
        open_store(path)
    assert told.value.exit_code == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"these are notes, not a database\n" * 300, id="something else"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 9_000, id="a torn header"),
    ],
)
def test_a_file_that_is_no_database_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(PatrolError) as told:
        open_store(path)
    assert told.value.file == str(path)
    assert told.value.exit_code == 2
    assert path.read_bytes() == content


def test_a_damaged_database_is_told_and_not_used(path: Path) -> None:
    store = open_store(path)
    with store.transaction():
        for number in range(400):
            store.add_event(T0, {"n": number, "text": "y" * 200})
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 600] = b"\xee" * 600
    path.write_bytes(bytes(data))
    with pytest.raises(PatrolError) as told:
        open_store(path)
    assert told.value.file == str(path)
    assert told.value.mend is not None


def test_another_box_key_does_not_open_it(path: Path) -> None:
    store = open_store(path)
    case, _ = opened()
    store.save_case(case)
    store.close()
    other = open_store(path, bytes(32))
    with pytest.raises(PatrolError, match="key"):
        other.open_cases()
    other.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError) as told:
        open_store(tmp_path / "file" / "agent.db")
    assert told.value.exit_code == 3


def test_a_disk_that_is_full_at_the_first_start_leaves_no_half_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "box.key"
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from edge_agent.vault import Vault\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))\n"
        "Vault.open(Path(sys.argv[1]))\n"
    )
    full = subprocess.run([sys.executable, "-B", "-c", script, str(path)], capture_output=True, text=True)
    assert "UnavailableError" in full.stderr
    assert list(path.parent.iterdir()) == []
    assert Vault.open(path).unseal(Vault.open(path).seal(b"x")) == b"x"
