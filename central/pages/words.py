"""The protocol's words in the words of people, translated where they are shown."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from central.cases.models import Case, HistoryEntry
from central.cases.rules import definition_of
from central.cases.states import Result
from central.clocks import wording as clock_wording
from central.dispatch.words import REASONS, why_words
from central.driver.models import ObjectionState, RecheckResult
from central.field.models import Kind
from central.pages.sayings import say

CAMERA_STATES = {
    "connecting": _("connecting"),
    "live": _("live"),
    "stalled": _("stalled"),
    "frozen": _("picture frozen"),
    "unauthorised": _("password refused"),
    "unreachable": _("unreachable"),
    "unsupported": _("format not supported"),
    "ended": _("recording ended"),
    "unknown": _("not known"),
}

INGEST_STATES = {
    "connected": _("receiving"),
    "connecting": _("connecting"),
    "refused": _("refused by the broker"),
    "unreachable": _("broker unreachable"),
    "disk_full": _("disk full"),
    "database_unavailable": _("database unavailable"),
    "stopped": _("not running"),
}

VEHICLES = {
    "car": _("Car"),
    "bus": _("Bus"),
    "truck": _("Truck"),
    "van": _("Van"),
    "motorcycle": _("Motorcycle"),
}

AGENT_STATES = {
    "observing": _("Standing, being observed"),
    "confirmed": _("Violation confirmed"),
    "notified": _("Owner notified, clock running"),
    "unnotifiable": _("Owner could not be notified"),
    "rechecking": _("Clock ended, looking again"),
    "tasked": _("Passed to the officers"),
    "unverified": _("The camera could not tell"),
    "self_corrected": _("Left by itself"),
    "exempt": _("Exempt"),
    "closed": _("Closed at the camera"),
}

EVIDENCE_ROLES = {
    "confirm": _("When confirmed"),
    "recheck": _("After the clock"),
    "plate": _("Plate"),
}

PROBLEMS = {
    "disk_full": _("disk full"),
    "storage": _("the disk refuses"),
    "clock_step": _("the clock stepped"),
    "behind": _("the box has more cameras than it can look at"),
    "sms": _("SMS"),
    "mqtt_offline": _("no connection to the broker"),
    "mqtt_refused": _("refused by the broker"),
    "mqtt_unstable": _("the connection to the broker is unstable"),
    "mqtt_publish_refused": _("the broker refused a message"),
    "mqtt_storage": _("messages cannot be stored"),
    "centre_not_listening": _("the centre does not answer"),
    "messages_dead": _("messages were refused by the centre"),
    "inbox_malformed": _("messages from the centre could not be read"),
}
"""What an agent's health names, before the colon."""

HISTORY = {
    "opened": _("Case opened"),
    "grid": _("Lies in a grid"),
    "agent_step": _("Camera"),
    "task_issued": _("Task received"),
    "task_repeated": _("Task received again, one is open already"),
    "task_retracted": _("Task retracted"),
    "retraction_first": _("Retraction received before its task"),
    "retraction_too_late": _("Retraction received after the task had ended"),
    "picture": _("Picture received and verified"),
    "bay_held": _("A bay is held for the driver"),
    "driver_left": _("The driver says that he has left; the camera looks again"),
    "recheck_answered": _("The camera has looked again"),
    "objection": _("The driver says that it is another vehicle"),
    "objection_reviewed": _("The objection was reviewed"),
    "accepted": _("Accepted by an officer"),
    "outcome": _("Closed by the officer"),
    "offered": _("Offered to an officer"),
    "offer_declined": _("The officer declined"),
    "offer_withdrawn": _("The offer was withdrawn"),
    "handed_over": _("The grid was handed over"),
    "handover_asked": _("A dispatcher decides whether the task stays"),
    "handover_kept": _("The task stays with the officer"),
    "offer_expired": _("The officer did not answer in time"),
    "unassigned": _("Nobody found"),
    "reassigned": _("Given to an officer by a dispatcher"),
    "outcome_applied": _("The agent has applied the outcome"),
    "notice_asked": _("A message to the owner was asked for"),
    "notice_held": _("The message waits for its hour"),
    "notice_accepted": _("The gateway accepted the message"),
    "notice_refused": _("The message was not sent"),
    "notice_unknown": _("Nobody knows whether the message went out"),
    "notice_cancelled": _("The message is not needed any more"),
    "notice_delivered": _("The message was delivered"),
    "notice_failed": _("The message did not reach the phone"),
    "notice_taken": _("The agent knows what became of the message"),
    "attachment": _("Photo added"),
    "moved": _("Taken further"),
    "note": _("Note added"),
    "commitment": _("Commitment made"),
    "commitment_ended": _("Commitment ended"),
    "linked": _("Belongs to another case now"),
    "unlinked": _("Stands for itself again"),
    "likeness": _("Like another case"),
    "clock_started": _("Deadline set"),
    "clock_paused": _("Clock paused"),
    "clock_resumed": _("Clock resumed"),
    "clock_extended": _("Deadline extended"),
    "clock_reckoned": _("Deadline reckoned anew: the calendar has changed"),
    "clock_warned": _("Deadline is near"),
    "clock_breached": _("Deadline missed"),
    "clock_escalated": _("Taken to the grid above"),
    "clock_stopped": _("Clock stopped"),
    "whistle_blown": _("Whistle: others are called to the case"),
    "whistle_heard": _("Call acknowledged"),
    "whistle_excused": _("Not needed any more"),
    "finding_refused": _("Found at the spot, the task had ended otherwise"),
    "sent_late": _("Done without a network, received later"),
    "field_note": _("The officer added a note"),
    "errand": _("Something is to be done"),
    "errand_tried": _("Nobody was met"),
    "errand_done": _("Done"),
    "errand_cancelled": _("Not needed any more"),
    "city_withdrawn": _("The city took its work order back"),
    "alarm_raised": _("The device raises an alarm again"),
    "alarm_worse": _("The alarm has become worse"),
    "alarm_cleared": _("The device says that it is well again"),
    "me_too": _("Somebody has the same matter"),
    "meeting_called": _("Round table called"),
    "meeting_planned": _("Round table planned"),
    "meeting_held": _("Round table held"),
    "rated": _("Rated"),
}


ERRANDS = {
    "call_back": _("Call-back"),
    "visit": _("Visit"),
    "supervision": _("Supervision"),
    "return_visit": _("Return visit"),
}
ERRAND_RESULTS = {
    "reached": _("Reached"),
    "unreachable": _("Not reached"),
    "found": _("As told"),
    "not_found": _("Not as told"),
    "nobody_there": _("Nobody there"),
    "answered": _("Answered"),
    "satisfied": _("Satisfied"),
    "basically": _("Basically satisfied"),
    "unsatisfied": _("Unsatisfied"),
}
"""What the hotline writes into a case's history; see `central.hotline.models`."""


def history_line(entry: HistoryEntry) -> dict[str, Any]:
    """What to show of one entry: title, detail, who, when."""
    facts = json.loads(entry.body)
    detail = say(facts.get("reason", ""))
    title = str(HISTORY.get(entry.kind, entry.kind))
    if entry.kind == "agent_step":
        title = str(AGENT_STATES.get(facts.get("state"), facts.get("state")))
    elif entry.kind in {"offer_declined", "reassigned", "handover_kept"}:
        detail = " · ".join(part for part in (facts.get("officer", ""), facts.get("reason", "")) if part)
    elif entry.kind == "offered":
        detail = " · ".join((facts.get("officer", ""), why_words(facts.get("why", {}))))
    elif entry.kind == "unassigned":
        detail = str(REASONS.get(facts.get("why"), ""))
    elif entry.kind in {"accepted", "offer_expired", "offer_withdrawn", "handover_asked"}:
        detail = facts.get("officer", "")
    elif entry.kind in {"outcome", "finding_refused", "field_note"}:
        label = Result(facts["result"]).label if facts.get("result") in Result.values else ""
        detail = " · ".join(
            part for part in (str(label), facts.get("officer", ""), facts.get("note", "")) if part
        )
    elif entry.kind == "sent_late":
        detail = " · ".join((str(dict(Kind.choices).get(facts.get("action"), "")), facts.get("officer", "")))
    elif entry.kind == "picture":
        detail = "SHA-256 " + facts.get("sha256", "")[:16] + "…"
    elif entry.kind == "recheck_answered":
        detail = str(dict(RecheckResult.choices).get(facts.get("result"), ""))
    elif entry.kind == "objection_reviewed":
        state = str(dict(ObjectionState.choices).get(facts.get("state"), ""))
        detail = " · ".join(part for part in (state, facts.get("officer", ""), facts.get("note", "")) if part)
    elif entry.kind.startswith("errand"):
        kind = str(ERRANDS.get(facts.get("errand_kind"), ""))
        result = str(ERRAND_RESULTS.get(facts.get("result"), ""))
        detail = " · ".join(part for part in (kind, result, facts.get("reason", "")) if part)
    elif entry.kind.startswith("alarm_"):
        detail = facts.get("device", "")
    elif entry.kind == "bay_held":
        detail = facts.get("name", "")
    elif entry.kind == "grid":
        detail = f"{facts.get('name', '')} {facts.get('code', '')}".strip()
    elif entry.kind == "handed_over":
        people = ", ".join(name for name in (facts.get("primary"), facts.get("deputy")) if name)
        detail = " · ".join(part for part in (facts.get("name", ""), people, facts.get("reason", "")) if part)
    elif entry.kind == "moved":
        title = transition_title(entry.case, facts.get("transition", "")) or title
    elif entry.kind.startswith(("clock_", "whistle_")):
        detail = clock_wording.history_detail(entry.kind, facts)
    elif entry.kind == "opened" and facts.get("camera"):
        detail = gettext("Camera %(camera)s") % {"camera": facts["camera"]}
    who, _colon, name = entry.actor.partition(":")
    return {
        "number": entry.number,
        "kind": entry.kind,
        "title": title,
        "detail": detail,
        "actor": name or who,
        "by_person": who == "user",
        "at_ms": entry.at_ms,
        "sha256": entry.sha256,
    }


def transition_title(case: Case, name: str) -> str:
    """What a step of the case's own rules is called."""
    found = definition_of(case).transition(name) if case.definition_id else None
    return found.titles.text(get_language() or "") if found else ""


def problem(text: str) -> str:
    """An agent's named trouble, ``disk_full: …``: the name in the reader's language, the detail as far as it is known."""
    kind, _colon, detail = text.partition(": ")
    # Some names end in what they are about: ``mqtt_publish_refused_tasks``.
    name = PROBLEMS.get(kind) or PROBLEMS.get(kind.rpartition("_")[0])
    if name is None:
        return text
    return gettext("%(name)s: %(detail)s") % {"name": name, "detail": say(detail)} if detail else str(name)


SENSITIVE = {"plate": _("Plate"), "picture": _("Original picture"), "contact": _("Name and number")}
"""What a page shows in full only when somebody looks; see `central.people.access_log`."""

PURPOSES = {
    "own task": _("own task"),
    "evidence": _("evidence"),
    "attachment": _("attachment"),
    "telephone": _("to telephone"),
}
"""Reasons that pages give themselves; others are people's own words."""
