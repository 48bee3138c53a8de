"""Why somebody was asked, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from central.dispatch.choose import Why
from central.dispatch.models import TravelMode

NEAR_M = 50
"""Closer than this nobody needs a figure."""

REASONS = {
    "nobody_on_duty": gettext_lazy("Nobody is on duty for this place."),
    "all_declined": gettext_lazy("Everybody who could go was asked and did not take it."),
}

ENDED = {
    "taken_by_another": gettext_lazy("Somebody else has taken the task."),
    "retracted": gettext_lazy("The task was retracted."),
    "reassigned": gettext_lazy("A dispatcher gave the task to somebody else."),
}
"""Why an offer was withdrawn, where no person said it in words of their own."""


def why_words(why: Why | Mapping[str, Any]) -> str:
    """One line such as ``1.2 km away, about 9 min on foot, 1 open task``; takes a `Why` or what `Offer.why` holds."""
    facts = why if isinstance(why, Mapping) else facts_of(why)
    parts = []
    if facts.get("standing") == "primary":
        parts.append(_("answers for this grid"))
    elif facts.get("standing") == "deputy":
        parts.append(_("deputy for this grid"))
    metres, seconds = facts.get("metres"), facts.get("seconds")
    if metres is None or seconds is None:
        parts.append(_("whereabouts not known"))
    else:
        if metres < NEAR_M and facts.get("source") == "position":
            parts.append(_("is there already"))
        else:
            parts.append(_("%(distance)s away") % {"distance": _distance(metres)})
            minutes = max(1, round(seconds / 60))
            mode = TravelMode(facts["mode"]).label
            parts.append(_("about %(minutes)d min %(mode)s") % {"minutes": minutes, "mode": mode})
        if facts.get("source") == "ground":
            parts.append(_("place guessed from the ground of the duty"))
    load = facts.get("load", 0)
    if load == 0:
        parts.append(_("no open task"))
    else:
        parts.append(_("1 open task") if load == 1 else _("%(count)d open tasks") % {"count": load})
    if facts.get("asked", 0):
        parts.append(_("was asked before"))
    return _(", ").join(parts)


def facts_of(why: Why) -> dict[str, Any]:
    """What `Offer.why` keeps."""
    return {
        "standing": why.standing,
        "source": why.source,
        "metres": None if why.metres is None else round(why.metres),
        "seconds": None if why.seconds is None else round(why.seconds),
        "age_ms": why.age_ms,
        "mode": why.mode,
        "load": why.load,
        "asked": why.asked,
    }


def _distance(metres: float) -> str:
    return f"{round(metres, -1):.0f} m" if metres < 995 else f"{metres / 1000:.1f} km"
