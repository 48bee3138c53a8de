"""What the hotline says to people, translated where it is shown."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

REFUSALS = {
    "reporter.phone": _("This is not a telephone number."),
    "reporter.name": _("The name is too long."),
    "reporter": _("This kind of matter needs a name or a number."),
    "subject": _("Say what it is about: type a few letters and choose."),
    "text": _("Say what the matter is, in 1 to 4000 characters."),
    "place": _("The place is too long: at most 300 characters."),
    "recording": _("The reference of the recording is too long."),
    "due": _("Give a date and time that lies ahead, at most a year."),
    "what": _("Say what is to be done."),
    "person": _("Choose a person who may do this."),
    "note": _("Write down what came of it."),
    "result": _("Choose what came of it."),
}
"""The field at fault -> what a reader of the form is told."""
