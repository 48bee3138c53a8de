"""The centre's settings as its operator gives them: environment variables, checked before Django starts."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import platformdirs

from central.project.broker import Broker, read_broker
from notifier.links import check_base_url
from protocol.clock import ScaledClock
from protocol.errors import PatrolError, UnavailableError

PREFIX = "PATROL_CENTRAL_"
DATABASE_URL = "PATROL_DATABASE_URL"
HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""The names that the pages answer to unless told otherwise: this machine only."""

SHORT_QUERIES = "-c max_parallel_workers_per_gather=0 -c jit=off"
"""What our connections ask of PostgreSQL. Each page's queries are short and several are answered at a time: helpers for one of
them take the cores from all others, and to compile a plan takes longer than to follow it."""

KNOWN = {
    "DATA": "folder of the database, pictures and secret key",
    "HOSTS": "host names the pages answer to, comma-separated",
    "ORIGINS": "origins trusted for forms behind a proxy, e.g. https://patrol.example.org",
    "HTTPS": "1 where people reach the pages through HTTPS: secure cookies, HSTS, X-Forwarded-Proto",
    "TIME_ZONE": "zone in which times are shown",
    "LANGUAGE": "language where the browser asks for none of ours: zh-hans or en",
    "RESPONSE_MINUTES": "minutes from a task to the deadline shown to officers",
    "LEASE_SECONDS": "how long an officer has to answer an offered task",
    "OFFER_ROUNDS": "how often everybody is asked before a dispatcher has to see to it",
    "PICTURE_MIB": "largest evidence picture accepted, MiB",
    "PUBLIC_URL": "where a driver's phone reaches the pages, e.g. https://p.example.org; stands in links",
    "LINK_KEYS_FILE": "keys that sign links, one a line, the first signs; made in the data folder where absent",
    "BAY_FRESH_MINUTES": "minutes for which an observation of a bay counts",
    "BAY_RADIUS_M": "how far on foot a bay may be to be offered, metres",
    "BROKER": "mqtt://host:1883 or mqtts://host:8883",
    "BROKER_USER": "user name at the broker",
    "BROKER_PASSWORD_FILE": "file that holds the broker password",
    "BROKER_CA_FILE": "CA certificates for mqtts, PEM; the system's own where absent",
    "BROKER_CERT_FILE": "client certificate for mqtts, PEM",
    "BROKER_KEY_FILE": "key of the client certificate, PEM",
    "SERVICES": "folder with definitions of services of your own, *.toml; they replace shipped ones of the same code",
    "DEVICE_TYPES": "folder with types of devices of your own (*.toml), which take the place of shipped ones",
    "TELEMETRY": "one (the default): one worker hears all devices, others stand by; shared: they share, where the broker"
    " keeps shared subscriptions over a restart",
    "NOTICES_FILE": "TOML file that says how owners are warned; without it nobody is",
    "HOTLINE_FILE": "TOML file of the hotline: subjects, times and the city platform; without it no city is asked",
    "OWNERS_KEY_FILE": "file with the key of the owners' table; by default owners.key in the data folder",
    "OWNERS_KEY": "that key itself, instead of a file",
    "SECOND_FACTOR": "required or offered, for administrators, dispatchers and auditors; required where HTTPS is 1",
    "IDLE_MINUTES": "minutes without a touch after which these are logged out",
    "OIDC_FILE": "TOML file that names the identity provider people may log in with",
    "PG_BIN": "folder of pg_dump, pg_restore and psql for backups; those on the path where absent",
    "LOG_FORMAT": "text or json, one object a line",
    "METRICS_TOKEN_FILE": "file with the token that Prometheus brings; opens /metrics and details of /readyz",
    "METRICS_ALLOW": "addresses or networks that may read /metrics without a token, e.g. 127.0.0.1; none by default",
    "WEBHOOK_NETWORKS": "networks that webhooks may call although they are not public, comma-separated",
    "TILES": "street map under the grids, e.g. https://tiles.example.org/{z}/{x}/{y}.png; WGS-84, none by default",
    "TILES_CREDIT": "who made that map; shown in its corner",
    "CLOCK": "SPEED@REAL_MS@SCALED_MS: a clock that runs fast, for simulated days only; never in production",
}
"""Suffix of each variable that exists -> what it holds."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything the centre is told from outside."""

    data: Path
    database_url: str | None = field(repr=False)
    hosts: tuple[str, ...] = HOSTS
    origins: tuple[str, ...] = ()
    https: bool = False
    time_zone: str = "Asia/Shanghai"
    language: str = "zh-hans"
    response_minutes: int = 30
    lease_ms: int = 120_000
    offer_rounds: int = 2
    picture_bytes: int = 8 * 2**20
    public_url: str | None = None
    link_keys_file: Path | None = None
    bay_fresh_ms: int = 10 * 60_000
    bay_radius_m: int = 1000
    broker: Broker = field(default_factory=lambda: Broker("127.0.0.1", 1883))
    services_folder: Path | None = None
    device_types_folder: Path | None = None
    telemetry: str = "one"
    notices_file: Path | None = None
    hotline_file: Path | None = None
    owners_key_file: Path | None = None
    owners_key: str | None = field(default=None, repr=False)
    second_factor: bool = False
    idle_ms: int = 120 * 60_000
    oidc_file: Path | None = None
    tiles: str | None = None
    tiles_credit: str = ""
    log_format: str = "text"
    pg_bin: Path | None = None
    metrics_token: str | None = field(default=None, repr=False)
    metrics_allow: tuple[IPv4Network | IPv6Network, ...] = ()
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    clock: ScaledClock | None = None

    @property
    def tiles_origin(self) -> str | None:
        """Scheme and host of the tile server, as a content security policy names it."""
        parts = urlsplit(self.tiles) if self.tiles else None
        return None if parts is None or not parts.netloc else f"{parts.scheme}://{parts.netloc}"

    @property
    def allowed_hosts(self) -> list[str]:
        """The names that the pages answer to: those given, and the one that stands in drivers' links."""
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return list(dict.fromkeys((*self.hosts, *((public,) if public else ()))))


def read(environ: Mapping[str, str] | None = None) -> Environment:
    """Read and check every setting.

    Raises:
        PatrolError: a variable that does not exist, or a value that makes no sense.
    """
    env = dict(os.environ if environ is None else environ)
    given = {name[len(PREFIX) :]: text for name, text in env.items() if name.startswith(PREFIX) and text}
    for suffix in given:
        if suffix not in KNOWN:
            raise PatrolError(
                "this setting does not exist",
                field=PREFIX + suffix,
                mend=f"Known settings: {', '.join(PREFIX + name for name in KNOWN)}, {DATABASE_URL}",
            )
    data, broker = _data(given), read_broker(given, PREFIX)
    return Environment(
        data=data,
        database_url=env.get(DATABASE_URL) or None,
        hosts=_list(given.get("HOSTS")) or HOSTS,
        origins=_list(given.get("ORIGINS")),
        https=_flag(given, "HTTPS"),
        time_zone=_time_zone(given.get("TIME_ZONE", "Asia/Shanghai")),
        language=_choice(given, "LANGUAGE", ("zh-hans", "en")),
        response_minutes=_whole(given, "RESPONSE_MINUTES", 30, 1, 7 * 24 * 60),
        lease_ms=_whole(given, "LEASE_SECONDS", 120, 5, 3600) * 1000,
        offer_rounds=_whole(given, "OFFER_ROUNDS", 2, 1, 10),
        picture_bytes=_whole(given, "PICTURE_MIB", 8, 1, 64) * 2**20,
        public_url=_public_url(given),
        link_keys_file=_path(given, "LINK_KEYS_FILE"),
        bay_fresh_ms=_whole(given, "BAY_FRESH_MINUTES", 10, 1, 24 * 60) * 60_000,
        bay_radius_m=_whole(given, "BAY_RADIUS_M", 1000, 50, 20_000),
        broker=broker,
        services_folder=_path(given, "SERVICES"),
        device_types_folder=_path(given, "DEVICE_TYPES"),
        telemetry=_choice(given, "TELEMETRY", ("one", "shared")),
        notices_file=_path(given, "NOTICES_FILE"),
        hotline_file=_path(given, "HOTLINE_FILE"),
        owners_key_file=_path(given, "OWNERS_KEY_FILE"),
        owners_key=given.get("OWNERS_KEY"),
        second_factor=_choice(
            {"SECOND_FACTOR": "required" if _flag(given, "HTTPS") else "offered", **given},
            "SECOND_FACTOR",
            ("required", "offered"),
        )
        == "required",
        idle_ms=_whole(given, "IDLE_MINUTES", 120, 5, 24 * 60) * 60_000,
        oidc_file=_path(given, "OIDC_FILE"),
        tiles=_tiles(given),
        tiles_credit=given.get("TILES_CREDIT", "")[:200],
        log_format=_choice(given, "LOG_FORMAT", ("text", "json")),
        pg_bin=_path(given, "PG_BIN"),
        metrics_token=_metrics_token(given),
        metrics_allow=_networks(given, "METRICS_ALLOW"),
        webhook_networks=_networks(given, "WEBHOOK_NETWORKS"),
        clock=_clock(given, data, broker),
    )


def database(url: str | None, data: Path) -> dict[str, object]:
    """Django's DATABASES entry for one URL: PostgreSQL, or the SQLite file under `data` where there is none.

    Raises:
        PatrolError: the URL names no database that the centre can use.
    """
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(data / "central.sqlite3"),
            "ATOMIC_REQUESTS": False,
            "OPTIONS": {
                # A read lock upgraded inside a transaction fails at once under load: take the write lock first.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # FULL: an agent forgets what was accepted, so a commit must survive a power cut.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
            },
        }
    scheme = url.partition("://")[0]
    if scheme not in {"postgresql", "postgres"}:
        raise PatrolError(
            "the centre stores its data in PostgreSQL or, with no URL, in SQLite",
            field=DATABASE_URL,
            value=f"{scheme}://…",
            mend="Write postgresql://user@host/database",
        )
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise PatrolError(
            "this is not a PostgreSQL URL", field=DATABASE_URL, mend="Write postgresql://user@host/database"
        ) from error
    options = {
        name: value
        for name, value in parts.items()
        if name not in {"host", "port", "user", "password", "dbname"}
    }
    options.setdefault("connect_timeout", 10)
    options.setdefault("application_name", "street-patrol")
    options.setdefault("options", SHORT_QUERIES)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", ""),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "ATOMIC_REQUESTS": False,
        "OPTIONS": options,
    }


def secret_key(data: Path) -> str:
    """The key that signs sessions: made on the first start, kept in a file that only its owner reads.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    path = data / "secret_key"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            # Written aside and linked: a second process that starts now sees the whole key or none.
            draft = data / f".secret_key.{os.getpid()}.{secrets.token_hex(4)}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(64))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise UnavailableError(
            f"the centre's data folder cannot be used: {error.strerror}",
            file=path,
            field=PREFIX + "DATA",
            mend="Name a folder that this user may write",
        ) from error
    if len(key) < 50:
        raise PatrolError(
            "the secret key is too short to sign anything",
            file=path,
            mend="Delete the file; a new key is made and everyone logs in again",
        )
    return key


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "0").lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise PatrolError("this is neither yes nor no", field=PREFIX + name, value=text, mend="Write 1 or 0")


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = given.get(name, choices[0]).lower()
    if text not in choices:
        raise PatrolError(
            "unknown choice", field=PREFIX + name, value=text, mend=f"Write one of {', '.join(choices)}"
        )
    return text


def _whole(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise PatrolError(
            f"this must be a whole number from {low} to {high}", field=PREFIX + name, value=text
        )
    return int(text)


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise PatrolError(
            "unknown time zone", field=PREFIX + "TIME_ZONE", value=name, mend="Write e.g. Asia/Shanghai"
        ) from error
    return name


def _public_url(given: Mapping[str, str]) -> str | None:
    text = given.get("PUBLIC_URL")
    return None if text is None else check_base_url(text, field=PREFIX + "PUBLIC_URL")


SIMULATED = "simulated"
"""A file of this name says that a data folder holds a simulated day and nothing of a real street."""

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")


def _data(given: Mapping[str, str]) -> Path:
    default = platformdirs.user_data_path("street-patrol") / "central"
    return Path(given.get("DATA", str(default))).expanduser().absolute()


_CLOCK = re.compile(r"(\d{1,4})@(\d{1,15})@(\d{1,15})")


def _clock(given: Mapping[str, str], data: Path, broker: Broker) -> ScaledClock | None:
    """A clock that runs fast. Refused wherever anybody but this machine could be served: deadlines would be lies."""
    text = given.get("CLOCK")
    if text is None:
        return None
    field_name = PREFIX + "CLOCK"
    found = _CLOCK.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 1000:
        raise PatrolError(
            "this is no clock for a simulated day", field=field_name, value=text,
            mend="Write SPEED@REAL_MS@SCALED_MS with a speed from 1 to 1000, or remove it",
        )  # fmt: skip
    far = [name for name in ("ORIGINS", "PUBLIC_URL", "HTTPS") if name in given]
    far += ["HOSTS"] if set(_list(given.get("HOSTS"))) - set(LOOPBACK) else []
    if far or broker.host not in LOOPBACK:
        raise PatrolError(
            "a clock that runs fast is for simulated days on one machine", field=field_name,
            value=", ".join(PREFIX + name for name in far) or broker.name,
            mend=f"Remove {field_name}: with it no HTTPS, public address, other host or broker elsewhere may be set",
        )  # fmt: skip
    if not (data / SIMULATED).is_file():
        raise PatrolError(
            "this data folder is not marked as that of a simulated day", file=data, field=field_name,
            mend=f"Remove {field_name}; `patrol bench day` makes and marks a folder of its own",
        )  # fmt: skip
    return ScaledClock(int(found[1]), int(found[2]), int(found[3]))


_TILES = re.compile(r"(?:https?://[A-Za-z0-9.-]+(?::\d{1,5})?)?/(?!/)[A-Za-z0-9._~/{}?=&%@-]*")


def _tiles(given: Mapping[str, str]) -> str | None:
    """A tile address stands in a page's security policy, so nothing but an address is let through."""
    text = given.get("TILES")
    if text is None:
        return None
    if not _TILES.fullmatch(text) or not all(part in text for part in ("{z}", "{x}", "{y}")):
        raise PatrolError(
            "this is not the address of map tiles",
            field=PREFIX + "TILES",
            value=text,
            mend="Write e.g. https://tiles.example.org/{z}/{x}/{y}.png",
        )
    return text


def _path(given: Mapping[str, str], name: str) -> Path | None:
    text = given.get(name)
    return None if text is None else Path(text).expanduser().absolute()


TOKEN_LENGTH = 20
"""Shorter secrets can be guessed."""


def _metrics_token(given: Mapping[str, str]) -> str | None:
    path = _path(given, "METRICS_TOKEN_FILE")
    if path is None:
        return None
    where = PREFIX + "METRICS_TOKEN_FILE"
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError("the token file cannot be read", file=path, field=where) from error
    if len(token) < TOKEN_LENGTH:
        raise PatrolError(
            f"the token has fewer than {TOKEN_LENGTH} characters",
            file=path,
            field=where,
            mend="Make one: openssl rand -hex 32",
        )
    return token


def _networks(given: Mapping[str, str], name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for text in _list(given.get(name)):
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise PatrolError(
                "this is neither an address nor a network",
                field=PREFIX + name,
                value=text,
                mend="Write e.g. 127.0.0.1 or 10.0.3.0/24",
            ) from error
    return tuple(found)
