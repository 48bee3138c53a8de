"""Small truths about processes that the command line needs: dying with the parent, and a listening socket."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

from protocol.errors import PatrolError, UnavailableError

PARENT = "PATROL_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def follow_parent() -> None:
    """Have the kernel end this process when its supervisor is gone, even by kill -9. Linux only; else nothing."""
    parent = os.environ.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        UnavailableError: somebody else listens there.
        PatrolError: the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == 99:
            raise PatrolError(
                "this address does not belong to this machine", field="--host", value=host
            ) from error
        raise UnavailableError(
            f"the pages cannot listen at {host}:{port}: {error.strerror}",
            field="--port",
            mend="Stop what listens there, or choose another port (0 takes a free one)",
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # only shown
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
