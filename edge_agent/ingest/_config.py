"""What a person writes down about one picture source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from protocol.clock import Millis
from protocol.errors import PatrolError

CAMERA_SCHEMES = ("rtsp", "rtsps")
CREDENTIALS = ("username", "password", "password_file", "password_env")

DEFAULT_START = "2026-01-01T00:00:00Z"
"""Fixed, so that replaying a recording twice gives the same events to the millisecond."""


class SourceConfig(BaseModel):
    """One camera, video file or folder of pictures.

    A user name and password inside the address are moved to `username` and `password` while it is read, so
    that no later message, log line or repr can show them.

    Raises:
        pydantic.ValidationError: a field is unknown or wrong. Its text hides the input; who turns it into
            another message must call ``.errors(include_input=False)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        min_length=1,
        title="Address",
        description="rtsp:// or rtsps:// address of a camera, or the path of a video file or folder of pictures.",
    )
    transport: Literal["tcp", "udp"] = Field(
        default="tcp",
        title="Transport",
        description="How the camera sends its packets. TCP loses none; UDP where a camera cannot do TCP.",
    )
    reader: Literal["auto", "thin", "ffmpeg"] = Field(
        default="auto",
        title="Reader",
        description="Who reads the camera. thin: our own reader, which looks at keyframes alone and costs a fraction. "
        "ffmpeg: FFmpeg. auto: thin, and FFmpeg for cameras that it does not know, for UDP, rtsps:// and sampling all.",
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        title="User name",
        description="Sent when the camera asks (Basic or Digest).",
    )
    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="The password itself. Prefer password_file or password_env.",
    )
    password_file: Path | None = Field(
        default=None,
        title="Password file",
        description="File whose first line is the password. Read at each connection, so it may be changed.",
    )
    password_env: str | None = Field(
        default=None,
        min_length=1,
        title="Password variable",
        description="Environment variable that holds the password.",
    )
    tls_verify: bool = Field(
        default=True,
        title="Verify the certificate",
        description="rtsps:// only. false accepts any certificate, so anybody in between can read the password.",
    )
    tls_ca_file: Path | None = Field(
        default=None,
        title="Trusted certificate",
        description="rtsps:// only. PEM file with the certificate that signed the camera's, or the camera's own; "
        "by default the system's authorities.",
    )
    sample_period_s: float = Field(
        default=2.0,
        gt=0,
        le=3600,
        title="Sampling period",
        description="Seconds of stream time between two checked pictures.",
    )
    sampling: Literal["keyframes", "all"] = Field(
        default="keyframes",
        title="Sampling",
        description="keyframes: decode only keyframes that are due, which is cheap. all: decode every picture "
        "and take the first one due, for cameras whose keyframes come less often than the period.",
    )
    stall_after_s: float = Field(
        default=10.0,
        ge=1,
        le=600,
        title="Stall limit",
        description="A camera that has sent nothing for this many seconds is stalled; it is noticed no later.",
    )
    connect_timeout_s: float = Field(
        default=10.0,
        ge=1,
        le=120,
        title="Connection limit",
        description="Seconds for the camera to answer, and again for it to describe its stream.",
    )
    freeze_after_s: float | None = Field(
        default=30.0,
        gt=0,
        le=3600,
        title="Freeze limit",
        description="A camera whose decoded picture has not changed by one value for this many seconds is "
        "frozen. An exact repeat is never delivered as a new picture. null turns both off. Not used for files.",
    )
    start_at: AwareDatetime = Field(
        default=DEFAULT_START,
        validate_default=True,
        title="Start of a recording",
        description="Instant of a recording's first picture, ISO 8601 with offset. Not used for cameras.",
    )
    backoff_min_s: float = Field(
        default=1.0,
        gt=0,
        le=600,
        title="First wait",
        description="Longest wait before the first reconnection.",
    )
    backoff_max_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        title="Longest wait",
        description="Waits double with each failure up to this many seconds; each is shortened at random by "
        "up to a half, so that a street of cameras does not come back in one instant.",
    )
    unauthorised_retry_s: float = Field(
        default=300.0,
        gt=0,
        le=86400,
        title="Wait after a refused password",
        description="Seconds before a refused user name and password are tried again. Long, because cameras "
        "lock accounts out after a few refusals.",
    )

    @model_validator(mode="before")
    @classmethod
    def _move_credentials_out(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("url"), str):
            return data
        url = data["url"].strip()
        if "://" not in url:
            return {**data, "url": url}
        parts = urlsplit(url)
        if "@" not in parts.netloc:
            return {**data, "url": url}
        user, _, host = parts.netloc.rpartition("@")
        name, colon, password = user.partition(":")
        if any(data.get(key) is not None for key in CREDENTIALS):
            raise ValueError("url: holds a user name although one is also given beside it; keep only one")
        moved = {**data, "url": urlunsplit(parts._replace(netloc=host))}
        moved["username"] = unquote(name) or None
        if colon:
            moved["password"] = SecretStr(unquote(password))
        return moved

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_camera:
            self._check_address()
        elif "://" in self.url:
            scheme = self.url.partition("://")[0]
            raise ValueError(
                f"url: {scheme[:16]}:// is not supported; write rtsp://, rtsps://, a file or a folder"
            )
        ways = [self.password is not None, self.password_file is not None, self.password_env is not None]
        if sum(ways) > 1:
            raise ValueError("give only one of password, password_file and password_env")
        if any(ways) and self.username is None:
            raise ValueError("username: a password is given but no user name; write username")
        if self.is_encrypted and self.transport != "tcp":
            raise ValueError("transport: rtsps:// protects pictures only over tcp")
        if self.reader == "thin" and not self.reads_thinly:
            raise ValueError(
                "reader: thin reads rtsp:// cameras over tcp with sampling keyframes; write auto or ffmpeg"
            )
        if self.backoff_max_s < self.backoff_min_s:
            raise ValueError("backoff_max_s: must not be less than backoff_min_s")
        return self

    def _check_address(self) -> None:
        # The value is never quoted: a badly escaped password may be anywhere in it.
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            port, parts = 0, SplitResult("", "", "", "", "")
        if not parts.hostname or port == 0:
            raise ValueError(
                "url: not a camera's address; write rtsp://host[:port]/path, and the user name and password in "
                "username and password_file"
            )

    @property
    def is_camera(self) -> bool:
        """True for a live camera, false for a file or folder."""
        return self.url.partition("://")[0].lower() in CAMERA_SCHEMES

    @property
    def is_encrypted(self) -> bool:
        """True for an rtsps:// address."""
        return self.url.partition("://")[0].lower() == "rtsps"

    @property
    def reads_thinly(self) -> bool:
        """Whether the thin reader is to try."""
        plain = self.is_camera and not self.is_encrypted and self.transport == "tcp"
        return self.reader != "ffmpeg" and plain and self.sampling == "keyframes"

    @property
    def start_at_ms(self) -> Millis:
        """`start_at` in UTC milliseconds."""
        return round(self.start_at.timestamp() * 1000)

    def check_files(self) -> None:
        """Look for what the configuration names beside the camera.

        Raises:
            PatrolError: the password or the trusted certificate is not where it should be.
        """
        self.read_password()
        if self.tls_ca_file is not None and not self.tls_ca_file.is_file():
            raise PatrolError(
                "there is no such file",
                file=self.tls_ca_file,
                field="tls_ca_file",
                mend="Save the camera's certificate there, in PEM form.",
            )

    def read_password(self) -> str | None:
        """The password from wherever it is kept, or None.

        Raises:
            PatrolError: the file cannot be read or is empty, or the variable is not set.
        """
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_env is not None:
            value = os.environ.get(self.password_env)
            if value is None:
                raise PatrolError(
                    "this environment variable is not set",
                    field="password_env",
                    value=self.password_env,
                    mend="Set it for the agent's process, or use password_file.",
                )
            return value
        if self.password_file is not None:
            try:
                lines = self.password_file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise PatrolError(
                    f"the password cannot be read: {why}",
                    file=self.password_file,
                    field="password_file",
                    mend="Write the password as the file's first line and let the agent's user read it.",
                ) from None
            if not lines or not lines[0]:
                raise PatrolError(
                    "the password file is empty",
                    file=self.password_file,
                    field="password_file",
                    mend="Write the password as the file's first line.",
                )
            return lines[0]
        return None

    def dial_url(self) -> str:
        """The address with the credentials in it, for the connection alone: never to be shown or logged.

        Raises:
            PatrolError: see `read_password`.
        """
        if self.username is None:
            return self.url
        parts = urlsplit(self.url)
        user = quote(self.username, safe="")
        password = self.read_password()
        if password is not None:
            user += ":" + quote(password, safe="")
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))
