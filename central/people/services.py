"""Making people, log-in links, and the brake on guessing."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from django.apps import apps
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import transaction
from django.db.models import Q

from central.people.models import FailedLogin, LoginLink, Role, UsedCode, User
from central.project.clock import now_ms
from protocol.errors import PatrolError

LINK_LIFE_MS = 15 * 60_000
"""A log-in link is used within minutes of being made, or made again."""

BRAKE_WINDOW_MS = 15 * 60_000
BRAKE_NAME = 8
"""Wrong passwords for one name within the window before it must wait."""
BRAKE_ADDRESS = 40
"""The same for one address; higher, since a whole station may share it."""

_JURISDICTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_valid_name = RegexValidator(r"^[\w.@+-]{1,64}\Z")


def add_user(
    name: str, role: str, *, password: str | None = None, scope: str = "*", full_name: str = ""
) -> User:
    """Make a person who may log in. Without a password only a log-in link opens the door.

    Raises:
        PatrolError: the name is taken or malformed, the role does not exist, the password is weak.
    """
    if role not in Role.values:
        raise PatrolError(
            "there is no such role", field="role", value=role, mend=f"One of {', '.join(Role.values)}"
        )
    try:
        _valid_name(name)
    except ValidationError as error:
        raise PatrolError(
            "a log-in name has letters, digits and . @ + - _ only", field="name", value=name
        ) from error
    user = User(username=name, role=role, scope=scope, first_name=full_name[:150])
    if password is None:
        user.set_unusable_password()
    else:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise PatrolError(" ".join(error.messages), field="password") from error
        user.set_password(password)
    _check_scope(scope)
    with transaction.atomic():
        if User.objects.filter(username__iexact=name).exists():
            raise PatrolError("this person exists already", field="name", value=name)
        user.save()
    return user


def find_user(name: str) -> User:
    """The person of this log-in name.

    Raises:
        PatrolError: there is none.
    """
    user = User.objects.filter(username=name).first()
    if user is None:
        raise PatrolError(
            "there is no such person", field="name", value=name, mend="See: patrol central users list"
        )
    return user


def set_role(user: User, role: str) -> None:
    """Another role from the person's next click on.

    Raises:
        PatrolError: there is no such role.
    """
    if role not in Role.values:
        raise PatrolError(
            "there is no such role", field="role", value=role, mend=f"One of {', '.join(Role.values)}"
        )
    user.role = role
    user.save(update_fields=["role"])


def set_scope(user: User, scope: str, grid_codes: Sequence[str] | None = None) -> None:
    """Another scope from the person's next click on.

    Args:
        user: whose.
        scope: jurisdictions, a space between two; '*' for each, empty for none.
        grid_codes: of these only what lies in these grids and below; None for the whole.

    Raises:
        PatrolError: a name is malformed, or a grid does not exist there or is not alone in its name.
    """
    grids = apps.get_model("grids", "Grid").objects
    _check_scope(scope)
    user.scope = scope
    found = []
    for code in grid_codes or ():
        every = grids.unscoped("an administrator says what somebody else may see").filter(code=code)
        wanted = user.jurisdictions
        same = list(every if wanted is None else every.filter(jurisdiction_id__in=wanted))
        if len(same) != 1:
            raise PatrolError(
                "there is no such grid in this scope"
                if not same
                else "several jurisdictions have such a grid",
                field="grid",
                value=code,
                mend="See: patrol central grids list" if not same else "Name one jurisdiction as the scope",
            )
        found.append(same[0])
    with transaction.atomic():
        user.by_grid = grid_codes is not None
        user.save(update_fields=["scope", "by_grid"])
        user.grids.set(found)
    user.__dict__.pop("_subtree", None)


def set_active(user: User, active: bool) -> None:
    """Close an account, or open it again. A closed one is logged out everywhere; what it did stays."""
    from central.people.sessions import end_all

    user.is_active = active
    user.save(update_fields=["is_active"])
    if not active:
        end_all(user)
        LoginLink.objects.filter(user=user, used_at_ms__isnull=True).delete()


def reset_second_factor(user: User) -> int:
    """Forget the second factor of somebody who lost the phone, and log out what is still open; how many there were."""
    from central.people.second_factor import reset
    from central.people.sessions import end_all

    gone = reset(user)
    end_all(user)
    return gone


def connect_identity(user: User, provider_id: str, subject: str) -> None:
    """Tie a person to the subject by which an identity provider knows him.

    Raises:
        PatrolError: the subject is empty or somebody else's.
    """
    from allauth.socialaccount.models import SocialAccount

    if not subject.strip() or len(subject) > 191:
        raise PatrolError("a subject has 1 to 191 characters", field="subject", value=subject[:200])
    with transaction.atomic():
        tie, new = SocialAccount.objects.get_or_create(
            provider=provider_id, uid=subject, defaults={"user": user}
        )
        if not new and tie.user_id != user.pk:
            raise PatrolError(
                "this identity is tied to somebody else",
                field="subject",
                value=subject,
                mend=f"Untie it first: patrol central users disconnect {tie.user.get_username()}",
            )


def disconnect_identities(user: User) -> int:
    """Untie a person from every identity; how many there were."""
    from allauth.socialaccount.models import SocialAccount

    return SocialAccount.objects.filter(user_id=user.pk).delete()[0]


def make_login_link(user: User) -> str:
    """The secret of a new single-use link, good for `LINK_LIFE_MS`."""
    secret = secrets.token_urlsafe(32)
    LoginLink.objects.create(user=user, secret_sha256=_sha256(secret), expires_at_ms=now_ms() + LINK_LIFE_MS)
    return secret


def link_owner(secret: str) -> User | None:
    """Whom the link would log in, if it still may."""
    link = _live_links(secret).select_related("user").first()
    return link.user if link else None


def use_login_link(secret: str) -> User | None:
    """Spend the link; None if it was spent, has expired or never was. Two who hurry: one gets in."""
    with transaction.atomic():
        if _live_links(secret).update(used_at_ms=now_ms()) != 1:
            return None
        return LoginLink.objects.select_related("user").get(secret_sha256=_sha256(secret)).user


def must_wait(name: str, address: str) -> bool:
    """Whether so many wrong passwords came that no further one is looked at for a while."""
    since = now_ms() - BRAKE_WINDOW_MS
    FailedLogin.objects.filter(at_ms__lt=since).delete()
    recent = FailedLogin.objects.filter(at_ms__gte=since)
    return (
        recent.filter(name_sha256=_sha256(name.lower())).count() >= BRAKE_NAME
        or recent.filter(address=address).count() >= BRAKE_ADDRESS
    )


def remember_failure(name: str, address: str) -> None:
    """Note a wrong password."""
    FailedLogin.objects.create(name_sha256=_sha256(name.lower()), address=address[:64], at_ms=now_ms())


def forget_failures(name: str) -> None:
    """The right password came: this name starts afresh."""
    FailedLogin.objects.filter(name_sha256=_sha256(name.lower())).delete()


def sweep() -> None:
    """Forget sessions that have expired and links that nobody can use any more."""
    Session.objects.filter(expire_date__lt=datetime.fromtimestamp(now_ms() / 1000, UTC)).delete()
    LoginLink.objects.filter(expires_at_ms__lt=now_ms() - LINK_LIFE_MS).delete()
    UsedCode.objects.filter(at_ms__lt=now_ms() - LINK_LIFE_MS).delete()


def _live_links(secret: str):  # type: ignore[no-untyped-def]  # a QuerySet of LoginLink
    return LoginLink.objects.filter(
        Q(user__is_active=True),
        secret_sha256=_sha256(secret),
        used_at_ms__isnull=True,
        expires_at_ms__gt=now_ms(),
    )


def _check_scope(scope: str) -> None:
    for name in () if scope == User.EVERYWHERE else scope.split():
        if not _JURISDICTION.fullmatch(name):
            raise PatrolError(
                "a jurisdiction's name has letters, digits, '_', '.' and '-'",
                field="scope",
                value=name,
                mend="A space between two; '*' for each",
            )
    if len(scope) > 1000:
        raise PatrolError("too many jurisdictions; give '*' for each", field="scope")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
