"""Photos from phones: what is kept, what is refused, and who may look at it."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import threading
import zipfile
import zlib

import pytest
from django.db import connection, transaction
from PIL import Image

from central.cases import attachments, history
from central.cases.attachments import OtherContentError, attach, path_of
from central.cases.models import Attachment, Case
from central.cases.photos import BadPhotoError, read_photo
from central.parking.services import apply_task
from tests.central.street import picture, task

LIMIT = 8 * 2**20


def photo(**exif: object) -> bytes:
    """A phone's picture: 400 x 300 lying, red above green, with place, time and a serial number in its metadata."""
    image = Image.new("RGB", (400, 300), (20, 160, 20))
    image.paste((200, 20, 20), (0, 0, 400, 150))
    tags = Image.Exif()
    tags[0x0112] = exif.get("orientation", 6)
    tags[0x010F] = "SecretMaker"
    shot = tags.get_ifd(0x8769)
    shot[0x9003] = exif.get("taken", "2026:01:01 12:30:00")
    if "offset" in exif:
        shot[0x9011] = exif["offset"]
    shot[0xA431] = "SERIAL-4711"
    gps = tags.get_ifd(0x8825)
    gps.update({1: "N", 2: (39.0, 54.0, 52.2), 3: "E", 4: (116.0, 19.0, 55.56)})
    out = io.BytesIO()
    image.save(out, "JPEG", exif=tags, quality=90, comment=b"written by SecretMaker")
    return out.getvalue()


def read(data: bytes):
    return read_photo(data, most_bytes=LIMIT, zone="Asia/Shanghai")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says that it is 60,000 x 60,000 pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def with_archive(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", "hello")
    return data + packed.getvalue()


def with_comment(text: bytes) -> bytes:
    data = picture()
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]


@pytest.fixture
def case(agent):
    with transaction.atomic():
        apply_task(agent, task())
    return Case.objects.get()


def test_a_photo_is_turned_upright_and_written_anew_without_its_metadata():
    original = photo()
    kept = read(original)
    assert (kept.width, kept.height) == (300, 400)
    with Image.open(io.BytesIO(kept.data)) as image:
        assert image.format == "JPEG"
        assert not image.getexif()
        assert "comment" not in image.info
        left, right = image.getpixel((20, 200)), image.getpixel((280, 200))
    assert left[1] > 120 > left[0], "turned by the camera's own mark"
    assert right[0] > 120 > right[1]
    for secret in (b"SecretMaker", b"SERIAL", b"Exif"):
        assert secret in original
        assert secret not in kept.data + kept.thumbnail
    assert kept.original_sha256 == hashlib.sha256(original).hexdigest()


@pytest.mark.parametrize(
    ("exif", "taken_at_ms"),
    [
        ({}, 1_767_241_800_000),  # half past twelve in Shanghai
        ({"offset": "+09:00"}, 1_767_238_200_000),
        ({"offset": "-03:30"}, 1_767_283_200_000),
        ({"taken": "0000:00:00 00:00:00"}, None),
        ({"taken": "yesterday"}, None),
    ],
)
def test_when_and_where_it_was_taken_is_read_before(exif, taken_at_ms):
    kept = read(photo(**exif))
    assert kept.taken_at_ms == taken_at_ms
    assert (kept.longitude, kept.latitude) == (
        pytest.approx(116.3321, abs=1e-6),
        pytest.approx(39.9145, abs=1e-6),
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_kinds_become_jpeg_and_what_is_clear_becomes_white(kind):
    out = io.BytesIO()
    Image.new("RGBA", (5000, 40), (0, 0, 0, 0)).save(out, kind)
    kept = read(out.getvalue())
    with Image.open(io.BytesIO(kept.data)) as image:
        assert (image.format, image.width) == ("JPEG", 4096)
        assert min(image.getpixel((10, 10))) > 250


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", b""),
        ("a page", b"<html><body><script>alert(1)</script>"),
        ("a drawing", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("a page behind a picture", picture() + b"<script>alert(1)</script>"),
        ("a page in a comment", with_comment(b"*/<ScRiPt>alert(1)</script>")),
        ("a program in a comment", with_comment(b"<?php system($_GET['c']);")),
        ("a document", b"%PDF-1.7\n" + picture()),
        ("an archive behind a picture", with_archive(picture())),
        ("half a picture", picture()[:4000]),
        ("the head of a picture", picture()[:2]),
        ("a bomb", bomb()),
        ("a GIF", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
        ("too many bytes", b"\xff\xd8" + bytes(LIMIT)),
        ("noise", bytes(range(256)) * 40),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_only_a_photo_is_refused(name, data):
    with pytest.raises(BadPhotoError) as caught:
        read(data)
    assert str(caught.value)


def test_damaged_metadata_loses_no_photo():
    data = bytearray(photo())
    at = data.index(b"Exif\0\0") + 14
    data[at : at + 60] = b"\xff" * 60
    kept = read(bytes(data))
    assert (kept.taken_at_ms, kept.longitude) == (None, None)


def test_a_photo_is_kept_once_per_key(case, person):
    officer = person("wang")
    data = photo()
    made = attach(case, officer, data, "..\\..\\secret/IMG 1\n.jpg", "k1")
    assert attach(case, officer, data, "again.jpg", "k1").pk == made.pk
    assert made.filename == "IMG 1.jpg"
    with pytest.raises(OtherContentError):
        attach(case, officer, picture(7), "other.jpg", "k1")
    with pytest.raises(BadPhotoError):
        attach(case, officer, b"<svg/>", "x.jpg", "k2")
    assert Attachment.objects.count() == 1
    entry = case.history.order_by("number").last()
    assert entry.kind == "attachment"
    assert made.stored_sha256 in entry.body
    assert made.original_sha256 in entry.body
    for path in (path_of(made.stored_sha256), path_of(made.thumbnail_sha256, thumbnail=True)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    assert not list(history.verify(history.Audit()))


def test_two_sendings_at_once_keep_one_photo(case, person):
    officer = person("wang")
    barrier = threading.Barrier(2)
    found: list[object] = []

    def send() -> None:
        barrier.wait()
        try:
            found.append(attach(case, officer, photo(), "a.jpg", "same").pk)
        except Exception as error:
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [Attachment.objects.get().pk] * 2


def test_a_case_holds_only_so_many(case, person, monkeypatch):
    monkeypatch.setattr(attachments, "MOST", 1)
    officer = person("wang")
    attach(case, officer, picture(1), "a.jpg", "a")
    with pytest.raises(BadPhotoError):
        attach(case, officer, picture(2), "b.jpg", "b")


def test_a_photo_is_shown_in_scope_alone_and_never_as_anything_but_a_picture(case, person, browse):
    made = attach(case, person("wang"), photo(), "a.jpg", "k1")
    mine = browse(person("li", scope="sanlihe"))
    for name, folder in ((".jpg", {}), ("/thumbnail.jpg", {"thumbnail": True})):
        address = f"/cases/{case.pk}/attachments/{made.pk}{name}"
        answer = mine.get(address)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        stored = made.thumbnail_sha256 if folder else made.stored_sha256
        assert answer.content == path_of(stored, **folder).read_bytes()
        assert mine.get(address, headers={"if-none-match": answer["ETag"]}).status_code == 304
        assert browse(person("zhao" + name[1], scope="elsewhere")).get(address).status_code == 404
        assert browse().get(address).status_code == 302
        assert mine.post(address).status_code == 405
    assert mine.get(f"/cases/{case.pk + 1}/attachments/{made.pk}.jpg").status_code == 404
