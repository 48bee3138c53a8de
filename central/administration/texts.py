"""The words that owners get: shown as they would be sent now, written anew for a jurisdiction, checked before they count."""

from __future__ import annotations

from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render as render_page
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, reads, show, told, whole, writes
from central.clocks import calendars
from central.notices import config
from central.notices import texts as words
from central.project.clock import now_ms
from notifier.notice import LANGUAGES, Bay, Language, NoticeFacts, render, told_deadline
from notifier.wording import LONGEST, MAY_LACK, NEEDED, SHIPPED, Flaw, flaws
from protocol.errors import PatrolError

SAMPLE_GRACE_MS = 600_000
KEPT = 10
"""Versions of a language that the page lists."""

NAMES = {
    "plate": lambda: _("the plate, masked"),
    "place": lambda: _("where the vehicle stands"),
    "deadline": lambda: _("until when"),
    "reference": lambda: _("the number of the message"),
    "sender": lambda: _("who warns"),
    "bays": lambda: _("free bays nearby"),
    "link": lambda: _("the page with the picture"),
    "opt_out": lambda: _("what to answer to get no more"),
}


@require_safe
@reads("notice_texts")
def texts(request: HttpRequest) -> HttpResponse:
    """The warning as an owner would read it now, in each language, with its length as phone networks count it."""
    place = chosen(request)
    own = words.wording_of(place) if place else {}
    rows = []
    for language in LANGUAGES:
        row: dict[str, Any] = {"language": language, **written(place, language, own)}
        if language in SHIPPED and place:
            row |= {
                "own": language in own,
                "wording": own.get(language, SHIPPED[language]),
                "kept": words.versions(place, language)[:KEPT],
            }
        rows.append(row)
    context = {
        "rows": rows,
        "longest": LONGEST,
        "names": [(name, NAMES[name](), name in MAY_LACK) for name in (*NEEDED, *MAY_LACK)],
        "templates": _has_templates(),
    }
    return show(request, "texts", context)


@require_POST
@writes("notice_texts")
def preview(request: HttpRequest) -> HttpResponse:
    """The words in the form as they would be sent, or what speaks against them: a part of the page. Nothing is stored."""
    place, language, text = _asked(request)
    found = list(flaws(text))
    row = {} if found else written(place, language, {language: text})
    context = {"row": row, "found": [in_words(flaw) for flaw in found], "language": language}
    return render_page(request, "administration/text.html", context, status=200)


@require_POST
@writes("notice_texts")
def change_text(request: HttpRequest) -> HttpResponse:
    """Put words in force for the next message, or go back to those of the distribution."""
    place, language, text = _asked(request)
    whole(request)
    with told(request, _("The next message is written so.")):
        if request.POST.get("do") == "back":
            text = ""
        else:
            for flaw in flaws(text):
                raise PatrolError(in_words(flaw), field="text")
        words.put(
            place,
            language,
            text,
            reason=request.POST.get("reason", ""),
            author=f"user:{request.user.get_username()}",
        )
    return back("texts", f"?j={place}")


def written(place: str, language: str, own: dict[str, str]) -> dict[str, Any]:
    """A message of this moment about a sample, and its size."""
    # The place and the sender are in the words of the message, whatever language the page is in.
    with translation.override("en" if language == "en" else "zh-hans"):
        facts = NoticeFacts(
            plate="京A12345",
            place=_("in front of 12 Sanlihe Road"),
            deadline_ms=told_deadline(now_ms(), SAMPLE_GRACE_MS),
            time_zone=calendars.calendar_for(place).time_zone,
            reference="7KQ2",
            sender=_("Sub-district office"),
            link="https://example.org/n/4f7a2c",
            bays=(Bay("P1", 120), Bay("P3", 260)),
            opt_out="TD",
        )
    notice = render(facts, cast(Language, language), own)
    return {"text": notice.text, "size": notice.size._asdict()}


def in_words(flaw: Flaw) -> str:
    """What to mend, in the reader's language."""
    return {
        "length": _("A text of 1 to %(name)s characters is needed."),
        "control": _("A message is one line."),
        "brackets": _("Square brackets come in pairs and not one in another."),
        "braces": _("Braces come in pairs, around a name."),
        "idle": _("Nothing in [%(name)s] may be missing: write it without brackets."),
        "unknown": _("There is no name %(name)s; see the list."),
        "needed": _("%(name)s is needed."),
        "bare": _("%(name)s may be empty: put it and the words around it into [ ]."),
    }[flaw.code] % {"name": f"{{{flaw.name}}}" if flaw.code in {"unknown", "needed", "bare"} else flaw.name}


def _asked(request: HttpRequest) -> tuple[str, str, str]:
    place, language = chosen(request), request.POST.get("language", "")
    if not place or request.POST.get("j", "") != place or language not in SHIPPED:
        raise Http404
    return place, language, " ".join(request.POST.get("text", "").split(" ")).strip()


def _has_templates() -> bool:
    """Whether the provider writes by templates of its own, so that only the words' values reach it."""
    try:
        return config.load().sms.gateway == "aliyun"
    except PatrolError:
        return False
