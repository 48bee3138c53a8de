"""Fault switches for another process: JSON lines over TCP on this machine.

Each line is one request, each answered by one line: the result under ``ok``, or what was wrong under ``error``.

    {"do": "list"}                                         the cameras and what they have done
    {"do": "faults", "path": "/cam1"}                      the faults that hold now
    {"do": "set", "path": "/cam1", "faults": {"freeze": true}}
    {"do": "clear", "path": "/cam1"}
    {"do": "drop", "path": "/cam1"}                        break its connections; answers how many
    {"do": "restart", "path": "/cam1", "position_s": 0}

There is no password: the port is bound to the loopback address, and what it governs is a simulation.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
from types import TracebackType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.rtsp.server import RtspServer
from protocol.errors import PatrolError, UnavailableError

LOOPBACK = "127.0.0.1"

_LINE_LIMIT = 64 * 1024


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    do: Literal["list", "faults", "set", "clear", "drop", "restart"]
    path: str = ""
    faults: dict[str, Any] = {}
    position_s: float = 0.0


class ControlServer:
    """Listens for orders beside an RTSP server, on the same event loop.

    Args:
        server: the server whose cameras are governed.
    """

    def __init__(self, server: RtspServer) -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on the loopback address and return the port.

        Raises:
            UnavailableError: the port cannot be used.
        """
        try:
            self._listener = await asyncio.start_server(self._serve, LOOPBACK, port, limit=_LINE_LIMIT)
        except (OSError, OverflowError) as error:
            raise UnavailableError(
                f"the control port cannot be opened: {getattr(error, 'strerror', None) or error}",
                field="control port",
                value=port,
                mend="Choose another port; 0 takes a free one.",
            ) from error
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and its connections."""
        if self._listener is None:
            return
        self._listener.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._listener.wait_closed()
        self._listener = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # a line beyond the limit, or the client left: nothing to answer
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            order = _Order.model_validate_json(line)
            return {"ok": self._obey(order)}
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            return {"error": PatrolError(first["msg"], field=field or "order").as_dict()}
        except PatrolError as error:
            return {"error": error.as_dict()}

    def _obey(self, order: _Order) -> Any:
        if order.do == "list":
            return [dataclasses.asdict(stats) for stats in self._server.stats()]
        if order.do == "restart":
            self._server.restart(order.path, order.position_s)
            return None
        switch = self._server.faults(order.path)
        if order.do == "drop":
            return switch.drop()
        if order.do == "set":
            switch.set(**order.faults)
        elif order.do == "clear":
            switch.clear()
        return switch.now.model_dump()


class ControlClient:
    """Sends orders to a `ControlServer` in another process. A context manager; not for several threads at once.

    Args:
        port: the control port.
        timeout_s: how long an answer may take.

    Raises:
        UnavailableError: nobody listens.
    """

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        try:
            self._socket = socket.create_connection((LOOPBACK, port), timeout_s)
        except OSError as error:
            raise UnavailableError(
                "no simulated street answers on this control port",
                field="control port",
                value=port,
                mend="Start one: patrol sim serve SCENE --control-port PORT.",
            ) from error
        self._lines = self._socket.makefile("rb")

    def ask(self, do: str, path: str = "", **more: Any) -> Any:
        """Send one order and return its result.

        Raises:
            PatrolError: the order is wrong.
            UnavailableError: the server is gone.
        """
        order = {"do": do, "path": path, **more}
        try:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            raise UnavailableError("the simulated street does not answer", field="control port") from error
        if not line:
            raise UnavailableError("the simulated street has gone", field="control port")
        answer = json.loads(line)
        if "error" in answer:
            wrong = answer["error"]
            raise PatrolError(wrong.pop("problem"), **wrong)
        return answer["ok"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
