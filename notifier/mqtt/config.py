"""How an agent reaches the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from notifier._secrets import secret_from_environment, secret_from_file

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _checked_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError("must begin with mqtt:// or mqtts://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; use username and password_file")
    if not parts.hostname:
        raise ValueError("names no host")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after the port")
    parts.port  # noqa: B018 - raises ValueError for a port that is none
    return text


class MqttConfig(BaseModel):
    """Connection to an MQTT 5 broker. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_checked_url)] = Field(
        title="Broker",
        description="mqtt://host:port or mqtts://host:port (TLS). Ports 1883 and 8883 may be left out.",
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        title="Client name",
        description="Name of the session at the broker; unique there. Without it the agent's own name is used.",
    )
    username: str | None = Field(default=None, title="User name", description="For brokers with passwords.")
    password_file: Path | None = Field(
        default=None,
        title="Password file",
        description="File whose first line is the password; readable by its owner only.",
    )
    password_env: str | None = Field(
        default=None, title="Password variable", description="Environment variable that holds the password."
    )
    ca_file: Path | None = Field(
        default=None,
        title="Certificate authority",
        description="PEM file of the authorities that sign the broker; without it the system's are trusted.",
    )
    client_cert: Path | None = Field(
        default=None, title="Client certificate", description="PEM file with the agent's certificate chain."
    )
    client_key: Path | None = Field(
        default=None, title="Client key", description="PEM file with the certificate's private key."
    )
    keepalive_s: int = Field(
        default=20,
        ge=2,
        le=3600,
        title="Keep-alive",
        description="Seconds of silence before a ping; a broker silent for twice that is taken as lost.",
    )
    connect_timeout_s: float = Field(
        default=8.0,
        gt=0,
        le=120,
        title="Connect time-out",
        description="Seconds for TCP, TLS and the broker's answer, each.",
    )
    ack_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=600,
        title="Acknowledgement time-out",
        description="Seconds without any progress on unacknowledged messages before the connection is dropped.",
    )
    accept_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        title="Accept time-out",
        description="Seconds after the broker's acknowledgement until a message that the centre has not accepted is sent again.",
    )
    session_expiry_s: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        le=0xFFFFFFFE,
        title="Session expiry",
        description="Seconds for which the broker keeps messages to an agent that is away.",
    )
    max_inflight: int = Field(
        default=20,
        ge=1,
        le=1000,
        title="Window",
        description="Messages that may wait for the broker's acknowledgement at a time.",
    )
    max_unaccepted: int = Field(
        default=100,
        ge=1,
        le=10_000,
        title="Unaccepted window",
        description="Messages that may wait for the centre's accept at a time, so that a centre that is away does not fill the broker.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("client_cert and client_key need one another")
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("give password_file or password_env, not both")
        if self.username is None and (self.password_file is not None or self.password_env is not None):
            raise ValueError("a password needs a username")
        if not self.tls and (self.ca_file is not None or self.client_cert is not None):
            raise ValueError("certificates need an mqtts:// url")
        return self

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._parts.scheme == "mqtts"

    @property
    def host(self) -> str:
        """Host name or address."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """TCP port."""
        return self._parts.port or _PORTS[self._parts.scheme]

    def password(self) -> str | None:
        """Read the password from where it is kept.

        Raises:
            PatrolError: others may read the file, or the variable is not set.
            UnavailableError: the file cannot be read.
        """
        if self.password_env is not None:
            return secret_from_environment(self.password_env, field="mqtt.password_env")
        if self.password_file is not None:
            return secret_from_file(self.password_file, field="mqtt.password_file")
        return None
