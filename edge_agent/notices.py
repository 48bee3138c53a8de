"""Whom to warn and in which words, from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.cases import Case
from edge_agent.config import AgentConfig
from edge_agent.identity import Identity
from notifier.notice import NoticeFacts, render
from notifier.owners import NoDirectory, OwnerDirectory
from notifier.owners._key import key_from_file
from notifier.owners.local import LocalDirectory
from notifier.sms import reference
from protocol.clock import Clock


def make_owners(config: AgentConfig, clock: Clock) -> OwnerDirectory:
    """Who knows the owners.

    Raises:
        PatrolError: the key does not fit the table, or others may read it.
    """
    owners = config.owners
    if owners.kind == "local" and owners.database is not None and owners.key_file is not None:
        return LocalDirectory(owners.database, key_from_file(owners.key_file), clock)
    return NoDirectory()


def notice_text(config: AgentConfig, identity: Identity) -> Callable[[Case, str], str]:
    """Writes the warning of a case: one text, in the configured languages."""

    def write(case: Case, plate: str) -> str:
        facts = NoticeFacts(
            plate=plate,
            place=case.place or case.zone.name,
            deadline_ms=case.changed_ms + round(case.zone.grace_s * 1000),
            grace_minutes=max(1, round(case.zone.grace_s / 60)),
            time_zone=config.agent.time_zone,
            reference=reference(identity.key(case, "notice")),
            sender=config.agent.sender,
        )
        return "\n".join(render(facts, language).text for language in config.agent.languages)

    return write
