"""Inspections, what they find, how it is mended; papers and equipment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction

from central.project.clock import now_ms
from central.shops import photos
from central.shops.checklists import Checklist, current
from central.shops.colours import recolour_one
from central.shops.models import (
    Certificate,
    CertificateKind,
    Entry,
    Finding,
    Inspection,
    InspectionKind,
    Photo,
    Shop,
)
from central.shops.rules import DAY_MS
from protocol.errors import PatrolError

SIGNATURE_LENGTH = 24_000
_SIGNATURE = re.compile(r"(?:[ML]\d{1,3}(?:\.\d)? \d{1,3}(?:\.\d)?){2,3000}\Z")
"""Pen down, pen along: nothing else of SVG's language."""

NOTE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody found, item by item.

    Args:
        kind: self, patrol or professional.
        key: makes a repetition the same inspection.
        answers: ``ok``, ``fail`` or ``none`` (there is no such thing here) by item.
        photos: of what is not in order, by item.
        note: what else was seen.
        signed_by: who signed, at an inspection by somebody else than the merchant.
        signature: the drawn line, a path of SVG.
    """

    kind: str
    key: str
    answers: Mapping[str, str]
    photos: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""
    signed_by: str = ""
    signature: str = ""


def inspect(
    shop: Shop, told: Answers, actor: str, user: Any = None, at_ms: int | None = None
) -> tuple[Inspection, bool]:
    """Keep an inspection with a finding for each failure; (inspection, whether it is new).

    Args:
        shop: which.
        told: what was found.
        actor: who says so.
        user: the same, where it is somebody with a log-in.
        at_ms: when it was; now, if nothing is said.

    Raises:
        PatrolError: an item without an answer, a failure without a photo, a signature of no form.
    """
    checklist = current(shop.category)
    _check(told, checklist)
    known = Inspection.objects.filter(key=told.key, shop=shop).first()
    if known is not None:
        return known, False
    failed = [item for item in checklist.asked_in(told.kind) if told.answers[item.id] == "fail"]
    written = now_ms()
    now = written if at_ms is None else at_ms
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        known = Inspection.objects.filter(key=told.key, shop=shop).first()
        if known is not None:
            return known, False
        made = Inspection.objects.create(
            shop=locked,
            key=told.key,
            kind=told.kind,
            checklist=checklist.name,
            answers=dict(told.answers),
            failed=len(failed),
            note=told.note.strip(),
            signed_by=told.signed_by.strip(),
            signature=told.signature,
            user=user,
            actor=actor[:160],
            at_ms=now,
        )
        for item in failed:
            # One item is one hazard until it is mended, however often it is seen meanwhile.
            if locked.findings.filter(item=item.id, mended_at_ms__isnull=True).exists():
                continue
            Finding.objects.create(
                shop=locked,
                inspection=made,
                item=item.id,
                severity=item.severity,
                titles={"zh": item.zh, "en": item.en},
                found_at_ms=now,
                due_at_ms=now + max(item.mend_days * DAY_MS, DAY_MS // 24),
                photo=photos.keep(locked, told.photos[item.id], actor),
            )
        if told.kind == InspectionKind.SELF:
            locked.self_inspected_at_ms = max(now, locked.self_inspected_at_ms or 0)
        else:
            locked.inspected_at_ms = max(now, locked.inspected_at_ms or 0)
            _agree(locked, told, checklist, actor, now)
        locked.save(update_fields=["self_inspected_at_ms", "inspected_at_ms"])
        body = {"inspection": made.pk, "kind": told.kind, "failed": len(failed), "checklist": checklist.name}
        Entry.objects.create(shop=locked, kind="inspection", at_ms=written, actor=actor[:160], body=body)
        recolour_one(locked)
    return made, True


def _agree(shop: Shop, told: Answers, checklist: Checklist, actor: str, now: int) -> None:
    """What an inspector finds in order is mended, and what the merchant called mended is agreed to."""
    fine = [item.id for item in checklist.asked_in(told.kind) if told.answers[item.id] == "ok"]
    seen = shop.findings.filter(item__in=fine, checked_at_ms__isnull=True, found_at_ms__lte=now)
    seen.filter(mended_at_ms__isnull=True).update(mended_at_ms=now)
    seen.update(checked_at_ms=now, checked_by=actor[:160])


def _check(told: Answers, checklist: Checklist) -> None:
    if told.kind not in InspectionKind.values:
        raise PatrolError("there is no such inspection", field="kind", value=told.kind[:20])
    if not 8 <= len(told.key) <= 100:
        raise PatrolError("a key has 8 to 100 characters", field="key")
    for item in checklist.asked_in(told.kind):
        answer = told.answers.get(item.id)
        if answer not in ("ok", "fail", "none"):
            raise PatrolError("this item has no answer", field=item.id)
        if answer == "fail" and not told.photos.get(item.id):
            raise PatrolError("what is not in order needs a photo", field=item.id)
    if len(told.note) > NOTE_LENGTH or len(told.signed_by) > 80:
        raise PatrolError("this text is too long", field="note")
    if told.signature and (len(told.signature) > SIGNATURE_LENGTH or not _SIGNATURE.match(told.signature)):
        raise PatrolError("this is not a signature that was drawn here", field="signature")
    if told.kind != InspectionKind.SELF and not told.signed_by.strip():
        raise PatrolError("whoever was there signs: a name is needed", field="signed_by")


def mend(finding: Finding, photo: bytes, note: str, actor: str) -> Finding:
    """The merchant has mended it, and shows it. Said again, nothing changes.

    Raises:
        PatrolError: no photo, or one that cannot be accepted.
    """
    if not photo:
        raise PatrolError("what was mended needs a photo", field="photo")
    with transaction.atomic():
        shop = Shop.objects.select_for_update().get(pk=finding.shop_id)
        held = Finding.objects.select_for_update().get(pk=finding.pk, shop=shop)
        if held.mended_at_ms is not None:
            return held
        held.mend_photo = photos.keep(shop, photo, actor)
        held.mended_at_ms, held.mend_note = now_ms(), note.strip()[:500]
        held.save()
        body = {"finding": held.pk, "item": held.item}
        Entry.objects.create(shop=shop, kind="mended", at_ms=now_ms(), actor=actor[:160], body=body)
        recolour_one(shop)
    return held


def judge_mend(finding: Finding, actor: str, *, good: bool) -> Finding:
    """An inspector has looked at what was mended: agreed to, or open again with the old deadline."""
    with transaction.atomic():
        shop = Shop.objects.select_for_update().get(pk=finding.shop_id)
        held = Finding.objects.select_for_update().get(pk=finding.pk, shop=shop)
        if held.mended_at_ms is None or held.checked_at_ms is not None:
            return held
        if good:
            held.checked_at_ms, held.checked_by = now_ms(), actor[:160]
        else:
            held.mended_at_ms = held.mend_photo = None
        held.save()
        body = {"finding": held.pk, "item": held.item, "good": good}
        Entry.objects.create(shop=shop, kind="mend_judged", at_ms=now_ms(), actor=actor[:160], body=body)
        recolour_one(shop)
    return held


def set_certificate(
    shop: Shop, kind: str, expires_on: date, actor: str, *, label: str = "", photo: bytes | None = None
) -> Certificate:
    """A paper or a piece of equipment with its last good day; it replaces the one of the same kind and label.

    Raises:
        PatrolError: no such kind, a day that is far away, a label that is too long.
    """
    if kind not in CertificateKind.values:
        raise PatrolError("there is no such paper or equipment", field="kind", value=kind[:40])
    if not 2000 <= expires_on.year <= 2100:
        raise PatrolError("this day is too far away", field="expires_on", value=expires_on.isoformat())
    label = label.strip()
    if len(label) > 80 or not (label.isprintable()):
        raise PatrolError("a label has at most 80 letters", field="label")
    now = now_ms()
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        old = locked.certificates.filter(kind=kind, label=label, replaced_at_ms__isnull=True).first()
        if old is not None and old.expires_on == expires_on and photo is None:
            return old
        if old is not None:
            old.replaced_at_ms = now
            old.save(update_fields=["replaced_at_ms"])
        kept: Photo | None = photos.keep(locked, photo, actor) if photo else None
        made = Certificate.objects.create(
            shop=locked,
            kind=kind,
            label=label,
            expires_on=expires_on,
            photo=kept,
            actor=actor[:160],
            added_at_ms=now,
        )
        body = {"certificate": made.pk, "kind": kind, "expires_on": expires_on.isoformat()}
        Entry.objects.create(shop=locked, kind="certificate", at_ms=now, actor=actor[:160], body=body)
        recolour_one(locked)
    return made
