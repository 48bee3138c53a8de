"""A commented configuration to begin with, and the reference of all its keys, both from the models themselves."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from edge_agent.config import (
    AgentSection,
    CameraConfig,
    CopiesSection,
    DetectorSection,
    PlatesSection,
    RestsSection,
    ZonesSection,
)
from notifier.mqtt import MqttConfig
from notifier.owners.config import OwnersConfig
from notifier.policy import NoticePolicy
from notifier.sms import SmsConfig
from notifier.sms.config import AliyunConfig, TwilioConfig
from zones.reference import Key, keys_of, table_of, toml_value

SECTIONS: tuple[tuple[str, type[BaseModel], bool], ...] = (
    ("[agent]", AgentSection, True),
    ("[detector]", DetectorSection, False),
    ("[plates]", PlatesSection, False),
    ("[zones]", ZonesSection, False),
    ("[rests]", RestsSection, False),
    ("[copies]", CopiesSection, False),
    ("[owners]", OwnersConfig, False),
    ("[notices]", NoticePolicy, False),
    ("[sms]", SmsConfig, False),
    ("[sms.twilio]", TwilioConfig, False),
    ("[sms.aliyun]", AliyunConfig, False),
    ("[mqtt]", MqttConfig, False),
    ("[[camera]]", CameraConfig, True),
)
"""Heading, model, and whether the file cannot do without it."""

_SAMPLES: dict[tuple[str, str], str] = {
    ("[agent]", "id"): "box-1",
    ("[agent]", "jurisdiction"): "my-street",
    ("[agent]", "data_dir"): "data",
    ("[copies]", "folder"): "copies",
    ("[[camera]]", "id"): "cam1",
    ("[[camera]]", "url"): "rtsp://192.0.2.10:554/stream1",
    ("[[camera]]", "zones"): "cam1.zones.toml",
    ("[[camera]]", "username"): "patrol",
    ("[[camera]]", "password_file"): "cam1.password",
    ("[owners]", "directory"): "local",
    ("[owners]", "file"): "owners.db",
    ("[owners]", "key_file"): "owners.key",
    ("[sms]", "log_file"): "sms.jsonl",
    ("[sms.twilio]", "account_sid"): "AC" + "0" * 32,
    ("[sms.twilio]", "auth_token_file"): "twilio.token",
    ("[sms.twilio]", "from_number"): "+8613800000000",
    ("[sms.aliyun]", "access_key_id"): "LTAI0000000000000000",
    ("[sms.aliyun]", "access_key_secret_file"): "aliyun.secret",
    ("[sms.aliyun]", "sign_name"): "某某街道",
    ("[mqtt]", "url"): "mqtts://broker.example:8883",
    ("[mqtt]", "username"): "box-1",
    ("[mqtt]", "password_file"): "mqtt.password",
}
"""What a first file says where there is no default. Addresses and numbers are examples that belong to nobody."""

_INTRODUCTIONS = {
    "[owners]": "`patrol owners --help` makes the table of a box that works alone, and its key.",
    "[notices]": "For boxes that send by themselves; the centre has rules of its own.",
    "[sms]": "For boxes that send by themselves. Without a gateway they warn nobody; what then happens is the zones' `unnotifiable`.",
    "[sms.aliyun]": "Its templates are tables of their own: docs/notices.md shows them.",
    "[mqtt]": "Without a broker tasks stay in the outbox of this box.",
    "[[camera]]": "One [[camera]] for each. `patrol zones init` makes its zone file.",
}

_HEAD = """\
# The agent of one box. Lines like `# key = value` and `# [section]` show defaults and examples: take away the `# ` of
# a key, and of its section, to change it.
#   patrol agent check {file}      checks it, and every file that it names
#   patrol agent run {file}        runs it
# Passwords and tokens do not belong here: name a file or an environment variable that holds them.
# Relative paths are taken from this file's folder. All keys: docs/configuration.md.
"""

_SECTION_WORDS = 110


def starting_config(file: str = "agent.toml") -> str:
    """The text of a commented configuration with every section and key except those that hold a secret itself.

    Args:
        file: the name to use in the comments.
    """
    name = "".join(letter if letter.isprintable() else "?" for letter in file)
    return (
        _HEAD.format(file=name)
        + "\n"
        + "\n".join("\n".join(_section(heading, model, needed)) + "\n" for heading, model, needed in SECTIONS)
    )


_REFERENCE_HEAD = """\
# Configuration of the agent

<!-- Written by `patrol agent config-reference` from the models; a test keeps it current. Do not edit by hand. -->

The agent reads one TOML file. `patrol agent init agent.toml` writes a commented one to begin with, `patrol agent check
agent.toml` checks it and every file that it names, and `patrol agent run agent.toml` runs it. Unknown keys are errors.
Relative paths are taken from the file's own folder. What happens where in a picture is in the zone files:
[zones.md](zones.md).

Passwords, tokens and keys are best kept out of the file: each has a key that names a file (whose first line is the
secret, readable by its owner only) and one that names an environment variable. They never appear in logs.
"""


def configuration_reference() -> str:
    """The whole of docs/configuration.md: every section with a table of its keys."""
    parts = [_REFERENCE_HEAD]
    for heading, model, needed in SECTIONS:
        words = [_first_line(model), _INTRODUCTIONS.get(heading, ""), "" if needed else "May be left out."]
        words = [w.replace("[[camera]]", "`[[camera]]`") for w in words]
        parts.append(f"## `{heading}`\n\n{' '.join(w for w in words if w)}\n\n{table_of(model)}")
    return "\n".join(parts)


def _section(heading: str, model: type[BaseModel], needed: bool) -> Iterator[str]:
    words = " ".join(w for w in (_first_line(model), _INTRODUCTIONS.get(heading, "")) if w)
    yield from _wrapped(words, "# ")
    yield heading if needed else f"# {heading}"
    for key in sorted(keys_of(model), key=lambda key: not key.required):
        if key.secret or key.table:
            continue
        value = toml_value(_value(heading, key))
        yield f"{key.name} = {value}" if key.required and needed else f"# {key.name} = {value}"
        takes = key.takes.replace("`", "")
        plain = takes == "path" or takes.startswith("text")
        yield from _wrapped(key.meaning if plain else f"{key.meaning} Takes: {takes}.", "#     ")


def _value(heading: str, key: Key) -> object:
    if (heading, key.name) in _SAMPLES:
        return _SAMPLES[heading, key.name]
    if key.default is not None:
        return key.default
    return {"number": 0, "flag": False, "list": []}.get(key.sort, "...")


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0].replace(" Unknown keys are errors.", "")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(
        text, _SECTION_WORDS, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )
