"""Every mistake a person can make is answered by one clear line and its mend, never by a traceback."""

from __future__ import annotations

import os
import sqlite3
import wave
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_agent.store import SCHEMA_VERSION, Store, connect
from edge_agent.vault import Vault
from models.catalogue import find
from tests.commands import Done, call, run
from tests.edge_agent.crashing import box
from tests.edge_agent.scripted import Beat

CONFIG = """
[agent]
id = "box-1"
jurisdiction = "my-street"
data_dir = "data"

[plates]
enabled = false

[[camera]]
id = "cam1"
url = "rtsp://127.0.0.1:9/cam"
zones = "zones.toml"
"""

ZONES = """
[picture]
width = 640
height = 360

[[zone]]
id = "P1"
name = "North pavement"
polygon = [[10, 10], [600, 10], [600, 300], [10, 300]]
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a sound configuration."""
    (tmp_path / "agent.toml").write_text(CONFIG)
    (tmp_path / "zones.toml").write_text(ZONES)
    return tmp_path


def patrol(*arguments: str | Path) -> Done:
    return call(*arguments, env={**os.environ, "NO_COLOR": "1"})


def refused(done: Done, *words: str | Path, code: int = 2) -> None:
    """One error with its mend, naming what is at fault; nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("error ")
    assert lines[1].strip().startswith("mend ")
    for word in words:
        assert str(word) in lines[0], done.stderr
    assert done.stdout == ""


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_a_sound_configuration_is_said_to_be_in_order(here: Path) -> None:
    done = patrol("agent", "check", here / "agent.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert not (here / "data").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("rtsp://", "http://", ["camera cam1", "url"], id="a scheme that no camera speaks"),
        pytest.param(
            "data_dir =", "data_folder =", ["agent.data_folder", "not known"], id="a key nobody knows"
        ),
        pytest.param(
            'zones = "zones.toml"', "fps = 4", ["camera cam1", "fps", "not known"], id="one in a camera"
        ),
        pytest.param('jurisdiction = "my-street"', "", ["agent.jurisdiction", "missing"], id="a key missing"),
        pytest.param('id = "box-1"', 'id = "box 1/"', ["agent.id"], id="a name unsafe in topics"),
        pytest.param("[plates]", "[plates", ["TOML"], id="not TOML"),
        pytest.param(
            'zones = "zones.toml"', 'zones = "other.toml"', ["other.toml", "not exist"], id="no zone file"
        ),
        pytest.param(
            "[plates]", "[sms]\ngateway = 'twilio'\n[plates]", ["sms", "twilio"], id="gateway without account"
        ),
        pytest.param(
            "[plates]", "[mqtt]\nurl = 'http://broker'\n[plates]", ["mqtt.url", "mqtt://"], id="broker scheme"
        ),
        pytest.param(
            "[plates]",
            "[detector]\nmodel = 'nanodet-q'\n[plates]",
            ["nanodet-q"],
            id="a model that is not in the catalogue",
        ),
    ],
)
def test_a_mistake_in_the_configuration_names_its_place(
    here: Path, old: str, new: str, words: list[str]
) -> None:
    config = changed(here / "agent.toml", old, new)
    refused(patrol("agent", "check", config), *words)
    assert not (here / "data").exists()


def test_a_password_in_an_address_is_never_shown(here: Path) -> None:
    config = changed(here / "agent.toml", "rtsp://127", "http://viewer:hunter2secret@127")
    done = patrol("agent", "check", config)
    assert done.returncode == 2
    assert "hunter2secret" not in done.stderr + done.stdout


def test_a_provider_that_is_not_installed_is_unavailable(here: Path) -> None:
    config = changed(here / "agent.toml", "[plates]", "[detector]\nproviders = ['Abacus']\n[plates]")
    refused(patrol("agent", "check", config), "providers", "Abacus", code=3)


SECOND = '\n[[zone]]\nid = "P1"\nname = "Again"\npolygon = [[10, 10], [60, 10], [60, 60]]\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "[600, 10], [600, 300]",
            "[600, 300], [600, 10]",
            ["zone P1", "crosses itself", "edge"],
            id="edges cross",
        ),
        pytest.param("[600, 300]", "[900, 300]", ["zone P1", "vertex 3"], id="a vertex beyond the picture"),
        pytest.param("[600, 300]", '[600, "low"]', ["zone P1", "vertex 3"], id="a vertex that is no place"),
        pytest.param(
            'name = "North', 'colour = "red"\nname = "North', ["zone P1", "colour", "not known"], id="key"
        ),
        pytest.param("300]]\n", "300]]\n" + SECOND, ["P1"], id="two zones of one name"),
    ],
)
def test_a_mistake_in_a_zone_file_names_file_zone_and_vertex(
    here: Path, old: str, new: str, words: list[str]
) -> None:
    zones = changed(here / "zones.toml", old, new)
    refused(patrol("agent", "check", here / "agent.toml"), zones, *words)


def test_a_recording_that_cannot_be_decoded_is_named(here: Path) -> None:
    video = here / "street.mp4"
    video.write_bytes(np.random.default_rng(1).bytes(60_000))
    refused(patrol("agent", "replay", video, "--zones", here / "zones.toml", "--no-plates"), video)


def test_a_recording_without_pictures_is_named(here: Path) -> None:
    sound = here / "street.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(16_000))
    refused(patrol("agent", "replay", sound, "--zones", here / "zones.toml", "--no-plates"), sound)


def test_a_recording_that_is_not_there_is_named(here: Path) -> None:
    refused(
        patrol("agent", "replay", here / "no.mp4", "--zones", here / "zones.toml"), here / "no.mp4", code=2
    )


def test_weights_that_were_cut_off_are_refused(here: Path) -> None:
    weights = find("nanodet-g").read_bytes()
    broken = here / "cut.onnx"
    broken.write_bytes(weights[: len(weights) // 2])
    config = changed(here / "agent.toml", "[plates]", "[detector]\nmodel = 'cut.onnx'\n[plates]")
    refused(patrol("agent", "check", config), broken)


def test_a_model_that_is_no_detector_is_refused(here: Path) -> None:
    path = here / "foreign.onnx"
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [picture], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    config = changed(here / "agent.toml", "[plates]", "[detector]\nmodel = 'foreign.onnx'\n[plates]")
    refused(patrol("agent", "check", config), path)


def test_a_database_from_a_newer_version_is_left_alone(here: Path) -> None:
    database = here / "data" / "agent.db"
    Store(database, Vault.open(here / "data" / "keys" / "box.key")).close()
    db = connect(database)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    refused(patrol("agent", "run", here / "agent.toml"), database, "newer version")
    with sqlite3.connect(database) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION + 1
    db.close()


def test_a_database_that_is_none_is_left_alone(here: Path) -> None:
    database = here / "data" / "agent.db"
    database.parent.mkdir()
    database.write_text("my diary\n" * 1_000)
    refused(patrol("agent", "run", here / "agent.toml"), database, "not a database")
    assert database.read_text().startswith("my diary")


def test_a_database_whose_key_is_gone_is_not_read_as_empty(here: Path) -> None:
    """The key file was lost: a new one must not be made for a database that it cannot open."""
    data = here / "data"
    with box(data) as one:
        one.live([Beat("A")] * 10)
    (data / "keys" / "box.key").unlink()
    done = patrol("agent", "run", here / "agent.toml")
    refused(done, "key")


def test_a_data_folder_that_cannot_be_written_is_named(here: Path) -> None:
    (here / "data").write_text("a file where the folder should be")
    done = patrol("agent", "run", here / "agent.toml")
    refused(done, here / "data", code=done.returncode)
    assert done.returncode in (2, 3)


@pytest.mark.parametrize(
    ("mode", "text", "code", "words"),
    [
        pytest.param(0o644, "secret\n", 2, ["others may read it"], id="others may read it"),
        pytest.param(0o600, "\n", 2, ["empty"], id="empty"),
        pytest.param(None, "", 3, ["cannot be read"], id="missing"),
    ],
)
def test_a_password_file_must_be_there_and_private(
    here: Path, mode: int | None, text: str, code: int, words: list[str]
) -> None:
    secret = here / "broker.password"
    if mode is not None:
        secret.write_text(text)
        secret.chmod(mode)
    mqtt = (
        "[mqtt]\nurl = 'mqtt://127.0.0.1:9'\nusername = 'box-1'\npassword_file = 'broker.password'\n[plates]"
    )
    config = changed(here / "agent.toml", "[plates]", mqtt)
    # In processes of their own: the data folder is taken by then, until its process ends.
    done = run("agent", "run", config, env={**os.environ, "NO_COLOR": "1"})
    refused(done, secret, "mqtt.password_file", *words, code=code)
