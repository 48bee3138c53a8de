"""The web process: uvicorn on a given socket; open event streams end at once when it stops."""

from __future__ import annotations

import socket
from types import FrameType

import uvicorn


class _Server(uvicorn.Server):
    """Ends the pages' event streams before it waits for connections to finish."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        from central.live.feed import feed

        feed.close()
        super().handle_exit(sig, frame)


def serve(listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C. Django is set up."""
    from django.conf import settings

    from central.project.asgi import application
    from central.project.heap import settle

    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Behind a proxy the client's address and scheme come from the proxy on this machine.
        proxy_headers=settings.PATROL.https,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        backlog=256,
    )
    settle()
    _Server(config).run(sockets=[listener])
