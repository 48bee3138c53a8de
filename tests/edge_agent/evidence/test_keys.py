"""Keys are made once, for their owner alone, and a wrong one is named."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_agent.evidence import AgentKey, PublicKey, Vault, load_or_create_secret
from edge_agent.evidence.canonical import canonical
from protocol.errors import PatrolError, UnavailableError


def test_the_first_start_makes_a_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys/agent.pem"
    key = AgentKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["agent.pem"]
    assert AgentKey.load_or_create(path).public == key.public


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"
    gate = threading.Barrier(8)
    found: list[PublicKey] = []

    def start() -> None:
        gate.wait()
        found.append(AgentKey.load_or_create(path).public)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_signatures_are_the_keys_own() -> None:
    key, other = AgentKey.generate(), AgentKey.generate()
    signature = key.sign(b"picture")
    assert signature == key.sign(b"picture")
    assert key.public.verifies(signature, b"picture")
    assert not key.public.verifies(signature, b"Picture")
    assert not other.public.verifies(signature, b"picture")


def test_a_fingerprint_is_written_as_ssh_writes_it() -> None:
    public = AgentKey.generate().public
    kind, text = public.fingerprint.split(":")
    assert kind == "SHA256"
    assert base64.b64decode(text + "=") == hashlib.sha256(public.raw).digest()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = load_or_create_secret(path)
    assert secret == load_or_create_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.hex() not in repr(Vault(secret))
    assert repr(AgentKey.generate()).startswith("AgentKey(SHA256:")


def foreign_key() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a private key"),  # cut off by a full disk
        (b"-----BEGIN PRIVATE KEY-----\nMC4CAQ", "not a private key"),  # truncated
        (foreign_key(), "not an Ed25519"),  # another kind
    ],
    ids=["empty", "truncated", "elliptic"],
)
def test_a_wrong_key_file_is_named_and_left_alone(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "agent.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PatrolError, match=says) as caught:
        AgentKey.load_or_create(path)
    assert caught.value.file == str(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"00" * 31, b"zz" * 32, b"\xff" * 32], ids=["short", "no hex", "binary"])
def test_a_wrong_secret_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PatrolError, match="32 bytes"):
        load_or_create_secret(path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"
    AgentKey.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(PatrolError, match="other users") as caught:
        AgentKey.load_or_create(path)
    assert caught.value.value == "0640"
    assert caught.value.mend == f"Run: chmod 600 {path}"


def test_a_missing_key_is_wrong_input_where_none_may_be_made(tmp_path: Path) -> None:
    with pytest.raises(PatrolError, match="no such file") as caught:
        AgentKey.load(tmp_path / "agent.pem")
    assert caught.value.exit_code == 2
    with pytest.raises(PatrolError, match="cannot be read"):
        PublicKey.load(tmp_path / "agent.pub.pem")


def test_a_folder_that_cannot_be_made_is_not_available(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(UnavailableError):
        AgentKey.load_or_create(tmp_path / "keys/agent.pem")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),  # sorted, no spaces
        ('街\n\x1f"', '"街\\n\\u001f\\""'),  # as RFC 8785 writes text
        (1.0, "1"),  # no trailing point
        (-0.0, "0"),
        (0.000001, "0.000001"),  # no exponent
        (116.3201, "116.3201"),
        (0.1 + 0.2, "0.3"),  # six places
    ],
)
def test_a_value_has_one_canonical_form(value: object, text: str) -> None:
    assert canonical(value).decode() == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0**60, b"bytes", {1: 2}, {"é": 1}, object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|ASCII"):
        canonical(value)
