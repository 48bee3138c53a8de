"""What a broker's reason codes mean for an agent (MQTT 5.0, section 2.4).

A *refusal* is an answer that will be the same next time until a person changes something; everything else
is a *loss*, which passes by itself.
"""

from __future__ import annotations

import ssl

REFUSALS: dict[int, str] = {
    0x81: "the broker calls our packets malformed",
    0x82: "the broker reports a protocol error",
    0x84: "the broker does not speak MQTT 5",
    0x85: "the broker does not accept this client name",
    0x86: "wrong user name or password",
    0x87: "not authorised",
    0x8A: "the broker has banned this client",
    0x8C: "the broker wants another way of authentication",
    0x8E: "another client connects under the same name",
    0x90: "the broker does not accept the topic",
    0x95: "the packet is larger than the broker takes",
    0x98: "closed by an administrator",
    0x99: "the broker does not accept the payload format",
    0x9A: "the broker does not keep retained messages",
    0x9B: "the broker does not support QoS 1",
    0x9C: "the broker asks to use another server",
    0x9D: "the broker has moved",
}
"""Reason code -> what a person reads. Codes of 0x80 and above that are not here are taken as loss."""

NO_SUBSCRIBERS = 0x10
"""A PUBACK that says: stored for nobody."""

FIRST_FAILURE = 0x80

UNSUPPORTED_VERSION = 0x84


def is_refusal(code: int) -> bool:
    """Whether the answer will stay the same until a person changes something."""
    return code in REFUSALS


def words(code: int, name: str) -> str:
    """The reason for a person."""
    return REFUSALS.get(code, name)


def tls_refusal(error: BaseException | str) -> str | None:
    """What a TLS error says that will not pass by itself, or None if it may.

    Args:
        error: the exception, or the text in which paho reports it.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message}"
    text = str(error)
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        return "the broker wants a client certificate"
    if "ALERT" in text and ("CERTIFICATE" in text or "UNKNOWN_CA" in text):
        return "the broker does not trust our client certificate"
    if "WRONG_VERSION_NUMBER" in text:
        return "the broker's port does not speak TLS"
    return None
