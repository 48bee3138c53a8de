"""The append-only history: each entry holds the hash of the one before, so that no edit goes unseen.

An entry's hash covers the text that is stored, so nothing that a database does to numbers can change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from central.cases.models import Case, HistoryEntry
from central.live.services import announce, case_topic
from central.project.chain import GENESIS, Walk, canonical, hash_of
from central.project.clock import now_ms
from central.project.snapshot import snapshot
from central.project.unit import insert, save


def append(
    case: Case, kind: str, at_ms: int, actor: str, *, changed: Sequence[str] = (), **facts: Any
) -> HistoryEntry:
    """Add an entry. The caller holds the case's lock (`services.lock_case`) and its transaction.

    Args:
        case: locked; its head moves on.
        kind: what happened, a word of `central.pages.words.HISTORY`.
        at_ms: when it happened, by the one who saw it.
        actor: ``agent:…``, ``user:…`` or ``system``.
        changed: further fields of the case to save with its head, in the same statement.
        facts: JSON values; those that are None are left out.
    """
    number = case.history_length + 1
    previous = case.history_head or GENESIS
    recorded = now_ms()
    body = canonical({name: fact for name, fact in facts.items() if fact is not None})
    entry = HistoryEntry(
        case=case,
        number=number,
        kind=kind,
        at_ms=at_ms,
        recorded_at_ms=recorded,
        actor=actor[:160],
        body=body,
        previous_sha256=previous,
    )
    entry.sha256 = digest(entry)
    case.history_length = number
    case.history_head = entry.sha256
    insert(entry)
    save(case, "history_length", "history_head", *changed)
    announce(case_topic(case.pk))
    return entry


def digest(entry: HistoryEntry) -> str:
    """The hash that this entry must have."""
    return hash_of(
        [
            entry.case_id,
            entry.number,
            entry.kind,
            entry.at_ms,
            entry.recorded_at_ms,
            entry.actor,
            entry.body,
            entry.previous_sha256,
        ]
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the history is not what was written."""

    case_id: int
    number: int
    problem: str


@dataclass(slots=True)
class Audit:
    """What verifying found. `digest` stands for all heads: note it down elsewhere to see later loss."""

    cases: int = 0
    entries: int = 0
    digest: str = ""


def verify(audit: Audit) -> Iterator[Fault]:
    """Walk every history and yield each fault; `audit` is filled on the way.

    Each state of a case is followed from its first one by the moves in its history and the rules that it was opened under,
    and must end where the case says that it stands: what is counted can be computed again. The centre may go on working
    meanwhile: cases and histories are read as they were at one moment.
    """
    with snapshot():
        yield from _verify(audit)


def _verify(audit: Audit) -> Iterator[Fault]:
    from central.cases.engine import replay  # it writes histories itself

    total = hashlib.sha256()
    entries = iter(HistoryEntry.objects.order_by("case_id", "number").iterator(chunk_size=2000))
    entry = next(entries, None)
    for case_id, length, head, rules, stands_in in (
        Case.objects.order_by("pk")
        .values_list("pk", "history_length", "history_head", "definition_id", "process_state")
        .iterator(2000)
    ):
        audit.cases += 1
        chain = Walk("entry")
        opened_under, moves = None, []
        while entry is not None and entry.case_id <= case_id:
            if entry.case_id == case_id:
                audit.entries += 1
                at = chain.step(entry.number, entry.previous_sha256, entry.sha256, digest(entry))
                yield from (Fault(case_id, number, problem) for number, problem in at)
                if '"moved":' in entry.body or '"definition":' in entry.body:
                    facts = json.loads(entry.body)
                    moves += facts.get("moved", [])
                    opened_under = opened_under or facts.get("definition")
            entry = next(entries, None)
        if (chain.number, chain.head) != (length, head):
            problem = f"the case knows of {length} entries, the history has {chain.number}"
            yield Fault(case_id, chain.number, problem)
        if opened_under is not None:
            yield from (
                Fault(case_id, chain.number, problem) for problem in replay(opened_under, moves, stands_in)
            )
            if opened_under != rules:
                yield Fault(case_id, chain.number, "the case follows other rules than it was opened under")
        total.update(f"{case_id}:{length}:{head}\n".encode())
    audit.digest = total.hexdigest()
