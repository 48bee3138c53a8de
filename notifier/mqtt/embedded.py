"""A broker inside the installation, for demonstrations and for a box that serves its own sub-district.

It is rumqttd in a child process, through the package `iotcore` (extra `demo`). It keeps nothing across its
own restart; nothing is lost by that, because agent and centre keep what is not accepted. Shared
subscriptions need a group name for each filter: with one name for several filters it delivers to one of
them only (rumqttd as of iotcore 0.4).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from protocol.errors import PatrolError, UnavailableError

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 200
max_outgoing_packet_count = 200
max_segment_size = 67108864
max_segment_count = 4

[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {largest}
max_inflight_count = 200
dynamic_filters = true
"""


class EmbeddedBroker:
    """An MQTT 5 broker on one port, without passwords; bind it to this machine only.

    Args:
        port: TCP port.
        host: address to listen on.
        largest_payload: bytes that a message may have.

    Raises:
        PatrolError: the package `iotcore` is not installed.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", largest_payload: int = 16 << 20) -> None:
        try:
            from iotcore import Broker
        except ModuleNotFoundError as error:
            raise PatrolError(
                "the embedded broker needs the Python package 'iotcore', which is not installed",
                mend="Run: pip install 'street-patrol[demo]'",
            ) from error
        self.host = host
        self.port = port
        self._folder = tempfile.TemporaryDirectory(prefix="patrol-broker-")
        path = Path(self._folder.name) / "rumqttd.toml"
        path.write_text(_CONFIG.format(host=host, port=port, largest=largest_payload), "utf-8")
        self._broker: Any = Broker(config_path=str(path))

    @property
    def url(self) -> str:
        """What goes into `MqttConfig.url`."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> Self:
        """Start it and return once it accepts connections.

        Raises:
            UnavailableError: the port is taken, or the broker did not come up.
        """
        try:
            self._broker.start()
        except (OSError, RuntimeError) as error:
            raise UnavailableError(
                f"the embedded broker did not start: {error}",
                field="port",
                value=self.port,
                mend="Choose a port that nobody uses.",
            ) from error
        return self

    def stop(self) -> None:
        """Stop it; harmless if it does not run."""
        self._broker.stop()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
