"""Who told of a case. Name and number are sealed with the centre's key and found again by a keyed hash."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from central.cases.models import Reporter
from central.owners.keys import the_key
from central.people.models import User
from central.project.clock import now_ms
from notifier.owners import OwnersKey, normal_phone
from protocol.errors import PatrolError

NAME_LENGTH = 80
_BOUND = b"reporter"
_DIGITS = re.compile(r"\+?[0-9]{5,20}")


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a reporter, in the clear: only in memory."""

    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    language: str = "zh-hans"


def find_or_make(jurisdiction_id: str, contact: Contact) -> Reporter:
    """The reporter with this number, or a new one. A number that was given with another name keeps the first.

    Raises:
        PatrolError: neither name nor number, or one that makes no sense.
        UnavailableError: the key cannot be used now.
    """
    name = contact.name.strip()
    if len(name) > NAME_LENGTH or "\x00" in name:
        raise PatrolError(f"a name has at most {NAME_LENGTH} characters", field="reporter.name")
    phone = _phone(contact.phone)
    if not name and not phone:
        raise PatrolError("a reporter has a name or a number", field="reporter")
    key = the_key()
    mark = _mark(key, jurisdiction_id, phone) if phone else ""
    if mark:
        known = Reporter.objects.filter(jurisdiction_id=jurisdiction_id, mark=mark).first()
        if known is not None:
            return known
    fresh = Reporter(
        jurisdiction_id=jurisdiction_id,
        mark=mark,
        sealed=_seal(key, name, phone),
        language=contact.language,
        made_at_ms=now_ms(),
    )
    if not mark:
        fresh.save(force_insert=True)
        return fresh
    Reporter.objects.bulk_create([fresh], ignore_conflicts=True)
    return Reporter.objects.get(jurisdiction_id=jurisdiction_id, mark=mark)


def reporter_of_user(user: User, jurisdiction_id: str) -> Reporter:
    """The reporter that a person with a log-in is."""
    known = Reporter.objects.filter(user=user, jurisdiction_id=jurisdiction_id).first()
    return known or Reporter.objects.create(jurisdiction_id=jurisdiction_id, user=user, made_at_ms=now_ms())


def contact_of(reporter: Reporter) -> Contact:
    """Name and number in the clear, for the one who sends the message or calls back.

    Raises:
        PatrolError: sealed with another key, or changed.
        UnavailableError: the key cannot be used now.
    """
    if reporter.sealed is None:
        return Contact(language=reporter.language)
    key = the_key()
    try:
        content = json.loads(key.unseal(bytes(reporter.sealed), _BOUND))
    except ValueError as error:
        raise PatrolError("this reporter cannot be unsealed", value=f"reporter {reporter.pk}") from error
    return Contact(content["name"], content["phone"], reporter.language)


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: reporters are sealed anew, with new marks."""
    for reporter in Reporter.objects.exclude(sealed=None).iterator(chunk_size=500):
        assert reporter.sealed is not None
        content = json.loads(old.unseal(bytes(reporter.sealed), _BOUND))
        reporter.sealed = _seal(new, content["name"], content["phone"])
        if content["phone"]:
            reporter.mark = _mark(new, reporter.jurisdiction_id, content["phone"])
        reporter.save(update_fields=["sealed", "mark"])


def _seal(key: OwnersKey, name: str, phone: str) -> bytes:
    return key.seal(json.dumps({"name": name, "phone": phone}, ensure_ascii=False).encode(), _BOUND)


def _mark(key: OwnersKey, jurisdiction_id: str, phone: str) -> str:
    return key.index("reporter", f"{jurisdiction_id}/{phone}").hex()


def _phone(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return normal_phone(text)
    except ValueError:
        plain = re.sub(r"[\s\-().]", "", text)
        if not _DIGITS.fullmatch(plain):
            raise PatrolError("this is not a telephone number", field="reporter.phone") from None
        return plain
