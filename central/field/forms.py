"""What a phone may send, checked: every field has a bound."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from central.cases.services import NOTE_LENGTH
from central.cases.states import Result
from central.field.models import Kind
from central.field.services import Action

LATEST_MS = 2**52
"""Milliseconds that JSON and browsers hold exactly; far beyond any clock."""

REASON_LENGTH = 500


class ActionForm(forms.Form):
    """One action. The photo comes as a file."""

    user = forms.IntegerField(help_text="Whose action it is: the officer who pressed.")
    key = forms.UUIDField()
    order = forms.IntegerField(min_value=1, max_value=2**62)
    kind = forms.ChoiceField(choices=Kind.choices)
    tapped_ms = forms.IntegerField(required=False, min_value=0, max_value=LATEST_MS)
    ahead_ms = forms.IntegerField(required=False, min_value=-LATEST_MS, max_value=LATEST_MS)
    result = forms.ChoiceField(
        required=False, choices=Result.choices, error_messages={"required": _("Choose what you found.")}
    )
    note = forms.CharField(required=False, max_length=NOTE_LENGTH)
    reason = forms.CharField(required=False, max_length=REASON_LENGTH)
    photo = forms.FileField(required=False, allow_empty_file=True)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        kind = given.get("kind")
        if kind == Kind.OUTCOME and not given.get("result") and "result" not in self.errors:
            self.add_error("result", _("Choose what you found."))
        if kind == Kind.PHOTO and given.get("photo") is None and "photo" not in self.errors:
            self.add_error("photo", _("The photo is missing."))
        if kind == Kind.DECLINE and not given.get("reason") and "reason" not in self.errors:
            self.add_error("reason", _("Say why, so that the next officer knows."))
        if kind == Kind.NOTE and not given.get("note") and "note" not in self.errors:
            self.add_error("note", _("The note is empty."))
        return given

    def action(self) -> Action:
        """The checked action."""
        given = self.cleaned_data
        kind = Kind(given["kind"])
        photo = given["photo"] if kind == Kind.PHOTO else None
        return Action(
            key=given["key"],
            order_id=given["order"],
            kind=kind,
            tapped_ms=given["tapped_ms"],
            ahead_ms=given["ahead_ms"],
            result=given["result"] if kind == Kind.OUTCOME else "",
            note=given["note"] if kind in {Kind.OUTCOME, Kind.NOTE} else "",
            reason=given["reason"] if kind == Kind.DECLINE else "",
            photo=None if photo is None else photo.read(),
            photo_name="" if photo is None else str(photo.name or "")[:200],
        )
