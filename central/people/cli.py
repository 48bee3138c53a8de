"""`patrol central users` and `patrol central access-log`: who may come in, as what, how far; and who saw what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from central.people.models import User

app = typer.Typer(
    help="People who may log in.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central users add li.wei --role officer --jurisdiction sanlihe\n\n"
    "patrol central users set-scope li.wei --jurisdiction sanlihe --grid 110102-07\n\n"
    "patrol central users link li.wei --url https://patrol.example.org\n\n"
    "patrol central users reset-second-factor li.wei",
)
log_app = typer.Typer(help="Who looked at plates and original pictures, and why.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Name = Annotated[str, typer.Argument(help="Log-in name.")]
Url = Annotated[str, typer.Option(help="Where the pages are, to print a whole address.")]
Jurisdictions = Annotated[
    list[str] | None,
    typer.Option("--jurisdiction", help="A jurisdiction whose cases they see; again for more; '*' for each."),
]
Grids = Annotated[
    list[str] | None,
    typer.Option("--grid", help="Code of a grid: of these only what lies in it and below; again for more."),
]


@app.command(epilog="Example: patrol central users add li.wei --role officer --full-name 李伟")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="officer, dispatcher, grid_worker, administrator or auditor.")],
    full_name: Annotated[str, typer.Option(help="The name that colleagues read.")] = "",
    jurisdiction: Jurisdictions = None,
    grid: Grids = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password; without it a log-in link is printed.")
    ] = None,
    url: Url = "",
    as_json: Json = False,
) -> None:
    """Add a person who may log in. Without --jurisdiction they see each."""
    password = None
    if password_file is not None:
        try:
            password = password_file.read_text().rstrip("\n")
        except OSError as error:
            raise PatrolError(
                f"the password file cannot be read: {error.strerror}",
                file=password_file,
                field="--password-file",
            ) from error
    ready()
    from django.db import transaction

    from central.people import services

    scope = _scope(jurisdiction)
    with transaction.atomic():
        user = services.add_user(name, role, password=password, scope=scope, full_name=full_name)
        if grid:
            services.set_scope(user, scope, grid)
    answer = _facts(user)
    if password is None:
        answer["login_url"] = link_of(user, url)
    if as_json:
        console.print_json(answer)
        return
    console.out.print(f"{answer['name']} may log in as {answer['role']}")
    if "login_url" in answer:
        console.out.print(f"log in once, within 15 minutes: {answer['login_url']}", soft_wrap=True)


@app.command("list", epilog="Example: patrol central users list --json")
def list_(
    role: Annotated[str, typer.Option(help="Only people of this role.")] = "",
    as_json: Json = False,
) -> None:
    """List everybody, open accounts first."""
    ready()
    from central.people.models import User

    people = User.objects.prefetch_related("grids").order_by("-is_active", "username")
    rows = [_facts(user) for user in (people.filter(role=role) if role else people)]
    if as_json:
        console.print_json(rows)
        return
    _table(
        ("name", "full name", "role", "scope", "grids", "second factor", ""),
        [
            (
                row["name"],
                row["full_name"],
                row["role"],
                row["scope"],
                ", ".join(row["grids"]) if row["by_grid"] else "",
                "yes" if row["second_factor"] else "",
                "" if row["active"] else "closed",
            )
            for row in rows
        ],
    )


@app.command(epilog="Example: patrol central users show li.wei --json")
def show(name: Name, as_json: Json = False) -> None:
    """Show one person: role, scope, second factor, identities, sessions."""
    user = _find(name)
    from allauth.socialaccount.models import SocialAccount
    from allauth.usersessions.models import UserSession

    answer = _facts(user)
    answer["identities"] = [
        {"provider": tie.provider, "subject": tie.uid} for tie in SocialAccount.objects.filter(user=user)
    ]
    answer["sessions"] = len(UserSession.objects.purge_and_list(user))
    if as_json:
        console.print_json(answer)
    else:
        _table(("", ""), [(key.replace("_", " "), _words(value)) for key, value in answer.items()])


@app.command("roles", epilog="Example: patrol central users roles")
def roles(as_json: Json = False) -> None:
    """Print what each role reads (r) and changes (w), as the table of docs/access.md."""
    ready()
    from central.people import policy

    if as_json:
        console.print_json(
            [
                {
                    "thing": rule.thing,
                    "read": sorted(map(str, rule.read)),
                    "write": sorted(map(str, rule.write)),
                }
                for rule in policy.RULES
            ]
        )
    else:
        console.out.print(policy.table(), soft_wrap=True, markup=False, highlight=False)


@app.command("set-role", epilog="Example: patrol central users set-role li.wei --role dispatcher")
def set_role(
    name: Name,
    role: Annotated[str, typer.Option(help="officer, dispatcher, grid_worker, administrator or auditor.")],
    as_json: Json = False,
) -> None:
    """Give a person another role; it counts from the next click on."""
    user = _find(name)
    from central.people import services

    services.set_role(user, role)
    _say(user, as_json, f"{name} is {user.role} now")


@app.command(
    "set-scope",
    epilog="Example: patrol central users set-scope li.wei --jurisdiction sanlihe --grid 110102-07",
)
def set_scope(
    name: Name, jurisdiction: Jurisdictions = None, grid: Grids = None, as_json: Json = False
) -> None:
    """Say whose cases a person sees; without --grid the whole of each jurisdiction."""
    user = _find(name)
    from central.people import services

    if not jurisdiction:
        raise PatrolError(
            "name at least one jurisdiction", field="--jurisdiction", mend="'*' for each, '' for none"
        )
    services.set_scope(user, _scope(jurisdiction), grid or None)
    _say(
        user,
        as_json,
        f"{name} sees {user.scope or 'nothing'}" + (f", grids {', '.join(grid)}" if grid else ""),
    )


@app.command(epilog="Example: patrol central users disable li.wei")
def disable(name: Name, as_json: Json = False) -> None:
    """Close an account and log it out everywhere. What the person did stays."""
    user = _find(name)
    from central.people import services

    services.set_active(user, False)
    _say(user, as_json, f"{name} may not log in any more")


@app.command(epilog="Example: patrol central users enable li.wei")
def enable(name: Name, as_json: Json = False) -> None:
    """Open a closed account again."""
    user = _find(name)
    from central.people import services

    services.set_active(user, True)
    _say(user, as_json, f"{name} may log in again")


@app.command("reset-second-factor", epilog="Example: patrol central users reset-second-factor li.wei")
def reset_second_factor(name: Name, as_json: Json = False) -> None:
    """Forget the second factor of somebody who lost the phone; open sessions end."""
    user = _find(name)
    from central.people import services

    gone = services.reset_second_factor(user)
    _say(user, as_json, f"{name} has no second factor now" if gone else f"{name} had none")


@app.command(epilog="Example: patrol central users link li.wei --url https://patrol.example.org")
def link(name: Name, url: Url = "", as_json: Json = False) -> None:
    """Print a link that stands for the password once, within 15 minutes. A second factor is asked for all the same."""
    print_link(name, url, as_json)


@app.command(epilog="Example: patrol central users connect li.wei --subject 8f1c2d")
def connect(
    name: Name,
    subject: Annotated[
        str, typer.Option(help="The subject (sub) by which the identity provider knows them.")
    ],
    as_json: Json = False,
) -> None:
    """Tie a person to an identity, so that they may log in with the provider of PATROL_CENTRAL_OIDC_FILE."""
    user = _find(name)
    from django.conf import settings

    from central.people import services

    if settings.PATROL_OIDC is None:
        raise PatrolError(
            "no identity provider is named",
            field="PATROL_CENTRAL_OIDC_FILE",
            mend="See docs/access.md for the file",
        )
    services.connect_identity(user, settings.PATROL_OIDC.id, subject)
    _say(user, as_json, f"{name} may log in with {settings.PATROL_OIDC.name}")


@app.command(epilog="Example: patrol central users disconnect li.wei")
def disconnect(name: Name, as_json: Json = False) -> None:
    """Untie a person from every identity."""
    user = _find(name)
    from central.people import services

    gone = services.disconnect_identities(user)
    _say(user, as_json, f"{name}: {gone} identities untied")


@log_app.command("list", epilog="Example: patrol central access-log list --case 17 --json")
def log_list(
    who: Annotated[str, typer.Option(help="Log-in name of who looked.")] = "",
    case: Annotated[int | None, typer.Option(min=1, help="Number of a case.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List who saw what in full, newest first."""
    ready()
    from central.people.models import SensitiveRead

    found = SensitiveRead.objects.order_by("-id")
    if who:
        found = found.filter(name=who)
    if case is not None:
        found = found.filter(subject="case", number=case)
    names = ("at_ms", "name", "role", "subject", "number", "jurisdiction_id", "fields", "purpose", "address")
    rows = list(found.values(*names)[:limit])
    if as_json:
        console.print_json(rows)
        return
    _table(names, [tuple(str(row[name]) for name in names) for row in rows])


def print_link(name: str, url: str, as_json: bool) -> None:
    """The whole of `users link` and `login-link`."""
    user = _find(name)
    if not user.is_active:
        raise PatrolError(
            "this account is closed", field="name", value=name, mend=f"patrol central users enable {name}"
        )
    address = link_of(user, url)
    if as_json:
        console.print_json({"name": name, "login_url": address})
    else:
        console.out.print(address, soft_wrap=True)


def link_of(user: User, url: str) -> str:
    """The address of a new single-use link."""
    from django.urls import reverse

    from central.people.services import make_login_link

    return url.rstrip("/") + reverse("people:login-link", args=[make_login_link(user)])


def _find(name: str) -> User:
    ready()
    from central.people.services import find_user

    return find_user(name)


def _scope(jurisdictions: list[str] | None) -> str:
    wanted = ["*"] if jurisdictions is None else [each.strip() for each in jurisdictions]
    return "*" if "*" in wanted else " ".join(each for each in wanted if each)


def _facts(user: User) -> dict[str, Any]:
    from central.people.second_factor import has_second_factor

    return {
        "name": user.get_username(),
        "full_name": user.get_full_name(),
        "role": str(user.role),
        "scope": user.scope,
        "by_grid": user.by_grid,
        "grids": [grid.code for grid in user.grids.all()] if user.by_grid else [],
        "active": user.is_active,
        "second_factor": has_second_factor(user),
    }


def _say(user: User, as_json: bool, text: str) -> None:
    if as_json:
        console.print_json(_facts(user))
    else:
        console.out.print(text)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(" ".join(each.values()) if isinstance(each, dict) else str(each) for each in value)
    return str(value)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(*heads, box=None, pad_edge=False, show_header=any(heads))
    for row in rows:
        table.add_row(*row)
    console.out.print(table)
