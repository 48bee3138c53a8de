"""Findings in the reader's language, for the page of those who keep the centre."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from central.operations.state import BAD, GOOD, Finding

NAMES = {
    "database": _("Database"),
    "schema": _("Version of the database"),
    "broker": _("Broker"),
    "clocks": _("Deadlines"),
    "calendar": _("Calendar"),
    "ingest": _("Takes agents' messages"),
    "sweep": _("Warns of deadlines"),
    "dispatch": _("Finds officers"),
    "notices": _("Sends messages to owners"),
    "hotline": _("Reminds of call-backs, talks with the city"),
    "devices": _("Takes devices' messages"),
    "webhooks": _("Tells other systems"),
}
STATES = {
    "ok": _("in order"),
    "working": _("running"),
    "connected": _("receiving"),
    "connecting": _("connecting"),
    "refused": _("refused by the broker"),
    "unreachable": _("unreachable"),
    "disk_full": _("disk full"),
    "database_unavailable": _("database unavailable"),
    "stopped": _("not running"),
    "silent": _("silent"),
    "trouble": _("in trouble"),
    "late": _("behind"),
    "missing": _("missing"),
    "other_version": _("of another version"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as the page shows it; `beat_at_ms` where it is a worker's, `tone` is a colour's name."""

    name: str
    detail: str
    state: str
    tone: str
    beat_at_ms: int | None


def line(finding: Finding) -> Line:
    """A finding in words."""
    worker = finding.name == "worker"
    facts = finding.facts
    detail = str(facts.get("reason") or "") if worker or finding.name == "broker" else finding.subject
    return Line(
        name=str(NAMES[finding.subject if worker else finding.name]),
        detail=detail,
        state=str(STATES.get(finding.word, finding.word)),
        tone={GOOD: "good", BAD: "bad"}.get(finding.tone, "idle"),
        beat_at_ms=facts.get("beat_at_ms") if worker else None,
    )
