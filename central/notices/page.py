"""What a message offers beside its words: free bays nearby, and the page behind its link."""

from __future__ import annotations

from central.bays.services import offer_for_case
from central.cases.models import Case
from central.driver.links import link_for
from central.notices.models import Notice
from central.notices.sealing import Content
from notifier.letter import LetterBay
from protocol.clock import Millis

NAMED = 2
"""Bays that a text names: each costs a part of a segment, and the page lists more."""


def with_page(case: Case, notice: Notice, content: Content, now_ms: Millis) -> Content:
    """The content with the nearest free bays, the first held for this driver until the clock ends, and with the address
    of his page. In the transaction in which the message is marked as leaving: what is not sent holds no bay.

    Raises:
        PatrolError: the links' keys cannot be used.
    """
    ends_ms = now_ms + content.letter.grace_ms
    offers = (
        []
        if content.position is None
        else offer_for_case(
            case, vehicle_class=content.vehicle_class, position=content.position, until_ms=ends_ms
        )
    )
    link = link_for(
        jurisdiction_id=case.jurisdiction_id,
        agent_id=notice.agent.agent_id,
        agent_case_id=notice.agent_case_id,
        clock_ends_ms=ends_ms,
    )
    bays = tuple(LetterBay(name=offer.name, distance_m=offer.distance_m) for offer in offers[:NAMED])
    return content.model_copy(
        update={"letter": content.letter.model_copy(update={"link": link, "bays": bays})}
    )
