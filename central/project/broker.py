"""How the centre reaches its MQTT broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from protocol.errors import PatrolError


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the MQTT broker. The password is not shown in `repr`."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The broker's address without anything secret."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def read_broker(given: Mapping[str, str], prefix: str) -> Broker:
    """The broker that these settings name.

    Args:
        given: settings by their names without the prefix.
        prefix: put before names in errors.

    Raises:
        PatrolError: an address, file or combination of them that cannot be.
    """
    where = prefix + "BROKER"
    url = given.get("BROKER", "mqtt://127.0.0.1:1883")
    mend = "Write mqtt://host:1883 or mqtts://host:8883"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PatrolError("this is not the address of a broker", field=where, mend=mend) from error
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise PatrolError(
            "this is not the address of a broker", field=where, value=f"{parts.scheme}://…", mend=mend
        )
    tls = parts.scheme == "mqtts"
    password = unquote(parts.password) if parts.password else None
    if "BROKER_PASSWORD_FILE" in given:
        path = Path(given["BROKER_PASSWORD_FILE"])
        try:
            password = path.read_text().strip()
        except OSError as error:
            raise PatrolError(
                f"the password file cannot be read: {error.strerror}",
                file=path,
                field=where + "_PASSWORD_FILE",
            ) from error
    files: dict[str, Path | None] = {}
    for name in ("CA_FILE", "CERT_FILE", "KEY_FILE"):
        text = given.get(f"BROKER_{name}")
        files[name] = Path(text) if text else None
        if text and not Path(text).is_file():
            raise PatrolError("there is no such file", file=text, field=f"{where}_{name}")
        if text and not tls:
            raise PatrolError(
                "certificates need an encrypted connection",
                field=f"{where}_{name}",
                mend=f"Write mqtts:// in {where}",
            )
    if (files["CERT_FILE"] is None) != (files["KEY_FILE"] is None):
        raise PatrolError("a client certificate and its key come together", field=f"{where}_CERT_FILE")
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        user=given.get("BROKER_USER") or (unquote(parts.username) if parts.username else None),
        password=password,
        ca_file=files["CA_FILE"],
        cert_file=files["CERT_FILE"],
        key_file=files["KEY_FILE"],
    )
