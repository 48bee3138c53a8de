"""What each figure means, in words that stand beside it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

DEFINITIONS = {
    "cases": _("Cases whose vehicle was first seen in the period."),
    "departure": _(
        "Of the vehicles whose owner was warned in the period and of which it was proven what happened, the share that"
        " left before a task was issued. Vehicles of which the camera could not tell, and clocks that still run, are"
        " counted apart and not in the rate."
    ),
    "on_time": _(
        "Of the tasks whose deadline lay in the period and has passed, the share that an officer closed by then. Open"
        " ones past their deadline count as late; tasks that were retracted needed nobody and are left out."
    ),
    "interval": _(
        "In brackets: the interval in which the true share lies with a confidence of 95 % (Wilson). Few cases give a"
        " wide one."
    ),
    "results": _("What officers found, by when the task ended."),
    "places": _("Zones with three cases or more in the period. Days: on how many different days."),
    "officers": _(
        "Accepted and closed in the period; minutes: median from accepting to closing; open: held at this moment."
    ),
    "precision": _(
        "Of the tasks that ended in the period and told something about the camera, the share in which the officer found"
        " a violation. A vehicle that was gone tells nothing. Each version of a zone's rules counts by itself."
    ),
    "endings": _(
        "Cases closed in the period, by how they ended; other: the result of the task says it. Opened again: closed for"
        " a second time or more. Resolved on time: of the resolution promises that were due in the period, the share"
        " kept by then."
    ),
    "days": _(
        "Cases by the day they began, warnings by the day they were sent, tasks by the day they were issued."
    ),
}
