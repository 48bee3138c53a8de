"""Kinds of cases: how each goes and what is promised, and a jurisdiction's own rules put in force over those of the files."""

from __future__ import annotations

import tomllib
from typing import Any, cast, get_args

import tomlkit
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from tomlkit.exceptions import TOMLKitError

from central.administration.common import back, chosen, reads, show, whole, writes
from central.cases import catalogue, versions
from central.cases.catalogue import Fault
from central.cases.definition import PRIORITIES, Definition
from central.cases.rules import services as definitions
from central.cases.states import ProcessStep
from central.cases.versions import InForce
from central.clocks.rules import Unit
from central.clocks.wording import UNITS
from central.people.models import Role
from protocol.errors import PatrolError

KEPT = 20
"""Versions that the page lists."""

PRIORITY_NAMES = {
    "urgent": lambda: _("Urgent"),
    "high": lambda: _("High"),
    "normal": lambda: _("Normal"),
    "low": lambda: _("Low"),
}
CLOCK_NAMES = {
    "response": lambda: _("Response within"),
    "reply": lambda: _("Reply within"),
    "resolution": lambda: _("Resolution within"),
}


@require_safe
@reads("services")
def services(request: HttpRequest) -> HttpResponse:
    """Each kind of case: its states by the seven steps, who leads it where, and what is promised."""
    place = chosen(request)
    rows = []
    for code, definition in sorted(definitions(place).items()):
        newest = versions.versions(code, place).first() if place else None
        own = newest is not None and newest.definition_id is not None
        rows.append(picture(definition) | {"version": newest if own else None})
    return show(request, "services", {"rows": rows})


@require_safe
@reads("services")
def service(request: HttpRequest, code: str) -> HttpResponse:
    """One kind: its rules, their text, and every version that was ever in force; `version` shows an earlier text."""
    place, now = _found(request, code)
    wanted = request.GET.get("version", "")
    number = int(wanted) if wanted.isdigit() and len(wanted) < 19 else 0
    older = versions.versions(code, place).filter(pk=number).first()
    return _page(request, place, now, {"older": older, "text": older.text if older else now.text})


@require_POST
@writes("services")
def change_service(request: HttpRequest, code: str) -> HttpResponse:
    """Check a text, or put it in force, or go back to the files.

    `do` says what: `usual` writes the values of the form into the text in force and checks it, `check`, `put`, `back`.
    """
    place, now = _found(request, code)
    do, reason = request.POST.get("do", ""), request.POST.get("reason", "")
    text = request.POST.get("text", "").replace("\r\n", "\n")
    if do == "usual":
        text = usual(now.text, request.POST)
    definition, found = catalogue.examine(text.encode())
    if definition is not None and definition.service_code != code:
        words = _("this is another kind: %(code)s") % {"code": definition.service_code}
        definition, found = None, [Fault("service_code", words)]
    if do == "back" or (do == "put" and not found):
        who = f"user:{request.user.get_username()}"
        whole(request)
        try:
            how = {"reason": reason, "author": who, "seen": request.POST.get("seen", "")}
            if do == "put":
                versions.put(text, place, **how)
                done = _("These rules are in force for new cases; open cases keep theirs.")
            else:
                versions.take_back(code, place, **how)
                done = _("New cases follow the rules of the files again.")
        except PatrolError as error:
            found = [Fault(error.field or "", f"{error.problem}. {error.mend or ''}".strip())]
        else:
            messages.success(request, done)
            return back("service", f"?j={place}", code)
    checked = None
    if definition is not None:
        checked = picture(definition) | {"changes": changes(now.definition, definition)}
    context = {"text": text, "reason": reason, "found": found, "checked": checked}
    return _page(request, place, now, context, 422 if found else 200)


def _found(request: HttpRequest, code: str) -> tuple[str, InForce]:
    place = chosen(request)
    if code not in definitions() or not place or request.POST.get("j", place) != place:
        raise Http404
    return place, versions.in_force(code, place)


def _page(
    request: HttpRequest, place: str, now: InForce, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    common = {
        "now": picture(now.definition),
        "version": now.version,
        "kept": versions.versions(now.definition.service_code, place)[:KEPT],
        "priorities": [(name, PRIORITY_NAMES[name]()) for name in PRIORITIES],
        "units": [(name, UNITS[name]) for name in get_args(Unit)],
    }
    return show(request, "service", common | context, status, section="services")


def picture(definition: Definition) -> dict[str, Any]:
    """A definition in the reader's words."""
    language = get_language() or ""
    titles = {state.name: state.titles.text(language) for state in definition.states}
    people = {role.value: role.label for role in Role} | {"reporter": _("the reporter")}
    return {
        "code": definition.service_code,
        "titles": definition.titles,
        "title": definition.titles.text(language),
        "category": f"{definition.category.code} {definition.category.titles.text(language)}",
        "priority": definition.priority,
        "priority_name": PRIORITY_NAMES[definition.priority](),
        "states": [(titles[state.name], ProcessStep(state.step).label) for state in definition.states],
        "transitions": [
            {
                "title": move.titles.text(language),
                "from": [titles[name] for name in move.sources],
                "to": titles[move.to],
                "by": [people.get(role, role) for role in move.roles] or [_("by itself")],
            }
            for move in definition.transitions
        ],
        "clocks": [
            {
                "kind": rule.kind,
                "name": CLOCK_NAMES[rule.kind](),
                "amount": rule.amount,
                "unit": rule.unit,
                "unit_name": UNITS[rule.unit],
                "warn_after": rule.warn_after,
                "from": [titles[name] for name in rule.starts_in if name in titles],
                "until": [titles[name] for name in rule.stops_in if name in titles],
            }
            for rule in definition.clocks
        ],
        "sha256": definition.sha256,
    }


def changes(before: Definition, after: Definition) -> list[str]:
    """What differs, a line each, so that nobody puts up more than he meant to."""
    lines = []
    old, new = (each.model_dump(mode="json", by_alias=True) for each in (before, after))
    for name in old:
        if old[name] == new[name]:
            continue
        if not isinstance(old[name], list) or not all(
            isinstance(each, dict) for each in old[name] + new[name]
        ):
            lines.append(f"{name}: {_brief(old[name])} → {_brief(new[name])}")
            continue
        parts_before, parts_after = ({_name(part): part for part in side[name]} for side in (old, new))
        for part in [*parts_before, *(each for each in parts_after if each not in parts_before)]:
            one, other = parts_before.get(part), parts_after.get(part)
            if one is None:
                lines.append(f"{name}: + {part}")
            elif other is None:
                lines.append(f"{name}: − {part}")
            elif one != other:
                told = (
                    f"{key} {_brief(one.get(key))} → {_brief(other.get(key))}"
                    for key in other
                    if one.get(key) != other.get(key)
                )
                lines.append(f"{name}: {part}: {', '.join(told)}")
    return lines


def _name(part: dict[str, Any]) -> str:
    return str(part.get("name") or part.get("kind"))


def _brief(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"zh", "en"}:
        return f"{value['zh']} / {value['en']}"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "–"
    return "–" if value is None else str(value)


def usual(text: str, asked: Any) -> str:
    """The text with what is changed most often: titles, priority, and how long each promise is. Remarks stay as they are."""
    try:
        document = cast(Any, tomlkit.parse(text))
        document["titles"]["zh"] = asked.get("title_zh", "").strip()
        document["titles"]["en"] = asked.get("title_en", "").strip()
        document["priority"] = asked.get("priority", "")
        for clock in document.get("clocks", []):
            kind = clock["kind"]
            clock["amount"] = _number(asked.get(f"{kind}_amount", ""))
            clock["unit"] = asked.get(f"{kind}_unit", "")
            warn = asked.get(f"{kind}_warn", "").strip()
            if warn:
                clock["warn_after"] = _number(warn)
            elif "warn_after" in clock:
                del clock["warn_after"]
        return cast(str, tomlkit.dumps(document))
    except (TOMLKitError, KeyError, TypeError, tomllib.TOMLDecodeError):
        return text


def _number(text: str) -> Any:
    """Whole numbers stay whole; what is no number goes through as it is and is refused by the check with its field."""
    text = text.strip().replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value
