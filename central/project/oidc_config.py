"""The identity provider that people may log in with, from a TOML file; its secret lies in a file of its own."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from protocol.errors import PatrolError

KNOWN = frozenset({"id", "name", "issuer", "client_id", "client_secret_file", "scopes", "roles"})
ROLES = frozenset({"officer", "dispatcher", "grid_worker", "administrator", "auditor"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class RoleMap:
    """Which claim says a person's role, and which of its values means which."""

    claim: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class OIDC:
    """One OpenID provider. The secret is not shown in `repr`."""

    id: str
    name: str
    issuer: str
    client_id: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...] = ("openid",)
    roles: RoleMap | None = None


def read(path: Path) -> OIDC:
    """Read and check the file.

    Raises:
        PatrolError: it cannot be read, or says something that makes no sense.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error.strerror}", file=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PatrolError(f"this is not TOML: {error}", file=path) from error
    for key in found:
        if key not in KNOWN:
            raise PatrolError(
                "this key does not exist",
                file=path,
                field=key,
                mend=f"Known keys: {', '.join(sorted(KNOWN))}",
            )
    identifier = _text(found, "id", path)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", identifier):
        raise PatrolError(
            "the id stands in addresses: small letters, digits and '-'",
            file=path,
            field="id",
            value=identifier,
        )
    return OIDC(
        id=identifier,
        name=_text(found, "name", path),
        issuer=_issuer(_text(found, "issuer", path), path),
        client_id=_text(found, "client_id", path),
        secret=_secret(_text(found, "client_secret_file", path), path),
        scopes=_scopes(found.get("scopes", ["openid"]), path),
        roles=_roles(found.get("roles"), path),
    )


def providers(oidc: OIDC | None) -> dict[str, Any]:
    """The same in allauth's words."""
    if oidc is None:
        return {}
    app = {
        "provider_id": oidc.id,
        "name": oidc.name,
        "client_id": oidc.client_id,
        "secret": oidc.secret,
        "settings": {"server_url": oidc.issuer, "scope": list(oidc.scopes), "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}


def _text(found: dict[str, Any], key: str, path: Path) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > 500:
        raise PatrolError("this text is missing", file=path, field=key)
    return value.strip()


def _issuer(url: str, path: Path) -> str:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local) or parts.query or parts.fragment:
        raise PatrolError(
            "the issuer is an https address without query", file=path, field="issuer", value=url
        )
    return url


def _secret(name: str, path: Path) -> str:
    file = Path(name)
    file = file if file.is_absolute() else path.parent / file
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError(
            "the secret's file cannot be read", file=file, field="client_secret_file"
        ) from error
    if not secret:
        raise PatrolError("the secret's file is empty", file=file, field="client_secret_file")
    return secret


def _scopes(value: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise PatrolError("the scopes are a list of words", file=path, field="scopes")
    if "openid" not in value:
        raise PatrolError("without the scope openid nobody is identified", file=path, field="scopes")
    return tuple(value)


def _roles(value: Any, path: Path) -> RoleMap | None:
    if value is None:
        return None
    if (
        not isinstance(value, dict)
        or set(value) != {"claim", "values"}
        or not isinstance(value["values"], dict)
    ):
        raise PatrolError("roles has the keys claim and values", file=path, field="roles")
    claim, values = value["claim"], value["values"]
    if not isinstance(claim, str) or not claim:
        raise PatrolError("this text is missing", file=path, field="roles.claim")
    for name, role in values.items():
        if role not in ROLES:
            raise PatrolError(
                "there is no such role",
                file=path,
                field=f"roles.values.{name}",
                value=role,
                mend=f"One of {', '.join(sorted(ROLES))}",
            )
    return RoleMap(claim, dict(values))
