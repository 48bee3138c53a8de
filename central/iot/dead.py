"""Dead letters: what the database refused although it was well. Kept with the reason, out of the way of everything else.

A message is kept whole only where it can be read as its type says, so that nothing lies here that may not be taken
(`central.iot.decode`): no picture, nothing biometric.
"""

from __future__ import annotations

import logging

from central.iot.decode import Incoming, UnreadableError
from central.iot.known import device_types, reader_of
from central.iot.models import DeadLetter, Device, Letter
from central.project import faults
from central.project.clock import now_ms

log = logging.getLogger(__name__)

KEPT = 20_000


def keep_message(message: Incoming, error: Exception) -> None:
    """A message that could not be taken.

    Raises:
        DatabaseError, InterfaceError: it is not kept; it must not be acknowledged.
    """
    device = Device.objects.filter(jurisdiction_id=message.jurisdiction_id, name=message.name).first()
    if device is None:
        log.error("a message of %s is lost: %s", message.name[:64], faults.reason_of(error))
        return
    payload = message.payload.decode() if _readable(device, message) else ""
    _keep(device.pk, DeadLetter.MESSAGE, message.arrived_ms, error, payload=payload, again=message.again)


def keep_letter(letter: Letter, error: Exception) -> None:
    """What a case could not be told; in the place of the letter, in the caller's transaction."""
    _keep(
        letter.alarm.device_id, letter.what, letter.at_ms, error, alarm_id=letter.alarm_id, tries=letter.tries
    )
    letter.delete()


def keep_silence(device_id: int, error: Exception) -> None:
    """A device that could not be looked at when it was time to: its silence is not noticed until it is tried again."""
    _keep(device_id, DeadLetter.SILENCE, now_ms(), error)


def sweep() -> None:
    """Keep the newest."""
    cut = DeadLetter.objects.order_by("-died_at_ms").values_list("died_at_ms", flat=True)
    for at_ms in cut[KEPT : KEPT + 1]:
        DeadLetter.objects.filter(died_at_ms__lte=at_ms).delete()


def _keep(device_id: int, what: str, at_ms: int, error: Exception, **more: object) -> None:
    reason = faults.reason_of(error)
    DeadLetter.objects.create(
        device_id=device_id, what=what, at_ms=at_ms, reason=reason, died_at_ms=now_ms(), **more
    )
    log.error("device %s: %s is a dead letter: %s", device_id, what, reason)


def _readable(device: Device, message: Incoming) -> bool:
    made = device_types().get(device.kind)
    if made is None:
        return False
    try:
        reader_of(made).read(message.payload, message.arrived_ms, again=message.again)
    except UnreadableError:
        return False
    return True
