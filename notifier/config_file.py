"""Reads a TOML file into a model: every key known, every mistake named, paths taken from the file's own folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from protocol.errors import PatrolError, UnavailableError

Model = TypeVar("Model", bound=BaseModel)


def read_config(path: Path, model: type[Model], *, keys: str) -> Model:
    """The file's content.

    Args:
        path: a TOML file in UTF-8.
        model: what it must hold.
        keys: where its keys are described, for the mend.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: it is no TOML, has an unknown key or an impossible value.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check its path and rights."
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PatrolError(f"is not TOML: {error}", file=path, mend="Mend the line that it names.") from error
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        raise _explained(error, path, keys) from error
    result: Model = _absolute(found, path.resolve().parent)
    return result


def _explained(error: ValidationError, path: Path, keys: str) -> PatrolError:
    faults = error.errors(include_input=False)
    # A misspelt key is also a missing one; its own name is what its reader looks for.
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    field = ".".join(str(part) for part in fault["loc"]) or None
    match fault["type"]:
        case "extra_forbidden":
            problem, mend = "this key is not known", f"Check its spelling; {keys} lists the keys."
        case "missing":
            problem, mend = "is missing", f"Add it; {keys} lists the keys."
        case _:
            problem, mend = str(fault["msg"]).removeprefix("Value error, "), "Mend the value."
    return PatrolError(problem, file=path, field=field, mend=mend)


def _absolute(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return value if value.is_absolute() else folder / value
    if isinstance(value, SecretStr):
        return value
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return value.model_copy(update={name: _absolute(getattr(value, name), folder) for name in fields})
    if isinstance(value, dict):
        return {name: _absolute(part, folder) for name, part in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return tuple(_absolute(part, folder) for part in value)
    return value
