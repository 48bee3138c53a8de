"""`patrol evidence`, as a person or a machine calls it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.evidence import AgentKey, EvidenceStore, Vault, load_or_create_secret
from tests.commands import Done, call, run
from tests.edge_agent.evidence.conftest import SEALER, meta_at, street

Patrol = Callable[..., Done]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An agent's data: its keys and one case with a masked picture."""
    key = AgentKey.load_or_create(tmp_path / "keys/agent.pem")
    vault = Vault(load_or_create_secret(tmp_path / "keys/originals.key"))
    store = EvidenceStore(tmp_path / "evidence", key, SEALER, originals=vault)
    store.seal("case-1", "confirm", street(), meta_at(), people=[(200, 20, 240, 150)])
    store.seal("case-1", "recheck", street(seed=2), meta_at(600))
    return tmp_path


@pytest.fixture
def patrol(box: Path) -> Patrol:
    def inside(*arguments: str) -> Done:
        return call("evidence", *arguments, cwd=box, env=os.environ | {"NO_COLOR": "1", "COLUMNS": "140"})

    return inside


def test_intact_evidence_is_confirmed_with_the_agents_key(box: Path, patrol: Patrol) -> None:
    public = patrol("key", "keys/agent.pem")
    assert public.returncode == 0
    (box / "agent.pub.pem").write_text(public.stdout)
    done = patrol("verify", "evidence", "--public-key", "agent.pub.pem")
    assert done.returncode == 0, done.stderr
    assert "intact case-1" in done.stdout
    assert "01-confirm.jpg  2026-01-01T00:00:00.000Z" in done.stdout
    assert "no --public-key" not in done.stderr
    assert public.stderr.split()[-1] in done.stdout


def test_altered_evidence_fails_and_names_the_picture(box: Path, patrol: Patrol, root: Path) -> None:
    picture = box / "evidence/case-1/02-recheck.jpg"
    picture.write_bytes(picture.read_bytes() + b"\0")
    done = patrol("verify", "evidence/case-1")
    assert done.returncode == 1
    assert "✗ 02-recheck.jpg" in done.stdout
    assert "✓ 01-confirm.jpg" in done.stdout
    assert "its hash differs" in done.stdout
    machine = run(
        *("evidence", "verify", "evidence/case-1", "--json"),
        cwd=box,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert machine.returncode == 1
    report = json.loads(machine.stdout)
    assert not report["intact"]
    assert not report["key_known"]
    assert [each["intact"] for each in report["pictures"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("verify", "nowhere"), "is no folder"),
        (("verify", "keys"), "holds no evidence"),
        (("verify", "evidence", "--public-key", "keys/agent.pem"), "not a public key"),
        (("key", "nowhere.pem"), "no such file"),
        (
            ("original", "evidence/case-1", "plate", "--key", "keys/originals.key", "--out", "o.jpg"),
            "no such picture",
        ),
        (
            ("original", "evidence/case-1", "recheck", "--key", "keys/originals.key", "--out", "o.jpg"),
            "no original",
        ),
        (
            ("purge", "evidence", "--older-than", "0d", "--receipt", "r", "--key", "keys/agent.pem"),
            "is no age",
        ),
    ],
)
def test_wrong_input_is_one_clear_error(
    box: Path, patrol: Patrol, arguments: tuple[str, ...], says: str
) -> None:
    done = patrol(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (box / "o.jpg").exists()


def test_show_lists_what_is_sealed(patrol: Patrol) -> None:
    done = patrol("show", "evidence")
    assert done.returncode == 0
    assert "01-confirm.jpg" in done.stdout
    assert "camera_ntp ±40 ms" in done.stdout
    package = json.loads(patrol("show", "evidence/case-1", "--json").stdout)
    assert package["entries"][1]["manifest"]["role"] == "recheck"


def test_an_original_is_opened_for_its_owner_only(box: Path, patrol: Patrol) -> None:
    done = patrol("original", "evidence/case-1", "confirm", "--key", "keys/originals.key", "--out", "o.jpg")
    assert done.returncode == 0, done.stderr
    assert (box / "o.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert (box / "o.jpg").stat().st_mode & 0o777 == 0o600


def test_purge_deletes_writes_receipts_and_lists_them(box: Path, patrol: Patrol) -> None:
    options = ("--older-than", "1h", "--receipt", "receipts.jsonl", "--key", "keys/agent.pem")
    rehearsed = patrol("purge", "evidence", *options, "--dry-run", "--json")
    assert json.loads(rehearsed.stdout) == {"dry_run": True, "purged": ["case-1"], "kept_broken": []}
    assert (box / "evidence/case-1").exists()
    done = patrol("purge", "evidence", *options)
    assert done.returncode == 0, done.stderr
    assert not (box / "evidence/case-1").exists()
    (box / "agent.pub.pem").write_text(patrol("key", "keys/agent.pem").stdout)
    listed = patrol("receipts", "receipts.jsonl", "--public-key", "agent.pub.pem")
    assert "case case-1  2 pictures" in listed.stdout


def test_purge_keeps_altered_evidence_and_says_so(box: Path, patrol: Patrol) -> None:
    (box / "evidence/case-1/01-confirm.jpg").unlink()
    done = patrol(
        "purge", "evidence", "--older-than", "1h", "--receipt", "r.jsonl", "--key", "keys/agent.pem"
    )
    assert done.returncode == 1
    assert "kept, because it does not verify" in done.stdout
    assert (box / "evidence/case-1/02-recheck.jpg").exists()
