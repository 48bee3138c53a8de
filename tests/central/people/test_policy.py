"""The table of rights is what the documents print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from central.people import policy
from central.people.models import Role

DOCS = Path(__file__).parents[3] / "docs" / "access.md"


def test_the_documents_print_the_table_as_it_is():
    printed = re.search(r"<!-- roles: .*?-->\n(.*?)\n<!-- end of roles -->", DOCS.read_text(), re.S)[1]
    assert printed == policy.table(), "write it anew: patrol central users roles"


def test_what_nobody_named_is_nobodys():
    for ask in (policy.readers, policy.writers):
        with pytest.raises(KeyError):
            ask("no such thing")
    for rule in policy.RULES:
        assert rule.write <= rule.read, f"{rule.thing}: who changes it sees it"
        if rule.thing != "own_account":
            assert Role.AUDITOR not in rule.write, rule.thing
    assert Role.ADMINISTRATOR not in policy.writers("cases") | policy.writers("work_orders")
    assert policy.readers("access_log") == {Role.AUDITOR}


def test_every_environment_setting_of_access_is_documented():
    text = DOCS.read_text()
    for name in ("PATROL_CENTRAL_SECOND_FACTOR", "PATROL_CENTRAL_IDLE_MINUTES", "PATROL_CENTRAL_OIDC_FILE"):
        assert name in text
