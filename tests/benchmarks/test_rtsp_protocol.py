"""What the server answers to right, wrong and random bytes (RFC 2326)."""

from __future__ import annotations

import base64
import hashlib
import socket

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.rtsp import Credentials, RtspServer, ServerThread
from benchmarks.rtsp._auth import NONCE_LIFE_S, Authenticator, Verdict
from benchmarks.rtsp._messages import BadRequestError, Interleaved, Parser, Request
from protocol.errors import PatrolError
from tests.benchmarks.rtsp_clips import RawClient, media

GUARD = Credentials("guard", "open sesame")
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture(scope="module")
def server():
    with ServerThread() as running:
        running.add("/cam1", media())
        running.add("/deep/cam 2", media("hevc"))
        yield running


@pytest.fixture
def client(server: RtspServer):
    with RawClient(server.port) as one:
        yield one


def test_options_name_the_methods(server: RtspServer, client: RawClient) -> None:
    for url in (server.url("/cam1"), "*"):
        public = client.ask("OPTIONS", url)["public"].split(", ")
        assert {"DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"} <= set(
            public
        )


def test_a_description_has_its_base(server: RtspServer, client: RawClient) -> None:
    url = server.url("/cam1")
    for asked in (url, f"{url}/", f"{url}?user=1"):
        reply = client.ask("DESCRIBE", asked, Accept="application/sdp")
        assert (reply.status, reply["content-type"], reply["content-base"]) == (
            200,
            "application/sdp",
            f"{url}/",
        )
        assert b"a=control:track1" in reply.body


def test_a_path_with_a_space_is_served(server: RtspServer, client: RawClient) -> None:
    assert server.url("/deep/cam 2").endswith("/deep/cam%202")
    assert b"H265" in client.ask("DESCRIBE", server.url("/deep/cam 2")).body


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DESCRIBE", "/nowhere", {}, 404),
        ("SETUP", "/nowhere/track1", {"Transport": TCP}, 404),
        ("SETUP", "/cam1", {"Transport": TCP}, 459),  # the presentation, not its track
        ("SETUP", "/cam1/track1", {}, 461),
        ("SETUP", "/cam1/track1", {"Transport": "RTP/AVP;multicast;port=4000-4001"}, 461),
        ("SETUP", "/cam1/track1", {"Transport": TCP, "Session": "unknown"}, 454),
        ("PLAY", "/cam1", {}, 454),
        ("PLAY", "/cam1", {"Session": "unknown"}, 454),
        ("PAUSE", "/cam1", {"Session": "unknown"}, 454),
        ("TEARDOWN", "/cam1", {"Session": "unknown"}, 454),
        ("GET_PARAMETER", "/cam1", {"Session": "unknown"}, 454),
        ("GET_PARAMETER", "/cam1", {}, 200),
        ("SET_PARAMETER", "/cam1", {}, 200),
        ("RECORD", "/cam1", {}, 405),
        ("ANNOUNCE", "/cam1", {}, 405),
        ("FLY", "/cam1", {}, 501),
        ("DESCRIBE", "/cam1", {"Require": "play.basic"}, 551),
        ("OPTIONS", "/nowhere", {}, 200),
    ],
)
def test_each_mistake_has_its_code(
    server: RtspServer, client: RawClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert client.ask(method, server.url(path), **headers).status == status
    assert client.ask("OPTIONS", "*").status == 200, "the connection is still good"


def test_what_is_allowed_depends_on_the_state(server: RtspServer, client: RawClient) -> None:
    url = server.url("/cam1")
    other = server.url("/deep/cam 2")
    setup = client.ask("SETUP", f"{url}/track1", Transport=TCP)
    session, _, timeout = setup["session"].partition(";")
    assert timeout == "timeout=60"
    assert "interleaved=0-1" in setup["transport"]
    assert client.ask("PAUSE", url, Session=session).status == 455
    assert client.ask("SETUP", f"{other}/track1", Transport=TCP, Session=session).status == 459
    assert client.ask("PLAY", other, Session=session).status == 459
    again = client.ask("SETUP", f"{url}/track1", Transport="RTP/AVP/TCP;interleaved=4-5", Session=session)
    assert again["session"].startswith(session), "the transport of a session may be changed before it plays"
    assert client.ask("PLAY", url, Session=session).status == 200
    assert client.packet(4)
    assert client.ask("PLAY", url, Session=session).status == 200, "playing again changes nothing"
    assert client.ask("SETUP", f"{url}/track1", Transport=TCP, Session=session).status == 455
    assert client.ask("GET_PARAMETER", url, Session=session)["session"] == session
    with RawClient(server.port) as stranger:
        assert stranger.ask("TEARDOWN", url, Session=session).status == 454, (
            "a session belongs to its connection"
        )
    assert client.ask("TEARDOWN", url, Session=session).status == 200


def test_two_cameras_share_one_connection(server: RtspServer, client: RawClient) -> None:
    sessions = []
    for path, channels in (("/cam1", "0-1"), ("/deep/cam 2", "2-3")):
        setup = client.ask(
            "SETUP", server.url(path) + "/track1", Transport=f"RTP/AVP/TCP;interleaved={channels}"
        )
        sessions.append(setup["session"].partition(";")[0])
        assert client.ask("PLAY", server.url(path), Session=sessions[-1]).status == 200
    assert client.packet(0)
    assert client.packet(2)
    taken = client.ask("SETUP", server.url("/cam1") + "/track1", Transport="RTP/AVP/TCP;interleaved=2-3")
    assert taken.status == 461


def test_an_unknown_parameter_is_said_to_be_so(server: RtspServer, client: RawClient) -> None:
    client.send(
        f"GET_PARAMETER {server.url('/cam1')} RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 8\r\n\r\njitter\r\n".encode()
    )
    assert client.reply().status == 451
    assert client.ask("OPTIONS", "*").status == 200


def test_requests_may_come_in_one_piece_or_byte_by_byte(server: RtspServer, client: RawClient) -> None:
    request = f"OPTIONS {server.url('/cam1')} RTSP/1.0\r\nCSeq: 5\r\nX-Long: a\r\n b\r\n\r\n".encode()
    client.send(request + b"$\x01\x00\x04abcd" + b"\r\n" + request)
    assert [client.reply()["cseq"], client.reply()["cseq"]] == ["5", "5"]
    for at in range(len(request)):
        client.send(request[at : at + 1])
    assert client.reply()["cseq"] == "5"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"OPTIONS *\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: one\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -4\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\nX: \xff\xfe\r\n\r\n", 400),
        (b"A" * 20_000, 413),
    ],
)
def test_what_is_no_rtsp_is_answered_and_cut_off(server: RtspServer, sent: bytes, status: int) -> None:
    with RawClient(server.port) as client:
        client.send(sent)
        assert client.reply().status == status
        assert client.closed()


def test_a_request_without_a_number_is_bad_but_the_connection_lives(client: RawClient) -> None:
    client.send(b"OPTIONS * RTSP/1.0\r\n\r\n")
    assert client.reply().status == 400
    assert client.ask("DESCRIBE", "http://127.0.0.1/cam1").status == 400
    assert client.ask("OPTIONS", "*").status == 200


def test_a_silent_client_is_cut_off_and_a_talking_one_is_not() -> None:
    with ServerThread(session_timeout_s=0.6) as server:
        server.add("/cam1", media())
        with RawClient(server.port) as silent, RawClient(server.port) as talking:
            silent.play(server.url("/cam1"))
            session, _ = talking.play(server.url("/cam1"))
            packets = 0
            while server.stats()[0].viewers == 2:
                talking.ask("GET_PARAMETER", server.url("/cam1"), Session=session)
                talking.rtp()
                packets += 1
            assert silent.closed()
            assert packets > 5
            assert talking.ask("TEARDOWN", server.url("/cam1"), Session=session).status == 200


def test_a_udp_client_lives_by_its_receiver_reports() -> None:
    with ServerThread(session_timeout_s=0.6) as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp,
        ):
            for sock in (rtp, rtcp):
                sock.bind(("127.0.0.1", 0))
                sock.settimeout(5)
            ports = f"{rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
            url = server.url("/cam1")
            setup = client.ask("SETUP", f"{url}/track1", Transport=f"RTP/AVP;unicast;client_port={ports}")
            session = setup["session"].partition(";")[0]
            served = setup["transport"].partition("server_port=")[2].partition(";")[0].split("-")
            assert int(served[0]) % 2 == 0
            assert int(served[1]) == int(served[0]) + 1
            assert client.ask("PLAY", url, Session=session).status == 200
            began = server.now()
            while server.now() - began < 1.5:  # more than twice the time-out
                assert rtp.recv(2048)[1] & 0x7F == 96
                rtcp.sendto(b"\x80\xc9\x00\x01\x00\x00\x00\x07", ("127.0.0.1", int(served[1])))
            assert rtcp.recv(2048)[1] == 200, "a sender report came"
            while server.stats()[0].viewers:  # and without reports it ends
                assert server.now() - began < 10
            assert client.closed()


# who may see it


def digest(reply_header: str, method: str, place: str, user: str, password: str, **change: str) -> str:
    """A Digest answer, computed as RFC 2617 says and not with the server's code."""
    part = dict(item.strip().split("=", 1) for item in reply_header.removeprefix("Digest ").split(","))
    part = {name: value.strip('"') for name, value in part.items()}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    given = {
        "nc": "00000001",
        "cnonce": "abc",
        "nonce": part["nonce"],
        "realm": part["realm"],
        "uri": place,
    } | change
    first, second = md5(f"{user}:{given['realm']}:{password}"), md5(f"{method}:{given['uri']}")
    response = md5(f"{first}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{second}")
    return (
        f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{given["uri"]}", '
        f'qop=auth, nc={given["nc"]}, cnonce="{given["cnonce"]}", response="{response}"'
    )


@pytest.fixture
def guarded():
    with ServerThread(auth="any", credentials=GUARD) as running:
        running.add("/cam1", media())
        running.add("/cam2", media())
        yield running


def test_both_schemes_are_offered_and_digest_comes_first(guarded: RtspServer) -> None:
    with RawClient(guarded.port) as client:
        reply = client.ask("DESCRIBE", guarded.url("/cam1"))
        assert reply.status == 401
        kinds = [line.partition(" ")[0] for line in reply.headers["www-authenticate"]]
        assert kinds == ["Digest", "Basic"]
        basic = base64.b64encode(b"guard:open sesame").decode()
        assert client.ask("DESCRIBE", guarded.url("/cam1"), Authorization=f"Basic {basic}").status == 200


def test_a_digest_holds_for_its_method_place_and_moment_only(guarded: RtspServer) -> None:
    url = guarded.url("/cam1")
    with RawClient(guarded.port) as client:
        challenge = client.ask("DESCRIBE", url)["www-authenticate"]
        right = digest(challenge, "DESCRIBE", url, "guard", "open sesame")
        assert client.ask("DESCRIBE", url, Authorization=right).status == 200
        replayed = client.ask("DESCRIBE", url, Authorization=right)
        assert replayed.status == 401, "a recorded request cannot be sent again"
        assert "stale=true" in replayed["www-authenticate"]
        for change in ({"nonce": "1-2-3"}, {"realm": "elsewhere"}, {"uri": guarded.url("/cam2")}):
            wrong = digest(challenge, "DESCRIBE", url, "guard", "open sesame", nc="00000009", **change)
            assert client.ask("DESCRIBE", url, Authorization=wrong).status == 401
        wrong = digest(challenge, "PLAY", url, "guard", "open sesame", nc="00000009")
        assert client.ask("DESCRIBE", url, Authorization=wrong).status == 401


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Digest", "Digest username", 'Digest a="', "Bearer x", "Digest nc=,"]
)
def test_broken_credentials_are_refused(guarded: RtspServer, header: str) -> None:
    with RawClient(guarded.port) as client:
        for method in ("DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER"):
            assert client.ask(method, guarded.url("/cam1"), Authorization=header).status == 401


def test_an_old_nonce_is_stale_and_not_wrong() -> None:
    now = [1000.0]
    authenticator = Authenticator("digest", lambda: now[0])
    header = digest(authenticator.challenges()[0], "PLAY", "/cam1", "guard", "open sesame")
    now[0] += NONCE_LIFE_S + 1
    verdict = authenticator.check(header, method="PLAY", same_place=lambda _: True, credentials=GUARD)
    assert verdict is Verdict.STALE


def test_unknown_schemes_and_names_are_errors() -> None:
    with pytest.raises(PatrolError, match="auth"):
        Authenticator("kerberos", lambda: 0.0)  # type: ignore[arg-type]
    with pytest.raises(PatrolError, match="algorithm"):
        Authenticator("digest", lambda: 0.0, algorithms=("MD4",))
    with pytest.raises(PatrolError, match="colon"):
        Credentials("a:b", "c")


# random bytes

fragments = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            b"DESCRIBE rtsp://127.0.0.1/cam1 RTSP/1.0\r\nCSeq: 2\r\n\r\n",
            b"SETUP rtsp://127.0.0.1/cam1/track1 RTSP/1.0\r\nCSeq: 3\r\nTransport: ",
            b"RTP/AVP/TCP;interleaved=0-1",
            b"PLAY rtsp://[::1 RTSP/1.0\r\n",
            b"Content-Length: 5\r\n",
            b"Authorization: Digest nonce=\xc3\xa9\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"$\x00\x00\x03",
            b"\x00",
        ]
    ),
)


@example([b"\r\n", b"$", b"\x00\x00\x00"], 1)  # an empty line before an interleaved packet
@given(st.lists(fragments, max_size=12), st.integers(1, 40))
def test_the_parser_takes_any_bytes_in_any_pieces(parts: list[bytes], step: int) -> None:
    data = b"".join(parts)

    def outcome(size: int) -> tuple[list[Request | Interleaved], int | None]:
        parser, found = Parser(), []
        try:
            for at in range(0, len(data), size):
                found.extend(parser.feed(data[at : at + size]))
        except BadRequestError as error:
            return found, error.status
        return found, None

    assert outcome(step) == outcome(len(data) or 1), "the pieces make no difference"


def test_random_bytes_hurt_neither_the_server_nor_its_clients() -> None:
    with ServerThread(auth="any") as server, RawClient(server.port) as watcher:
        server.add("/cam1", media())
        session, _ = watcher.play(server.url("/cam1"))
        sequence = [watcher.rtp().sequence]

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(fragments, max_size=12))
        def attack(parts: list[bytes]) -> None:
            with RawClient(server.port) as client:
                client.send(b"".join(parts))
                client.socket.shutdown(socket.SHUT_WR)
                assert client.closed()
            packet = watcher.rtp()
            assert packet.sequence == (sequence[0] + 1) & 0xFFFF
            sequence[0] = packet.sequence

        attack()
        assert watcher.ask("TEARDOWN", server.url("/cam1"), Session=session).status == 200
