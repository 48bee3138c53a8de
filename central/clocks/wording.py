"""Alerts and the history's entries about clocks, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import formats
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from central.clocks.models import Alert, Kind
from central.project.clock import local
from protocol.errors import PatrolError

ALERTS = {
    "clock_warning": _("%(what)s is due at %(due)s."),
    "clock_breach": _("%(what)s is late: it was due at %(due)s."),
    "clock_escalated": _("%(what)s is late since %(due)s and has come up to %(grid)s."),
    "whistle": _("%(by)s calls %(party)s: %(reason)s"),
    "errand_visit": _("A visit is asked of you, due at %(due)s: %(what_for)s"),
    "errand_supervision": _("You are asked for an account, due at %(due)s: %(what_for)s"),
    "errand_call_back_late": _("A call-back is late: it was due at %(due)s."),
    "errand_visit_late": _("A visit is late: it was due at %(due)s."),
    "errand_supervision_late": _("An account is late: it was due at %(due)s."),
    "errand_return_visit_late": _("A return visit is late: it was due at %(due)s."),
    "reported_matter": _("What you reported, %(title)s: %(state)s."),
    "round_table": _("A matter has come to the round table: plan the meeting (%(number)s)."),
    "missing_year": _(
        "The calendar of %(jurisdiction)s has no days off for %(year)s: due dates in it are provisional."
    ),
}
"""Kind of an alert -> what it says."""

UNITS = {
    "minutes": _("minutes"),
    "hours": _("hours"),
    "working_minutes": _("working minutes"),
    "working_hours": _("working hours"),
    "working_days": _("working days"),
}

REFUSALS = {
    "a reason is needed; it stands in the history": _("Say why: the reason stands in the history."),
    "those who are called need a reason": _("Say why: those who are called want to know."),
    "exactly one of those called leads": _("Say who leads: either a person or a department."),
    "somebody must be called": _("Call at least one person or department."),
    "this party is called twice": _("Somebody is called twice."),
    "there is no such person": _("This person cannot be called."),
    "a whistle sounds for this case already": _("A whistle sounds for this case already."),
    "nobody is called to a case that is closed": _("The case is closed: nobody is called to it any more."),
    "who answers for others notes how they know": _("Note how you know that they heard."),
    "the lead cannot be excused": _("Who leads cannot be excused."),
    "this whistle has ended": _("This whistle has ended."),
}
"""What the services refuse, by their own words -> what a reader of the page is told."""


def refusal(error: PatrolError) -> str:
    """Why it was not done, in the reader's language."""
    return str(
        REFUSALS.get(error.problem, _("The clock has changed meanwhile, or is late: look at it again."))
    )


def alert_text(alert: Alert) -> str:
    """What an alert says."""
    message = ALERTS.get(alert.kind)
    if message is None:
        return alert.kind
    args = {**alert.args}
    args.setdefault("year", "")
    if alert.kind == "reported_matter":
        spoken = (get_language() or "").partition("-")[0]
        args |= alert.args.get(spoken) or alert.args["zh"]
    if "due_at_ms" in args:
        args["due"] = moment(args["due_at_ms"])
        args["what"] = _what(args)
        args["grid"] = args.get("grid") or gettext("the administrators")
    return str(message) % args


def history_detail(kind: str, facts: Mapping[str, Any]) -> str:
    """The second line of a history entry about a clock or a whistle: which, until when, by whose word."""
    if kind.startswith("whistle"):
        parts = [", ".join(facts.get("parties", ())) or facts.get("party", ""), facts.get("reason", "")]
        return " · ".join(part for part in parts if part)
    parts = [_what(facts)]
    if kind in {"clock_started", "clock_resumed", "clock_extended", "clock_reckoned", "clock_warned"}:
        parts.append(gettext("due %(due)s") % {"due": moment(facts["due_at_ms"])})
    if facts.get("provisional"):
        parts.append(gettext("provisional"))
    if kind == "clock_extended":
        parts.append(f"+{facts['amount']:g} {UNITS.get(facts['unit'], facts['unit'])}")
    if kind == "clock_stopped":
        parts.append(gettext("in time") if facts.get("on_time") else gettext("late"))
    if kind == "clock_escalated":
        parts.append(facts.get("grid") or gettext("the administrators"))
    parts.append(facts.get("reason", ""))
    return " · ".join(str(part) for part in parts if part)


def moment(at_ms: int) -> str:
    """Date and time where it is."""
    here = local(at_ms)
    return f"{formats.date_format(here, 'MONTH_DAY_FORMAT')} {here:%H:%M}"


def _what(facts: Mapping[str, Any]) -> str:
    kind = facts.get("clock", "")
    label = str(Kind(kind).label) if kind in Kind.values else str(kind)
    return f"{label} ({facts['party']})" if facts.get("party") else label
