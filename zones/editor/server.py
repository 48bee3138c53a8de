"""Listening on this machine alone, until the page or Ctrl-C ends it."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

from protocol.errors import UnavailableError
from zones.editor.guard import Guard, new_token
from zones.editor.ports import Sight
from zones.editor.session import Session

_FIRST_PORT, _PORTS = 20_000, 12_000
"""Below the range from which Linux takes ports for outgoing connections."""


def listen(port: int, path: Path) -> socket.socket:
    """A socket on 127.0.0.1.

    Args:
        port: the port; 0 for one that depends on the file, so that a browser finds its draft of this file
            again after a crash, or any free one where that is taken.
        path: the file.

    Raises:
        UnavailableError: the port is taken.
    """
    if port:
        return _bound(port)
    name = hashlib.sha256(str(path.resolve()).encode()).digest()
    try:
        return _bound(_FIRST_PORT + int.from_bytes(name[:4], "big") % _PORTS)
    except UnavailableError:
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        raise UnavailableError(
            f"cannot listen on 127.0.0.1: {error.strerror}",
            field="--port",
            value=port,
            mend="Choose another port, or 0 for a free one.",
        ) from error
    return listening


def serve(
    session: Session, sight: Sight | None, listening: socket.socket, ready: Callable[[str], None]
) -> None:
    """Serve the page until it asks for the end, or a signal comes.

    Args:
        session: the file that is edited.
        sight: the camera, or None.
        listening: from `listen`; closed at the end.
        ready: called with the page's address, secret included, when it can be opened.
    """
    import uvicorn

    from zones.editor.app import Editor

    port = listening.getsockname()[1]
    token = new_token()

    def end() -> None:
        server.should_exit = True

    app = Guard(Editor(session, sight, end).app(), token, port)
    # No access log: it would hold the secret. Websockets are not spoken.
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=64,
    )
    server = uvicorn.Server(config)
    with listening:
        ready(f"http://127.0.0.1:{port}/{token}/")
        server.run(sockets=[listening])
