"""SMS: the port, the gateways and the worker that never sends twice."""

from notifier.sms._port import (
    Accepted,
    Held,
    Refused,
    Retry,
    SmsGateway,
    SmsRequest,
    SmsResult,
    Unknown,
    reference,
)
from notifier.sms.config import SmsConfig, make_gateway
from notifier.sms.course import SmsPolicy
from notifier.sms.log import LogGateway
from notifier.sms.worker import OnResult, SmsWorker

__all__ = [
    "Accepted",
    "Held",
    "LogGateway",
    "OnResult",
    "Refused",
    "Retry",
    "SmsConfig",
    "SmsGateway",
    "SmsPolicy",
    "SmsRequest",
    "SmsResult",
    "SmsWorker",
    "Unknown",
    "make_gateway",
    "reference",
]
