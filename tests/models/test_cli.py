"""`patrol models`, as a person or a script calls it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import catalogue, open_detector
from patrol.main import main

NANO_HASH = "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd"


class Patrol:
    """Runs `patrol models …` in this process and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        try:
            main(["models", *map(str, arguments)])
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: object) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def patrol(capsys: pytest.CaptureFixture[str]) -> Patrol:
    return Patrol(capsys)


@pytest.fixture(scope="module")
def yolox(shared: Path) -> Path:
    return shared / "models/yolox_nano.onnx"


class Server(http.server.ThreadingHTTPServer):
    """A mirror on this machine. `body` is what it serves, `promised` the length it announces."""

    body = b""
    promised: int | None = None
    requests = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/yolox_nano.onnx"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if not self.server.body:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.promised or len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_list_shows_licence_source_hash_input_and_classes(patrol: Patrol) -> None:
    rows = {row["name"]: row for row in patrol.json("list")}
    default = rows["nanodet-g"]
    assert default["here"]
    assert (default["licence"], default["input"], len(default["classes"])) == ("Apache-2.0", [416, 416], 80)
    assert default["sha256"] == catalogue.sha256(Path(default["path"]))
    assert rows["yolox-s"]["here"] is False
    assert rows["yolox-s"]["path"] is None
    _, out, _ = patrol("list")
    assert "nanodet-g" in out


def test_verify_says_good_with_the_outputs(patrol: Patrol) -> None:
    (verdict,) = patrol.json("verify", "nanodet-g")
    assert verdict["state"] == "good"
    assert verdict["outputs"]["scores_8"] == [1, 2704, 80]


def test_verify_without_names_passes_over_what_is_not_here(patrol: Patrol) -> None:
    code, out, err = patrol("verify")
    assert code == 0, out + err
    assert "absent" in out


def test_verify_of_a_named_model_that_is_not_here_is_unavailable(patrol: Patrol) -> None:
    code, _, err = patrol("verify", "yolox-tiny")
    assert code == 3
    assert "patrol models fetch yolox-tiny" in err


def test_verify_finds_a_damaged_file(patrol: Patrol, yolox: Path, models_folder: Path) -> None:
    patrol.json("import", yolox, "--name", "mine")
    path = models_folder / "mine.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = patrol("verify", "mine", "--json")
    (verdict,) = json.loads(out)
    assert code == 1
    assert verdict["state"] == "bad"
    assert "expected SHA-256 " + NANO_HASH in verdict["problem"]


def test_fetch_downloads_checks_and_opens(patrol: Patrol, mirror: Server, yolox: Path) -> None:
    mirror.body = yolox.read_bytes()
    row = patrol.json("fetch", "yolox-nano", "--url", mirror.address)
    assert row["here"]
    assert row["sha256"] == NANO_HASH
    assert open_detector("yolox-nano").describe().family == "yolox"
    patrol.json("fetch", "yolox-nano", "--url", mirror.address)
    assert mirror.requests == 1, "what is here and whole is not downloaded again"


def test_fetch_keeps_nothing_that_has_another_hash(
    patrol: Patrol, mirror: Server, yolox: Path, models_folder: Path
) -> None:
    mirror.body = yolox.read_bytes()[:-1] + b"x"
    code, _, err = patrol("fetch", "yolox-nano", "--url", mirror.address)
    assert code == 2
    assert f"expected SHA-256 {NANO_HASH}" in err
    assert list(models_folder.iterdir()) == []


def test_fetch_keeps_nothing_of_a_connection_that_ended_early(
    patrol: Patrol, mirror: Server, yolox: Path, models_folder: Path
) -> None:
    mirror.body, mirror.promised = yolox.read_bytes()[:200_000], 300_000
    code, _, err = patrol("fetch", "yolox-nano", "--url", mirror.address)
    assert code == 3
    assert "ended after 200000 of 300000 bytes" in err
    assert list(models_folder.iterdir()) == []


def test_fetch_names_a_refusal_and_an_unreachable_server(
    patrol: Patrol, mirror: Server, free_port: Any
) -> None:
    code, _, err = patrol("fetch", "yolox-nano", "--url", mirror.address)
    assert (code, "the server answered 404" in err) == (3, True)
    code, _, err = patrol("fetch", "yolox-nano", "--url", f"http://127.0.0.1:{free_port()}/x")
    assert (code, "cannot be reached" in err, "patrol models import" in err) == (3, True, True)
    code, _, err = patrol("fetch", "yolox-nano", "--url", "ftp://mirror/x")
    assert (code, "http or https" in err) == (2, True)


def test_fetch_without_a_known_hash_wants_one_or_trust(
    patrol: Patrol, mirror: Server, yolox: Path, models_folder: Path
) -> None:
    mirror.body = yolox.read_bytes()  # stands in for yolox-tiny: same family, same input
    code, _, err = patrol("fetch", "yolox-tiny", "--url", mirror.address)
    assert (code, "--trust" in err, mirror.requests) == (2, True, 0)
    code, _, err = patrol("fetch", "yolox-tiny", "--url", mirror.address, "--sha256", "0" * 64)
    assert (code, "expected SHA-256 000" in err) == (2, True)
    row = patrol.json("fetch", "yolox-tiny", "--url", mirror.address, "--trust")
    assert row["sha256"] == NANO_HASH, "pinned as it came"
    assert catalogue.entry("yolox-tiny").sha256 == NANO_HASH
    code, _, err = patrol("fetch", "yolox-tiny", "--sha256", "0" * 64)
    assert (code, "pins yolox-tiny" in err) == (2, True), "the pin holds from now on"
    (models_folder / "yolox-tiny.onnx").write_bytes(b"damaged")
    mirror.body += b"x"
    code, _, _ = patrol("fetch", "yolox-tiny", "--url", mirror.address, "--trust")
    assert code == 2, "trust does not override a pin"


def test_fetch_refuses_a_file_that_is_not_what_the_catalogue_says(
    patrol: Patrol, mirror: Server, models_folder: Path
) -> None:
    mirror.body = catalogue.find("nanodet-g").read_bytes()
    code, _, err = patrol("fetch", "yolox-tiny", "--url", mirror.address, "--trust")
    assert code == 2
    assert "expected one output" in err
    assert list(models_folder.iterdir()) == []


def test_fetch_of_what_comes_with_the_distribution_is_already_done(patrol: Patrol) -> None:
    assert patrol.json("fetch", "nanodet-g")["here"]


def test_import_recognises_the_family_and_records_the_hash(
    patrol: Patrol, yolox: Path, models_folder: Path
) -> None:
    row = patrol.json("import", yolox, "--name", "mine", "--licence", "Apache-2.0", "--source", "Megvii")
    assert (row["family"], row["input"], row["sha256"], row["kind"]) == (
        "yolox",
        [416, 416],
        NANO_HASH,
        "imported",
    )
    assert open_detector("mine").describe().name == "mine"
    assert [one["state"] for one in patrol.json("verify", "mine")] == ["good"]
    patrol.json("import", yolox, "--name", "mine")  # the same file once more changes nothing
    other = catalogue.find("nanodet-g")
    code, _, err = patrol("import", other, "--name", "mine")
    assert (code, "--replace" in err) == (2, True)
    assert patrol.json("import", other, "--name", "mine", "--replace")["family"] == "nanodet"


def test_import_stands_for_a_download_on_a_machine_without_network(patrol: Patrol, yolox: Path) -> None:
    assert patrol.json("import", yolox, "--name", "yolox-nano")["kind"] == "download"
    assert open_detector("yolox-nano").describe().family == "yolox"
    code, _, err = patrol("import", catalogue.find("nanodet-g"), "--name", "yolox-nano")
    assert (code, f"expected SHA-256 {NANO_HASH}" in err) == (2, True)


def test_import_takes_names_of_classes(patrol: Patrol, yolox: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"kind {number}" for number in range(80)) + "\n")
    assert patrol.json("import", yolox, "--name", "mine", "--classes", names)["classes"][79] == "kind 79"
    names.write_text("car\nbus\n")
    code, _, err = patrol("import", yolox, "--name", "other", "--classes", names)
    assert (code, "80 classes, but 2 names" in err) == (2, True)
    names.write_text("car\ncar\n")
    code, _, err = patrol("import", yolox, "--name", "other", "--classes", names)
    assert (code, "comes twice" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nanodet-g", "belongs to a model of the distribution"),
        ("My Cars", "match pattern"),
        ("../up", "match pattern"),
    ],
)
def test_import_refuses_a_name(
    name: str, words: str, patrol: Patrol, yolox: Path, models_folder: Path
) -> None:
    code, _, err = patrol("import", yolox, "--name", name)
    assert (code, words in err) == (2, True)
    assert not models_folder.exists()


def test_import_of_a_truncated_file_keeps_nothing(
    patrol: Patrol, yolox: Path, tmp_path: Path, models_folder: Path
) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(yolox.read_bytes()[:1_000_000])
    code, _, err = patrol("import", cut, "--name", "mine")
    assert code == 2
    assert "cut.onnx" in err
    assert "Traceback" not in err
    assert not models_folder.exists()


def test_errors_are_json_where_json_was_asked_for(patrol: Patrol) -> None:
    code, out, err = patrol("verify", "nobody", "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"]["value"] == "nobody"


def test_bench_prints_figures_and_the_command_that_made_them(patrol: Patrol, shared: Path) -> None:
    picture = shared / "stills/ipcam_street_704x576.png"
    told = patrol.json("bench", "nanodet-g", "--picture", picture, "--batch", 1, "--batch", 2, "--rounds", 3)
    assert told["command"].startswith("patrol models bench nanodet-g --picture")
    one, two = told["timings"]
    assert (one["batch"], two["batch"], one["rounds"]) == (1, 2, 3)
    assert 0 < one["p50_ms"] <= one["p95_ms"]
    assert two["found"] == 2 * one["found"] > 0
    code, out, _ = patrol("bench", "nanodet-g", "--picture", picture, "--batch", 1, "--rounds", 1)
    assert (code, "ms per picture" in out) == (0, True)


def test_bench_works_without_pictures(
    patrol: Patrol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATROL_SHARED", str(tmp_path))
    assert patrol.json("bench", "nanodet-g", "--batch", 1, "--rounds", 1)["pictures"] == "noise, 1920 x 1080"


def test_bench_names_a_file_that_is_no_picture(patrol: Patrol, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    code, _, err = patrol("bench", "nanodet-g", "--picture", text)
    assert (code, "is no picture" in err, "notes.txt" in err) == (2, True, True)


def test_export_without_its_extra_says_so(
    patrol: Patrol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ultralytics", None)  # as where the extra is not installed
    weights = tmp_path / "yolo11n.pt"
    weights.write_bytes(b"weights")
    code, _, err = patrol("export", weights)
    assert code == 3
    assert "street-patrol[export]" in err
    assert "AGPL-3.0" in err
    assert not weights.with_suffix(".onnx").exists()


def test_export_names_wrong_input_first(patrol: Patrol, tmp_path: Path) -> None:
    code, _, err = patrol("export", tmp_path / "gone.pt")
    assert (code, "no such weights" in err) == (2, True)
    weights = tmp_path / "yolo11n.pt"
    weights.write_bytes(b"weights")
    code, _, err = patrol("export", weights, "--side", 100)
    assert (code, "multiple of 32" in err) == (2, True)
    weights.with_suffix(".onnx").write_bytes(b"mine")
    code, _, err = patrol("export", weights)
    assert (code, "already there" in err) == (2, True)
    assert weights.with_suffix(".onnx").read_bytes() == b"mine"


@pytest.mark.parametrize("command", ["list", "verify", "fetch", "import", "bench", "export"])
def test_help_has_an_example(command: str, patrol: Patrol) -> None:
    code, out, _ = patrol(command, "--help")
    assert (code, "Example: patrol models" in " ".join(out.split())) == (0, True)
