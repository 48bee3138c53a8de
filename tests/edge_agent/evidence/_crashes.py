"""Run in a Python of its own: die before the n-th touch of the disk, for every n, and look at what is left.

Each attempt is a forked child that leaves without clean-up (`os._exit`) when the audit hook of Python, which
hears of every file that is opened, renamed or removed, has counted to n. Prints one JSON line per attempt.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2

from edge_agent.evidence import AgentKey, EvidenceStore, Vault
from edge_agent.evidence.retention import purge, read_receipts
from edge_agent.evidence.verify import verify_case
from protocol.errors import UnavailableError
from tests.edge_agent.evidence.conftest import SEALER, START_MS, meta_at, street

TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"}
KEY = AgentKey.generate()
PEOPLE = [(200.0, 20.0, 240.0, 150.0)]
FRAMES = {"confirm": street(seed=1), "recheck": street(seed=2)}


def dies_at(root: Path, count: int, work: Callable[[], object]) -> bool:
    """Whether a child that does the work was killed before its `count`-th touch of files under root."""
    child = os.fork()
    if child == 0:
        left = count

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            # Whole trees are removed with paths relative to an open folder, hence the second condition.
            path = str(arguments[0]) if event in TOUCHES else ""
            if path.startswith(str(root)) or (event in ("os.remove", "os.rmdir") and path[:1] != "/"):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(hook)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 9


def open_store(root: Path) -> EvidenceStore:
    return EvidenceStore(root, KEY, SEALER, originals=Vault(b"k" * 32))


def seal(store: EvidenceStore, role: str) -> str:
    second = 600 if role == "recheck" else 0
    return store.seal("case-1", role, FRAMES[role], meta_at(second), people=PEOPLE).sha256  # type: ignore[arg-type]


def tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def sealing(base: Path, role: str) -> None:
    """Die while sealing the first picture of a case, or the second."""
    undisturbed = base / "undisturbed"
    store = open_store(undisturbed)
    wanted = {each: seal(store, each) for each in FRAMES}
    count, died = 0, True
    while died:
        root = base / f"{role}-{count}"
        before = []
        if role == "recheck":
            seal(open_store(root), "confirm")
            before = tree(root)
        died = dies_at(root, count, lambda root=root: seal(open_store(root), role))
        # What somebody sees who looks before the agent is started again.
        seen = verify_case(root / "case-1", KEY.public) if (root / "case-1/manifest.json").exists() else None
        after = open_store(root)
        kept = [ref.role for ref in after.refs("case-1")]
        left = tree(root)
        again = seal(after, role)
        report = verify_case(root / "case-1", KEY.public)
        whole = [*(["confirm"] if role == "recheck" else []), role]
        answer = {
            "step": count,
            "died": died,
            "seen_intact": seen is None or seen.intact,
            "before_or_after": (kept == whole and report.intact) or (kept == whole[:-1] and left == before),
            "same_picture_again": again == wanted[role],
            "intact_again": report.intact and not report.notes,
            "nothing_left": not list(root.glob(".*")) and not list(root.rglob("*.tmp")),
        }
        print(json.dumps(answer), flush=True)
        shutil.rmtree(root)
        count += 1


def purging(base: Path) -> None:
    """Die while purging two cases."""
    count, died = 0, True
    while died:
        root, receipts = base / f"purge-{count}", base / f"purge-{count}.jsonl"
        store = open_store(root)
        for case in ("case-1", "case-2", "case-new"):
            second = 90_000 if case == "case-new" else 0
            store.seal(case, "confirm", FRAMES["confirm"], meta_at(second), people=PEOPLE)

        def work(root: Path = root, receipts: Path = receipts) -> object:
            limit = START_MS + 80_000_000
            return purge(root, older_than_ms=limit, now_ms=limit + 1, key=KEY, receipts=receipts)

        died = dies_at(base, count, work)
        written = read_receipts(receipts, KEY.public) if receipts.exists() else []
        having = {each.receipt.case_id for each in written}
        whole = {each for each in ("case-1", "case-2") if (root / each).exists()}
        whole_are_intact = all(verify_case(root / each, KEY.public).intact for each in whole)
        work()
        final = [each.receipt.case_id for each in read_receipts(receipts, KEY.public)]
        answer = {
            "step": count,
            "died": died,
            "none_gone_without_receipt": {"case-1", "case-2"} - whole <= having,
            "whole_or_gone": whole_are_intact,
            "one_receipt_each": final == ["case-1", "case-2"],
            "all_gone": sorted(each.name for each in root.iterdir()) == ["case-new"],
        }
        print(json.dumps(answer), flush=True)
        shutil.rmtree(root)
        receipts.unlink()
        count += 1


def full_disk(base: Path) -> None:
    """No file may grow beyond a limit: the system refuses the write that would, as a full disk does."""
    root = base / "full"
    for limit in (10, 500, 5_000, 12_000):
        store = open_store(root)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            seal(store, "confirm")
            problem = ""
        except UnavailableError as error:
            problem = error.problem
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answer = {"limit": limit, "says": problem, "nothing_left": tree(root) == []}
        print(json.dumps(answer), flush=True)
    seal(open_store(root), "confirm")
    # A second picture must not cost the first.
    before = tree(root)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
    try:
        seal(open_store(root), "recheck")
        problem = ""
    except UnavailableError as error:
        problem = error.problem
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    intact = verify_case(root / "case-1", KEY.public).intact
    print(
        json.dumps({"limit": 2_000, "says": problem, "nothing_left": tree(root) == before and intact}),
        flush=True,
    )


if __name__ == "__main__":
    cv2.setNumThreads(0)  # threads do not survive a fork
    where, what = Path(sys.argv[1]), sys.argv[2]
    {
        "confirm": lambda: sealing(where, "confirm"),
        "recheck": lambda: sealing(where, "recheck"),
        "purge": lambda: purging(where),
        "full": lambda: full_disk(where),
    }[what]()
