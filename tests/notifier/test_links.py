"""Links in warnings: short, signed, expiring, and silent about people."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import links
from notifier.links import BadLinkError, LinkKey, case_mark, make_link, make_token, read_token
from protocol.errors import PatrolError, UnavailableError

NOW = 1_767_240_000_000
HOUR = 3_600_000
KEY = LinkKey.of(b"k" * 32)
OLD = LinkKey.of(b"o" * 32)
CASE = {"jurisdiction_id": "sanlihe", "agent_id": "box-1", "case_id": "C-gate-north-1767239000000-1"}


def token(key: LinkKey = KEY, expires_ms: int = NOW + HOUR, **changes: str) -> str:
    return make_token(key, **{**CASE, **changes}, expires_ms=expires_ms)


def test_a_link_opens_its_own_case_until_it_expires():
    link = read_token(token(), [KEY], NOW)
    assert link.mark == case_mark(**CASE)
    assert link.expires_ms == NOW + HOUR
    assert read_token(token(), [KEY], NOW + HOUR - 1) == link
    with pytest.raises(BadLinkError) as caught:
        read_token(token(), [KEY], NOW + HOUR)
    assert (caught.value.reason, caught.value.expires_ms) == ("expired", NOW + HOUR)


def test_it_is_short_and_names_nobody():
    url = make_link("https://p.example.cn/", KEY, **CASE, expires_ms=NOW + HOUR)
    assert url.startswith("https://p.example.cn/n/")
    assert len(url) == len("https://p.example.cn/n/") + 32
    raw = base64.urlsafe_b64decode(url[-32:])
    for name in CASE.values():
        assert name.encode() not in raw
    assert set(url[-32:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_an_expiry_is_never_earlier_than_asked_for():
    assert read_token(token(expires_ms=NOW + 1), [KEY], NOW).expires_ms == NOW + 60_000
    for impossible in (0, -1, 2**62):
        with pytest.raises(PatrolError):
            token(expires_ms=impossible)


@given(st.integers(0, 31), st.sampled_from("ABab01-_"))
def test_no_character_can_be_changed(at: int, sign: str):
    good = token()
    if good[at] == sign:
        return
    with pytest.raises(BadLinkError) as caught:
        read_token(good[:at] + sign + good[at + 1 :], [KEY], NOW)
    assert caught.value.reason == "forged"


@given(st.text(max_size=60))
def test_rubbish_is_refused_in_the_same_words(text: str):
    with pytest.raises(BadLinkError) as caught:
        read_token(text, [KEY], NOW)
    assert caught.value.reason == "forged"
    assert len(text) < 4 or text not in str(caught.value)  # shorter ones stand in any sentence


def test_what_expired_is_only_told_of_what_was_ours():
    forged = make_token(LinkKey.of(b"x" * 32), **CASE, expires_ms=NOW - HOUR)
    with pytest.raises(BadLinkError) as caught:
        read_token(forged, [KEY], NOW)
    assert caught.value.reason == "forged"


def test_keys_change_while_old_links_live():
    assert read_token(token(OLD), [KEY, OLD], NOW).mark == case_mark(**CASE)
    assert read_token(token(KEY), [KEY, OLD], NOW).mark == case_mark(**CASE)
    with pytest.raises(BadLinkError):
        read_token(token(OLD), [KEY], NOW)


def test_names_cannot_be_shifted_into_one_another():
    assert case_mark("a", "b", "c-d") != case_mark("a", "b-c", "d")
    marks = {case_mark("s", "b", f"C-cam-{n}") for n in range(10_000)}
    assert len(marks) == 10_000


def test_one_purpose_is_worth_nothing_for_another():
    assert KEY.sign(b"form", b"x") != KEY.sign(b"token", b"x")
    assert "kkkk" not in repr(KEY)


@pytest.mark.parametrize(
    "base",
    [
        "p.example.cn",
        "ftp://p.example.cn",
        "https://",
        "https://u:p@x.cn",
        "https://x.cn/?a=1",
        "https://x.cn:p",
    ],
)
def test_a_base_that_no_phone_can_open_is_refused(base: str):
    with pytest.raises(PatrolError) as caught:
        make_link(base, KEY, **CASE, expires_ms=NOW)
    assert "u:p" not in str(caught.value)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_file_is_made_once_and_read_by_all(tmp_path: Path):
    path = tmp_path / "data" / "link_keys"
    got: list[tuple[LinkKey, ...]] = []
    threads = [threading.Thread(target=lambda: got.append(links.load_or_create_keys(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["link_keys"]


def test_the_first_line_signs_and_all_are_accepted(tmp_path: Path):
    old, new = links.new_secret(), links.new_secret()
    path = write(tmp_path / "keys", f"# changed in May\n{new}\n\n{old}\n")
    first, second = links.keys_from_file(path)
    assert first == LinkKey.of(base64.b64decode(new))
    assert second == LinkKey.of(base64.b64decode(old))


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        ("", 0o600, "holds no key"),
        ("short\n", 0o600, "line 1 holds no key"),
        ("{secret}\nnonsense", 0o600, "line 2 holds no key"),
        ("{secret}", 0o644, "others may read it"),
    ],
)
def test_a_key_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, mode: int, problem: str):
    text = text.format(secret=links.new_secret())
    path = write(tmp_path / "keys", text, mode)
    with pytest.raises(PatrolError, match=problem) as caught:
        links.keys_from_file(path)
    assert caught.value.file == str(path)
    assert not text or text.strip() not in str(caught.value)


def test_a_missing_key_file_is_not_available(tmp_path: Path):
    with pytest.raises(UnavailableError):
        links.keys_from_file(tmp_path / "none")
