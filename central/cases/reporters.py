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
EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+")
_DIGITS = re.compile(r"\+?[0-9]{5,20}")


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a reporter, in the clear: only in memory."""

    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    language: str = "zh-hans"
    email: str = field(default="", repr=False)


def find_or_make(jurisdiction_id: str, contact: Contact) -> Reporter:
    """The reporter with this number (or e-mail address), or a new one. A number that was given with another name keeps the first.

    Raises:
        PatrolError: neither name nor number, or one that makes no sense.
        UnavailableError: the key cannot be used now.
    """
    name = contact.name.strip()
    if len(name) > NAME_LENGTH or "\x00" in name:
        raise PatrolError(f"a name has at most {NAME_LENGTH} characters", field="reporter.name")
    phone, email = _phone(contact.phone), _email(contact.email)
    if not name and not phone and not email:
        raise PatrolError("a reporter has a name, a number or an e-mail address", field="reporter")
    key = the_key()
    mark = _mark(key, jurisdiction_id, phone or f"mailto:{email}") if phone or email else ""
    if mark:
        known = Reporter.objects.filter(jurisdiction_id=jurisdiction_id, mark=mark).first()
        if known is not None:
            return known
    fresh = Reporter(
        jurisdiction_id=jurisdiction_id,
        mark=mark,
        sealed=_seal(key, name, phone, email),
        language=contact.language,
        made_at_ms=now_ms(),
    )
    if not mark:
        fresh.save(force_insert=True)
        return fresh
    Reporter.objects.bulk_create([fresh], ignore_conflicts=True)
    return Reporter.objects.get(jurisdiction_id=jurisdiction_id, mark=mark)


def find(jurisdiction_id: str, phone: str) -> Reporter | None:
    """The reporter with this number, if one is known.

    Raises:
        PatrolError: this is no telephone number.
        UnavailableError: the key cannot be used now.
    """
    number = _phone(phone)
    if not number:
        return None
    mark = _mark(the_key(), jurisdiction_id, number)
    return Reporter.objects.filter(jurisdiction_id=jurisdiction_id, mark=mark).first()


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
    return Contact(content["name"], content["phone"], reporter.language, content.get("email", ""))


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: reporters are sealed anew, with new marks."""
    for reporter in Reporter.objects.exclude(sealed=None).iterator(chunk_size=500):
        assert reporter.sealed is not None
        content = json.loads(old.unseal(bytes(reporter.sealed), _BOUND))
        email = content.get("email", "")
        reporter.sealed = _seal(new, content["name"], content["phone"], email)
        if content["phone"] or email:
            reporter.mark = _mark(new, reporter.jurisdiction_id, content["phone"] or f"mailto:{email}")
        reporter.save(update_fields=["sealed", "mark"])


def _seal(key: OwnersKey, name: str, phone: str, email: str = "") -> bytes:
    content = {"name": name, "phone": phone} | ({"email": email} if email else {})
    return key.seal(json.dumps(content, ensure_ascii=False).encode(), _BOUND)


def _mark(key: OwnersKey, jurisdiction_id: str, phone: str) -> str:
    return key.index("reporter", f"{jurisdiction_id}/{phone}").hex()


def _email(text: str) -> str:
    plain = text.strip().lower()
    if plain and (len(plain) > EMAIL_LENGTH or not _EMAIL.fullmatch(plain)):
        raise PatrolError("this is not an e-mail address", field="reporter.email")
    return plain


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
