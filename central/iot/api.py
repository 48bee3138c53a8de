"""Telemetry over HTTPS, for devices that speak no MQTT: the same messages, the same rules, a key for each device."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.security import HttpBearer

from central.cases.api_calls import ProblemError, raw_body
from central.cases.api_schemas import Problem
from central.iot import follow, intake, registry
from central.iot.decode import PAYLOAD_BYTES, Incoming
from central.iot.models import Device
from central.live import beats
from central.project.brake import Brake, address_of
from central.project.clock import now_ms

CALLS = Brake(burst=60, per_minute=120)
STRANGERS = Brake(burst=20, per_minute=20)
"""For each device, and for each address that comes with no key that is known."""

WORDS = {
    "too_large": "The message is too large",
    "not_json": "The message is not JSON",
    "not_an_object": "The message is not an object",
    "nothing_measured": "Nothing that this type measures stands in the message",
    "unknown_key": "A key is not known, and this type takes no other",
    "biometric_or_picture": "Pictures and biometric data are never taken",
    "too_many_keys": "The message has too many keys",
    "unknown_type": "The type of this device is not known to the centre any more",
}


class DeviceKey(HttpBearer):
    """A key of `patrol central iot key`, in ``Authorization: Bearer …``."""

    def authenticate(self, request: HttpRequest, token: str) -> Device | None:
        """The device, or None, which is answered with 401."""
        device = registry.by_key(token.strip())
        address = address_of(request)
        brake, caller = (STRANGERS, address) if device is None else (CALLS, str(device.pk))
        wait_s = brake.wait_s(caller)
        if wait_s:
            error = ProblemError(429, "too_many", "Too many requests", f"come back in {wait_s} s")
            error.wait_s = wait_s
            raise error
        return device


router = Router(auth=DeviceKey(), tags=["devices"])


@router.post(
    "/devices/telemetry",
    response={204: None, frozenset({401, 413, 422, 429, 503}): Problem},
    operation_id="send_telemetry",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
        }
    },
)
def send_telemetry(request: HttpRequest) -> HttpResponse:
    """A message of the device whose key this is: JSON as its type reads it. Sent again it changes nothing."""
    device: Device = request.auth  # type: ignore[attr-defined]
    payload = raw_body(request, PAYLOAD_BYTES)
    message = Incoming(device.jurisdiction_id, device.name, payload, now_ms(), again=True)
    taken = intake.take([message])
    beats.count("device_messages", "accepted", taken.accepted)
    beats.count("device_messages", "refused", len(taken.refused))
    if taken.letters:
        follow.carry()
    for error in taken.refused.values():
        raise ProblemError(
            422, error.code, WORDS.get(error.code, "The message cannot be taken"), error.detail
        )
    return HttpResponse(status=204)
