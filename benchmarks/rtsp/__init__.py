"""A real RTSP server for simulated streets: files played as live cameras, with faults on demand.

with ServerThread() as server:
    server.add("/cam1", MediaFile.open("street.mp4"))
    print(server.url("/cam1"))
"""

from benchmarks.rtsp._auth import Credentials
from benchmarks.rtsp._camera import CameraStats
from benchmarks.rtsp._media import MediaFile
from benchmarks.rtsp.faults import Faults, FaultSwitch
from benchmarks.rtsp.server import RtspServer, ServerThread

__all__ = ["CameraStats", "Credentials", "FaultSwitch", "Faults", "MediaFile", "RtspServer", "ServerThread"]
