"""A page on this machine in which a person draws zones over a camera's picture, and the server behind it.

`serve` needs a `Session` (the file) and, for pictures and detections, a `Sight`. Nothing here knows cameras or
detectors; `edge_agent.zone_tools` brings them.
"""

from zones.editor.ports import Seen, Shot, Sight
from zones.editor.server import listen, serve
from zones.editor.session import Session

__all__ = ["Seen", "Session", "Shot", "Sight", "listen", "serve"]
