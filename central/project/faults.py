"""Whether a database that fails is in trouble as a whole, or cannot do this one thing.

In the first case trying again helps, sooner or later; in the second it never does, and whatever waits behind would wait for ever.
"""

from __future__ import annotations

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
)

REASON_LENGTH = 200
_ONE_THING = (DataError, IntegrityError, InternalError, NotSupportedError)
_TOO_MUCH = "54"
"""Class of PostgreSQL's codes for a statement that is beyond its limits, which comes as an OperationalError."""


def of_this_alone(error: Exception) -> bool:
    """Whether it is about what was asked for: a value, a constraint, damage in one place. Anything that is no error of the
    database counts too. A missing table or right does not: it is the same for everybody, until somebody mends it."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return True
    if isinstance(error, _ONE_THING):
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(state, str) and state.startswith(_TOO_MUCH)


def reason_of(error: Exception) -> str:
    """The first line of an error, for people; at most `REASON_LENGTH` characters."""
    said = (str(error).replace("\x00", "").strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {said}"[:REASON_LENGTH]
