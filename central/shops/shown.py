"""What pages of shops have in common: words in the reader's language, checklist forms, photos."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from central.cases.attachments import path_of
from central.shops.checklists import Item, current
from central.shops.inspecting import Answers
from central.shops.models import Colour, Entry, InspectionKind, Photo, Shop
from central.shops.photos import bytes_of
from protocol.errors import PatrolError


def english() -> bool:
    """Whether the reader reads English."""
    return (get_language() or "").startswith("en")


def said(words: Mapping[str, Any]) -> str:
    """The one of two texts that the reader reads."""
    return str(words["en" if english() else "zh"])


def reasons_of(shop: Shop) -> list[dict[str, Any]]:
    """The reasons of a colour with their words in the reader's language."""
    return [{**reason, "said": said(reason)} for reason in shop.reasons]


@dataclass(frozen=True, slots=True)
class Question:
    """An item of a checklist form, with what was answered before the form came back."""

    item: Item
    text: str
    answer: str = ""


def questions(shop: Shop, kind: str, given: Mapping[str, str] | None = None) -> list[Question]:
    """The form of an inspection of this kind."""
    given = given or {}
    return [
        Question(item, item.en if english() else item.zh, given.get(f"a-{item.id}", ""))
        for item in current(shop.category).asked_in(kind)
    ]


def answers_in(request: HttpRequest, shop: Shop, kind: str) -> Answers:
    """What a checklist form brings."""
    items = current(shop.category).asked_in(kind)
    photos = {}
    for item in items:
        data = bytes_of(request.FILES.get(f"p-{item.id}"))
        if data:
            photos[item.id] = data
    return Answers(
        kind=kind,
        key=request.POST.get("key", ""),
        answers={item.id: request.POST.get(f"a-{item.id}", "") for item in items},
        photos=photos,
        note=request.POST.get("note", "")[:2100],
        signed_by=request.POST.get("signed_by", "")[:100],
        signature=request.POST.get("signature", ""),
    )


def new_key() -> str:
    """What makes a form that is sent twice one and the same."""
    return uuid.uuid4().hex


def wrong(error: PatrolError, shop: Shop | None = None) -> str:
    """A refusal in the reader's language; the field's own name where it is an item of the checklist."""
    known = {
        "this item has no answer": _("Please answer this item."),
        "what is not in order needs a photo": _("What is not in order needs a photo."),
        "what was mended needs a photo": _("What was mended needs a photo."),
        "whoever was there signs: a name is needed": _("Whoever was there signs: a name is needed."),
        "this is not a signature that was drawn here": _("The signature could not be read. Please draw it again."),
        "this day is over": _("This day is over."),
        "not a date": _("This is no day."),
        "this is not a mobile number": _("This is not a mobile number."),
        "a green code needs no appeal": _("A green code needs no appeal."),
        "say what was found": _("Say what was found."),
        "a decision needs its grounds": _("A decision needs its grounds."),
        "enough ratings from here today": _("There were enough ratings from here today. Please come again tomorrow."),
        "enough tip-offs from here today": _(
            "There were enough tip-offs from here today. Please come again tomorrow, or call 12345."
        ),
    }  # fmt: skip
    text = known.get(error.problem) or _of_imports(error.problem)
    if text is None and error.field == "text":
        text = _("Please say it in 5 to 1000 letters.")
    if text is None and type(error).__name__ == "BadPhotoError":
        text = _("This photo cannot be accepted: JPEG, PNG or WebP of at most 8 MiB.")
    text = text or error.problem
    if shop is not None and error.field:
        item = next((each for each in current(shop.category).items if each.id == error.field), None)
        if item is not None:
            return f"{item.en if english() else item.zh}: {text}"
    return text


def _of_imports(problem: str) -> str | None:
    """What can be wrong with a row or a table, in the reader's language."""
    known = {
        "there is no such category": _("There is no such category."),
        "this is needed": _("This is needed."),
        "this number stands in row": _("This number comes twice."),
        "at most": _("This is too long, or has letters that cannot be shown."),
        "no phone number": _("This is not a mobile number."),
        "this is no number of degrees": _("This is no number of degrees."),
        "a place has a longitude and a latitude": _("A place has a longitude and a latitude."),
        "a longitude lies": _("There is no such place on earth."),
        "a latitude lies": _("There is no such place on earth."),
        "a language is": _("A language is zh-hans or en."),
        "the file is empty": _("The file is empty."),
        "this column is not known": _("This column is not known."),
        "a column is missing": _("This column is missing."),
        "a column comes twice": _("A column comes twice."),
        "no CSV": _("This is no CSV file."),
        "no workbook": _("This is no XLSX file."),
        "the file is neither": _("The file is neither UTF-8 nor GB 18030."),
    }
    return next((said for begin, said in known.items() if problem.startswith(begin)), None)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log in the reader's language."""

    at_ms: int
    what: str
    more: str
    who: str


def line_of(entry: Entry) -> Line:
    """The same for one entry."""
    known = {
        "registered": _("Entered in the register"),
        "changed": _("Register changed"),
        "colour": _("Colour"),
        "inspection": _("Inspected"),
        "mended": _("Said to be mended"),
        "mend_judged": _("Mend looked at"),
        "certificate": _("Paper or equipment stored"),
        "tip_off": _("Tip-off"),
        "tip_off_decided": _("Tip-off decided"),
        "appeal": _("Appeal"),
        "appeal_decided": _("Appeal decided"),
        "reminded": _("Merchant reminded"),
        "code_issued": _("Code given out"),
        "code_revoked": _("Code revoked"),
        "owner_came": _("Merchant logged in"),
        "case": _("Case opened"),
    }
    people = {"owner": _("merchant"), "public": _("passer-by"), "rule": _("rule")}
    body, more = entry.body, ""
    if entry.kind == "colour":
        names = dict(Colour.choices)
        more = f"{names[body['from']]} → {names[body['to']]}"
    elif entry.kind == "inspection":
        more = str(dict(InspectionKind.choices)[body["kind"]])
    who = people.get(entry.actor) or entry.actor.partition(":")[2] or entry.actor
    return Line(entry.at_ms, known.get(entry.kind, entry.kind), more, who)


def answer_photo(photo: Photo, *, small: bool) -> HttpResponse:
    """The file of a photo. Named by its hash, so it never changes; private, so only this browser keeps it."""
    try:
        name = photo.thumbnail_sha256 if small else photo.sha256
        data = path_of(name, thumbnail=small).read_bytes()
    except FileNotFoundError:
        raise Http404 from None
    response = HttpResponse(data, content_type="image/jpeg")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response
