"""Evidence goes after its term, and a signed receipt stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.evidence import AgentKey, EvidenceStore
from edge_agent.evidence.retention import PurgeReport, purge, read_receipts
from protocol.errors import PatrolError
from tests.edge_agent.evidence.conftest import START_MS

DAY_MS = 86_400_000
NOW = START_MS + 200 * DAY_MS
Seal = Callable[..., Path]


@pytest.fixture
def receipts(tmp_path: Path) -> Path:
    return tmp_path / "receipts.jsonl"


@pytest.fixture
def run(store: EvidenceStore, key: AgentKey, receipts: Path) -> Callable[..., PurgeReport]:
    def run(days: int = 180, **options: object) -> PurgeReport:
        limit = NOW - days * DAY_MS
        return purge(store.root, older_than_ms=limit, now_ms=NOW, key=key, receipts=receipts, **options)  # type: ignore[arg-type]

    return run


def test_old_cases_go_and_young_ones_stay(
    sealed: Seal, run: Callable[..., PurgeReport], store: EvidenceStore
) -> None:
    sealed("old")
    sealed("young", second=30 * 86_400)
    assert run().purged == ("old",)
    assert [each.name for each in store.root.iterdir()] == ["young"]
    assert run().purged == ()


def test_a_case_is_as_young_as_its_newest_picture(sealed: Seal, run: Callable[..., PurgeReport]) -> None:
    """The first picture is 20 days and 1 s old, the last one 600 s younger."""
    sealed("case-1", second=20 * 86_400 - 599)
    assert run().purged == ()
    sealed("case-2", second=20 * 86_400 - 601)
    assert run().purged == ("case-2",)


def test_a_receipt_names_what_went(
    sealed: Seal, run: Callable[..., PurgeReport], store: EvidenceStore, receipts: Path, key: AgentKey
) -> None:
    sealed("a")
    sealed("b")
    hashes = [ref.sha256 for ref in store.refs("b")]
    run()
    first, second = read_receipts(receipts, key.public)
    assert second.receipt.case_id == "b"
    assert list(second.receipt.pictures) == hashes
    assert second.receipt.purged_at_ms == NOW
    assert (second.receipt.first_taken_at_ms, second.receipt.last_taken_at_ms) == (
        START_MS,
        START_MS + 600_000,
    )
    assert second.receipt.previous == first.sha256


def test_receipts_of_later_purges_go_on_from_the_earlier_ones(
    sealed: Seal, run: Callable[..., PurgeReport], receipts: Path, key: AgentKey
) -> None:
    for case in ("a", "b"):
        sealed(case)
        run()
    assert [each.receipt.case_id for each in read_receipts(receipts, key.public)] == ["a", "b"]


@pytest.mark.parametrize("change", ["byte", "order", "first line gone", "another key", "no receipt"])
def test_changed_receipts_are_seen_and_stop_the_next_purge(
    sealed: Seal, run: Callable[..., PurgeReport], receipts: Path, key: AgentKey, change: str
) -> None:
    sealed("a")
    sealed("b")
    run()
    lines = receipts.read_bytes().splitlines(keepends=True)
    public = key.public
    if change == "byte":
        receipts.write_bytes(lines[0].replace(b'"a"', b'"c"') + lines[1])
    elif change == "order":
        receipts.write_bytes(lines[1] + lines[0])
    elif change == "first line gone":
        receipts.write_bytes(lines[1])
    elif change == "no receipt":
        receipts.write_bytes(lines[0] + b"{}\n")
    else:
        public = AgentKey.generate().public
    with pytest.raises(PatrolError) as caught:
        read_receipts(receipts, public)
    assert caught.value.field == ("line 2" if change == "no receipt" else "line 1")
    if change != "another key":
        folder = sealed("d")
        with pytest.raises(PatrolError):
            run()
        assert folder.exists()


def test_an_altered_case_is_kept_for_an_inquiry(sealed: Seal, run: Callable[..., PurgeReport]) -> None:
    folder = sealed("altered")
    picture = folder / "01-confirm.jpg"
    picture.write_bytes(picture.read_bytes()[:-1])
    sealed("fine")
    unreadable = sealed("unreadable") / "manifest.json"
    unreadable.write_bytes(b"")
    report = run()
    assert report.purged == ("fine",)
    assert [each.folder.name for each in report.kept_broken] == ["altered", "unreadable"]
    assert folder.exists()


def test_a_legal_hold_keeps_a_case(sealed: Seal, run: Callable[..., PurgeReport]) -> None:
    sealed("held")
    sealed("free")
    assert run(keep=["held"]).purged == ("free",)


def test_a_dry_run_deletes_nothing(sealed: Seal, run: Callable[..., PurgeReport], receipts: Path) -> None:
    folder = sealed("old")
    assert run(dry_run=True).purged == ("old",)
    assert folder.exists()
    assert not receipts.exists()


def test_a_folder_without_cases_is_nothing_to_do_but_a_wrong_path_is_an_error(
    store: EvidenceStore, run: Callable[..., PurgeReport], key: AgentKey, receipts: Path
) -> None:
    assert run().purged == ()
    with pytest.raises(PatrolError, match="is no folder"):
        purge(store.root / "x", older_than_ms=0, now_ms=NOW, key=key, receipts=receipts)
