"""Who may speak to the editor: only its own page. Real requests on a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.zones.editing import TWO_ZONES, Editor, serving
from zones.editor.app import STATIC


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    path = tmp_path_factory.mktemp("zones") / "street.toml"
    path.write_text(TWO_ZONES)
    with serving(path) as running:
        yield running


def ask(editor: Editor, path: str, method: str = "GET", **how: Any) -> httpx.Response:
    return httpx.request(method, editor.url + path, **how)


def test_the_page_and_nothing_else_is_served(editor: Editor) -> None:
    page = ask(editor, "")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for path in STATIC.iterdir():
        assert ask(editor, f"static/{path.name}").status_code == (404 if path.suffix == ".html" else 200)
    for path in ("static/..%2fapp.py", "static/../app.py", "static/%2e%2e/app.py", "api/", "api/nothing"):
        assert ask(editor, path).status_code == 404, path


def test_the_headers_forbid_what_is_not_needed(editor: Editor) -> None:
    for answer in (ask(editor, ""), ask(editor, "static/main.js"), httpx.get(editor.origin)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


def test_without_the_secret_there_is_nothing(editor: Editor) -> None:
    token = editor.url.rstrip("/").rpartition("/")[2]
    assert len(token) >= 43, "256 bits"
    for path in (
        "/",
        "/api/open",
        f"/{token}",
        f"/{token[:-1]}/",
        f"/{token}x/",
        f"//{token}/",
        "/static/main.js",
    ):
        assert httpx.get(editor.origin + path).status_code == 404, path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.2:{port}", ""]
)
def test_another_name_for_this_machine_is_refused(editor: Editor, host: str) -> None:
    """A foreign name that was pointed at 127.0.0.1 after its page was loaded."""
    answer = ask(editor, "", headers={"host": host.format(port=editor.port)})
    assert answer.status_code in (400, 403)


def test_localhost_is_this_machine(editor: Editor) -> None:
    assert ask(editor, "", headers={"host": f"localhost:{editor.port}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "https://127.0.0.1:{port}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "api/disk"), ("POST", "api/save"), ("POST", "api/quit")]
)
def test_other_pages_are_refused(editor: Editor, headers: dict[str, str], method: str, path: str) -> None:
    given = {name: value.format(port=editor.port) for name, value in headers.items()}
    answer = ask(editor, path, method, headers={"content-type": "application/json", **given})
    assert answer.status_code == 403
    assert ask(editor, "").status_code == 200, "it still runs"


def test_the_browser_may_be_led_to_the_page_from_a_file(editor: Editor) -> None:
    led = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(editor, "", headers=led).status_code == 200


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"{}", 403),
        ({"origin": "own", "content-type": "text/plain"}, b"{}", 415),
        ({"origin": "own", "content-type": "application/x-www-form-urlencoded"}, b"a=b", 415),
        ({"origin": "own", "content-type": "application/json"}, b"{", 400),
        ({"origin": "own", "content-type": "application/json"}, b"[]", 400),
        ({"origin": "own", "content-type": "application/json"}, b'{"data": {}, "more": 1}', 400),
        ({"origin": "own", "content-type": "application/json"}, b"[" * 100_000, 400),
        ({"origin": "own", "content-type": "application/json"}, b" " * (7 * 1024 * 1024), 413),
    ],
)
def test_what_is_posted_is_checked(
    editor: Editor, headers: dict[str, str], content: bytes, status: int
) -> None:
    given = {name: editor.origin if value == "own" else value for name, value in headers.items()}
    assert ask(editor, "api/judge", "POST", headers=given, content=content).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(editor: Editor, method: str) -> None:
    answer = ask(editor, "api/save", method, headers={"origin": editor.origin})
    assert answer.status_code == 405


def test_a_body_that_grows_beyond_its_bounds_is_cut_off(editor: Editor) -> None:
    token = editor.url.rstrip("/").rpartition("/")[2]
    with socket.create_connection(("127.0.0.1", editor.port), 10) as wire:
        wire.sendall(
            f"POST /{token}/api/judge HTTP/1.1\r\nHost: 127.0.0.1:{editor.port}\r\nOrigin: {editor.origin}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        assert wire.recv(200).startswith(b"HTTP/1.1 411"), "a length must be said before"


def test_two_hosts_are_none(editor: Editor) -> None:
    token = editor.url.rstrip("/").rpartition("/")[2]
    with socket.create_connection(("127.0.0.1", editor.port), 10) as wire:
        wire.sendall(
            f"GET /{token}/ HTTP/1.1\r\nHost: 127.0.0.1:{editor.port}\r\nHost: evil.example\r\n\r\n".encode()
        )
        assert wire.recv(200).split()[1] in (b"400", b"403")


def test_it_listens_on_this_machine_alone(editor: Editor) -> None:
    own = {
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    assert f"0100007F:{editor.port:04X}" in own
    assert not any(one.endswith(f":{editor.port:04X}") and not one.startswith("0100007F") for one in own)
