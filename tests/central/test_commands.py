"""`patrol central` from the outside: one process tree, clear errors, and people, agents and audits by command."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest
from django.db import connection
from django.test import Client

from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.street import Sender, picture, reference, task
from tests.commands import Done, call, run
from tests.servers.mosquitto import Mosquitto

PATROL = [sys.executable, "-m", "patrol", "central"]


@pytest.fixture
def patrol(centre) -> Callable[..., Done]:
    """`patrol(*arguments, **environment)`: run a command to its end, in a process of its own."""
    return lambda *arguments, **env: run("central", *arguments, env=centre.env(**env))


@pytest.fixture
def inside(centre) -> Callable[..., Done]:
    """`inside(*arguments)`: run a command to its end in this process."""
    return lambda *arguments: call("central", *arguments, env=centre.env())


@pytest.fixture
def up(centre) -> Iterator[Callable[..., tuple[subprocess.Popen, dict]]]:
    """`up(broker)`: the whole centre; the process and what it said when it was ready."""
    running: list[subprocess.Popen] = []

    def start(broker: str, *arguments: str) -> tuple[subprocess.Popen, dict]:
        process = subprocess.Popen(
            [*PATROL, "up", "--port", "0", "--broker", broker, "--json", *arguments],
            env=centre.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        return process, json.loads(line)

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(15)
        process.communicate()


def tree(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@ON_SQLITE
def test_one_command_takes_a_task_and_ctrl_c_leaves_no_process(agent, up, tmp_path, free_port, wait_until):
    (tmp_path / "mq").mkdir()
    with Mosquitto(tmp_path / "mq", free_port()) as broker:
        process, ready = up(broker.url)
        children = tree(process)
        assert len(children) == 8, "web, ingest, notices, sweep, dispatch, hotline, devices and webhooks"
        box = Sender(broker.port)
        try:
            data = picture(1)
            box.send(task(pictures=(reference(data),)))
            box.send_picture(data)
            box.wait_until_accepted(30)
        finally:
            box.stop()
        with urllib.request.urlopen(ready["url"] + "/readyz") as answer:
            assert json.load(answer)["status"] == "ok"
        stream = socket.create_connection(("127.0.0.1", int(ready["url"].rsplit(":", 1)[1])))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        stream.close()
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive


@ON_SQLITE
def test_a_child_that_is_killed_comes_back_and_kill_9_of_the_parent_leaves_nobody(up, free_port, wait_until):
    process, ready = up(f"mqtt://127.0.0.1:{free_port()}")
    before = {child.pid for child in tree(process)}
    web = next(child for child in tree(process) if "web" in " ".join(child.cmdline()))
    web.kill()

    def answers() -> bool:
        try:
            with urllib.request.urlopen(ready["url"] + "/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    wait_until(lambda: {child.pid for child in tree(process)} - before and answers(), 30, "a new web process")
    children = tree(process)
    process.kill()
    process.wait(5)
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive


@ON_SQLITE
def test_a_port_that_is_taken_is_one_clear_error(patrol):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = patrol("up", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 3
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@ON_SQLITE
def test_a_database_from_a_newer_version_is_refused_and_left_alone(patrol, inside, centre):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('cases', '0999_from_the_future', now())"
            if centre.engine == "postgresql"
            else "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('cases', '0999_from_the_future', '2030-01-01')"
        )
    for command in (
        ("up", "--port", "0"),
        ("migrate",),
        ("web", "--port", "0"),
        ("ingest",),
        ("agents", "list"),
    ):
        # One that only reads from a process of its own; the others go through the same door.
        done = (patrol if command[0] == "agents" else inside)(*command)
        assert done.returncode == 2, (command, done.stderr)
        assert "newer version" in done.stderr
        assert "0999_from_the_future" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_database_that_was_never_migrated_names_the_command(tmp_path):
    done = subprocess.run(
        [*PATROL, "--data", str(tmp_path / "new"), "agents", "list"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "patrol central migrate" in done.stderr


@pytest.mark.parametrize("content", [b"this is no database at all, but quite long " * 50, None])
def test_a_file_that_is_no_database_is_one_clear_error(tmp_path, content):
    data = tmp_path / "data"
    data.mkdir()
    path = data / "central.sqlite3"
    path.write_bytes(content) if content else path.mkdir()
    done = subprocess.run(
        [*PATROL, "--data", str(data), "migrate"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert "central.sqlite3" in done.stderr
    assert "Traceback" not in done.stderr
    if content:
        assert path.read_bytes() == content


@ON_SQLITE
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("users", "add", "x", "--role", "king"), "role"),
        (("users", "add", "x", "--role", "officer", "--password-file", "/no/such"), "--password-file"),
        (("login-link", "nobody"), "no such person"),
        (("agents", "add", "a/b", "--jurisdiction", "j"), "agent"),
        (("agents", "disable", "nobody", "--jurisdiction", "j"), "no such agent"),
    ],
)
def test_a_mistake_in_a_word_is_one_line_with_its_place(inside, arguments, said):
    done = inside(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@ON_SQLITE
@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (("up", "--broker", "http://x"), {}, 2, "PATROL_CENTRAL_BROKER"),
        (("migrate",), {"PATROL_DATABASE_URL": "mysql://x/y"}, 2, "PATROL_DATABASE_URL"),
        (("migrate",), {"PATROL_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"}, 3, "does not answer"),
        (("migrate",), {"PATROL_CENTRAL_COLOUR": "red"}, 2, "PATROL_CENTRAL_COLOUR"),
        (("up", "--host", "203.0.113.7", "--port", "0"), {}, 2, "--host"),
    ],
)
def test_a_mistake_in_a_setting_is_one_line_with_its_place(patrol, arguments, env, code, said):
    done = patrol(*arguments, **env)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr


@ON_POSTGRESQL
def test_people_agents_and_the_audit_by_command(patrol, inside, tmp_path, centre):
    added = json.loads(patrol("users", "add", "wang", "--role", "officer", "--json").stdout)
    assert added["role"] == "officer"
    client = Client(headers={"accept-language": "en"})
    assert client.post(added["login_url"]).status_code == 302
    assert client.post(added["login_url"]).status_code == 410, "once only"
    link = json.loads(inside("login-link", "wang", "--url", "http://h:1/", "--json").stdout)["login_url"]
    assert link.startswith("http://h:1/login/")
    password = tmp_path / "password"
    password.write_text("kerb-stone-granite-7\n")
    plain = inside("users", "add", "li", "--role", "dispatcher", "--password-file", str(password))
    assert plain.returncode == 0
    assert "kerb-stone" not in plain.stdout + plain.stderr
    client.logout()
    assert client.post("/login/", {"username": "li", "password": "kerb-stone-granite-7"}).status_code == 302
    assert json.loads(inside("agents", "add", "box-1", "--jurisdiction", "j", "--json").stdout)["new"]
    assert not json.loads(inside("agents", "add", "box-1", "--jurisdiction", "j", "--json").stdout)["new"]
    assert inside("agents", "disable", "box-1", "--jurisdiction", "j").returncode == 0
    assert json.loads(inside("agents", "list", "--json").stdout)[0]["state"] == "disabled"
    audit = patrol("audit", "verify", "--json")
    assert audit.returncode == 0
    assert json.loads(audit.stdout)["faults"] == []


@ON_SQLITE
def test_the_audit_command_fails_on_a_forged_history(agent, patrol, centre):
    from central.ingest import intake
    from tests.central.street import TOPICS

    intake.take_all([(TOPICS.of("tasks"), task().model_dump_json().encode())])
    if centre.engine == "sqlite":
        connection.close()
        with sqlite3.connect(centre.data / "central.sqlite3") as database:
            database.execute("DROP TRIGGER cases_historyentry_no_update")
            database.execute("UPDATE cases_historyentry SET actor = 'nobody' WHERE number = 1")
        database.close()
    else:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cases_historyentry DISABLE TRIGGER ALL")
            cursor.execute("UPDATE cases_historyentry SET actor = 'nobody' WHERE number = 1")
    done = patrol("audit", "verify")
    assert done.returncode == 1
    assert "was changed" in done.stdout


def test_help_names_an_example_everywhere():
    for words in ((), ("up",), ("ingest",), ("users", "add"), ("agents", "add"), ("audit", "verify")):
        done = call("central", *words, "--help")
        assert done.returncode == 0
        assert "Example" in done.stdout
