"""What an officer reads after an action, from its code: rendered in the reader's language each time it is shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from central.cases.models import WorkOrder
from central.cases.states import NotPossibleError, ObjectedError, Result, WorkState


def answer(code: str, facts: dict[str, Any]) -> str:
    """The sentence for a code of `central.field.services`."""
    officer = facts.get("officer", "")
    if code == "closed":
        return _("Closed: %(result)s") % {"result": result_label(facts.get("result", ""))}
    if code == "accepted_by":
        return _("%(officer)s has already accepted this task.") % {"officer": officer}
    if code == "closed_by":
        result = result_label(facts.get("result", ""))
        return _("%(officer)s has already closed this task: %(result)s") % {
            "officer": officer,
            "result": result,
        }
    if code == "too_many_photos":
        return _("A task keeps at most %(count)d photos of one officer.") % {"count": facts.get("count", 0)}
    if code == "photo_too_large":
        return _("This photo is too large: at most %(size)d MB.") % {"size": facts.get("size", 0)}
    plain = {
        "accepted": _("The task is yours."),
        "declined": _("The task goes to somebody else."),
        "photo": _("The photo is stored."),
        "note": _("The note is stored."),
        "retracted": _("The vehicle has left and the task was retracted: nobody needs to go."),
        "accept_first": _("Accept the task first."),
        "objected": _(
            "The driver objected. A dispatcher has to review it before anybody is fined; close it otherwise, or wait."
        ),
        "objection_upheld": _("A review found that it is another vehicle. Nobody can be fined here."),
        "not_offered": _("This task is not offered to you, so there is nothing to decline."),
        "bad_photo": _("This file is not a photo that can be read. Take it again."),
        "not_possible": _("This is not possible now."),
    }
    return plain.get(code, code)


def refusal(order: WorkOrder, error: NotPossibleError) -> tuple[str, dict[str, Any]]:
    """(code, facts) of a step that the case's state does not allow."""
    who = order.assignee.shown_name if order.assignee else ""
    if isinstance(error, ObjectedError):
        return ("objection_upheld" if error.reviewed else "objected"), {}
    if error.state == WorkState.RETRACTED:
        return "retracted", {}
    if error.state == WorkState.ACCEPTED:
        return "accepted_by", {"officer": who}
    if error.state == WorkState.CLOSED:
        return "closed_by", {"officer": who, "result": order.result}
    return "accept_first", {}


def result_label(value: str) -> str:
    """What was found, in words."""
    return str(Result(value).label) if value in Result.values else value


def for_the_script() -> dict[str, str]:
    """What the phone itself says, in the reader's language. `{…}` are places that the script fills."""
    return {
        "waiting_one": _("1 action waits for the network"),
        "waiting_many": _("{count} actions wait for the network"),
        "log_in": _("Log in again, and what waits on this phone is sent."),
        "log_in_button": _("Log in"),
        "try_now": _("Try now"),
        "refused_one": _("1 action was not taken: see why"),
        "refused_many": _("{count} actions were not taken: see why"),
        "understood": _("Understood"),
        "save_photo": _("Save the photo on this phone"),
        "discard": _("Discard"),
        "discard_sure": _("Discard this for good? It has not been sent."),
        "accept": _("Accept"),
        "decline": _("Decline"),
        "photo": _("Photo"),
        "note": _("Note"),
        "outcome": _("Outcome"),
        "shrinking": _("Making the photo smaller…"),
        "no_space": _("The phone's storage is full: this could not be kept. Free some space and try again."),
        "no_store": _(
            "This browser keeps nothing (private window?): without a network nothing can be sent later."
        ),
        "not_a_photo": _("This file is not a photo that can be read. Take it again."),
        "twice": _("This already waits to be sent."),
        "old_page": _("No network. This page is as it was at {time}."),
        "no_position": _(
            "The phone does not tell where it is. Allow it in the settings, or go by the deadline."
        ),
        "metres": _("{count} m"),
        "kilometres": _("{count} km"),
        "log_out_one": _(
            "1 action is not sent yet. It stays locked on this phone until you log in again. Log out?"
        ),
        "log_out_many": _(
            "{count} actions are not sent yet. They stay locked on this phone until you log in again. Log out?"
        ),
        "other_user": _("Something of a colleague waits on this phone. It is sent when he logs in."),
        "left": _("{time} left"),
        "over": _("Time is up"),
        "picture_of": _("Picture {number} of {count}"),
        "close": _("Close"),
    }
