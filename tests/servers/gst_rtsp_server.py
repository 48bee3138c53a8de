"""A real RTSP server for tests: plays one H.264 or H.265 file over and over, in real time, with rising stamps.

Needs Debian's python3-gi, so it runs as a program of its own under the system's Python:

    /usr/bin/python3 gst_rtsp_server.py FILE --codec h264 --auth digest --user u --password p --port 0

Prints ``READY <port>`` once it listens, and ends when its standard input is closed.
"""

import argparse
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

CODECS = {
    "h264": ("h264parse", "video/x-h264", "rtph264pay"),
    "h265": ("h265parse", "video/x-h265", "rtph265pay"),
}
PROTOCOLS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}


def read_units(path, codec):
    """All access units of the file as (bytes, decode order stamp, show stamp), nanoseconds from 0, and its length."""
    parser, caps, _ = CODECS[codec]
    line = Gst.parse_launch(
        f"filesrc name=file ! qtdemux ! {parser} config-interval=-1 ! "
        f"{caps},stream-format=byte-stream,alignment=au ! appsink name=out sync=false max-buffers=64"
    )
    line.get_by_name("file").set_property("location", path)
    out = line.get_by_name("out")
    line.set_state(Gst.State.PLAYING)
    units = []
    while True:
        sample = out.try_pull_sample(10 * Gst.SECOND)
        if sample is None:
            break
        buffer = sample.get_buffer()
        dts = buffer.dts if buffer.dts != Gst.CLOCK_TIME_NONE else buffer.pts
        units.append((buffer.extract_dup(0, buffer.get_size()), dts, buffer.pts))
    line.set_state(Gst.State.NULL)
    if not units:
        sys.exit(f"no {codec} picture in {path}")
    first = min(pts for _, _, pts in units)
    units = [(data, max(0, dts - first), pts - first) for data, dts, pts in units]
    shown = sorted(pts for _, _, pts in units)
    gap = shown[-1] // max(1, len(shown) - 1) if len(shown) > 1 else Gst.SECOND
    return units, shown[-1] + gap


class Loop(GstRtspServer.RTSPMediaFactory):
    """One shared stream; a feeder thread pushes its units when their time has come."""

    def __init__(self, units, length, codec):
        super().__init__()
        self.units, self.length, self.codec = units, length, codec
        self.set_shared(True)
        self.connect("media-configure", self.on_configure)

    def do_create_element(self, url):
        parser, caps, payloader = CODECS[self.codec]
        return Gst.parse_launch(
            f"( appsrc name=source is-live=true format=time block=false max-bytes=64000000 "
            f"caps={caps},stream-format=byte-stream,alignment=au ! {parser} ! "
            # Parameter sets are in the units already; the payloader would put them before every slice.
            f"{payloader} name=pay0 pt=96 config-interval=0 )"
        )

    def on_configure(self, _factory, media):
        source = media.get_element().get_by_name_recurse_up("source")
        ended = threading.Event()
        media.connect("unprepared", lambda _media: ended.set())
        threading.Thread(target=self.feed, args=(source, ended), daemon=True).start()

    def feed(self, source, ended):
        started = time.monotonic_ns()
        offset = 0
        while True:
            for data, dts, pts in self.units:
                wait = started + offset + dts - time.monotonic_ns()
                if ended.wait(max(0, wait) / 1e9):
                    return
                buffer = Gst.Buffer.new_wrapped(data)
                buffer.pts, buffer.dts = offset + pts, offset + dts
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            offset += self.length


def guard(server, factory, auth, user, password, tls):
    """Let nobody in without the user name and password, or without TLS."""
    lock = GstRtspServer.RTSPAuth()
    if tls:
        lock.set_tls_certificate(Gio.TlsCertificate.new_from_file(tls))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if auth == "basic":
        lock.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        lock.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    elif auth == "none":
        lock.set_default_token(token)
    else:
        lock.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        lock.add_digest(user, password, token)
    server.set_auth(lock)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def hang_up(server):
    server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
    return True


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("file")
    arguments.add_argument("--codec", choices=CODECS, default="h264")
    arguments.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    arguments.add_argument("--user", default="viewer")
    arguments.add_argument("--password", default="")
    arguments.add_argument("--protocols", choices=PROTOCOLS, default="both")
    arguments.add_argument("--port", default="0")
    arguments.add_argument("--path", default="/cam")
    arguments.add_argument("--tls", help="PEM file with certificate and key: serve rtsps:// instead")
    arguments.add_argument(
        "--hang-up-every", type=float, default=0, help="drop all clients every so many seconds"
    )
    given = arguments.parse_args()

    Gst.init(None)
    factory = Loop(*read_units(given.file, given.codec), given.codec)
    factory.set_protocols(PROTOCOLS[given.protocols])
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    if given.auth != "none" or given.tls:
        guard(server, factory, given.auth, given.user, given.password, given.tls)
    server.get_mount_points().add_factory(given.path, factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {given.port}")
    if given.hang_up_every:
        GLib.timeout_add(round(given.hang_up_every * 1000), hang_up, server)
    loop = GLib.MainLoop()
    GLib.io_add_watch(0, GLib.IO_HUP, lambda *_: loop.quit())
    print("READY", server.get_bound_port(), flush=True)
    loop.run()


main()
