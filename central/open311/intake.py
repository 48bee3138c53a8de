"""A report of GeoReport v2 read and taken: once for its content, its person sealed, its pictures written anew."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.utils.translation import override

from central.cases import fields, reports
from central.cases.apikeys import actor_of_key
from central.cases.attachments import attach, read_sent
from central.cases.definition import Definition
from central.cases.models import ApiKey, Case
from central.cases.photos import Photo
from central.cases.reporters import Contact, find_or_make
from central.open311.answers import Open311Error
from central.open311.models import Report
from central.open311.publishing import BROUGHT, asked, reportable
from central.project.clock import now_ms
from protocol.errors import PatrolError
from protocol.messages import Position

PHOTOS = 5
SAME_MS = 3_600_000
"""A client that got no answer sends the same again; what is sent again after one to two of these is another report."""

_ANSWER = re.compile(r"attribute\[([^\]]{1,60})\](\[\])?")
_CHINESE = re.compile("[\u3400-\u9fff]")
_LENGTHS = {"address_id": 100, "account_id": 100, "device_id": 100, "media_url": 500, "address_string": 300}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report as it was read."""

    definition: Definition
    answers: dict[str, Any]
    text: str
    place: str
    position: Position | None
    contact: Contact | None
    address_id: str
    account_id: str
    media_url: str
    photos: tuple[tuple[bytes, str, Photo], ...]
    digest: str


def read(request: HttpRequest, language: str) -> Wanted:
    """What a form says.

    Raises:
        Open311Error: something is missing or makes no sense; 404 where the service does not exist.
    """
    form = request.POST
    for name in form:
        if any("\x00" in value for value in (name, *form.getlist(name))):
            raise Open311Error(400, f"{name[:60]!r}: a text without NUL is needed")
    definition = _service(form.get("service_code", "").strip())
    for name, most in _LENGTHS.items():
        if len(form.get(name, "")) > most:
            raise Open311Error(400, f"{name}: at most {most} characters")
    position = _position(form)
    place, address_id = form.get("address_string", "").strip(), form.get("address_id", "").strip()
    if position is None and not place and not address_id:
        raise Open311Error(400, "a place is missing: send lat and long, address_string or address_id")
    media_url = form.get("media_url", "").strip()
    if media_url and not re.fullmatch(r"https?://[^\s\x00-\x1f]+", media_url):
        raise Open311Error(400, "media_url: an http or https address is needed")
    answers = _answers(form, definition)
    return Wanted(
        definition=definition,
        answers=answers,
        text=_text(form.get("description", "").strip(), definition, answers, media_url, language),
        place=place or (f"#{address_id}" if position is None else ""),
        position=position,
        contact=_contact(form, language),
        address_id=address_id,
        account_id=form.get("account_id", "").strip(),
        media_url=media_url,
        photos=_photos(request.FILES.getlist("media")),
        digest=_digest(request),
    )


def take(key: ApiKey, wanted: Wanted, name: str) -> tuple[Case, Report, bool]:
    """The case of a report, its Open311 side, and whether it is new.

    Args:
        key: who brings it.
        wanted: what `read` gave.
        name: the Idempotency-Key that came with it, or empty: then the same form of the same key within an hour is the
            same report.

    Raises:
        PatrolError: the engine refuses it.
    """
    now = now_ms()
    span = now // SAME_MS
    if name:
        said = [hashlib.sha256(f"key {name}".encode()).hexdigest()]
    else:
        said = [f"{wanted.digest}/{span}", f"{wanted.digest}/{span - 1}"]
    names = [f"open311/{key.name}/{each}" for each in said]
    known = Report.objects.filter(case__source_key__in=names).select_related("case").first()
    if known is None:
        case, new = _open(key, wanted, names[0], now)
        report = case.open311
    else:
        case, report, new = known.case, known, False
    # Also where the report is known: its first sender may have been cut off before his pictures were kept.
    for number, (data, filename, photo) in enumerate(wanted.photos):
        attach(case, None, data, filename, f"{BROUGHT}{number}", actor=actor_of_key(key).name, photo=photo)
    return case, report, new


def _open(key: ApiKey, wanted: Wanted, source_key: str, now: int) -> tuple[Case, bool]:
    with transaction.atomic():
        reporter = None
        if wanted.contact is not None:
            reporter = find_or_make(key.jurisdiction_id, wanted.contact)
        case, new = reports.open_case(
            reports.NewCase(
                source="person",
                source_key=source_key,
                service_code=wanted.definition.service_code,
                jurisdiction_id=key.jurisdiction_id,
                at_ms=now,
                actor=actor_of_key(key).name,
                text=wanted.text,
                place=wanted.place,
                position=wanted.position,
                reporter=reporter,
            )
        )
        if new:
            Report.objects.create(
                case=case,
                key=key,
                token=secrets.token_urlsafe(24),
                answers=wanted.answers,
                address_id=wanted.address_id,
                account_id=wanted.account_id,
                media_url=wanted.media_url,
                at_ms=now,
            )
    return case, new


def _service(code: str) -> Definition:
    if not code:
        raise Open311Error(400, "service_code was not provided")
    found = reportable().get(code)
    if found is None:
        raise Open311Error(404, "service_code provided was not found")
    return found


def _position(form: QueryDict) -> Position | None:
    found = {}
    for name, most in (("lat", 90), ("long", 180)):
        text = form.get(name, "").strip()
        if not text:
            continue
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = math.nan
        if not abs(found[name]) <= most:
            raise Open311Error(400, f"{name}: degrees in WGS-84 from -{most} to {most} are needed")
    if not found:
        return None
    if len(found) < 2:
        raise Open311Error(400, "lat and long are needed both")
    return Position(longitude=found["long"], latitude=found["lat"])


def _answers(form: QueryDict, definition: Definition) -> dict[str, Any]:
    rules = {rule.name: rule for rule in asked(definition)}
    given: dict[str, Any] = {}
    for name in form:
        found = _ANSWER.fullmatch(name)
        if found is None:
            continue
        code, values = found[1], [value.strip() for value in form.getlist(name) if value.strip()]
        if code not in rules:
            raise Open311Error(400, f"attribute[{code}]: this service asks for nothing of this name")
        if len(values) > 1:
            raise Open311Error(400, f"attribute[{code}]: one value is needed")
        if values:
            number = rules[code].kind == "integer" and re.fullmatch(r"-?\d{1,15}", values[0], re.ASCII)
            given[code] = int(values[0]) if number else values[0]
    needed = tuple(rule.name for rule in rules.values() if rule.asked == "must")
    try:
        with override("en"):
            return fields.check(definition, needed, given, frozenset())
    except fields.BadFieldError as error:
        with override("en"):
            raise Open311Error(400, f"attribute[{error.name}]: {error.reason}") from None


def _text(said: str, definition: Definition, answers: dict[str, Any], media_url: str, language: str) -> str:
    """What the officer reads: the words, then what was answered. A picture alone is a report too."""
    if len(said) > reports.TEXT_LENGTH:
        raise Open311Error(400, f"description: at most {reports.TEXT_LENGTH} characters")
    lines = [said] if said else [] if answers else [definition.titles.text(language)]
    for rule in asked(definition):
        if rule.name in answers:
            value = answers[rule.name]
            shown = rule.choice_text(value, language) if rule.kind == "choice" else str(value)
            lines.append(f"{rule.titles.text(language)}: {shown}")
    if media_url:
        lines.append(media_url)  # nobody's address is fetched by the centre: an officer may open it
    text = "\n".join(lines)
    if len(text) > reports.TEXT_LENGTH:
        raise Open311Error(400, f"description: with the answers at most {reports.TEXT_LENGTH} characters")
    return text


def _contact(form: QueryDict, language: str) -> Contact | None:
    first, last = form.get("first_name", "").strip(), form.get("last_name", "").strip()
    phone, email = form.get("phone", "").strip(), form.get("email", "").strip()
    if not (first or last or phone or email):
        return None
    name = f"{last}{first}" if _CHINESE.search(first + last) else f"{first} {last}".strip()
    spoken = "zh-hans" if language.startswith("zh") else "en"
    return Contact(name=name, phone=phone, language=spoken, email=email)


def _photos(files: Sequence[UploadedFile]) -> tuple[tuple[bytes, str, Photo], ...]:
    if len(files) > PHOTOS:
        raise Open311Error(400, f"media: at most {PHOTOS} pictures")
    most = settings.PATROL.picture_bytes
    found = []
    for file in files:
        if (file.size or 0) > most:
            raise Open311Error(400, f"media: a picture has at most {most} bytes")
        data = file.read()
        try:
            photo = read_sent(data)
        except PatrolError as error:
            raise Open311Error(400, f"media: {error.problem}") from None
        found.append((data, file.name or "", photo))
    return tuple(found)


def _digest(request: HttpRequest) -> str:
    """Of everything that was said; the key that pays for it is told apart by its name."""
    total = hashlib.sha256()
    for name in sorted(request.POST):
        if name != "api_key":
            for value in request.POST.getlist(name):
                total.update(f"{len(name)} {name}={len(value)} {value}\n".encode())
    for file in request.FILES.getlist("media"):
        file.seek(0)
        total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()
