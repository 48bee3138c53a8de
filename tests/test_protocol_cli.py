"""`patrol protocol`: what others build against is what the code says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

import pytest

from patrol.protocol_cli import schema_files, schemas, topic_rows
from protocol import messages
from protocol.topics import AgentChannel, AgentTopics
from tests.commands import Done, call

ROOT = Path(__file__).resolve().parent.parent


def patrol(*arguments: str) -> Done:
    return call("protocol", *arguments, cwd=ROOT, env=os.environ | {"NO_COLOR": "1", "COLUMNS": "140"})


def test_the_committed_schemas_are_current() -> None:
    folder = ROOT / "docs/protocol"
    committed = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.glob("v*/*.json")
    }
    assert committed == schema_files(), "run: patrol protocol schema --out docs/protocol"


@pytest.mark.parametrize("kind", schemas())
def test_every_message_has_a_schema_that_names_it(kind: str) -> None:
    schema = schemas()[kind]
    assert schema["$id"].endswith(f":{kind}")
    assert schema["properties"]["kind"]["const"] == kind
    assert schema["properties"]["v"]["const"] == 1
    assert schema["description"]


def test_no_message_is_left_out() -> None:
    inbox = get_args(get_args(messages.InboxMessage)[0])
    outgoing = get_args(get_args(messages.AgentMessage)[0])
    kinds = {each.model_fields["kind"].default for each in (*inbox, *outgoing)}
    assert kinds | {"agent_health", "agent_status", "bay_report", "officer_task"} == set(schemas())


def test_schemas_are_written_checked_and_found_stale(tmp_path: Path) -> None:
    assert patrol("schema", "--out", str(tmp_path)).returncode == 0
    assert sorted(each.name for each in (tmp_path / "v1").iterdir()) == sorted(
        f"{kind}.json" for kind in schemas()
    )
    assert patrol("schema", "--out", str(tmp_path), "--check").returncode == 0
    (tmp_path / "v1/accept.json").write_text("{}\n")
    (tmp_path / "v1/foreign.json").write_text("{}\n")
    stale = patrol("schema", "--out", str(tmp_path), "--check")
    assert stale.returncode == 1
    assert "accept.json" in stale.stderr
    assert "foreign.json" in stale.stderr


def test_without_a_folder_the_schemas_go_to_stdout() -> None:
    assert json.loads(patrol("schema").stdout) == json.loads(json.dumps(schemas()))


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "v1").write_text("a file where the folder should be")
    done = patrol("schema", "--out", str(tmp_path))
    assert done.returncode == 3 or done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "v1") in done.stderr


def test_every_topic_that_the_code_builds_is_listed() -> None:
    listed = {row["topic"] for row in topic_rows()}
    mine = AgentTopics("{jurisdiction}", "{agent}")
    built = {mine.of(channel) for channel in get_args(AgentChannel) if channel != "evidence"}
    assert built | {mine.evidence("{sha256}")} <= listed
    shown = patrol("topics", "--json")
    assert json.loads(shown.stdout) == topic_rows()
    assert "inbox" in patrol("topics").stdout
