"""The access log is a chain, one for each jurisdiction: each line holds the hash of the one before, so that no edit goes unseen.

As with the histories of cases, a line's hash covers what is stored. The database refuses changes; the chain shows those of
somebody who had the means to make it not refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from central.people.models import AccessChain, SensitiveRead
from central.project.chain import GENESIS, Walk, hash_of
from central.project.snapshot import snapshot

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class LogFault:
    """A place where the access log is not what was written."""

    jurisdiction_id: str
    line: int
    problem: str


@dataclass(slots=True)
class LogAudit:
    """What verifying found. `digest` stands for all heads: note it down elsewhere to see later loss."""

    lines: int = 0
    digest: str = ""


def append(read: SensitiveRead) -> None:
    """Store a line at the end of its jurisdiction's chain, in a transaction of its own or the one under way.

    Writers of one jurisdiction pass one after the other, for as long as their transactions last; others do not wait for them.
    """
    chains = AccessChain.objects.select_for_update()
    with transaction.atomic():
        chain = chains.filter(pk=read.jurisdiction_id).first()
        if chain is None:
            # Of two at once the second waits here and then finds the first one's row.
            AccessChain.objects.bulk_create(
                [AccessChain(jurisdiction_id=read.jurisdiction_id)], ignore_conflicts=True
            )
            chain = chains.get(pk=read.jurisdiction_id)
        read.line = chain.length + 1
        read.previous_sha256 = chain.head_sha256 or GENESIS
        read.sha256 = digest(read)
        read.save(force_insert=True)
        chain.length, chain.head_sha256 = read.line, read.sha256
        chain.save(update_fields=["length", "head_sha256"])


def digest(read: SensitiveRead) -> str:
    """The hash that this line must have."""
    told = [
        read.jurisdiction_id,
        read.line,
        read.at_ms,
        read.user_id,
        read.name,
        read.role,
        read.subject,
        read.number,
        read.fields,
        read.purpose,
        read.address,
        read.previous_sha256,
    ]
    return hash_of(told)


def verify(audit: LogAudit) -> Iterator[LogFault]:
    """Walk every chain and yield each fault; `audit` is filled on the way. Lines that are written meanwhile are not mixed in."""
    with snapshot():
        yield from _verify(audit)


def _verify(audit: LogAudit) -> Iterator[LogFault]:
    total = hashlib.sha256()
    # The order of bytes, whatever the collation: both walks must agree.
    heads = sorted(AccessChain.objects.all(), key=lambda chain: chain.jurisdiction_id)
    for chain in heads:
        place, walk = chain.jurisdiction_id, Walk("line")
        lines = SensitiveRead.objects.filter(jurisdiction_id=place).order_by("line")
        for read in lines.iterator(chunk_size=CHUNK):
            audit.lines += 1
            at = walk.step(read.line, read.previous_sha256, read.sha256, digest(read))
            yield from (LogFault(place, line, problem) for line, problem in at)
        if (walk.number, walk.head) != (chain.length, chain.head_sha256):
            problem = f"the log knows of {chain.length} lines and ends with {walk.number}"
            yield LogFault(place, walk.number, problem)
        total.update(f"{place}:{chain.length}:{chain.head_sha256}\n".encode())
    known = {chain.jurisdiction_id for chain in heads}
    for place in SensitiveRead.objects.order_by().values_list("jurisdiction_id", flat=True).distinct():
        if place not in known:
            yield LogFault(place, 0, "this jurisdiction has lines and no chain")
    audit.digest = total.hexdigest()
