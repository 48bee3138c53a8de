"""The web process: uvicorn on a given socket; open event streams end at once when it stops."""

from __future__ import annotations

import socket

import uvicorn


class Server(uvicorn.Server):
    """Ends the pages' event streams before it waits for connections to finish.

    Not in the handler of the signal: that runs between two steps of whatever the loop was doing, also of a
    page that leaves the feed and holds its lock.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from central.live.feed import feed

        feed.close()
        await super().shutdown(sockets)


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
    Server(config).run(sockets=[listener])
