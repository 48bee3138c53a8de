"""Which gateway sends the warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from notifier._secrets import secret_from_environment, secret_from_file
from notifier.sms._port import Refused, SmsGateway, SmsRequest, SmsResult
from protocol.clock import Clock, Millis
from protocol.errors import PatrolError


def _checked_base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://host or https://host, with a port if need be")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user name and nothing after the path")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError(
            "plain http would show phone numbers on the way; use https, or a gateway on this machine"
        )
    parts.port  # noqa: B018 - raises ValueError for a port that is none
    return text.rstrip("/")


class TwilioConfig(BaseModel):
    """An account at Twilio, or at a gateway that speaks its API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_sid: str = Field(
        pattern=r"^AC[0-9a-fA-F]{32}$",
        title="Account",
        description="Account SID, AC and 32 hexadecimal digits.",
    )
    auth_token_file: Path | None = Field(
        default=None,
        title="Token file",
        description="File whose first line is the auth token; readable by its owner only.",
    )
    auth_token_env: str | None = Field(
        default=None, title="Token variable", description="Environment variable that holds the auth token."
    )
    from_number: str | None = Field(
        default=None,
        pattern=r"^(\+\d{8,15}|\d{3,8}|[A-Za-z0-9 ]{1,11})$",
        title="Sender",
        description="E.164 number, short code or alphanumeric name that messages come from.",
    )
    messaging_service_sid: str | None = Field(
        default=None,
        pattern=r"^MG[0-9a-fA-F]{32}$",
        title="Messaging service",
        description="Service that chooses the sender, instead of from_number.",
    )
    api_base: Annotated[str, AfterValidator(_checked_base)] = Field(
        default="https://api.twilio.com", title="API base", description="Where the API is served."
    )
    connect_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        title="Connect time-out",
        description="Seconds until the gateway is reached.",
    )
    timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=120,
        title="Time-out",
        description="Seconds of silence after the request; then the outcome is unknown and is looked up.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.auth_token_file is None) == (self.auth_token_env is None):
            raise ValueError("give one of auth_token_file and auth_token_env")
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("give one of from_number and messaging_service_sid")
        return self

    def auth_token(self) -> str:
        """Read the token from where it is kept.

        Raises:
            PatrolError: it is missing or others may read it.
        """
        if self.auth_token_env is not None:
            return secret_from_environment(self.auth_token_env, field="sms.twilio.auth_token_env")
        assert self.auth_token_file is not None
        return secret_from_file(self.auth_token_file, field="sms.twilio.auth_token_file")


class SmsConfig(BaseModel):
    """The gateway of a box. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gateway: Literal["none", "log", "twilio"] = Field(
        default="none",
        title="Gateway",
        description="none: no owner is warned, every case says so. log: a file instead of a phone. twilio: SMS.",
    )
    log_file: Path | None = Field(
        default=None, title="File", description="Where the log gateway writes; readable by its owner only."
    )
    twilio: TwilioConfig | None = Field(default=None, title="Twilio", description="The account to send from.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.gateway == "twilio" and self.twilio is None:
            raise ValueError("gateway twilio needs the section twilio")
        if self.gateway == "log" and self.log_file is None:
            raise ValueError("gateway log needs log_file")
        return self


class NoGateway:
    """The gateway of a box that warns nobody: refuses, so that each case says why nobody was told."""

    def send(self, request: SmsRequest) -> SmsResult:  # noqa: ARG002
        """Refuse."""
        return Refused("no SMS gateway is configured", "no_gateway")

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:  # noqa: ARG002
        """Never sent."""
        return None


def make_gateway(config: SmsConfig, clock: Clock) -> SmsGateway:
    """The configured gateway.

    Raises:
        PatrolError: a secret or file cannot be used.
    """
    if config.gateway == "twilio":
        from notifier.sms.twilio import TwilioGateway

        if config.twilio is None:
            raise PatrolError("gateway twilio needs its section", field="sms.twilio")
        return TwilioGateway(config.twilio)
    if config.gateway == "log":
        from notifier.sms.log import LogGateway

        if config.log_file is None:
            raise PatrolError("gateway log needs a file", field="sms.log_file")
        return LogGateway(config.log_file, clock)
    return NoGateway()
