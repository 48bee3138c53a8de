"""Any change is seen, wherever it is made and by whomever."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.evidence import AgentKey, EvidenceStore, PublicKey
from edge_agent.evidence.canonical import canonical, digest
from edge_agent.evidence.manifest import closing_bytes
from edge_agent.evidence.verify import case_folders, verify_case
from protocol.errors import PatrolError
from tests.edge_agent.evidence.conftest import SEALER, meta_at, street

Tamper = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, key: AgentKey) -> Path:
    """A case of three pictures that every test of this module leaves as it found it."""
    store = EvidenceStore(tmp_path_factory.mktemp("evidence"), key, SEALER)
    for number, role in enumerate(("confirm", "plate", "recheck")):
        store.seal("case-1", role, street(96, 54, number), meta_at(number * 300))  # type: ignore[arg-type]
    return store.root / "case-1"


def test_an_untouched_case_is_intact(case: Path, key: AgentKey) -> None:
    report = verify_case(case, key.public)
    assert report.intact
    assert report.key_known
    assert [picture.name for picture in report.pictures] == ["confirm", "plate", "recheck"]
    assert report.notes == ()


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_changed_byte_is_seen(case: Path, key: AgentKey, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(case.iterdir())), label="file")
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1), label="byte")
    bit = data.draw(st.integers(1, 255), label="changed by")
    known = key.public if data.draw(st.booleans(), label="key known") else None
    try:
        path.write_bytes(good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :])
        assert not verify_case(case, known).intact
    finally:
        path.write_bytes(good)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_cutting_lengthening_and_swapping_files_is_seen(
    case: Path, key: AgentKey, data: st.DataObject
) -> None:
    files = sorted(case.iterdir())
    path = data.draw(st.sampled_from(files), label="file")
    good = path.read_bytes()
    bad = data.draw(
        st.one_of(
            st.integers(0, len(good) - 1).map(lambda end: good[:end]),
            st.binary(min_size=1, max_size=20).map(lambda tail: good + tail),
            st.sampled_from([each for each in files if each != path]).map(lambda other: other.read_bytes()),
        ),
        label="content",
    )
    try:
        path.write_bytes(bad)
        assert not verify_case(case, key.public).intact
    finally:
        path.write_bytes(good)


def entries(change: Callable[[list[Any]], list[Any]]) -> Tamper:
    return lambda package: package.update(entries=change(package["entries"]))


@pytest.mark.parametrize(
    "tamper",
    [
        entries(lambda e: [e[1], e[0], e[2]]),  # order
        entries(lambda e: e[:2]),  # the last picture removed
        entries(lambda e: e[1:]),  # the first one
        entries(lambda e: [e[0], e[2]]),  # one from the middle
        entries(lambda e: [*e, e[0]]),  # one twice
        lambda p: p.update(case_id="case-2"),  # given to another case
        lambda p: p["entries"][0]["manifest"]["meta"].update(taken_at_ms=0),  # another time
        lambda p: p["entries"][0]["manifest"].update(name="other"),
        lambda p: p["entries"][2].update(signature=p["entries"][1]["signature"]),  # a signature moved
        lambda p: p.update(closing=p["entries"][2]["signature"]),  # an entry's signature does not close
    ],
    ids=["order", "last", "first", "middle", "twice", "case", "time", "name", "signature", "closing"],
)
@pytest.mark.parametrize("key_known", [True, False])
def test_a_rewritten_manifest_is_seen(case: Path, key: AgentKey, tamper: Tamper, key_known: bool) -> None:
    path = case / "manifest.json"
    good = path.read_bytes()
    package = json.loads(good)
    tamper(package)
    try:
        path.write_bytes(canonical(package))
        assert not verify_case(case, key.public if key_known else None).intact
    finally:
        path.write_bytes(good)


def test_an_altered_record_is_named_with_its_reasons(case: Path, key: AgentKey) -> None:
    path = case / "manifest.json"
    good = path.read_bytes()
    package = json.loads(good)
    package["entries"][1]["manifest"]["meta"]["place"] = "elsewhere"
    try:
        path.write_bytes(canonical(package))
        report = verify_case(case, key.public)
    finally:
        path.write_bytes(good)
    assert report.pictures[1].problems == (
        "its record was altered: the hash of the record differs",
        "its record's signature is wrong",
    )
    assert [bool(picture.problems) for picture in report.pictures] == [False, True, False]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda good: json.dumps(json.loads(good), indent=1).encode(),  # spaces
        lambda good: good.replace(
            b'{"case_id":', b'{"case_id":"x","case_id":', 1
        ),  # a key twice, the last one counts
        lambda good: good.replace("海".encode(), b"\\u6d77"),  # the same text, escaped
        lambda good: good.replace(b'"seq":0', b'"seq":0.0'),  # the same number
    ],
    ids=["spaces", "key twice", "escaped", "number"],
)
def test_the_same_content_written_otherwise_is_seen(
    case: Path, key: AgentKey, rewrite: Callable[[bytes], bytes]
) -> None:
    """Two programs must never read two things out of one signed file."""
    path = case / "manifest.json"
    good = path.read_bytes()
    assert rewrite(good) != good
    try:
        path.write_bytes(rewrite(good))
        assert "not written as this format" in verify_case(case, key.public).problems[0]
    finally:
        path.write_bytes(good)


def resigned(package: dict[str, Any], forger: AgentKey) -> bytes:
    """The package with everything signed anew by somebody who can write the folder but lacks the agent's key."""
    previous = None
    for entry in package["entries"]:
        entry["manifest"]["previous"] = previous
        data = canonical(entry["manifest"])
        previous = entry["sha256"] = digest(data)
        entry["signature"] = forger.sign(data).hex()
    package["public_key"] = forger.public.raw.hex()
    package["closing"] = forger.sign(
        closing_bytes(package["case_id"], len(package["entries"]), previous)
    ).hex()
    return canonical(package)


def test_a_forger_with_another_key_is_seen_by_whoever_knows_the_agents_key(case: Path, key: AgentKey) -> None:
    path = case / "manifest.json"
    good = path.read_bytes()
    package = json.loads(good)
    package["entries"][0]["manifest"]["meta"]["taken_at_ms"] += 60_000
    try:
        path.write_bytes(resigned(package, AgentKey.generate()))
        unknown = verify_case(case)
        assert unknown.intact, "the forgery agrees with itself"
        assert not unknown.key_known, "and the report says that the key was not compared"
        report = verify_case(case, key.public)
        assert not report.intact
        assert "not with the expected" in report.problems[0]
    finally:
        path.write_bytes(good)


def test_one_altered_picture_does_not_condemn_the_others(case: Path, key: AgentKey) -> None:
    path = case / "02-plate.jpg"
    good = path.read_bytes()
    try:
        path.write_bytes(good[:-1])
        report = verify_case(case, key.public)
    finally:
        path.write_bytes(good)
    assert [bool(picture.problems) for picture in report.pictures] == [False, True, False]
    assert report.pictures[1].problems == ("the picture was altered: its hash differs",)


def test_a_picture_that_nobody_sealed_is_pointed_out(case: Path, key: AgentKey) -> None:
    extra = case / "04-extra.jpg"
    try:
        extra.write_bytes(b"\xff\xd8")
        report = verify_case(case, key.public)
    finally:
        extra.unlink()
    assert report.intact
    assert report.notes == ("04-extra.jpg is not sealed: it proves nothing",)


def test_a_copy_under_another_name_is_intact_and_says_so(case: Path, key: AgentKey, tmp_path: Path) -> None:
    copy = shutil.copytree(case, tmp_path / "for the court")
    report = verify_case(copy, key.public)
    assert report.intact
    assert report.notes == ("the folder is not named after its case case-1",)


def test_a_record_may_not_name_a_file_outside_its_folder(case: Path, key: AgentKey, tmp_path: Path) -> None:
    """Even signed by the right key: a verifier must not be led to read elsewhere."""
    copy = shutil.copytree(case, tmp_path / "case-1")
    package = json.loads((copy / "manifest.json").read_bytes())
    package["entries"][0]["manifest"]["picture"]["file"] = "../case-1/01-confirm.jpg"
    (copy / "manifest.json").write_bytes(resigned(package, key))
    report = verify_case(copy, key.public)
    assert report.pictures[0].problems == ("its record names a file that this format would not",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",  # no UTF-8
        b"[" * 100_000,  # deep enough to exhaust a parser
        b'{"a":NaN}',
        b"{}",
        b"null",
        b'{"\\ud800":1}',  # half a surrogate
    ],
    ids=["empty", "binary", "deep", "nan", "object", "null", "surrogate"],
)
def test_nonsense_is_reported_not_raised(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    report = verify_case(tmp_path)
    assert not report.intact
    assert report.problems[0].startswith("manifest.json ")


def test_a_removed_manifest_is_seen(case: Path, key: AgentKey, tmp_path: Path) -> None:
    copy = shutil.copytree(case, tmp_path / "all/case-1")
    (copy / "manifest.json").unlink()
    (folder,) = case_folders(tmp_path / "all")
    assert not verify_case(folder, key.public).intact


@pytest.mark.parametrize("what", ["missing", "a file", "empty"])
def test_a_path_without_evidence_is_wrong_input(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x"
    if what == "a file":
        path.write_text("x")
    elif what == "empty":
        path.mkdir()
    with pytest.raises(PatrolError) as caught:
        case_folders(path)
    assert caught.value.exit_code == 2


def test_a_public_key_travels_as_pem(key: AgentKey, tmp_path: Path) -> None:
    (tmp_path / "agent.pub.pem").write_text(key.public.pem)
    assert PublicKey.load(tmp_path / "agent.pub.pem") == key.public
