"""Whoever told of a matter is written to at each step that its service names; by number, or in the pages by log-in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction

from central.cases.models import Case, Reporter, Told
from central.cases.reporters import contact_of
from central.cases.rules import definition_of
from central.clocks.alerts import To, tell
from central.contact.services import send, unreachable
from central.project.clock import now_ms
from protocol.errors import PatrolError, UnavailableError

CATCH_UP_MS = 3 * 86_400_000
"""Steps that are older are news to nobody."""

KIND = "case_step"
ALERT = "reported_matter"

Link = Callable[[Case, Reporter], str]
_links: list[Link] = []

TEXT = {
    "zh": "您反映的“{title}”（案件 {number}）：{state}。{link}",
    "en": "Your report “{title}” (case {number}): {state}.{link}",
}


def offer_link(link: Link) -> None:
    """Name what knows a page on which a reporter can follow a case: it answers an address, or nothing."""
    if link not in _links:
        _links.append(link)


def on_told(case: Case, told: Iterable[Told], **_: Any) -> None:
    """Write to each of them, in the transaction of the step."""
    definition = definition_of(case)
    for one in told:
        reporter = one.reporter
        state = definition.by_name.get(one.process_state)
        titles = definition.titles if state is None else state.titles
        key = f"told/{one.pk}"
        if reporter.user_id is not None:
            tell(
                case.jurisdiction_id,
                [To(user_id=reporter.user_id)],
                key=key,
                kind=ALERT,
                at_ms=one.at_ms,
                case=case,
                zh={"title": definition.titles.zh, "state": titles.zh},
                en={"title": definition.titles.en, "state": titles.en},
            )
            Told.objects.filter(pk=one.pk, sent_at_ms__isnull=True).update(sent_at_ms=one.at_ms)
            continue
        try:
            contact = contact_of(reporter)
            if not contact.phone:
                raise PatrolError("the reporter gave no number", field="phone")
            link = next((found for ask in _links if (found := ask(case, reporter))), "")
            values = {"number": str(case.pk), "link": link}
            text = {
                "zh": TEXT["zh"].format(
                    title=definition.titles.zh, state=titles.zh, number=case.pk, link=link
                ),
                "en": TEXT["en"].format(
                    title=definition.titles.en, state=titles.en, number=case.pk, link=link and f" {link}"
                ),
            }
            spoken = "en" if contact.language.lower().startswith("en") else "zh"
            values |= {
                "title": getattr(definition.titles, spoken),
                "state": getattr(titles, spoken),
            }
            send(
                jurisdiction_id=case.jurisdiction_id,
                phone=contact.phone,
                key=key,
                text=text,
                language=contact.language,
                kind=KIND,
                values=values,
                told=one,
            )
        except UnavailableError:
            continue  # the key cannot be used now: `catch_up` tells them later
        except PatrolError as error:
            # A number that cannot be written to must not stop the case.
            unreachable(
                jurisdiction_id=case.jurisdiction_id, key=key, kind=KIND, reason=error.problem, told=one
            )


def catch_up() -> int:
    """Tell of steps that nobody could be written to about when they were taken; how many that were."""
    waiting = Told.objects.filter(
        sent_at_ms__isnull=True, message__isnull=True, at_ms__gt=now_ms() - CATCH_UP_MS
    )
    told = 0
    for one in waiting.select_related("case", "reporter").order_by("pk")[:100]:
        with transaction.atomic():
            on_told(one.case, [one])
        told += 1
    return told
