"""The driver's side of the loop, with nothing pretended: camera, agent, broker, centre and the page behind the link.

A car stands on the pavement; its owner gets one message with a link and a free bay, which the same camera has seen to be
free. He says that he has left while he has not; then he drives into the bay. Nobody is sent, and the bay is taken.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import tomli_w

from benchmarks.simulator import load_scene, zone_file
from benchmarks.simulator.encode import encode
from tests.acceptance.parts import AGENT, PHONE, PLATE, ROOT, STREET, AgentProcess, Watch
from tests.servers.mosquitto import Mosquitto
from tests.servers.rtsp import RtspServer

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

SCENE = Path(__file__).with_name("scenes") / "leaving.toml"
PATROL = [sys.executable, "-m", "patrol"]
BAY = "B1"
WITHIN_S = 120.0
"""Far longer than anything takes on a quiet machine."""

CAR = """
[[vehicle]]
id = "driver"
kind = "saloon"
colour = "black"
plate = "{plate}"
route = [{{ place = "{place}", wait_s = inf }}]
"""


@dataclass
class Town:
    """Everything that runs."""

    folder: Path
    port: Callable[[], int]
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self.videos = self._draw()

    def _draw(self) -> dict[str, Path]:
        """What the camera shows: nobody, the car on the pavement, the car in the bay."""
        text = SCENE.read_text("utf-8")
        videos = {}
        for place in ("nobody", "pavement", "bay"):
            path = self.folder / f"{place}.toml"
            path.write_text(
                text if place == "nobody" else text + CAR.format(plate=PLATE, place=place), "utf-8"
            )
            videos[place] = self.folder / f"{place}.mp4"
            scene = load_scene(str(path))
            encode(scene, videos[place], gop_s=1.0)
        zones = tomllib.loads(zone_file(scene))
        zones |= {
            "place": "三里河路12号北门",
            "street": "三里河路",
            "position": {"longitude": 116.3321, "latitude": 39.9145},
        }
        for zone in zones["zone"]:
            if zone["id"] == BAY:
                zone["position"] = {"longitude": 116.3318, "latitude": 39.9147}
                zone["classes"] = ["car"]
        (self.folder / "cam1.zones.toml").write_text(tomli_w.dumps(zones), "utf-8")
        return videos

    def __enter__(self) -> Town:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        (self.folder / "mq").mkdir()
        broker = self._stack.enter_context(Mosquitto(self.folder / "mq", self.port()))
        self.web_port = self.port()
        sms, notices = self.folder / "sms.jsonl", self.folder / "notices.toml"
        notices.write_text(f'sender = "三里河街道"\n[sms]\ngateway = "log"\nlog_file = "{sms}"\n', "utf-8")
        plain = {k: v for k, v in os.environ.items() if not k.startswith("PATROL_CENTRAL_")}
        plain.pop("PATROL_DATABASE_URL", None)
        self.env = plain | {
            "PATROL_CENTRAL_DATA": str(self.folder / "centre"),
            "PATROL_CENTRAL_PUBLIC_URL": f"http://127.0.0.1:{self.web_port}",
            "PATROL_CENTRAL_NOTICES_FILE": str(notices),
            "NO_COLOR": "1",
        }
        self.central("migrate")
        self.central("agents", "add", AGENT, "--jurisdiction", STREET)
        owners = self.folder / "owners.csv"
        owners.write_text(f"plate,phone,language,opted_out\n{PLATE},{PHONE},zh-Hans,no\n", "utf-8")
        self.central("owners", "import", str(owners))
        self.key = json.loads(
            self.central("bays", "keys", "add", "test", "--jurisdiction", STREET, "--json")
        )["key"]
        centre = subprocess.Popen(
            [*PATROL, "central", "up", "--port", str(self.web_port), "--broker", broker.url, "--json"],
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(self._end, centre)
        assert centre.stdout is not None
        assert json.loads(centre.stdout.readline())["event"] == "ready"
        self.camera_port = self.port()
        self.camera = RtspServer(self.videos["nobody"], port=self.camera_port)
        self._stack.callback(lambda: self.camera.kill())
        config = self.folder / "agent.toml"
        config.write_text(
            f"""
[agent]
id = "{AGENT}"
jurisdiction = "{STREET}"
data_dir = "data"
health_every_s = 2
[mqtt]
url = "{broker.url}"
[[camera]]
id = "cam1"
url = "{self.camera.url}"
zones = "cam1.zones.toml"
sample_period_s = 1
backoff_max_s = 2
""",
            "utf-8",
        )
        self.agent = AgentProcess(config, self.watch)
        self._stack.callback(self.agent.stop)
        self.agent.start()

    def show(self, what: str) -> None:
        """From now on the camera sees this."""
        self.camera.kill()
        self.camera = RtspServer(self.videos[what], port=self.camera_port)

    def central(self, *arguments: str) -> str:
        done = subprocess.run(
            [*PATROL, "central", *arguments], env=self.env, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bay(self) -> dict[str, Any]:
        """The bay as another system sees it."""
        status, _, text = self.ask("GET", f"/ngsi-ld/v1/entities/{BAY}", Authorization=f"Bearer {self.key}")
        return json.loads(text) if status == 200 else {}

    def bay_is(self, status: str) -> bool:
        return self.bay().get("status", {}).get("value") == status

    def sms(self) -> list[dict[str, Any]]:
        path = self.folder / "sms.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of a call, as a phone makes it: no cookie, no script."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web_port, timeout=30)
        try:
            body = None if form is None else urlencode(form)
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, {"Accept-Language": "en", **headers})
            answer = connection.getresponse()
            shown = {k.lower(): v for k, v in answer.getheaders()}
            return answer.status, shown, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def has_picture(self, path: str) -> bool:
        """Whether the driver's own vehicle can be seen."""
        status, headers, _ = self.ask("GET", f"{path}/picture.jpg")
        return status == 200 and headers["content-type"] == "image/jpeg"

    def press(self, path: str, what: str) -> int:
        """Press a button of the page that is there now."""
        _, _, text = self.ask("GET", path)
        nonce = re.search(r'name="nonce" value="([^"]+)"', text)
        assert nonce is not None, text
        return self.ask("POST", f"{path}/{what}", {"nonce": nonce[1], "lang": "en"})[0]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Ask again, now and then, until it is so."""
        waiting = threading.Event()
        for _ in range(round(WITHIN_S / 0.5)):
            if condition():
                return
            waiting.wait(0.5)
        raise AssertionError(f"{what} did not come; agent: {self.agent.states()}, bay: {self.bay()}")

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def town(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Town]:
    with Town(tmp_path, free_port) as made:
        yield made


def test_a_driver_is_warned_finds_a_bay_and_is_believed_by_the_camera_alone(town: Town) -> None:
    town.until(lambda: town.bay_is("free"), "a bay that the camera has seen to be free")
    town.show("pavement")
    town.until(town.sms, "the message")
    town.until(lambda: "notified" in town.agent.states(), "the clock")
    (message,) = town.sms()
    assert message["to"] == PHONE
    assert PLATE not in message["text"]
    assert "三里河路 1 号泊位" in message["text"]
    link = re.search(r"http://127\.0\.0\.1:\d+(/n/[\w-]{32})(?![\w-])", message["text"])
    assert link is not None, message["text"]
    path = link[1]
    # The agent's clock runs a moment before the centre has heard of it.
    town.until(lambda: '<p class="by">by' in town.ask("GET", path)[2], "the deadline on the page")

    status, headers, page = town.ask("GET", path)
    assert status == 200
    assert "Please move your vehicle" in page
    assert "Kept for you until" in page
    assert "三里河路12号北门" in page
    assert PLATE not in page
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    deadline = re.search(r'<p class="by">.*?</p>', page)
    town.until(lambda: town.has_picture(path), "the picture")

    # He presses the button and stays: the camera looks, and nothing changes.
    assert town.press(path, "left") == 303
    town.until(lambda: "The camera still sees the vehicle" in town.ask("GET", path)[2], "the camera's answer")
    after = re.search(r'<p class="by">.*?</p>', town.ask("GET", path)[2])
    assert deadline is not None
    assert after is not None
    assert after[0] == deadline[0], "the clock was neither shortened nor lengthened"
    assert "self_corrected" not in town.agent.states()

    # He drives into the bay.
    town.show("bay")
    town.until(lambda: "self_corrected" in town.agent.states(), "the end of the case")
    town.until(lambda: "The sidewalk is clear" in town.ask("GET", path)[2], "the page's thanks")
    town.until(lambda: town.bay_is("occupied"), "the bay with his car in it")
    assert "Kept for you until" not in town.ask("GET", path)[2], "who has arrived needs nothing kept"
    assert town.agent.stop() == 0
    assert town.agent.states()[-4:] == ["observing", "confirmed", "notified", "self_corrected"]
    assert len(town.sms()) == 1
    assert json.loads(town.central("audit", "verify", "--json"))["faults"] == []
