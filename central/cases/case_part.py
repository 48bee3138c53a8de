"""Notes and photos of a case, and the steps that its rules allow this person now, as a part of the case page."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases import actions, fields, parts
from central.cases.api_calls import STATUS
from central.cases.attachments import OtherContentError as OtherPhotoError
from central.cases.attachments import attach_upload
from central.cases.definition import Definition, FieldRule
from central.cases.engine import RefusedError
from central.cases.models import Attachment, Case
from central.cases.parts import ELSEWHERE, MISSING, Wrong
from central.cases.photos import BadPhotoError
from central.cases.rules import definition_of, state_of
from central.people.access import EVERYONE, roles
from central.people.policy import READS_ONLY, writers
from central.project.asked import form_key, whole
from protocol.errors import PatrolError

PART = "cases/_notes.html"
SHOWN = 40
"""Notes and photos on the page, the newest first; older ones stand in the history."""

OFFERED = 12
"""Photos that a step can be proven with, the newest first."""


@require_safe
@roles(*EVERYONE)
def notes(request: HttpRequest, case_id: int) -> HttpResponse:
    """What people wrote down and photographed, and what this person may do next."""
    return _show(request, parts.find(request, case_id))


@require_POST
@roles(*writers("notes"))
def write(request: HttpRequest, case_id: int) -> HttpResponse:
    """Add a note, a photo or both. The form's key makes sending it twice one note."""
    case = parts.find(request, case_id)
    text, key = request.POST.get("text", "").strip(), form_key(request)
    photo = request.FILES.get("photo")
    if not text and photo is None:
        return _refuse(request, case, "note", _("Write a note or choose a photo."), "text")
    if len(text) > actions.NOTE_LENGTH:
        return _refuse(request, case, "note", _("The note is too long."), "text")
    try:
        if photo is not None:
            attach_upload(case, request.user, photo, key)
        if text:
            actor = f"user:{request.user.get_username()}"
            public = case.reporter_id is not None and "public" in request.POST
            actions.write_note(case.pk, actor, text, str(key), public=public)
    except BadPhotoError as error:
        return _refuse(request, case, "note", _photo_words(error), "photo")
    except (actions.OtherContentError, OtherPhotoError):
        return _refuse(
            request, case, "note", _("This was sent before with other contents."), status=ELSEWHERE
        )
    except PatrolError:
        return _refuse(request, case, "note", _("This case takes no more notes."), status=ELSEWHERE)
    return _done(request, case, _("The note is stored.") if text else _("The photo is stored."), "notes")


@require_POST
@roles(*EVERYONE)
def step(request: HttpRequest, case_id: int, name: str) -> HttpResponse:
    """Take a step of the case. Whether this person may, the rules of the case say; sent twice it is one step."""
    case = parts.find(request, case_id)
    form = f"step-{name}"
    found = definition_of(case).transition(name) if case.definition_id else None
    if found is None:
        return _refuse(request, case, "steps", _("The case has no such step."), status=404)
    given: dict[str, Any] = {}
    try:
        # A photo is kept only with a step that is theirs to take now; what is sent again has brought it already.
        theirs = name in {choice["name"] for choice in _choices(request, case)}
        for rule in _asked(definition_of(case), found.required) if theirs else ():
            given[rule.name] = _given(request, case, rule)
        actions.take(case.pk, request.user, name, given, seen=_seen(request, case))
    except BadPhotoError as error:
        return _refuse(request, case, form, _photo_words(error), "photo")
    except OtherPhotoError:
        return _refuse(request, case, form, _("This was sent before with other contents."), status=ELSEWHERE)
    except RefusedError as error:
        status = STATUS.get(error.refusal.code.partition(":")[0], ELSEWHERE)
        if name not in {choice["name"] for choice in _choices(request, parts.find(request, case_id))}:
            form = "steps"  # its button is gone by now
        kept = {**request.POST.dict(), **{key: value for key, value in given.items() if value is not None}}
        return _refuse(
            request, case, form, _sentence(error.refusal.reason), error.refusal.field, status, kept
        )
    said = _("Done: %(step)s") % {"step": found.titles.text(get_language() or "")}
    return _done(request, case, said, "steps")


def _show(
    request: HttpRequest, case: Case, *, wrong: Wrong | None = None, said: str = "", where: str = ""
) -> HttpResponse:
    case = parts.find(request, case.pk)  # as it is after what was done
    photos = list(case.attachments.order_by("-received_at_ms", "-pk")[:SHOWN])
    written = list(case.notes.order_by("-at_ms", "-pk")[:SHOWN])
    who = parts.names([each.actor for each in (*photos, *written)])
    lines = [
        *({"at_ms": note.at_ms, "who": who[note.actor], "note": note} for note in written),
        *({"at_ms": photo.received_at_ms, "who": who[photo.actor], "photo": photo} for photo in photos),
    ]
    lines.sort(key=lambda line: -line["at_ms"])
    context = {
        "lines": lines[:SHOWN],
        "may_write": request.user.role in writers("notes"),
        "steps": _steps(request, case, photos, wrong),
        "state": state_of(case, get_language() or ""),
        "key": wrong.given.get("key", "") if wrong is not None and wrong.form == "note" else uuid.uuid4(),
    }
    return parts.show(request, case, PART, context, wrong=wrong, said=said, where=where)


def _choices(request: HttpRequest, case: Case) -> list[dict[str, Any]]:
    if case.definition_id is None or request.user.role in READS_ONLY:
        return []
    return actions.choices(case, request.user, get_language() or "")


def _steps(
    request: HttpRequest, case: Case, photos: list[Attachment], wrong: Wrong | None
) -> list[dict[str, Any]]:
    """Steps with their fields; those that something stands in the way of say what."""
    found = []
    tried = {} if wrong is None else {wrong.form.removeprefix("step-"): wrong.given}
    for choice in _choices(request, case):
        asked = _asked(definition_of(case), tuple(choice["required"]))
        found.append(
            {
                **choice,
                "blocked": _sentence(choice["blocked"]),
                "form": f"step-{choice['name']}",
                "fields": [_field(rule, tried.get(choice["name"], {})) for rule in asked],
                "photos": photos[:OFFERED] if any(rule.kind == "photo" for rule in asked) else [],
                "key": uuid.uuid4(),
            }
        )
    return found


def _field(rule: FieldRule, typed: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "typed": typed.get(rule.name, ""),
        "name": rule.name,
        "title": rule.titles.text(get_language() or ""),
        "kind": rule.kind,
        "choices": rule.choices,
        "least": rule.least,
        "most": rule.most,
    }


def _asked(definition: Definition, required: tuple[str, ...]) -> list[FieldRule]:
    rules = fields.rules_of(definition)
    return [rules[name] for name in required]


def _given(request: HttpRequest, case: Case, rule: FieldRule) -> Any:
    """A field as the engine takes it. A new photo is kept first: it is a photo of the case whatever becomes of the step."""
    text = request.POST.get(rule.name, "")
    if rule.kind == "photo":
        file = request.FILES.get(f"{rule.name}_file")
        if file is not None:
            return attach_upload(case, request.user, file, form_key(request)).pk
    if rule.kind in {"photo", "integer"} and text.strip().lstrip("-").isascii():
        return int(text) if text.strip().lstrip("-").isdigit() and len(text) < 16 else text
    return text


def _photo_words(error: BadPhotoError) -> str:
    if error.problem == "too large":
        size = settings.PATROL.picture_bytes // 2**20
        return _("This photo is too large: at most %(size)d MB.") % {"size": size}
    if "holds at most" in error.problem:
        return _("This case takes no more photos.")
    return _("This file is not a photo that can be read. Take it again.")


def _sentence(reason: Any) -> str:
    """The engine's words, as they stand at the beginning of a line."""
    text = str(reason)
    return text[:1].upper() + text[1:]


def _seen(request: HttpRequest, case: Case) -> int:
    """How long the history was when the form was made; a form that does not say it counts as made now."""
    seen = whole(request.POST.get("seen", ""), 9)
    return case.history_length if seen is None else seen


def _refuse(
    request: HttpRequest,
    case: Case,
    form: str,
    text: str,
    field: str = "",
    status: int = MISSING,
    given: Mapping[str, Any] | None = None,
) -> HttpResponse:
    wrong = Wrong(form, text, field, status, request.POST if given is None else given)
    return _show(request, case, wrong=wrong)


def _done(request: HttpRequest, case: Case, said: str, where: str) -> HttpResponse:
    if not request.htmx:
        return parts.sent_on(request, "cases:notes", case, said)
    return _show(request, case, said=said, where=where)
