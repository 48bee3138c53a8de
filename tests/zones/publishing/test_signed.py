"""A published file: whatever is changed in it is noticed, and it is a zone file like any other."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import PatrolError
from tests.zones.strategies import zone_files
from zones import ZoneFile, dump_zone_file, parse_zone_file
from zones.publishing import SignedZones, SigningKey, open_signed, sign, trusted_keys, without_head

KEY, STRANGER = SigningKey.generate(), SigningKey.generate()
AT_MS = 1_767_225_600_000
TEXT = """# 学校门口 - by the school
camera = "cam1"
[picture]
width = 640
height = 360
[[zone]]
id = "P1"
name = "人行道"
polygon = [[10, 10], [200, 10], [200, 100], [10, 100]]
"""


def signed(text: str = TEXT, **more: object) -> bytes:
    facts = {
        "camera": "cam1",
        "version": 1,
        "at_ms": AT_MS,
        "author": "李伟",
        "reason": "First",
        "previous": None,
    }
    return sign(text, KEY, **{**facts, **more})  # type: ignore[arg-type]


def opened(data: bytes) -> SignedZones:
    return open_signed(data, trusted=[KEY.public])


def test_what_was_signed_is_what_is_read() -> None:
    found = opened(signed(reason='Bay "B2" — 画线'))
    assert found.text == TEXT
    assert found.zones == parse_zone_file(TEXT)
    assert (found.head.author, found.head.reason) == ("李伟", 'Bay "B2" — 画线')
    assert (found.head.version, found.head.at_ms, found.head.previous) == (1, AT_MS, None)
    assert found.sha256 == hashlib.sha256(found.data).hexdigest()


def test_a_published_file_is_a_zone_file_for_every_other_tool() -> None:
    assert parse_zone_file(signed().decode()) == parse_zone_file(TEXT)


def test_the_signature_can_be_checked_without_this_program() -> None:
    """As docs/zones.md describes it: RFC 8032 over a purpose line and the sorted, compact JSON of the head."""
    import json

    head, _, body = signed().decode().partition("#: }\n")
    facts = json.loads("\n".join(line[3:] for line in f"{head}#: }}".splitlines() if line.startswith("#: ")))
    assert hashlib.sha256(body.encode()).hexdigest() == facts["zones_sha256"]
    signature = base64.b64decode(facts.pop("signature"))
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    raw = base64.b64decode(facts["key"].removeprefix("ed25519:") + "=")
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, b"street-patrol zones v1\n" + text.encode())


@settings(max_examples=40, deadline=None)
@given(zone_files(calibrated=True))
def test_every_valid_file_can_be_published(file: ZoneFile) -> None:
    text = dump_zone_file(file)
    found = opened(signed(text, camera=file.camera or "cam1"))
    assert found.zones == file
    assert found.text == text
    assert without_head(found.data.decode()) == text


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_change_of_a_byte_goes_unnoticed(data: st.DataObject) -> None:
    whole = signed()
    at = data.draw(st.integers(0, len(whole) - 1))
    harm = data.draw(st.sampled_from(["flip", "cut", "double", "drop", "insert"]))
    if harm == "flip":
        bad = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    elif harm == "cut":
        bad = whole[:at]
    elif harm == "double":
        bad = whole[:at] + whole[at : at + 1] + whole[at:]
        if bad == whole:
            return
    elif harm == "drop":
        bad = whole[:at] + whole[at + 1 :]
    else:
        bad = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at:]
    with pytest.raises(PatrolError):
        opened(bad)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"#: {\n", signed()[:150], signed()]))
def test_garbage_is_one_clear_error(garbage: bytes, begin: bytes) -> None:
    if not garbage and begin == signed():
        return
    with pytest.raises(PatrolError):
        opened(begin + garbage)


def test_a_key_given_twice_does_not_show_one_author_and_sign_another() -> None:
    bad = signed().replace(b'#:   "author"', '#:   "author": "王五",\n#:   "author"'.encode())
    with pytest.raises(PatrolError, match="not written as it was signed"):
        opened(bad)


def test_a_signature_of_somebody_else_is_refused_by_name() -> None:
    with pytest.raises(PatrolError, match="not trusted here") as caught:
        open_signed(signed(), trusted=[STRANGER.public])
    assert KEY.public.fingerprint in str(caught.value)
    assert open_signed(signed(), trusted=None).head.author == "李伟", "without a list any key is as good"


def test_a_head_of_one_file_does_not_fit_another() -> None:
    head, _, _ = signed().partition(b"#: }\n")
    _, _, body = signed(TEXT.replace("200", "201")).partition(b"#: }\n")
    with pytest.raises(PatrolError, match="changed or cut off"):
        opened(head + b"#: }\n" + body)


def test_zones_of_another_camera_are_not_signed_for_this_one() -> None:
    with pytest.raises(PatrolError, match="camera cam1"):
        opened(signed(camera="cam2"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("author", ""),
        ("author", " "),
        ("author", "a\nb"),
        ("reason", "\x07"),
        ("reason", "x" * 501),
        ("camera", "a/b"),
    ],
)
def test_what_cannot_stand_in_a_head_is_refused(field: str, value: str) -> None:
    with pytest.raises(PatrolError) as caught:
        signed(**{field: value})
    assert caught.value.field == field


def test_an_edited_copy_loses_its_old_head_when_it_is_published_again() -> None:
    copy = signed().decode().replace("200, 100", "210, 100")
    assert without_head(copy) == TEXT.replace("200, 100", "210, 100")
    assert without_head("# mine\n" + copy).startswith("# mine\n# 学校门口")
    assert without_head(TEXT) == TEXT


# Keys


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    KEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == KEY.public
    with pytest.raises(PatrolError, match="exists already"):
        STRANGER.save(path)
    path.chmod(0o640)
    with pytest.raises(PatrolError, match="other users") as caught:
        SigningKey.load(path)
    assert caught.value.mend == f"Run: chmod 600 {path}"


def test_trusted_keys_are_lines_or_files(tmp_path: Path) -> None:
    (tmp_path / "k.pub").write_text(STRANGER.public.pem)
    assert trusted_keys([KEY.public.line, "k.pub"], tmp_path) == {KEY.public, STRANGER.public}


@pytest.mark.parametrize(
    "entry",
    ["ed25519:", "ed25519:AAAA", "ed25519:" + "!" * 43, "ed25519:" + "A" * 44, "missing.pub", "text.pub"],
)
def test_what_is_no_key_is_not_trusted(tmp_path: Path, entry: str) -> None:
    (tmp_path / "text.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(PatrolError):
        trusted_keys([entry], tmp_path)


def test_a_key_never_shows_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    KEY.save(path)
    secret = path.read_text().splitlines()[1]
    for shown in (repr(KEY), repr(KEY.public), KEY.public.line, KEY.public.pem):
        assert secret not in shown
