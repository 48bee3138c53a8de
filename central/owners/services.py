"""Finding an owner, keeping the table and the register of opt-outs, changing the key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import DatabaseError, transaction
from django.dispatch import Signal

from central.owners import keys
from central.owners.models import Lookup, OptOut, Owner, OwnersKeyName
from central.project.clock import now_ms
from notifier.masking import mask_phone, mask_plate
from notifier.owners import (
    Change,
    NoOwner,
    OwnerRow,
    OwnersKey,
    TableReport,
    key_of,
    new_secret,
    next_key_file,
    normal_phone,
    normal_plate,
    write_key_file,
)
from notifier.owners import Owner as FoundOwner
from protocol.errors import PatrolError, UnavailableError

BATCH = 500
LOOKUPS_KEPT_MS = 366 * 86_400_000
"""Look-ups can be accounted for over a year."""

key_changed = Signal()
"""Sent in the transaction that seals everything anew, with `old` and `new`; whoever seals with the key seals again."""


def plate_mark(key: OwnersKey, plate: str) -> str:
    """The keyed hash by which a plate is found. A plate in no normal spelling has one all the same."""
    try:
        plate = normal_plate(plate)
    except ValueError:
        plate = plate.strip().upper()
    return key.index("plate", plate).hex()


def phone_mark(key: OwnersKey, phone: str) -> str:
    """The keyed hash by which a number is found."""
    return key.index("owner", phone).hex()


def find(plate: str, *, purpose: str, who: str) -> FoundOwner | NoOwner:
    """Look an owner up; the look-up is committed to the audit before the answer is given.

    Raises:
        UnavailableError: the table or its key cannot be used now.
    """
    try:
        key = keys.the_key()
        mark = plate_mark(key, plate)
        with transaction.atomic():
            rows = [_open(key, mark, row) for row in Owner.objects.filter(plate_mark=mark)]
            answer = _answer(rows, key)
            Lookup.objects.create(
                at_ms=now_ms(),
                who=who[:100],
                purpose=purpose[:300],
                plate_masked=mask_plate(plate)[:12],
                plate_mark=mark,
                answer=answer.reason if isinstance(answer, NoOwner) else "found",
            )
    except UnavailableError:
        raise
    except (DatabaseError, ValueError, PatrolError) as error:
        said = error.problem if isinstance(error, PatrolError) else type(error).__name__
        raise UnavailableError(f"the owners cannot be looked up: {said}") from error
    return answer


def _answer(rows: list[OwnerRow], key: OwnersKey) -> FoundOwner | NoOwner:
    if not rows:
        return NoOwner("not_found")
    if len(rows) > 1:
        return NoOwner("ambiguous")
    if rows[0].opted_out or has_opted_out(phone_mark(key, rows[0].phone)):
        return NoOwner("opted_out")
    return FoundOwner(rows[0].phone, rows[0].language)


def add(rows: Iterable[OwnerRow], *, replace: bool = False) -> list[Change]:
    """Store rows, all or none. With `replace` the table holds nothing else afterwards.

    Returns:
        For each row what it did. A second number for a plate makes the plate ambiguous: nobody is warned for it.

    Raises:
        PatrolError: the key does not fit.
    """
    key = keys.the_key()
    changes: list[Change] = []
    with transaction.atomic():
        if replace:
            Owner.objects.all().delete()
        source = iter(rows)
        while batch := list(islice(source, BATCH)):
            changes.extend(_add(key, batch))
    return changes


def _add(key: OwnersKey, batch: list[OwnerRow]) -> Iterator[Change]:
    marked = [(plate_mark(key, row.plate), phone_mark(key, row.phone), row) for row in batch]
    known: dict[str, dict[str, OwnerRow]] = {}
    for owner in Owner.objects.filter(plate_mark__in={plate for plate, _, _ in marked}):
        known.setdefault(owner.plate_mark, {})[owner.owner_mark] = _open(key, owner.plate_mark, owner)
    changed: dict[tuple[str, str], Owner] = {}
    for plate, phone, row in marked:
        owners = known.setdefault(plate, {})
        if owners.get(phone) == row:
            yield "unchanged"
            continue
        owners[phone] = row
        changed[plate, phone] = Owner(plate_mark=plate, owner_mark=phone, sealed=_sealed(key, plate, row))
        yield "second_owner" if set(owners) - {phone} else "added"
    Owner.objects.bulk_create(
        changed.values(),
        update_conflicts=True,
        update_fields=["sealed"],
        unique_fields=["plate_mark", "owner_mark"],
    )


def verify() -> TableReport:
    """Open every row and count.

    Raises:
        PatrolError: the key does not fit.
    """
    key = keys.the_key()
    plates: dict[str, int] = {}
    opted_out = unreadable = 0
    for owner in Owner.objects.iterator(chunk_size=2000):
        plates[owner.plate_mark] = plates.get(owner.plate_mark, 0) + 1
        try:
            opted_out += _open(key, owner.plate_mark, owner).opted_out
        except ValueError:
            unreadable += 1
    ambiguous = sum(1 for number in plates.values() if number > 1)
    return TableReport(len(plates), sum(plates.values()), ambiguous, opted_out, unreadable)


# Opt-outs


def has_opted_out(mark: str) -> bool:
    """Whether the number of this mark wants no messages."""
    return OptOut.objects.filter(phone_mark=mark, opted_out=True).exists()


def opt_out(phone: str, *, source: str, opted_out: bool = True) -> bool:
    """Note that a number wants no messages, or wants them again; True if that is news.

    Raises:
        PatrolError: it is no phone number, or the key does not fit.
    """
    try:
        phone = normal_phone(phone)
    except ValueError as error:
        raise PatrolError(f"no phone number: {error}", field="phone", value=mask_phone(phone)) from error
    key = keys.the_key()
    mark = phone_mark(key, phone)
    with transaction.atomic():
        row = OptOut.objects.select_for_update().filter(phone_mark=mark).first()
        if row is None and not opted_out:
            return False
        if row is not None and row.opted_out == opted_out:
            return False
        OptOut.objects.update_or_create(
            phone_mark=mark,
            defaults={
                "sealed": key.seal(phone.encode(), mark.encode()),
                "phone_masked": mask_phone(phone),
                "opted_out": opted_out,
                "source": source[:40],
                "at_ms": now_ms(),
            },
        )
    return True


# The key


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was sealed anew."""

    owners: int
    opt_outs: int
    key: str


def rotate(progress: Callable[[int], None] = lambda _: None) -> Rotation:
    """Seal everything with a fresh key, which takes the old one's place in the key file. A power cut at any moment
    leaves a database and a file that fit: the new key is written beside the old one first, and whoever starts next
    finishes or drops what was begun.

    Raises:
        PatrolError: the key comes from the environment, or a row cannot be opened; nothing was changed.
    """
    from django.conf import settings

    if settings.PATROL.owners_key:
        raise PatrolError(
            "the key is in the environment, where this program cannot change it",
            field="PATROL_CENTRAL_OWNERS_KEY",
            mend="Put the key into a file and name that in PATROL_CENTRAL_OWNERS_KEY_FILE.",
        )
    old = keys.the_key()
    path = keys.key_file()
    secret = new_secret()
    write_key_file(next_key_file(path), secret, replace=True)
    new = key_of(secret, where=next_key_file(path), field="PATROL_CENTRAL_OWNERS_KEY_FILE")
    with transaction.atomic():
        OwnersKeyName.objects.select_for_update().get(pk=1)
        owners = _reseal_owners(old, new, progress)
        opt_outs = _reseal_opt_outs(old, new)
        # The audit's marks name plates under the old key; under the new one they would mislead.
        Lookup.objects.exclude(plate_mark="").update(plate_mark="")
        key_changed.send(sender=Rotation, old=old, new=new)
        OwnersKeyName.objects.filter(pk=1).update(name=new.name)
    keys.finish_rotation(path, new.name)
    return Rotation(owners, opt_outs, new.name)


def _reseal_owners(old: OwnersKey, new: OwnersKey, progress: Callable[[int], None]) -> int:
    try:
        rows = [_open(old, owner.plate_mark, owner) for owner in Owner.objects.all()]
    except ValueError as error:
        raise PatrolError(f"the table has a row that {error}; nothing was changed") from error
    Owner.objects.all().delete()
    source = iter(rows)
    done = 0
    while batch := list(islice(source, BATCH)):
        done += sum(1 for _ in _add(new, batch))
        progress(done)
    return done


def _reseal_opt_outs(old: OwnersKey, new: OwnersKey) -> int:
    rows = list(OptOut.objects.all())
    for row in rows:
        phone = old.unseal(bytes(row.sealed), row.phone_mark.encode()).decode()
        row.phone_mark = phone_mark(new, phone)
        row.sealed = new.seal(phone.encode(), row.phone_mark.encode())
    OptOut.objects.bulk_update(rows, ["phone_mark", "sealed"], batch_size=BATCH)
    return len(rows)


def sweep() -> None:
    """Forget look-ups that nobody has to account for any more."""
    Lookup.objects.filter(at_ms__lt=now_ms() - LOOKUPS_KEPT_MS).delete()


def _sealed(key: OwnersKey, mark: str, row: OwnerRow) -> bytes:
    content = json.dumps([row.plate, row.phone, row.language, row.opted_out], ensure_ascii=False)
    return key.seal(content.encode(), bytes.fromhex(mark))


def _open(key: OwnersKey, mark: str, owner: Owner) -> OwnerRow:
    plate, phone, language, opted_out = json.loads(key.unseal(bytes(owner.sealed), bytes.fromhex(mark)))
    return OwnerRow(plate, phone, language, opted_out)
