"""The configuration: one TOML file, environment over it, secrets from files, every mistake named.

Tables are keyed by an identifier (`[sources.shop_reviews]`), so that an environment variable can reach any value:
`MONITOR_CHANNELS__MAIL__SETTINGS__PASSWORD`, or `..._PASSWORD_FILE` with the path of a file that holds it.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.types import StringConstraints

from monitor.durations import Duration, parse_duration
from monitor.errors import ConfigError

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Language = Literal["ru", "en"]
Severity = Literal["info", "warning", "critical"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
RuleKind = Literal["low_ratings", "keywords", "mean_rating", "negative_count"]

DEFAULT_FILE = "monitor.toml"
_NOT_SETTINGS = {
    "config",
    "shared",
    "log",
}  # MONITOR_CONFIG, MONITOR_SHARED, MONITOR_LOG; MONITOR_TEST_* are the tests'


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Location(Section):
    """A branch of the brand."""

    name: str
    aliases: tuple[str, ...] = ()
    country: str | None = None  # ISO 3166 alpha-2, for public holidays


class Brand(Section):
    """What is watched: its own name or a competitor's."""

    name: str
    aliases: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    query: str | None = None  # boolean expression; None = the name or an alias, without the exclusions
    competitor: bool = False
    country: str | None = None
    locations: tuple[Location, ...] = ()


class Quiet(Section):
    """Hours of the day, in the account's time zone, in which a site is left alone; they may go over midnight."""

    quiet_from: time | None = None
    quiet_to: time | None = None

    @model_validator(mode="after")
    def _both_ends(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet hours need both `quiet_from` and `quiet_to`, as in 23:00 and 07:00")
        return self

    @property
    def has_quiet_hours(self) -> bool:
        return self.quiet_from is not None

    def is_quiet(self, at: time) -> bool:
        """Whether a local time lies in the quiet hours: from the first minute on, up to the last."""
        start, end = self.quiet_from, self.quiet_to
        if start is None or end is None:
            return False
        return start <= at < end if start <= end else at >= start or at < end


class Source(Quiet):
    """One configured place to read. `params` belong to the scraper: `monitor source list --verbose` shows them."""

    brand: Identifier | None = None  # None: every brand whose query matches
    scraper: str
    params: dict[str, Any] = Field(default_factory=dict)
    interval: Duration | None = None  # None: the scraper's own
    location: str | None = None
    enabled: bool = True
    retention: Duration | None = None  # None: of the whole store
    filter: bool = False  # apply the brand's query even though a brand is named
    daily_requests: int | None = Field(default=None, ge=1)  # budget of a day, for APIs that bill by the call


class Rule(Section):
    """A plain fixed rule beside the statistical detector."""

    kind: RuleKind
    brand: Identifier | None = None
    window: Duration = parse_duration("1d")
    more_than: int = Field(default=5, ge=0)
    rating_at_most: float = Field(default=1.0, ge=1, le=5)
    below: float | None = Field(default=None, ge=1, le=5)
    words: tuple[str, ...] = ()
    severity: Severity = "warning"

    @model_validator(mode="after")
    def _complete(self) -> Rule:
        if self.kind == "keywords" and not self.words:
            raise ValueError("a rule of kind keywords needs `words`")
        if self.kind == "mean_rating" and self.below is None:
            raise ValueError("a rule of kind mean_rating needs `below`")
        return self


class Channel(Section):
    """A destination of messages. `settings` belong to its kind (`monitor notify kinds`)."""

    kind: str
    language: Language | None = None  # None: the account's
    settings: dict[str, Any] = Field(default_factory=dict)
    max_per_hour: int = Field(default=20, ge=1)
    alerts: bool = True
    reports: bool = True
    digest: bool | tuple[str, ...] = False  # a mail of yesterday every day: of all own brands, or of those named

    def wants_digest(self, brand: str) -> bool:
        """Whether the daily digest of a brand goes here."""
        return self.digest if isinstance(self.digest, bool) else brand in self.digest


class Route(Section):
    """Which alerts go to which channels; the first route that matches decides, unless `go_on`."""

    channels: tuple[str, ...]
    brands: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    min_severity: Severity = "info"
    go_on: bool = False
    ends: bool = True  # whether closing notes are wanted
    group_wait: Duration = parse_duration("30s")  # the first of a brand waits so long for others to leave with
    group_interval: Duration = parse_duration("5m")  # and the next ones leave together, not sooner than this
    escalate_to: tuple[str, ...] = ()  # channels that hear of it when nobody has acknowledged it
    escalate_after: Duration = parse_duration("1h")
    quiet_from: time | None = None
    quiet_to: time | None = None
    quiet_breaks_for: Severity = "critical"


class Alerts(Section):
    """The one knob, and the least evidence an alert needs."""

    enabled: bool = True
    false_alarms_per_week: float = Field(default=1.0, gt=0, le=100)
    min_negatives: int = Field(default=3, ge=1)
    min_excess: float = Field(default=2.0, ge=0)
    min_authors: int = Field(default=2, ge=1)
    min_ratio: float = Field(default=1.1, ge=1)  # what docs/alerts.md was measured with
    signals: tuple[Literal["rating", "topic_shift", "silent", "volume"], ...] = ("rating", "topic_shift", "silent")
    repeat_interval: Duration = parse_duration("24h")
    safety_words: tuple[str, ...] = ()


class Report(Section):
    """The weekly topic report, and when the daily digest leaves for the channels that want it."""

    enabled: bool = True
    weekday: Weekday = "monday"
    at: time = time(9, 0)
    channels: tuple[str, ...] = ()  # empty: every channel with reports = true
    digest_at: time = time(8, 0)


class Model(Section):
    """Which model judges. Empty name: the embedded one."""

    name: str = ""
    revision: str | None = None
    device: str | None = None
    labels: dict[str, Literal["negative", "neutral", "positive"]] = Field(default_factory=dict)
    offline: bool = False
    threads: int | None = Field(default=None, ge=1)
    topics: Literal["embedded", "lexicon"] | None = None  # who tags topics beside a checkpoint without topic heads
    adapter: Path | None = None  # folder of `monitor model adapt`; relative to data_dir
    stars: bool = True  # the author's stars are evidence beside his words


class Http(Quiet):
    """How the one client behaves towards sites. Quiet hours of a source replace those given here."""

    contact: str = ""  # e-mail or page of the operator, sent in the User-Agent
    allow_private: tuple[str, ...] = ()  # hosts or networks inside the house that may be read
    timeout: Duration = parse_duration("30s")
    max_body_mb: float = Field(default=20, gt=0, le=200)
    obey_robots: bool = True


class Schedule(Section):
    """How often the daemon's steps look for work."""

    collect: Duration = parse_duration("30s")
    score: Duration = parse_duration("30s")
    detect: Duration = parse_duration("5m")
    notify: Duration = parse_duration("15s")
    janitor: Duration = parse_duration("1h")


class Heartbeat(Section):
    """The dead man's switch: an address outside that is called while all is well, and tells somebody when it is not."""

    url: str = Field(default="", pattern=r"^$|^https?://\S+$")  # holds a secret of the service: never shown
    every: Duration = parse_duration("1m")


Role = Literal["viewer", "analyst", "admin"]


class Sso(Section):
    """Single sign-on by an OpenID Connect provider. Accounts are made at the first login."""

    issuer: str = Field(pattern=r"^https?://\S+$")
    client_id: str
    client_secret: str
    name: str = ""  # what the button says; the issuer's host without one
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    role: Role | None = "viewer"  # of everybody the provider lets in; leave out with `roles` to let nobody else in
    role_claim: str = "groups"
    roles: dict[str, Role] = Field(default_factory=dict)  # value of the claim -> role; checked at every login


class Web(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=1, le=65535)
    base_url: str | None = None  # how users reach the dashboard; links in messages
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks of proxies that say whom they forward for
    session_lifetime: Duration = parse_duration("14d")
    sso: Sso | None = None


class Privacy(Section):
    """What is kept of people, and how long."""

    store_authors: bool = False  # False: a pseudonym only
    keep_text: Duration = parse_duration("365d")
    keep_samples: Duration = parse_duration("30d")


class Settings(Section):
    """The whole configuration, validated."""

    language: Language = "en"
    time_zone: str = "UTC"
    data_dir: Path = Path("data")
    database_url: SecretStr | None = None  # None: SQLite in data_dir
    without_topics: tuple[Identifier, ...] = ()  # topics that mean nothing in this business: an app has no food
    brands: dict[Identifier, Brand] = Field(default_factory=dict)
    sources: dict[Identifier, Source] = Field(default_factory=dict)
    channels: dict[Identifier, Channel] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    rules: dict[Identifier, Rule] = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    report: Report = Report()
    model: Model = Model()
    http: Http = Http()
    schedule: Schedule = Schedule()
    heartbeat: Heartbeat = Heartbeat()
    web: Web = Web()
    privacy: Privacy = Privacy()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("not a time zone; write a name of the tz database, as in Europe/Moscow or UTC") from None
        return value

    @field_validator("without_topics")
    @classmethod
    def _known_topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:  # the taxonomy is read from a file
            from models.taxonomy import TOPICS

            for topic in value:
                if topic not in TOPICS:
                    raise ValueError(f"{topic!r} is not a built-in topic; {_allowed(TOPICS)}")
        return value

    @model_validator(mode="after")
    def _references(self) -> Settings:
        for name, source in self.sources.items():
            if source.brand is not None and source.brand not in self.brands:
                raise ValueError(f"sources.{name}.brand: {source.brand!r} is not a brand; {_allowed(self.brands)}")
        for name, rule in self.rules.items():
            if rule.brand is not None and rule.brand not in self.brands:
                raise ValueError(f"rules.{name}.brand: {rule.brand!r} is not a brand; {_allowed(self.brands)}")
        for number, route in enumerate(self.routes):
            for channel in (*route.channels, *route.escalate_to):
                if channel not in self.channels:
                    raise ValueError(
                        f"routes[{number}].channels: {channel!r} is not a channel; {_allowed(self.channels)}"
                    )
            for brand in route.brands:
                if brand not in self.brands:
                    raise ValueError(f"routes[{number}].brands: {brand!r} is not a brand; {_allowed(self.brands)}")
        for name, wants in self.channels.items():
            for brand in wants.digest if isinstance(wants.digest, tuple) else ():
                if brand not in self.brands:
                    raise ValueError(f"channels.{name}.digest: {brand!r} is not a brand; {_allowed(self.brands)}")
        for channel in self.report.channels:
            if channel not in self.channels:
                raise ValueError(f"report.channels: {channel!r} is not a channel; {_allowed(self.channels)}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def url(self) -> str:
        """Address of the store, as SQLAlchemy reads it. Holds the password: never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'monitor.sqlite'}"

    @property
    def outbox_dir(self) -> Path:
        return self.data_dir / "outbox"


def find(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file: the argument, MONITOR_CONFIG, or monitor.toml here. None when there is none."""
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["MONITOR_CONFIG"]) if environ.get("MONITOR_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"{named}: no such configuration file; `monitor init` writes one")
        return named
    here = Path(DEFAULT_FILE)
    return here if here.is_file() else None


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Read, overlay and validate. Raises ConfigError with one line per mistake: file, key, value, what is allowed.

    A relative `data_dir` is relative to the file's folder, so that the daemon may be started from anywhere.
    """
    environ = os.environ if environ is None else environ
    file = find(path, environ=environ)
    raw: dict[str, Any] = {}
    if file is not None:
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file}: not TOML: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: cannot be read: {error}") from error
    overlay_environment(raw, environ)
    settings = validate(raw, origin=str(file) if file else "environment")
    return _anchored(settings, Path() if file is None else file.resolve().parent)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Relative folders are relative to the configuration file, so that the daemon may be started from anywhere.

    A channel of files that names none writes beside the store: the folder of the configuration may forbid writing.
    """
    settings = settings.model_copy(update={"data_dir": folder / settings.data_dir})
    channels = {}
    for name, channel in settings.channels.items():
        if channel.kind == "file":
            directory = folder / channel.settings.get("directory", settings.outbox_dir)
            channel = channel.model_copy(update={"settings": channel.settings | {"directory": str(directory)}})
        channels[name] = channel
    return settings.model_copy(update={"channels": channels})


def validate(raw: Mapping[str, Any], *, origin: str) -> Settings:
    """Settings from a plain mapping. Raises ConfigError as `load` does."""
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(detail, origin) for detail in error.errors())) from None
    _validate_plugins(settings, origin=origin)
    return settings


def overlay_environment(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Lay `MONITOR_A__B=value` over `raw["a"]["b"]`; `..._FILE` reads the value from a file."""
    for variable in sorted(environ):
        if not variable.startswith("MONITOR_") or variable.startswith("MONITOR_TEST_"):
            continue
        path = variable.removeprefix("MONITOR_").lower().split("__")
        if path[0] in _NOT_SETTINGS:
            continue
        value: Any = environ[variable]
        if path[-1].endswith("_file") and path[-1] != "_file":
            path[-1] = path[-1].removesuffix("_file")
            if not value:
                raise ConfigError(f"{variable} is empty: the path of a file is wanted")
            try:
                value = Path(value).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{variable}: cannot read {environ[variable]}: {error}") from error
            if not value:  # a secret that was not written: an empty address of a database would mean SQLite
                raise ConfigError(f"{variable}: {environ[variable]} is empty")
        if path[0] not in Settings.model_fields:
            raise ConfigError(
                f"environment: {variable}: unknown setting {path[0]!r}; {_allowed(Settings.model_fields, near=path[0])}"
            )
        node = raw
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(f"environment: {variable}: {part!r} is a value, not a table")
        node[path[-1]] = _plain(value, old=node.get(path[-1]))


def masked(settings: Settings) -> dict[str, Any]:
    """The effective configuration with every secret masked, ready to print."""

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):  # of headers the values are secrets, whatever they are called
            return {k: walk(v, "secret" if key == "headers" else str(k)) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [walk(v, key) for v in value]
        if value is not None and value != "" and is_secret(key):
            return "********"
        if isinstance(value, str):
            return re.sub(r"(://[^/:@\s]+:)[^@/\s]+@", r"\1********@", value)
        return value

    plain: dict[str, Any] = walk(settings.model_dump(mode="json"))
    return plain


def is_secret(key: str) -> bool:
    """Whether a key's value must never be shown."""
    return bool(
        re.search(r"password|secret|token|api_?key|^key$|_key$|webhook|routing_key|database_url|^urls?$", key.lower())
    )


def _plain(value: Any, *, old: Any) -> Any:
    """A value from the environment in the type that stands in the file, where one does."""
    if not isinstance(value, str):
        return value
    if isinstance(old, bool) or value.lower() in {"true", "false"}:
        return value.lower() in {"true", "1", "yes", "on"}
    if isinstance(old, list) or value.startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return [part.strip() for part in value.split(",") if part.strip()] if isinstance(old, list) else value
    return value


def _allowed(names: Collection[str], *, near: str = "") -> str:
    close = difflib.get_close_matches(near, list(names), n=1) if near else []
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(names) or 'none is configured'}"


def _describe(detail: Any, origin: str) -> str:
    """One validation error in words."""
    location = tuple(detail["loc"])
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if detail["type"] == "extra_forbidden":
        model = _model_at(location[:-1])
        names = model.model_fields if model is not None else {}
        return f"{origin}: {key}: unknown key; {_allowed(names, near=str(location[-1]))}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch" and location and location[-1] == "[key]":
        message = "names of tables are lower-case letters, digits and underscores"
    if not key:
        return f"{origin}: {message}"
    if detail["type"] == "missing":
        return f"{origin}: {key}: is missing and has no default"
    return f"{origin}: {key}: {_shown(str(location[-1]), detail.get('input'))}{message}"


def _shown(key: str, value: Any) -> str:
    """A wrong value for people to recognise; never a secret, never a table that may hold one."""
    if is_secret(key):
        return "********: "
    return f"{value!r}: " if isinstance(value, str | int | float | bool) else ""


def _model_at(location: tuple[Any, ...]) -> type[BaseModel] | None:
    """The section a path leads into."""
    tables: dict[str, type[BaseModel]] = {
        "brands": Brand,
        "sources": Source,
        "channels": Channel,
        "rules": Rule,
        "routes": Route,
    }
    if not location:
        return Settings
    if location[0] in tables:
        if location[0] == "brands" and "locations" in location:
            return Location
        return tables[str(location[0])]
    annotation = Settings.model_fields[str(location[0])].annotation if location[0] in Settings.model_fields else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _validate_plugins(settings: Settings, *, origin: str) -> None:
    """Parameters of scrapers and settings of channels, by the models these declare; queries of brands."""
    import alerts.channels
    import scrapers.query
    import scrapers.registry
    from alerts.errors import UnknownChannel
    from scrapers.errors import BadParams, UnknownScraper

    mistakes: list[str] = []
    for name, brand in settings.brands.items():
        try:
            if brand.query is not None:
                scrapers.query.parse(brand.query)
        except BadParams as error:
            mistakes.append(f"{origin}: brands.{name}.query: {error}")
    for name, source in settings.sources.items():
        try:
            scraper = scrapers.registry.get(source.scraper)
            params = scraper.params_type.model_validate(source.params)
            if params.names_no_brand and source.brand is None:
                mistakes.append(
                    f"{origin}: sources.{name}.brand: is missing; what comes cannot say which brand it is of"
                )
        except (UnknownScraper, BadParams) as error:
            mistakes.append(f"{origin}: sources.{name}.scraper: {source.scraper!r}: {error}")
        except ValidationError as error:
            mistakes += _plugin_mistakes(error, f"{origin}: sources.{name}.params", scraper.params_type)
    for name, channel in settings.channels.items():
        try:
            kind = alerts.channels.get(channel.kind)
        except UnknownChannel:
            near = dict.fromkeys(alerts.channels.names())
            mistakes.append(
                f"{origin}: channels.{name}.kind: {channel.kind!r} is unknown; {_allowed(near, near=channel.kind)}"
            )
            continue
        try:
            kind.settings_type.model_validate(channel.settings)
        except ValidationError as error:
            mistakes += _plugin_mistakes(error, f"{origin}: channels.{name}.settings", kind.settings_type)
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _plugin_mistakes(error: ValidationError, where: str, model: type[BaseModel]) -> list[str]:
    lines = []
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            lines.append(f"{where}.{key}: unknown key; {_allowed(model.model_fields, near=key)}")
        elif detail["type"] == "missing":
            lines.append(f"{where}.{key}: is missing and has no default; {_allowed(model.model_fields)}")
        else:
            place = f"{where}.{key}" if key else where
            message = str(detail["msg"]).removeprefix("Value error, ")
            lines.append(f"{place}: {_shown(key, detail.get('input'))}{message}")
    return lines
