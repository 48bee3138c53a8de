"""In which words owners are warned, from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.cases import Case
from edge_agent.config import AgentConfig
from edge_agent.identity import Identity
from notifier.notice import NoticeFacts, render
from notifier.sms import reference


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
