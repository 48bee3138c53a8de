"""Dead letters tried again, or put away, by a person who has mended what was wrong."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from central.iot import follow, intake
from central.iot.decode import Incoming
from central.iot.models import DeadLetter, Device, DeviceState, Letter
from central.people.models import User
from central.people.scopes import unscoped
from central.project import faults
from central.project.clock import now_ms


def again(number: int, user: User | None = None) -> bool:
    """Try once more; whether it is done now. If not, it stays, with the newest reason. A message that was taken since, or is
    older than what was taken since, ends and raises what it would have done had it come late.

    Args:
        number: of the dead letter.
        user: whose scope holds; None at the command line.

    Raises:
        DeadLetter.DoesNotExist: none in this person's scope.
        DatabaseError, InterfaceError: the database cannot be used; nothing was done.
    """
    try:
        with transaction.atomic():
            row = _seen(user).select_for_update(of=("self",)).select_related("device").get(pk=number)
            with unscoped("what it is about was found through the person's scope"):
                reason = _try(row)
            if not reason:
                row.delete()
                return True
    except DeadLetter.DoesNotExist:
        raise
    except Exception as error:
        if not faults.of_this_alone(error):
            raise
        reason = faults.reason_of(error)
    DeadLetter.objects.unscoped("found above through the person's scope").filter(pk=number).update(
        tries=F("tries") + 1, reason=reason, died_at_ms=now_ms()
    )
    return False


def put_away(number: int, user: User | None = None) -> None:
    """Forget it.

    Raises:
        DeadLetter.DoesNotExist: none in this person's scope.
    """
    row = _seen(user).get(pk=number)
    row.delete()


def _seen(user: User | None):  # type: ignore[no-untyped-def]
    if user is None:
        return DeadLetter.objects.unscoped("whoever runs the centre, at the command line")
    return DeadLetter.objects.visible_to(user)


def _try(row: DeadLetter) -> str:
    """Why it cannot be done; empty once it is."""
    device: Device = row.device
    if row.what == DeadLetter.MESSAGE:
        if not row.payload:
            return "nothing of it was kept"
        message = Incoming(device.jurisdiction_id, device.name, row.payload.encode(), row.at_ms, again=True)
        refused = intake.together([message]).refused
        return refused[0].code if refused else ""
    if row.what == DeadLetter.SILENCE:
        intake.tick_together(DeviceState.objects.filter(pk=device.pk, due_at_ms__lte=now_ms()), 1, -1)
        return ""
    # Behind whatever the case has yet to hear of the alarm; a worker would carry it, but who asked wants to know.
    letter = Letter.objects.create(alarm_id=row.alarm_id, what=row.what, at_ms=row.at_ms)
    follow.tell(letter)
    return ""
