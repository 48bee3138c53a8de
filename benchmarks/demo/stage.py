"""Sets the stage: broker, centre, cameras and agent, each a real part, and takes it down again."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from benchmarks.demo.scenes import Footage
from benchmarks.rtsp import Credentials, MediaFile, ServerThread
from benchmarks.rtsp.server import RtspServer
from benchmarks.servers import free_port
from benchmarks.simulator import zone_file
from notifier.mqtt import EmbeddedBroker
from protocol.clock import Millis, SystemClock, iso
from protocol.errors import UnavailableError
from protocol.messages import Position
from zones import parse_zone_file

JURISDICTION = "demo-street"
AGENT = "demo-box"
CONFIRM_S, GRACE_S, RECHECK_S = 8.0, 30.0, 30.0
"""Shortened so that the whole story takes two minutes; in a street it is 60 s and 10 minutes."""

_NOTICES = """\
sender = "演示街道"
[sms]
gateway = "log"
log_file = "sms.jsonl"
"""
"""How the centre warns: into a file instead of a phone."""

AT = {"pavement": (121.4244, 31.2201), "bays": (121.4330, 31.2230)}
"""Where each camera's pavement lies, (longitude, latitude): 长宁路 and 愚园路."""

OFFERED_BAYS = ("愚园路 8 号泊位", "江苏路停车场", "愚园路 21 号泊位")
"""Those of the bays below that a driver of the second street may be sent to, nearest first."""

_BAYS: tuple[tuple[str, dict[str, Any], tuple[float, float]], ...] = (
    ("愚园路 8 号泊位", {"status": "free"}, (121.4341, 31.2232)),
    ("愚园路 11 号泊位", {"status": "occupied"}, (121.4335, 31.2231)),
    ("愚园路 15 号泊位", {"status": "free", "category": ["onlyResidents"]}, (121.4333, 31.2229)),
    ("江苏路停车场", {"type": "OffStreetParking", "totalSpotNumber": 80, "availableSpotNumber": 12}, (121.4313, 31.2226)),
    ("愚园路 21 号泊位", {"status": "free"}, (121.4362, 31.2236)),
)  # fmt: skip
"""Name, NGSI-LD attributes, position of each bay near the second street: one is taken and one is for residents."""

_UP_S = 90
_LEAVE_S = 20


class Stage:
    """Everything that runs during the demo.

    Args:
        folder: an empty folder for all data.
        port: port of the pages; 0 takes a free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        # Chosen beforehand: the warnings name it in their links.
        self._port = port or free_port()
        self._stack = ExitStack()
        self._broker_url = ""
        self.url = ""
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.agent: subprocess.Popen[str] | None = None
        self.server: RtspServer | None = None
        self._env = {
            **os.environ,
            "PATROL_CENTRAL_DATA": str(folder / "centre"),
            "PATROL_CENTRAL_NOTICES_FILE": str(folder / "notices.toml"),
            "PATROL_CENTRAL_PUBLIC_URL": f"http://127.0.0.1:{self._port}",
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_broker(self) -> str:
        """An MQTT 5 broker in this process. Returns its address."""
        broker = EmbeddedBroker(free_port())
        self._stack.enter_context(broker)
        self._broker_url = broker.url
        return broker.url

    def start_centre(self) -> str:
        """The centre with its database, pages, ingest and warnings. Returns the address of the pages."""
        (self.folder / "notices.toml").write_text(_NOTICES, "utf-8")
        self._patrol("central", "migrate")
        self._patrol("central", "agents", "add", AGENT, "--jurisdiction", JURISDICTION)
        for name, role, full_name in (("officer", "officer", "王警官"), ("dispatcher", "dispatcher", "陈静")):
            self._patrol("central", "users", "add", name, "--role", role, "--full-name", full_name, "--json")
        process = self._spawn(
            "centre", "central", "up", "--port", str(self._port), "--broker", self._broker_url, "--json"
        )
        ready: queue.Queue[dict[str, Any]] = queue.Queue()
        _read_lines(process, ready)
        try:
            self.url = str(ready.get(timeout=_UP_S)["url"])
        except queue.Empty:
            raise self._failed("the centre", "centre") from None
        return self.url

    def login_link(self, name: str) -> str:
        """A link that logs this person in once."""
        answer = json.loads(self._patrol("central", "login-link", name, "--url", self.url, "--json"))
        return str(answer["login_url"])

    def start_cameras(self, footage: list[Footage]) -> dict[str, str]:
        """The scenes as RTSP cameras with Digest authentication; each starts when it is first watched."""
        password = secrets.token_urlsafe(12)
        secret = self.folder / "camera.password"
        _write_secret(secret, password)
        self.server = self._stack.enter_context(
            ServerThread(auth="digest", credentials=Credentials("patrol", password))
        )
        for item in footage:
            self.server.add(
                f"/{item.camera}", MediaFile.open(item.video), loop=False, hold=True, starts="first_play"
            )
        return {item.camera: f"rtsp://127.0.0.1:{self.server.port}/{item.camera}" for item in footage}

    def scene_began_ms(self, camera: str) -> Millis:
        """UTC milliseconds at which the camera's scene began."""
        assert self.server is not None
        position = next(s.position_s for s in self.server.stats() if s.path == f"/{camera}")
        return SystemClock().utc_ms() - round((position or 0.0) * 1000)

    def start_agent(self, footage: list[Footage], cameras: dict[str, str]) -> None:
        """The agent, told everything by files: cameras, zones, broker. It knows no owner: the centre does."""
        data = self.folder / "agent"
        data.mkdir(mode=0o700)
        for item in footage:
            text = _short(zone_file(item.scene), AT[item.camera])
            (self.folder / f"{item.camera}.zones.toml").write_text(text, "utf-8")
        self._make_owners(footage)
        self._make_bays()
        (self.folder / "agent.toml").write_text(self._agent_config(cameras), "utf-8")
        process = self._spawn("agent", "agent", "run", str(self.folder / "agent.toml"), "--json")
        self.agent = process
        _read_lines(process, self.events)

    def _make_owners(self, footage: list[Footage]) -> None:
        """The centre's encrypted owners' table, with an invented number for each plate of the scenes."""
        rows = ["plate,phone"]
        plates = sorted(
            {v.plate for item in footage for v in item.truth.vehicles if v.plate and not v.passing}
        )
        rows.extend(f"{plate},+861390000{number:04d}" for number, plate in enumerate(plates))
        source = self.folder / "owners.csv"
        source.write_text("\n".join(rows) + "\n", "utf-8")
        self._patrol("central", "owners", "import", str(source))
        source.unlink()

    def _make_bays(self) -> None:
        """The street's bays, as the city's file has them and as they were seen a moment ago."""
        seen = iso(SystemClock().utc_ms())
        features = [
            {
                "type": "Feature",
                "id": f"urn:ngsi-ld:ParkingSpot:demo-{number}",
                "geometry": {"type": "Point", "coordinates": list(place)},
                "properties": {
                    "type": "ParkingSpot",
                    "name": name,
                    "allowedVehicleType": "anyVehicle",  # the detector takes the red SUV for a small truck
                    "observedAt": seen,
                    **attributes,
                },
            }
            for number, (name, attributes, place) in enumerate(_BAYS)
        ]
        source = self.folder / "bays.geojson"
        source.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
        self._patrol("central", "bays", "import", str(source), "--jurisdiction", JURISDICTION)

    def _agent_config(self, cameras: dict[str, str]) -> str:
        lines = [
            "[agent]",
            f'id = "{AGENT}"',
            f'jurisdiction = "{JURISDICTION}"',
            'data_dir = "agent"',
            'languages = ["zh-Hans", "en"]',
            "health_every_s = 3",
            "[mqtt]",
            f'url = "{self._broker_url}"',
        ]
        for name, url in cameras.items():
            lines += [
                "[[camera]]",
                f'id = "{name}"',
                f'url = "{url}"',
                'username = "patrol"',
                'password_file = "camera.password"',
                "sample_period_s = 1",
                f'zones = "{name}.zones.toml"',
            ]
        return "\n".join(lines) + "\n"

    @property
    def sms_file(self) -> Path:
        """Where the log gateway writes the warnings."""
        return self.folder / "sms.jsonl"

    def audit(self) -> bool:
        """Whether the centre's history is unbroken."""
        return self._run("central", "audit", "verify").returncode == 0

    def verify_evidence(self) -> bool:
        """Whether all sealed pictures are as the agent sealed them."""
        return self._run("evidence", "verify", str(self.folder / "agent" / "evidence")).returncode == 0

    # Processes

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        log = self._stack.enter_context((self.folder / f"{name}.log").open("w", encoding="utf-8"))
        process = subprocess.Popen(
            [sys.executable, "-m", "patrol", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self._env,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._stack.callback(_end, process)
        return process

    def _patrol(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            raise UnavailableError(f"`patrol {' '.join(arguments[:2])}` failed: {done.stderr.strip()[-600:]}")
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "patrol", *arguments],
            capture_output=True,
            text=True,
            env=self._env,
            timeout=_UP_S,
        )

    def _failed(self, what: str, log: str) -> UnavailableError:
        tail = (self.folder / f"{log}.log").read_text("utf-8")[-800:].strip()
        return UnavailableError(f"{what} did not come up: {tail or 'it said nothing'}")


def _short(text: str, at: tuple[float, float]) -> str:
    """The scene's zone file with the demo's shortened times, and with the place of its pavement on the map."""
    from zones import dump_zone_file

    zones = parse_zone_file(text)
    changes = {"confirm_after_s": CONFIRM_S, "grace_s": GRACE_S, "recheck_window_s": RECHECK_S}
    place = {"position": Position(longitude=at[0], latitude=at[1])}
    return dump_zone_file(
        zones.model_copy(
            update={
                "zone": tuple(
                    z.model_copy(update=changes | ({} if z.kind == "parking_bay" else place))
                    for z in zones.zone
                )
            }
        )
    )


def _read_lines(process: subprocess.Popen[str], into: queue.Queue[dict[str, Any]]) -> None:
    def read(stream: IO[str]) -> None:
        for line in stream:
            if line.startswith("{"):
                into.put(json.loads(line))

    assert process.stdout is not None
    threading.Thread(target=read, args=(process.stdout,), daemon=True).start()


def _end(process: subprocess.Popen[str]) -> None:
    """Ask it to leave, and see to it that it does, its children too."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _die_with_parent() -> None:
    """Linux: SIGTERM when the demo dies, even by kill -9 (prctl PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _write_secret(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
