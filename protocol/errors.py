"""The one error that reaches a person: what is wrong, where, and how to mend it.

PatrolError             exit code 2 at a command line, HTTP 400 at an interface
└── UnavailableError    the input is right but something it needs is not there: exit code 3
"""

from __future__ import annotations


class PatrolError(ValueError):
    """A mistake that its reader can mend.

    Args:
        problem: one sentence saying what is wrong.
        file: the file that holds the mistake, if any.
        field: the field, zone, vertex or option at fault, as its reader would find it.
        value: the value at fault (never a secret).
        mend: one sentence saying what to do.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        field: str | None = None,
        value: object = None,
        mend: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = None if file is None else str(file)
        self.field = field
        self.value = value
        self.mend = mend

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.field) if part)
        text = f"{where}: {self.problem}" if where else self.problem
        if self.value is not None:
            text += f" (got {self.value!r})"
        if self.mend:
            text += f". {self.mend}"
        return text

    def as_dict(self) -> dict[str, object]:
        """The error for a machine: only the parts that are known."""
        parts = {
            "problem": self.problem,
            "file": self.file,
            "field": self.field,
            "value": None if self.value is None else str(self.value),
            "mend": self.mend,
        }
        return {name: part for name, part in parts.items() if part is not None}


class UnavailableError(PatrolError):
    """A server, device or file system that is needed did not answer or refused. Exit code 3."""

    exit_code = 3
