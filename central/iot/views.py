"""Pages of alarms and devices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import segno
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from central.iot import alarms as desk
from central.iot import cap, charts, revive
from central.iot.known import device_types
from central.iot.models import Alarm, DeadLetter, Device, DeviceState, Point
from central.iot.packing import unpack
from central.iot.points import SLOTS, Bucket
from central.iot.types import SEVERITIES, DeviceType
from central.people.access import roles
from central.people.policy import readers, writers
from central.project.asked import whole
from central.project.clock import now_ms
from protocol.errors import PatrolError

PAGE = 50
SHOWN = {"live": _("Active"), "unheard": _("Not acknowledged"), "all": _("All")}
STATES = {
    "": _("All"),
    "alarm": _("In alarm"),
    "silent": _("Not heard"),
    "never": _("Never heard"),
    "off": _("Switched off"),
}
SEVERITY = {"critical": _("Critical"), "major": _("Major"), "minor": _("Minor"), "warning": _("Notice")}
WHY = {
    "well": _("well again"),
    "quiet": _("nothing further"),
    "heard": _("heard again"),
    "silent": _("device not heard"),
    "later": _("a later message says so"),
    "person": _("ended by hand"),
    "disabled": _("device switched off"),
}
COUNTED = 1000
DEAD_WHAT = {
    "message": _("A message"),
    "silence": _("Whether it is still heard"),
    "raised": _("To its case: alarm"),
    "worse": _("To its case: worse"),
    "cleared": _("To its case: over"),
}
DEAD = 20
"""Dead letters that are shown; the command line tells of all."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm in the reader's language."""

    alarm: Alarm
    kind: str
    device: str
    what: str
    severity: str
    value: str
    why: str
    may: bool


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device of the list."""

    device: Device
    kind: str
    heard_at_ms: int | None
    tone: str
    state: str
    values: str


@require_safe
@roles(*readers("device_alarms"))
def alarms(request: HttpRequest) -> HttpResponse:
    """Alarms, those that last and the most severe first; the living part alone where htmx asks for it."""
    template = "iot/_alarms.html" if request.htmx else "iot/alarms.html"  # type: ignore[attr-defined]
    return render(request, template, _alarm_context(request))


@require_POST
@roles(*writers("device_alarms"))
def acknowledge(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Somebody has seen it."""
    return _done(
        request, alarm_id, lambda: desk.acknowledge(alarm_id, request.user, request.POST.get("note", ""))
    )  # type: ignore[arg-type]


@require_POST
@roles(*writers("device_alarms"))
def clear(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Somebody ends it."""
    return _done(request, alarm_id, lambda: desk.clear(alarm_id, request.user))  # type: ignore[arg-type]


@require_POST
@roles(*writers("device_alarms"))
def dead_letter(request: HttpRequest, dead_id: int) -> HttpResponse:
    """Somebody tries a dead letter again, or puts it away."""
    work = revive.put_away if request.POST.get("do") == "away" else revive.again
    try:
        work(dead_id, request.user)  # type: ignore[arg-type]
    except DeadLetter.DoesNotExist:
        raise Http404 from None
    return HttpResponseRedirect(f"{reverse('iot:alarms')}#dead")


def _done(request: HttpRequest, alarm_id: int, work: Any) -> HttpResponse:
    try:
        alarm = work()
    except Alarm.DoesNotExist:
        raise Http404 from None
    except PatrolError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "iot/_alarms.html", _alarm_context(request))
    if request.POST.get("from") == "device":
        return HttpResponseRedirect(reverse("iot:device", args=[alarm.device_id]))
    return HttpResponseRedirect(f"{reverse('iot:alarms')}#a{alarm_id}")


@require_safe
@roles(*readers("device_alarms"))
def cap_xml(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """The alarm as a public warning, CAP 1.2."""
    seen = Alarm.objects.visible_to(request.user).select_related("device")
    alarm = get_object_or_404(seen, pk=alarm_id)
    made = device_types().get(alarm.device.kind)
    if made is None:
        raise Http404
    public = settings.PATROL.public_url
    sender = (urlsplit(public).hostname if public else None) or f"{alarm.jurisdiction_id}.street-patrol"
    response = HttpResponse(
        cap.warning(alarm, made, sender, now_ms()), content_type="application/cap+xml; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="cap-{alarm.pk}.xml"'
    return response


@require_safe
@roles(*readers("devices"))
def devices(request: HttpRequest) -> HttpResponse:
    """The list, in pages by number: a hundred thousand are no more work than fifty."""
    given = {
        name: request.GET.get(name, "").strip()[:80].replace("\x00", "")
        for name in ("q", "kind", "state", "after")
    }
    seen: QuerySet[Device] = Device.objects.visible_to(request.user)
    found = _narrowed(seen, given)
    after = whole(given["after"])
    if after is not None:
        found = found.filter(pk__gt=after)
    rows = list(found.order_by("pk").select_related("state")[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    lasting = _lasting(request, rows)
    language = get_language() or "zh"
    kept = {name: text for name, text in given.items() if text and name != "after"}
    context = {
        "rows": [_device_row(device, lasting.get(device.pk), language) for device in rows],
        "older": urlencode({**kept, "after": rows[-1].pk}) if more else "",
        "given": given,
        "kinds": [(made.code, made.titles.text(language)) for made in device_types().values()],
        "states": STATES.items(),
        "filtered": bool(kept),
        "nav": "services",
    }
    return render(request, "iot/devices.html", context)


def _narrowed(seen: QuerySet[Device], given: dict[str, str]) -> QuerySet[Device]:
    if given["kind"]:
        seen = seen.filter(kind=given["kind"])
    if given["state"] == "alarm":
        seen = seen.filter(
            Exists(
                Alarm.objects.unscoped("of a device that is seen").filter(
                    device=OuterRef("pk"), cleared_at_ms__isnull=True
                )
            )
        )
    elif given["state"] == "silent":
        seen = seen.filter(state__silent=True)
    elif given["state"] == "never":
        seen = seen.filter(state__heard_at_ms__isnull=True, enabled=True)
    elif given["state"] == "off":
        seen = seen.filter(enabled=False)
    text = given["q"]
    if text:
        seen = seen.filter(Q(name__startswith=text) | Q(title__contains=text) | Q(place__contains=text))
    return seen


def _lasting(request: HttpRequest, rows: list[Device]) -> dict[int, str]:
    """The worst severity of each device's lasting alarms."""
    found: dict[int, str] = {}
    mine = Alarm.objects.visible_to(request.user).filter(
        device__in=[row.pk for row in rows], cleared_at_ms__isnull=True
    )
    for number, severity in mine.order_by().values_list("device_id", "severity"):
        if number not in found or SEVERITIES.index(severity) < SEVERITIES.index(found[number]):  # type: ignore[arg-type]
            found[number] = severity
    return found


def _device_row(device: Device, severity: str | None, language: str) -> DeviceRow:
    made = device_types().get(device.kind)
    state, _bucket = unpack(device.state.body, device.state.heard_at_ms)
    tone, word = _tone(device, severity)
    values = (
        " · ".join(_said(made, name, value, language) for name, value in list(state.values.items())[:3])
        if made
        else ""
    )
    return DeviceRow(
        device,
        made.titles.text(language) if made else device.kind,
        device.state.heard_at_ms,
        tone,
        word,
        values,
    )


def _tone(device: Device, severity: str | None) -> tuple[str, str]:
    if not device.enabled:
        return "idle", str(_("switched off"))
    if severity is not None:
        return ("bad" if severity in {"critical", "major"} else "warn"), str(SEVERITY.get(severity, severity))
    if device.state.silent:
        return "warn", str(_("not heard"))
    if device.state.heard_at_ms is None:
        return "idle", str(_("never heard"))
    return "good", str(_("in order"))


def _said(made: DeviceType, name: str, value: Any, language: str) -> str:
    field = made.by_name.get(name)
    return "" if field is None else f"{field.titles.text(language)} {charts.worded(field, value, language)}"


@require_safe
@roles(*readers("devices"))
def device(request: HttpRequest, device_id: int) -> HttpResponse:
    """One device: what it says now, its last day, its alarms."""
    seen = Device.objects.visible_to(request.user).select_related("state", "grid")
    one = get_object_or_404(seen, pk=device_id)
    language = get_language() or "zh"
    made = device_types().get(one.kind)
    row: DeviceState = one.state
    state, bucket = unpack(row.body, row.heard_at_ms)
    points = Point.objects.filter(device=one).values_list("start_ms", "fields")[:SLOTS]
    quarters = [Bucket(start, json.loads(fields)) for start, fields in points]
    if bucket is not None:
        quarters.append(bucket)
    # What lasts is shown however old it is, the most severe first.
    mine, _ = _page(Alarm.objects.visible_to(request.user).filter(device=one), "", "")
    rows = [_alarm_row(request, alarm, language, one) for alarm in mine[:20]]
    lasting = [each.alarm.severity for each in rows if each.alarm.cleared_at_ms is None]
    worst = min(lasting, key=SEVERITIES.index, default=None)  # type: ignore[arg-type]
    tone, word = _tone(one, worst)
    context = {
        "device": one,
        "state": row,
        "tone": tone,
        "word": word,
        "kind": made.titles.text(language) if made else one.kind,
        "made": made,
        "values": [
            (field.titles.text(language), charts.worded(field, state.values[field.name], language))
            for field in (made.fields if made else ())
            if field.name in state.values
        ],
        "last_ms": state.last_ms if state.last_ms >= 0 else None,
        "taken": state.taken,
        "charts": [
            (chart, chart.field.titles.text(language))
            for chart in charts.charts(made, quarters, now_ms(), language)
        ]
        if made
        else [],
        "rows": [row for row in rows if row.alarm.cleared_at_ms is None],
        "earlier": [row for row in rows if row.alarm.cleared_at_ms is not None],
        "nav": "services",
    }
    template = "iot/_device.html" if request.htmx else "iot/device.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_safe
@roles(*readers("devices"))
def label(request: HttpRequest, device_id: int) -> HttpResponse:
    """A label to print and stick on: the device's page as a QR code."""
    one = get_object_or_404(Device.objects.visible_to(request.user), pk=device_id)
    made = device_types().get(one.kind)
    base = settings.PATROL.public_url or request.build_absolute_uri("/")
    address = f"{base.rstrip('/')}{reverse('iot:device', args=[one.pk])}"
    code = segno.make(address, error="m", micro=False)
    context = {
        "device": one,
        "kind": made.titles if made else None,
        "code": code.svg_inline(scale=6, border=4, omitsize=True, svgclass="iot-qr", lineclass=None),
        "nav": "services",
    }
    return render(request, "iot/label.html", context)


def _alarm_context(request: HttpRequest) -> dict[str, Any]:
    wanted = request.GET.get("show") or request.POST.get("show") or "live"
    show = wanted if wanted in SHOWN else "live"
    severity = request.GET.get("severity") or request.POST.get("severity") or ""
    language = get_language() or "zh"
    seen: QuerySet[Alarm] = Alarm.objects.visible_to(request.user)
    rows, older = _page(_of(seen, show), severity, request.GET.get("before", ""))
    return {
        "rows": [_alarm_row(request, alarm, language, alarm.device) for alarm in rows],
        "tabs": [
            (name, title, _count(_of(seen, name)) if name != "all" else "") for name, title in SHOWN.items()
        ],
        "dead": [
            (row, DEAD_WHAT.get(row.what, row.what))
            for row in DeadLetter.objects.visible_to(request.user)
            .order_by("-died_at_ms")
            .select_related("device")[:DEAD]
        ],
        "may": request.user.role in writers("device_alarms"),  # type: ignore[union-attr]
        "severities": list(SEVERITY.items()),
        "severity": severity if severity in SEVERITIES else "",
        "show": show,
        "older": older,
        "nav": "services",
    }


def _page(found: QuerySet[Alarm], severity: str, before: str) -> tuple[list[Alarm], str]:
    """A page of alarms and where the next begins: what lasts by severity, then what is over; in each the newest first.

    Each part is a walk of one index, so a hundred thousand old alarms cost nothing.
    """
    wanted = [severity] if severity in SEVERITIES else list(SEVERITIES)
    lasting, over = found.filter(cleared_at_ms__isnull=True), found.filter(cleared_at_ms__isnull=False)
    parts = [lasting.filter(severity=each) for each in wanted]
    parts.append(over.filter(severity=severity) if severity in SEVERITIES else over)
    told = [number for text in before.split("-") if (number := whole(text)) is not None]
    part, at, number = told if len(told) == 3 else (0, None, 0)
    rows: list[tuple[int, Alarm]] = []
    for place, alarms_ in enumerate(parts[part:], part):
        if place == part and at is not None:
            alarms_ = alarms_.filter(Q(raised_at_ms__lt=at) | Q(raised_at_ms=at, pk__lt=number))
        near = alarms_.order_by("-raised_at_ms", "-pk").select_related("device", "acknowledged_by")
        rows += [(place, alarm) for alarm in near[: PAGE + 1 - len(rows)]]
        if len(rows) > PAGE:
            place, last = rows[PAGE - 1]
            return [alarm for _, alarm in rows[:PAGE]], f"{place}-{last.raised_at_ms}-{last.pk}"
    return [alarm for _, alarm in rows], ""


def _of(seen: QuerySet[Alarm], show: str) -> QuerySet[Alarm]:
    if show == "live":
        return seen.filter(cleared_at_ms__isnull=True)
    return seen.filter(acknowledged_at_ms__isnull=True) if show == "unheard" else seen


def _count(found: QuerySet[Alarm]) -> str:
    """How many, up to a thousand: nobody counts further by eye."""
    count = len(found.order_by().values_list("pk", flat=True)[: COUNTED + 1])
    return f"{COUNTED}+" if count > COUNTED else str(count)


def _alarm_row(request: HttpRequest, alarm: Alarm, language: str, one: Device) -> AlarmRow:
    made = device_types().get(one.kind)
    rule = next((each for each in made.alarms if each.name == alarm.kind), None) if made else None
    field = made.by_name.get(rule.field) if made is not None and rule is not None else None
    value = ""
    if field is not None and field.kind == "number" and alarm.value:
        value = charts.worded(field, float(alarm.value), language)
    return AlarmRow(
        alarm,
        made.titles.text(language) if made else one.kind,
        one.title or one.name,
        made.alarm_titles(alarm.kind).text(language) if made else alarm.kind,
        str(SEVERITY.get(alarm.severity, alarm.severity)),
        value,
        str(WHY.get(alarm.cleared_why, "")),
        getattr(request.user, "role", None) in writers("device_alarms"),
    )
