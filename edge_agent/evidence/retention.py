"""Deleting evidence after its term, with a signed receipt for every case.

A receipt says which pictures, by hash, were deleted when; it holds nothing of what they showed. Receipts are
lines of one file, chained and signed like manifests. They are on disk before the first picture goes, so a
crash in between leaves a receipt and a case that the next run deletes, never a case gone without a receipt.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.evidence.canonical import canonical, digest
from edge_agent.evidence.keys import AgentKey, PublicKey
from edge_agent.evidence.manifest import Hex64, Package, read_package
from edge_agent.evidence.seal import PURGING
from edge_agent.evidence.verify import CaseReport, case_folders, verify_case
from edge_agent.files import make_folder, storage_errors, sync_folder, write_atomically
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import Ident, Sha256


class Receipt(BaseModel):
    """Proof that one case's pictures were deleted, and which ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["street-patrol/deletion/1"] = "street-patrol/deletion/1"
    seq: int = Field(ge=0)
    previous: Sha256 | None = Field(description="Hash of the receipt before this one.")
    jurisdiction_id: Ident
    agent_id: Ident
    case_id: Ident
    purged_at_ms: Millis
    older_than_ms: Millis = Field(description="Everything of the case was taken before this instant.")
    first_taken_at_ms: Millis
    last_taken_at_ms: Millis
    head: Sha256 = Field(description="Hash of the case's last manifest.")
    pictures: tuple[Sha256, ...]


class SignedReceipt(BaseModel):
    """One line of the file of receipts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    receipt: Receipt
    sha256: Sha256
    signature: Hex64


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge did.

    Attributes:
        purged: cases deleted (or, in a dry run, that would be).
        kept_broken: cases that are due but do not verify: they are kept, for they may be needed to find out
            who altered them.
    """

    purged: tuple[str, ...]
    kept_broken: tuple[CaseReport, ...]


def purge(
    root: Path,
    *,
    older_than_ms: Millis,
    now_ms: Millis,
    key: AgentKey,
    receipts: Path,
    keep: Iterable[str] = (),
    dry_run: bool = False,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> PurgeReport:
    """Delete the cases whose newest picture is older than an instant.

    Args:
        root: the folder that holds the cases.
        older_than_ms: UTC milliseconds; a case with any picture taken at or after this stays whole.
        now_ms: written into the receipts.
        key: the agent's own, which signed the cases and signs the receipts.
        receipts: file of receipts, grown by one line per case.
        keep: cases to leave alone, for a legal hold.
        dry_run: only say what would be done.
        progress: wraps the folders while they are read.

    Raises:
        PatrolError: no such folder, or the receipts are damaged or another agent's.
        UnavailableError: the disk refuses; no case was deleted without a receipt.
    """
    held = set(keep)
    written = read_receipts(receipts, key.public) if receipts.exists() else []
    having = {(each.receipt.case_id, each.receipt.head) for each in written}
    due: list[tuple[Path, Package]] = []
    broken = []
    folders = _cases(root)
    for folder in progress(folders):
        try:
            package = read_package(folder)
        except PatrolError:
            package = None
        if package is None:
            report = verify_case(folder, key.public)
            broken.append(report)
            continue
        if package.case_id in held or folder.name in held or _newest(package) >= older_than_ms:
            continue
        report = verify_case(folder, key.public)
        if report.intact:
            due.append((folder, package))
        else:
            broken.append(report)
    if not dry_run and due:
        for _, package in due:
            if (package.case_id, package.entries[-1].sha256) not in having:
                written.append(_sign(_receipt(package, written, now_ms, older_than_ms), key))
        make_folder(receipts.parent)
        write_atomically(receipts, b"".join(_line(each) for each in written))
        for folder, _ in due:
            _delete(folder)
    return PurgeReport(tuple(package.case_id for _, package in due), tuple(broken))


def read_receipts(path: Path, public_key: PublicKey) -> list[SignedReceipt]:
    """The receipts in a file, each checked with its signature and its place in the chain.

    Raises:
        PatrolError: a line is damaged, out of order or signed by another key; the error names the line.
        UnavailableError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
    found: list[SignedReceipt] = []
    for number, line in enumerate(lines, 1):
        problem = ""
        try:
            signed = SignedReceipt.model_validate(json.loads(line))
            data = canonical(signed.receipt.model_dump(mode="json"))
        except (ValidationError, ValueError, RecursionError):
            problem = "is no receipt"
        else:
            if line != _line(signed) or digest(data) != signed.sha256:
                problem = "was altered"
            elif not public_key.verifies(bytes.fromhex(signed.signature), data):
                problem = "is not signed by this key"
            elif signed.receipt.seq != len(found) or signed.receipt.previous != _head(found):
                problem = "is out of order, or a line before it was removed"
        if problem:
            raise PatrolError(
                f"this line {problem}",
                file=path,
                field=f"line {number}",
                mend="Restore the file from a backup, or name a new file for receipts from now on",
            )
        found.append(signed)
    return found


def _cases(root: Path) -> list[Path]:
    if root.is_dir():
        for leftover in root.glob(f"{PURGING}*"):
            with storage_errors(leftover):
                shutil.rmtree(leftover)
        if not any(each.is_dir() and not each.name.startswith(".") for each in root.iterdir()):
            return []
    return case_folders(root)


def _receipt(
    package: Package, written: list[SignedReceipt], now_ms: Millis, older_than_ms: Millis
) -> Receipt:
    manifests = [entry.manifest for entry in package.entries]
    return Receipt(
        seq=len(written),
        previous=_head(written),
        jurisdiction_id=manifests[-1].sealer.jurisdiction_id,
        agent_id=manifests[-1].sealer.agent_id,
        case_id=package.case_id,
        purged_at_ms=now_ms,
        older_than_ms=older_than_ms,
        first_taken_at_ms=min(each.meta.taken_at_ms for each in manifests),
        last_taken_at_ms=_newest(package),
        head=package.entries[-1].sha256,
        pictures=tuple(each.picture.sha256 for each in manifests),
    )


def _sign(receipt: Receipt, key: AgentKey) -> SignedReceipt:
    data = canonical(receipt.model_dump(mode="json"))
    return SignedReceipt(receipt=receipt, sha256=digest(data), signature=key.sign(data).hex())


def _line(signed: SignedReceipt) -> bytes:
    return canonical(signed.model_dump(mode="json")) + b"\n"


def _head(written: list[SignedReceipt]) -> str | None:
    return written[-1].sha256 if written else None


def _newest(package: Package) -> Millis:
    return max(entry.manifest.meta.taken_at_ms for entry in package.entries)


def _delete(folder: Path) -> None:
    """Take a case out of sight in one step, then delete it; a crash in between is finished by the next run."""
    hidden = folder.with_name(PURGING + folder.name)
    with storage_errors(folder):
        folder.replace(hidden)
        sync_folder(folder.parent)
        shutil.rmtree(hidden)
