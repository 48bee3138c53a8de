"""An alarm as a public warning: Common Alerting Protocol 1.2 (OASIS, 2010), in Chinese and English.

The message is made here and handed out; whoever warns the public with it - a platform, a screen, a loudspeaker - takes it from
here. An alarm that lasts is an Update every twelve hours; one that has ended is a Cancel. Both name the messages before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from django.utils import timezone

from central.iot.models import Alarm
from central.iot.types import DeviceType

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
VALID = timedelta(hours=24)
RENEWED = timedelta(hours=12)
"""An alarm that lasts is said again so often, as an Update: no message changes once it was handed out."""
RADIUS_KM = 0.2
SEVERITY = {"critical": "Extreme", "major": "Severe", "minor": "Moderate", "warning": "Minor"}
LANGUAGES = {"zh": "zh-CN", "en": "en-US"}

_ALERT = "identifier sender sent status msgType source? scope restriction? addresses? code* note? references? incidents? info*"
_INFO = (
    "language? category+ event responseType* urgency severity certainty audience? eventCode* effective? onset? expires?"
    " senderName? headline? description? instruction? web? contact? parameter* resource* area*"
)
_AREA = "areaDesc polygon* circle* geocode* altitude? ceiling?"
_WORDS = {
    "status": {"Actual", "Exercise", "System", "Test", "Draft"},
    "msgType": {"Alert", "Update", "Cancel", "Ack", "Error"},
    "scope": {"Public", "Restricted", "Private"},
    "category": {
        "Geo",
        "Met",
        "Safety",
        "Security",
        "Rescue",
        "Fire",
        "Health",
        "Env",
        "Transport",
        "Infra",
        "CBRNE",
        "Other",
    },
    "urgency": {"Immediate", "Expected", "Future", "Past", "Unknown"},
    "severity": {"Extreme", "Severe", "Moderate", "Minor", "Unknown"},
    "certainty": {"Observed", "Likely", "Possible", "Unlikely", "Unknown"},
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\Z")
_PLAIN = re.compile(r"[^\s,<&]+\Z")
_CIRCLE = re.compile(r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?\Z")


def warning(alarm: Alarm, made: DeviceType, sender: str, now_ms: int) -> bytes:
    """The message, as XML in UTF-8.

    Args:
        alarm: with its device.
        made: the device's type.
        sender: who warns: a name without blanks, such as a host name.
        now_ms: when it is sent.

    Raises:
        ValueError: it would not be a message of CAP 1.2.
    """
    ET.register_namespace("", NAMESPACE)
    device = alarm.device
    over = alarm.cleared_at_ms is not None
    name = f"{alarm.jurisdiction_id}-device-alarm-{alarm.pk}"
    until_ms = now_ms if alarm.cleared_at_ms is None else alarm.cleared_at_ms
    every_ms = int(RENEWED.total_seconds() * 1000)
    times = max(0, until_ms - alarm.seen_at_ms) // every_ms
    told = [(f"{name}-{n}" if n else name, alarm.seen_at_ms + n * every_ms) for n in range(times + 1)]
    identifier, sent_ms = (f"{name}-end", until_ms) if over else told.pop()
    alert = ET.Element(_tag("alert"))
    _put(alert, "identifier", identifier)
    _put(alert, "sender", sender)
    _put(alert, "sent", _at(sent_ms))
    _put(alert, "status", "Actual")
    _put(alert, "msgType", "Cancel" if over else "Update" if told else "Alert")
    _put(alert, "scope", "Public")
    if told:
        _put(alert, "references", " ".join(f"{sender},{each},{_at(at_ms)}" for each, at_ms in told[-50:]))
    named = made.cap_event or made.alarm_titles(alarm.kind)
    place = device.place or device.title or device.name
    expires = sent_ms + int(VALID.total_seconds() * 1000)
    for short, code in LANGUAGES.items():
        chinese = short == "zh"
        event, kind, what = (
            getattr(titles, short) for titles in (named, made.titles, made.alarm_titles(alarm.kind))
        )
        state = ("已解除" if over else "报警") if chinese else ("is over" if over else "alarm")
        info = ET.SubElement(alert, _tag("info"))
        _put(info, "language", code)
        _put(info, "category", made.cap_category)
        _put(info, "event", event)
        _put(info, "urgency", "Past" if over else "Immediate" if alarm.severity == "critical" else "Expected")
        _put(info, "severity", SEVERITY.get(alarm.severity, "Unknown"))
        _put(info, "certainty", "Observed")
        _put(info, "effective", _at(sent_ms))
        _put(info, "onset", _at(alarm.since_ms))
        _put(info, "expires", _at(expires))
        _put(info, "headline", f"{place}：{event}{state}" if chinese else f"{place}: {event} {state}")
        _put(
            info,
            "description",
            f"{kind}（{device.name}）：{what}" if chinese else f"{kind} ({device.name}): {what}",
        )
        area = ET.SubElement(info, _tag("area"))
        _put(area, "areaDesc", place)
        if device.longitude is not None and device.latitude is not None:
            _put(area, "circle", f"{device.latitude:.6f},{device.longitude:.6f} {RADIUS_KM}")
    found = list(faults(alert))
    if found:
        raise ValueError("; ".join(found))
    ET.indent(alert)
    raw: bytes = ET.tostring(alert, encoding="utf-8", xml_declaration=True)
    return raw


def faults(alert: ET.Element) -> Iterator[str]:
    """What the schema of CAP 1.2 has against a message: order and number of elements, words, instants, names, circles."""
    if alert.tag != _tag("alert"):
        yield "the root is no alert of CAP 1.2"
        return
    yield from _children(alert, _ALERT, "alert")
    for info in alert.findall(_tag("info")):
        yield from _children(info, _INFO, "info")
        for area in info.findall(_tag("area")):
            yield from _children(area, _AREA, "area")
    for element in alert.iter():
        short, given = element.tag.removeprefix(f"{{{NAMESPACE}}}"), element.text or ""
        if short in _WORDS and given not in _WORDS[short]:
            yield f"{short}: {given!r} is none of its words"
        if short in {"sent", "effective", "onset", "expires"} and not _INSTANT.match(given):
            yield f"{short}: {given!r} is no instant with an offset"
        if short in {"identifier", "sender"} and not _PLAIN.match(given):
            yield f"{short}: {given!r} has a blank, a comma, < or &"
        if short == "circle" and not _CIRCLE.match(given):
            yield f"circle: {given!r}"


def _children(element: ET.Element, model: str, where: str) -> Iterator[str]:
    """Compare the children of an element with a sequence like ``a b? c* d+``."""
    names = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]
    pattern = "".join(
        f"(?:{part.rstrip('?*+')} ){part[-1] if part[-1] in '?*+' else ''}" for part in model.split()
    )
    if not re.fullmatch(pattern, "".join(f"{name} " for name in names)):
        yield f"{where}: {', '.join(names)} is not the order of {model}"


def _put(parent: ET.Element, name: str, given: str) -> None:
    ET.SubElement(parent, _tag(name)).text = given


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _at(ms: int) -> str:
    """An instant in the centre's zone, whole seconds, with its offset: CAP knows no Z."""
    moment = datetime.fromtimestamp(ms // 1000, timezone.get_default_timezone())
    return moment.isoformat(timespec="seconds")
