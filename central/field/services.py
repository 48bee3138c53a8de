"""Taking what a phone sends: each key has one effect, and a repetition gets the same answer.

The row of the key is written before its effect. Whoever sends the same key meanwhile waits, and then finds the answer. The
effect and the answer are one transaction: a process that dies in between has done nothing, and one that dies before it
answers has done everything, so that the phone may repeat in either case.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from central.cases import attachments, history
from central.cases import services as cases
from central.cases.models import Case, WorkOrder
from central.cases.photos import BadPhotoError
from central.cases.states import NotPossibleError, Result, WorkState
from central.dispatch import services as dispatch
from central.field import words
from central.field.models import Kind, Submission, Verdict
from central.field.tapping import Tap, tap
from central.people.models import User
from central.project.chain import canonical
from central.project.clock import now_ms
from protocol.errors import PatrolError, UnavailableError

PHOTOS_MAX = 30
"""Photos of one officer on one work order. More is a stuck button."""

LATE_MS = 60_000
"""An action that arrives later than this after its tap is told in the history with the time of the tap."""


class UsedKeyError(PatrolError):
    """The key was used for something else, or by somebody else."""


@dataclass(frozen=True, slots=True)
class Action:
    """What an officer did on a work order, as the phone sends it."""

    key: uuid.UUID
    order_id: int
    kind: Kind
    tapped_ms: int | None = None
    ahead_ms: int | None = None
    result: str = ""
    note: str = ""
    reason: str = ""
    photo: bytes | None = None
    photo_name: str = ""

    @property
    def body_sha256(self) -> str:
        """Stands for what is asked for; the times of tap and sending are no part of it."""
        photo = "" if self.photo is None else hashlib.sha256(self.photo).hexdigest()
        text = canonical([self.order_id, str(self.kind), self.result, self.note, self.reason, photo])
        return hashlib.sha256(text.encode()).hexdigest()


def submit(user: User, action: Action) -> Submission:
    """Carry the action out once.

    Raises:
        WorkOrder.DoesNotExist: none in the officer's scope.
        UsedKeyError: the key belongs to another action or another officer.
    """
    known = _of_key(action)
    if known is not None:
        return _same(known, user, action)
    order = WorkOrder.objects.visible_to(user).select_related("case").get(pk=action.order_id)
    refused = _keep_photo(order, user, action) if action.kind == Kind.PHOTO else None
    with transaction.atomic():
        _lock(order)  # the case first, as every writer does; the key's row locks the work order as well
        order.refresh_from_db()
        now = now_ms()
        moment = tap(now, action.tapped_ms, action.ahead_ms, order.received_at_ms)
        submission = Submission(
            key=action.key,
            user=user,
            order=order,
            kind=action.kind,
            body_sha256=action.body_sha256,
            tapped_at_ms=moment.at_ms,
            tapped_known=moment.known,
            received_at_ms=now,
        )
        try:
            with transaction.atomic():
                submission.save(force_insert=True)
        except IntegrityError:
            known = _of_key(action)
            assert known is not None, "rows of keys are never deleted"
            return _same(known, user, action)
        if refused is None:
            try:
                with transaction.atomic():
                    submission.code, submission.facts = _STEPS[action.kind](order, user, action, moment)
            except NotPossibleError as error:
                order.refresh_from_db()
                refused = words.refusal(order, error)
            except _RefusedError as error:
                refused = error.code, {}
            except UnavailableError:
                raise  # not now: the phone tries again
            except PatrolError:
                refused = "not_possible", {}
        if refused is not None:
            submission.verdict = Verdict.REFUSED
            submission.code, submission.facts = refused
            if action.kind == Kind.OUTCOME:
                _remember_finding(order, user, action, moment)
        elif now - moment.at_ms >= LATE_MS:
            _tell_late(order, user, action, moment)
        submission.save(update_fields=["verdict", "code", "facts"])
    return submission


class _RefusedError(Exception):
    """The step cannot be done; `code` says why (`central.field.words.answer`)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _of_key(action: Action) -> Submission | None:
    seen = Submission.objects.unscoped("whose it is, is compared next; a key names nothing else")
    return seen.filter(key=action.key).first()


def _same(known: Submission, user: User, action: Action) -> Submission:
    """The answer of before, to the same question only."""
    if known.user_id != user.pk:
        raise UsedKeyError("this key belongs to somebody else", field="key")
    if known.body_sha256 != action.body_sha256:
        raise UsedKeyError(
            "this key was used for another action", field="key", mend="Make a new key for each action"
        )
    return known


def _keep_photo(order: WorkOrder, user: User, action: Action) -> tuple[str, dict[str, Any]] | None:
    """Keep the photo before the transaction, because decoding takes long and SQLite has one writer.

    It is kept under the action's key, so that a process that dies here and a phone that repeats make one photo of it.
    A photo is taken whatever became of the task: it shows what was there. Returns why it is refused, or None.
    """
    key = f"field:{action.key}"
    mine = order.case.attachments.filter(user=user, key__startswith="field:").exclude(key=key)
    if mine.count() >= PHOTOS_MAX:
        return "too_many_photos", {"count": PHOTOS_MAX}
    try:
        attachments.attach(order.case, user, action.photo or b"", action.photo_name, key)
    except BadPhotoError:
        return "bad_photo", {}
    except attachments.OtherContentError:
        raise UsedKeyError("this key has brought another photo", field="key") from None
    return None


def _accept(order: WorkOrder, user: User, action: Action, moment: Tap) -> tuple[str, dict[str, Any]]:  # noqa: ARG001
    dispatch.accept(order.pk, user)
    return "accepted", {}


def _decline(order: WorkOrder, user: User, action: Action, moment: Tap) -> tuple[str, dict[str, Any]]:  # noqa: ARG001
    try:
        dispatch.decline(order.pk, user, action.reason)
    except NotPossibleError as error:
        if error.state == WorkState.NEW:
            raise _RefusedError("not_offered") from None
        raise
    return "declined", {}


def _close(order: WorkOrder, user: User, action: Action, moment: Tap) -> tuple[str, dict[str, Any]]:  # noqa: ARG001
    closed = cases.close(order.pk, user, cases.Finding(Result(action.result), action.note))
    return "closed", {"result": str(closed.result)}


def _photo(order: WorkOrder, user: User, action: Action, moment: Tap) -> tuple[str, dict[str, Any]]:  # noqa: ARG001
    return "photo", {}


def _note(order: WorkOrder, user: User, action: Action, moment: Tap) -> tuple[str, dict[str, Any]]:
    history.append(
        _lock(order), "field_note", moment.at_ms, _actor(user), note=action.note, officer=user.shown_name
    )
    return "note", {}


_STEPS = {
    Kind.ACCEPT: _accept,
    Kind.DECLINE: _decline,
    Kind.OUTCOME: _close,
    Kind.PHOTO: _photo,
    Kind.NOTE: _note,
}


def _remember_finding(order: WorkOrder, user: User, action: Action, moment: Tap) -> None:
    """The task went another way, but what an officer saw on the spot is not thrown away."""
    facts = {"result": action.result, "note": action.note, "officer": user.shown_name}
    history.append(_lock(order), "finding_refused", moment.at_ms, _actor(user), **facts)


def _tell_late(order: WorkOrder, user: User, action: Action, moment: Tap) -> None:
    """It came out of a tunnel: the history says when it was done."""
    facts = {"action": str(action.kind), "known": moment.known, "officer": user.shown_name}
    history.append(_lock(order), "sent_late", moment.at_ms, _actor(user), **facts)


def _lock(order: WorkOrder) -> Case:
    return Case.objects.select_for_update().get(pk=order.case_id)


def _actor(user: User) -> str:
    return f"user:{user.get_username()}"


def photo_bytes_max() -> int:
    """The largest photo that is accepted."""
    return int(settings.PATROL.picture_bytes)
