"""The words in which a jurisdiction warns owners: checked, kept with author and reason, and counting from their commit."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from central.notices.models import NoticeText
from central.project.clock import now_ms
from notifier.wording import SHIPPED, flaws
from protocol.errors import PatrolError


def wording_of(jurisdiction_id: str) -> dict[str, str]:
    """Language -> the jurisdiction's own words; none where those of the distribution count. One query a language."""
    found = {language: versions(jurisdiction_id, language).first() for language in SHIPPED}
    return {language: row.text for language, row in found.items() if row is not None and row.text}


def versions(jurisdiction_id: str, language: str) -> QuerySet[NoticeText]:
    """All that was ever put in force, newest first."""
    every: QuerySet[NoticeText] = NoticeText.objects.unscoped(
        "words that are sent to whoever is warned in this jurisdiction"
    )
    return every.filter(jurisdiction_id=jurisdiction_id, language=language).order_by("-pk")


def put(jurisdiction_id: str, language: str, text: str, *, reason: str, author: str) -> NoticeText:
    """Put words in force for the next message; empty ones go back to the distribution's.

    Raises:
        PatrolError: the words cannot be sent, are in force already, or no reason is given; nothing is stored.
    """
    text, reason = text.strip(), reason.replace("\x00", "").strip()
    if language not in SHIPPED:
        raise PatrolError(
            "there is no such language", field="language", value=language, mend=f"One of {', '.join(SHIPPED)}"
        )
    found = list(flaws(text)) if text else []
    if found:
        raise PatrolError(found[0].problem, field="text", value=found[0].name or None)
    if not reason:
        raise PatrolError("other words need a reason", field="reason")
    with transaction.atomic():
        newest = versions(jurisdiction_id, language).first()
        if text == ("" if newest is None else newest.text):
            raise PatrolError("these words are in force already", field="text")
        return NoticeText.objects.create(
            jurisdiction_id=jurisdiction_id,
            language=language,
            text=text,
            reason=reason[:300],
            author=author[:160],
            at_ms=now_ms(),
        )
