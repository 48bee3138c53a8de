"""Definitions of services: what is shipped holds, and what makes no sense is refused with its file and field."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w

from central.cases import catalogue, rules
from central.cases.catalogue import SHIPPED, load, read
from central.cases.definition import Definition
from protocol.errors import PatrolError

PATHS = sorted(SHIPPED.glob("*.toml"))


def city() -> dict:
    return tomllib.loads((SHIPPED / "city_appearance.toml").read_text("utf-8"))


def named(content: dict, kind: str, name: str) -> dict:
    return next(part for part in content[kind] if part["name"] == name)


def test_the_shipped_services_are_there_and_their_stored_form_is_the_same():
    known = load()
    assert {"sidewalk_parking", "city_appearance", "residents_voice"} <= set(known)
    for path in PATHS:
        definition = read(path)
        again = Definition.model_validate_json(definition.canonical)
        assert again == definition
        assert again.sha256 == definition.sha256
        assert {state.step for state in definition.states} >= {
            "collect",
            "dispatch",
            "handle",
            "verify_close",
        }


def change(*path, value):
    def apply(content):
        *way, last = path
        for part in way:
            content = named(content, *part) if isinstance(part, tuple) else content[part]
        content[last] = value

    return apply


def remove(kind, name):
    return lambda content: content[kind].remove(named(content, kind, name))


@pytest.mark.parametrize(
    ("spoil", "field", "words"),
    [
        (change("colour", value="red"), "colour", "Extra inputs"),
        (change(("states", "fixed"), "color", value=1), "states.8.color", "Extra inputs"),
        (change(("transitions", "pass"), "to", value="heaven"), "transitions.8.to", "no state 'heaven'"),
        (change(("transitions", "pass"), "from", value=["limbo"]), "transitions.8.from", "no state 'limbo'"),
        (change(("transitions", "pass"), "roles", value=["king"]), "transitions.8.roles", "no role 'king'"),
        (change(("transitions", "pass"), "roles", value=[]), "transitions.8.roles", "nobody may take it"),
        (change(("transitions", "pass"), "guards", value=["luck"]), "transitions.8.guards", "no guard 'luck'"),
        (change(("transitions", "pass"), "required", value=["gold"]), "transitions.8.required", "no field 'gold'"),
        (change(("transitions", "pass"), "acts_as", value="nobody"), "transitions.8.acts_as", "as verifier"),
        (change(("transitions", "report"), "on", value="comet"), "transitions.6.on", "no event 'comet'"),
        (change(("transitions", "accept"), "required", value=["reason"]), "transitions.3.required", "by itself"),
        (change(("states", "reported"), "initial", value=False), "states", "exactly one state is initial"),
        (change(("states", "handling"), "ending", value="fixed"), "states.3.ending", "only a closed state"),
        (change(("states", "handling"), "name", value="fixed"), "states", "'fixed' is there twice"),
        (remove("transitions", "establish"), "states.1", "nothing leads to 'established'"),
        (remove("transitions", "unmerge"), "duplicates", "can be undone"),
        (change(("transitions", "withdraw"), "on", value="outcome"), "states.2", "to two states"),
        (change("clocks", 0, "unit", value="moons"), "clocks.0.unit", "Input should be"),
        (change("clocks", 0, "starts_in", value=["nowhere"]), "clocks.0.starts_in", "no state 'nowhere'"),
        (change("reopen", "by", value=["nobody"]), "reopen.by", "no role 'nobody'"),
        (lambda content: content.pop("reopen"), "transitions.12.from", "no [reopen] rule"),
        (change("service_code", value="Bad Code"), "service_code", "pattern"),
    ],
)  # fmt: skip
def test_a_definition_that_makes_no_sense_names_file_and_field(tmp_path, spoil, field, words):
    content = city()
    spoil(content)
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(content), "utf-8")
    with pytest.raises(PatrolError) as caught:
        read(path)
    assert caught.value.file == str(path) or caught.value.file == path
    assert caught.value.field == field
    assert words in caught.value.problem


def test_what_a_camera_drives_cannot_lose_a_task(tmp_path):
    text = (SHIPPED / "sidewalk_parking.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('from = ["watched", "closed"]', 'from = ["watched"]'), "utf-8")
    with pytest.raises(PatrolError, match="would be lost"):
        read(path)
    path.write_text(
        text.replace('on = "camera_ended"', 'roles = ["dispatcher"]\nacts_as = "verifier"'), "utf-8"
    )
    with pytest.raises(PatrolError, match="camera_ended"):
        read(path)


def test_a_circle_that_runs_by_itself_is_refused(tmp_path):
    content = city()
    content["transitions"] += [
        {
            "name": f"spin_{one}",
            "titles": {"zh": "转", "en": "Spin"},
            "from": [one],
            "to": other,
            "on": "at_once",
        }
        for one, other in (("handling", "waiting"), ("waiting", "handling"))
    ]
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(content), "utf-8")
    with pytest.raises(PatrolError, match="leads at once to itself"):
        read(path)


def test_the_operators_own_file_replaces_the_shipped_one_and_two_of_one_code_are_refused(tmp_path):
    content = city()
    content["titles"] = {"zh": "街面", "en": "Our street"}
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(tomli_w.dumps(content), "utf-8")
        if name == "a.toml":
            assert load(tmp_path)["city_appearance"].titles.en == "Our street"
    with pytest.raises(PatrolError, match=r"a\.toml defines this service too"):
        load(tmp_path)
    with pytest.raises(PatrolError, match="no such folder"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("raw", [b"a = ", b"\xff\xfe", b"x = 1\n" * 60_000])
def test_what_is_no_toml_or_too_large_is_said(tmp_path, raw):
    path = tmp_path / "mine.toml"
    path.write_bytes(raw)
    with pytest.raises(PatrolError):
        read(path)


def test_a_case_in_flight_keeps_its_rules_when_the_file_changes(centre, monkeypatch):
    from django.db import transaction

    from central.cases.services import lock_case

    with transaction.atomic():
        case, _ = lock_case("k1", {"jurisdiction_id": "sanlihe", "opened_at_ms": 1}, "city_appearance")
    old = rules.definition_of(case)
    content = city()
    content["reopen"]["within_days"] = 30
    changed = Definition.model_validate(content)
    assert not list(catalogue.faults(changed))
    monkeypatch.setattr(rules, "_current", {None: {"city_appearance": changed}})
    monkeypatch.setattr(rules, "_known", {})
    with transaction.atomic():
        newer, _ = lock_case("k2", {"jurisdiction_id": "sanlihe", "opened_at_ms": 1}, "city_appearance")
    assert rules.definition_of(case) == old, "read again from the database"
    assert rules.definition_of(newer).reopen.within_days == 30
    assert case.definition_id != newer.definition_id
    with pytest.raises(PatrolError, match="no such service"):
        rules.service("alchemy")
