"""The agent's configuration file: TOML, every key known, every mistake named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from edge_agent.ingest import SourceConfig
from notifier.mqtt import MqttConfig
from notifier.owners.config import OwnersConfig
from notifier.policy import NoticePolicy
from notifier.sms import SmsConfig
from protocol.errors import PatrolError
from protocol.messages import Ident, Position

CameraIdent = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
"""Short enough for case ids, which carry it, to stay safe names themselves."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AgentSection(_Strict):
    """Who this agent is and where it keeps its data."""

    id: Ident = Field(title="Agent", description="Unique in the jurisdiction.")
    jurisdiction: Ident = Field(title="Jurisdiction", description="The sub-district that it works for.")
    data_dir: Path = Field(
        title="Data folder", description="Database, keys and evidence; relative to this file."
    )
    time_zone: str = Field(
        default="Asia/Shanghai", title="Time zone", description="For deadlines shown to people."
    )
    languages: tuple[Literal["zh-Hans", "en"], ...] = Field(
        default=("zh-Hans",),
        title="Languages",
        description="Languages of the warning, in order.",
        min_length=1,
    )
    sender: str = Field(
        default="", title="Sender", description="Who warns: the name in the message.", max_length=40
    )
    health_every_s: float = Field(
        default=15, title="Health", description="Seconds between health messages.", ge=1, le=3600
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known; write e.g. Asia/Shanghai"
            ) from error
        return self


class DetectorSection(_Strict):
    """Which detector finds vehicles."""

    model: str = Field(
        default="nanodet-g", title="Model", description="Name in the catalogue, or path of an ONNX file."
    )
    threads: int = Field(
        default=1, title="Threads", description="Processor threads of one inference.", ge=1, le=64
    )
    workers: int | None = Field(
        default=None,
        title="Workers",
        description="Cameras whose pictures are looked at at once; by default as many as the agent has cores, four at most.",
        ge=1,
        le=64,
    )
    score_threshold: float = Field(
        default=0.2,
        title="Score",
        description="Detections below it are not used for tracking; a case also needs closer looks.",
        gt=0,
        lt=1,
    )
    providers: tuple[str, ...] = Field(
        default=("CPUExecutionProvider",),
        title="Providers",
        description="ONNX Runtime execution providers, in order.",
        min_length=1,
    )


class PlatesSection(_Strict):
    """How number plates are read."""

    enabled: bool = Field(default=True, title="Enabled", description="Without plates nobody can be warned.")
    max_looks: int = Field(default=12, title="Looks", description="Readings per stay at most.", ge=1, le=100)
    wait_s: float = Field(
        default=20,
        title="Wait",
        description="How long after confirmation a plate is tried for, seconds.",
        ge=0,
        le=600,
    )


class ZonesSection(_Strict):
    """Whose zone files are taken. The cameras' files are watched; what changes comes into force without a restart."""

    trusted_keys: tuple[str, ...] = Field(
        default=(),
        title="Trusted keys",
        description="Who may publish zones: files with a public key, or ed25519: lines. None: anybody who may write the file.",
        max_length=50,
    )
    require_signature: bool | None = Field(
        default=None,
        title="Signed only",
        description="Whether plain zone files are refused; by default they are as soon as a key is trusted.",
    )
    poll_s: float = Field(
        default=2, title="Watch", description="Seconds between looks at the files.", ge=0.05, le=3600
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.require_signature and not self.trusted_keys:
            raise ValueError(
                "trusted_keys: signed zones are required, but no key is trusted; name the publishers' public keys"
            )
        return self


class RestsSection(_Strict):
    """What is remembered of vehicles at rest, so that other zones can be rehearsed on past days."""

    keep_days: float = Field(
        default=30,
        title="Keep",
        description="Days that a rest is kept; 0: nothing is remembered.",
        ge=0,
        le=366,
    )
    pictures: bool = Field(
        default=True,
        title="Pictures",
        description="Keep a small picture of each, in which no plate and no face can be made out.",
    )


class CopiesSection(_Strict):
    """Copies of the database, from which it is restored by itself when its file is damaged."""

    folder: Path | None = Field(
        default=None,
        title="Folder",
        description="Where copies and the second log lie, best on another disk; by default `copies` in the data folder.",
    )
    keep: int = Field(default=2, title="Keep", description="How many copies are kept.", ge=1, le=100)
    every_s: float = Field(
        default=21_600, title="Interval", description="Seconds between copies.", ge=1, le=604_800
    )


class CameraConfig(SourceConfig):
    """One camera: its source, and the file with its zones."""

    id: CameraIdent = Field(title="Camera", description="Unique in the agent, 32 characters at most.")
    zones: Path = Field(
        title="Zones",
        description="The camera's zone file, or the folder that `patrol zones publish` fills; relative to this file.",
    )
    position: Position | None = Field(
        default=None, title="Position", description="WGS-84 position of the camera."
    )

    def source(self) -> SourceConfig:
        """The part that ingest needs."""
        fields = {name: getattr(self, name) for name in SourceConfig.model_fields}
        return SourceConfig.model_construct(**fields)


class AgentConfig(_Strict):
    """The whole file."""

    agent: AgentSection
    detector: DetectorSection = DetectorSection()
    plates: PlatesSection = PlatesSection()
    zones: ZonesSection = ZonesSection()
    owners: OwnersConfig = OwnersConfig()
    sms: SmsConfig = SmsConfig()
    rests: RestsSection = RestsSection()
    copies: CopiesSection = CopiesSection()
    notices: NoticePolicy = NoticePolicy()
    mqtt: MqttConfig | None = None
    camera: tuple[CameraConfig, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: set[str] = set()
        for camera in self.camera:
            if camera.id in seen:
                raise ValueError(f"camera {camera.id}: the id is used twice")
            seen.add(camera.id)
        if self.owners.directory == "centre" and self.mqtt is None:
            raise ValueError(
                "owners: directory centre needs the section mqtt: the centre is asked through the broker"
            )
        if self.centre_warns and self.sms.gateway != "none":
            raise ValueError(
                "sms: the centre warns the owners, so this box needs no gateway; take it away, or say in owners "
                "where the directory of this box is"
            )
        return self

    @property
    def centre_warns(self) -> bool:
        """Whether the centre finds and warns the owners; so it is with a broker, unless told otherwise."""
        directory = self.owners.directory
        return self.mqtt is not None if directory is None else directory == "centre"


def load_config(path: Path) -> AgentConfig:
    """Read the file; relative paths in it are taken from its own folder.

    Raises:
        PatrolError: missing, not TOML, an unknown key or an impossible value, each named.
    """
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PatrolError(
            "the configuration does not exist", file=path, mend="Check the path, or run `patrol agent init`."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError(
            f"cannot be read: {error}", file=path, mend="Check its rights; it must be UTF-8."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise PatrolError(f"is not TOML: {error}", file=path, mend="Mend the line that it names.") from error
    try:
        config = AgentConfig.model_validate(data)
    except ValidationError as error:
        raise _explain(error, data, path) from error
    return _absolute(config, path.resolve().parent)


def _explain(error: ValidationError, data: dict[str, Any], path: Path) -> PatrolError:
    faults = error.errors(include_input=False)
    # A misspelt key is also a missing one; its own name is what its reader looks for.
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    parts = [str(part) for part in fault["loc"]]
    if len(parts) > 1 and parts[0] == "camera" and parts[1].isdigit():
        cameras = data.get("camera")
        number = int(parts[1])
        raw = cameras[number] if isinstance(cameras, list) and number < len(cameras) else None
        name = raw.get("id") if isinstance(raw, dict) else None
        parts = [f"camera {name or number + 1}", *parts[2:]]
    if fault["type"] == "extra_forbidden":
        problem, mend = "this key is not known", "Check its spelling; docs/configuration.md lists the keys."
    elif fault["type"] == "missing":
        problem, mend = "is missing", "Add it; docs/configuration.md lists the keys."
    else:
        problem, mend = str(fault["msg"]).removeprefix("Value error, "), "Mend the value."
    return PatrolError(problem, file=path, field=".".join(parts) or None, mend=mend)


def _absolute(config: AgentConfig, folder: Path) -> AgentConfig:
    """Paths relative to the file's folder, so that the agent can be started from anywhere."""

    def mend(value: Any) -> Any:
        if isinstance(value, Path):
            return value if value.is_absolute() else folder / value
        if isinstance(value, SecretStr):
            return value
        if isinstance(value, BaseModel):
            return value.model_copy(
                update={name: mend(getattr(value, name)) for name in type(value).model_fields}
            )
        if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            return tuple(mend(item) for item in value)
        return value

    result: AgentConfig = mend(config)
    cameras = tuple(
        c
        if "://" in c.url or Path(c.url).is_absolute()
        else c.model_copy(update={"url": str(folder / c.url)})
        for c in result.camera
    )
    model = result.detector.model
    if Path(model).suffix == ".onnx" or len(Path(model).parts) > 1:
        model = str(folder / model)
    detector = result.detector.model_copy(update={"model": model})
    keys = tuple(k if k.startswith("ed25519:") else str(folder / k) for k in result.zones.trusted_keys)
    zones = result.zones.model_copy(update={"trusted_keys": keys})
    return result.model_copy(update={"camera": cameras, "detector": detector, "zones": zones})
