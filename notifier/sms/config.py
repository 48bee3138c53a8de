"""Which gateway sends the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from notifier._secrets import secret_from_environment, secret_from_file
from notifier.sms._port import WARNING, Refused, SmsGateway, SmsRequest, SmsResult
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


TemplateWord = Literal["plate", "place", "deadline", "reference", "sender", "link", "bays", "opt_out"]
"""A word that goes into a text; see `notifier.notice.NoticeFacts`."""


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


class AliyunTemplate(BaseModel):
    """A template that Alibaba Cloud has approved, and which of our words goes into which of its variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^SMS_\d+$", title="Template code", description="As the console shows it.")
    params: dict[str, TemplateWord] = Field(
        title="Variables",
        description="Variable of the template -> plate, place, deadline, reference, sender, link, bays or opt_out.",
        min_length=1,
    )

    def filled(self, values: Mapping[str, str]) -> dict[str, str]:
        """The variables with their words; a word that this message does not have is empty."""
        return {name: values.get(word, "") for name, word in self.params.items()}


class OtherTemplate(AliyunTemplate):
    """A template for another message; its words are those of that message."""

    params: dict[str, str] = Field(  # type: ignore[assignment]
        title="Variables", description="Variable of the template -> a word of the message.", min_length=1
    )


class AliyunConfig(BaseModel):
    """An account at Alibaba Cloud SMS (extra `aliyun`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_key_id: str = Field(
        min_length=1,
        max_length=128,
        title="Access key",
        description="Its id; give it only the right to send SMS.",
    )
    access_key_secret_file: Path | None = Field(
        default=None,
        title="Secret file",
        description="File whose first line is the key's secret; readable by its owner only.",
    )
    access_key_secret_env: str | None = Field(
        default=None, title="Secret variable", description="Environment variable that holds the secret."
    )
    sign_name: str = Field(
        min_length=1,
        max_length=40,
        title="Signature",
        description="The approved signature, without brackets.",
    )
    template: dict[Literal["zh-Hans", "en"], AliyunTemplate] = Field(
        title="Templates", description="One for each language.", min_length=1
    )
    other: dict[str, dict[Literal["zh-Hans", "en"], OtherTemplate]] = Field(
        default_factory=dict,
        title="Other templates",
        description="Of the centre's messages that are no warnings: kind -> language -> template.",
    )
    api_base: Annotated[str, AfterValidator(_checked_base)] = Field(
        default="https://dysmsapi.aliyuncs.com", title="API base", description="Where the API is served."
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
    callback_token_file: Path | None = Field(
        default=None,
        title="Call-back token file",
        description="File with a secret of 32 characters or more that is part of the address for receipts and "
        "answers, since Alibaba Cloud does not sign them.",
    )
    callback_token_env: str | None = Field(
        default=None, title="Call-back token variable", description="Environment variable with that secret."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.access_key_secret_file is None) == (self.access_key_secret_env is None):
            raise ValueError("give one of access_key_secret_file and access_key_secret_env")
        if self.callback_token_file is not None and self.callback_token_env is not None:
            raise ValueError("give one of callback_token_file and callback_token_env")
        return self

    def template_for(self, language: str, kind: str = WARNING) -> AliyunTemplate | None:
        """The template of a kind and language; of several joined by ``+``, the first that there is one for."""
        known: Mapping[str, AliyunTemplate]
        known = self.template if kind == WARNING else self.other.get(kind, {})  # type: ignore[assignment]
        return next((found for one in language.split("+") if (found := known.get(one))), None)

    def access_key_secret(self) -> str:
        """Read the secret from where it is kept.

        Raises:
            PatrolError: it is missing or others may read it.
        """
        if self.access_key_secret_env is not None:
            return secret_from_environment(
                self.access_key_secret_env, field="sms.aliyun.access_key_secret_env"
            )
        assert self.access_key_secret_file is not None
        return secret_from_file(self.access_key_secret_file, field="sms.aliyun.access_key_secret_file")

    def callback_token(self) -> str | None:
        """The secret in the address of the call-backs, or None if there are none.

        Raises:
            PatrolError: it is missing, too short, or others may read it.
        """
        field = "sms.aliyun.callback_token_file"
        if self.callback_token_env is not None:
            token = secret_from_environment(self.callback_token_env, field="sms.aliyun.callback_token_env")
        elif self.callback_token_file is not None:
            token = secret_from_file(self.callback_token_file, field=field)
        else:
            return None
        if len(token) < 32 or not token.isascii() or not token.isalnum():
            raise PatrolError(
                "must be 32 or more letters and digits",
                field=field,
                mend="Make one: python3 -c 'import secrets; print(secrets.token_hex(24))'",
            )
        return token


class SmsConfig(BaseModel):
    """The gateway of a box. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gateway: Literal["none", "log", "twilio", "aliyun"] = Field(
        default="none",
        title="Gateway",
        description="none: no owner is warned, every case says so. log: a file instead of a phone. "
        "twilio, aliyun: SMS.",
    )
    log_file: Path | None = Field(
        default=None, title="File", description="Where the log gateway writes; readable by its owner only."
    )
    twilio: TwilioConfig | None = Field(default=None, title="Twilio", description="The account to send from.")
    aliyun: AliyunConfig | None = Field(
        default=None, title="Alibaba Cloud", description="The account to send from."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.gateway == "twilio" and self.twilio is None:
            raise ValueError("gateway twilio needs the section twilio")
        if self.gateway == "aliyun" and self.aliyun is None:
            raise ValueError("gateway aliyun needs the section aliyun")
        if self.gateway == "log" and self.log_file is None:
            raise ValueError("gateway log needs log_file")
        return self

    @property
    def longest_call_s(self) -> float:
        """How long one call of the gateway may last, seconds."""
        account = (
            self.twilio if self.gateway == "twilio" else self.aliyun if self.gateway == "aliyun" else None
        )
        return 0.0 if account is None else account.connect_timeout_s + account.timeout_s


class NoGateway:
    """The gateway of a box that warns nobody: refuses, so that each case says why nobody was told."""

    def send(self, request: SmsRequest) -> SmsResult:  # noqa: ARG002
        """Refuse."""
        return Refused("no SMS gateway is configured", "no_gateway")

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:  # noqa: ARG002
        """Never sent."""
        return None


def make_gateway(config: SmsConfig, clock: Clock, *, status_url: str | None = None) -> SmsGateway:
    """The configured gateway.

    Args:
        config: which, and its account.
        clock: the machine's.
        status_url: where the gateway may say afterwards what became of a message, if it is told per message.

    Raises:
        PatrolError: a secret or file cannot be used.
        UnavailableError: the gateway's packages are not installed.
    """
    if config.gateway == "twilio":
        from notifier.sms.twilio import TwilioGateway

        if config.twilio is None:
            raise PatrolError("gateway twilio needs its section", field="sms.twilio")
        return TwilioGateway(config.twilio, status_url)
    if config.gateway == "aliyun":
        from notifier.sms.aliyun import AliyunGateway

        if config.aliyun is None:
            raise PatrolError("gateway aliyun needs its section", field="sms.aliyun")
        return AliyunGateway(config.aliyun, clock)
    if config.gateway == "log":
        from notifier.sms.log import LogGateway

        if config.log_file is None:
            raise PatrolError("gateway log needs a file", field="sms.log_file")
        return LogGateway(config.log_file, clock)
    return NoGateway()
