"""The doctor: looks at everything that can be wrong, and says what to do about it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from monitor.config import Settings, find, load
from monitor.errors import ConfigError, NotReady
from monitor.pipeline.context import utc_now
from monitor.pipeline.score import n_unscored
from monitor.pipeline.wellbeing import STEPS, ailing
from monitor.store import notices
from monitor.store.catalogue import IMPORT
from monitor.store.engine import open_engine, pending, reading
from monitor.store.tables import Source

_LOW_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: ok, warn or fail; what was seen; what to do."""

    check: str
    status: str
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(config: Path | None, *, offline: bool = False) -> list[Line]:
    """Every check in order; a check that cannot run says why."""
    lines: list[Line] = []
    try:
        file = find(config)
        settings = load(config)
    except ConfigError as error:
        return [Line("configuration", "fail", text, "mend the line; `monitor config check` tries again")
                for text in str(error).splitlines()]  # fmt: skip
    if file is None:
        lines.append(Line("configuration", "warn", "no monitor.toml: defaults only", "`monitor init` writes one"))
    else:
        n = len(settings.brands)
        lines.append(Line("configuration", "ok", f"{file}: {n} brands, {len(settings.sources)} sources"))
        if not n:
            lines.append(Line("brands", "warn", "no brand is configured", "add a [brands.NAME] table"))
    return lines + look(settings, offline=offline)


def look(settings: Settings, *, offline: bool) -> list[Line]:
    """Everything but the configuration file itself; `offline` leaves out what needs the network."""
    return [
        *_weights(settings), *_disk(settings), *_store(settings), *_channels(settings, offline=offline),
        *_http(settings), *_extras(settings),
    ]  # fmt: skip


def describe_model() -> str:
    """The embedded model in a line: revision and size. Raises models.errors.WeightsMissing."""
    import json

    from models.embedded import DIRECTORY
    from models.errors import WeightsMissing

    files = [DIRECTORY / name for name in ("config.json", "model.safetensors", "tokenizer.json")]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise WeightsMissing(f"{DIRECTORY} lacks {', '.join(missing)}")
    revision = json.loads(files[0].read_text(encoding="utf-8")).get("revision", "unknown")
    size = sum(file.stat().st_size for file in files)
    return f"revision {revision}, {size / 1e6:.0f} MB"


def _weights(settings: Settings) -> Iterator[Line]:
    from models.errors import ModelError

    if settings.model.name:
        folder = Path(settings.model.name).expanduser()
        if settings.model.name.startswith(("/", ".", "~")) and not (folder / "config.json").is_file():
            yield Line("model", "fail", f"model.name: {settings.model.name}: no config.json is there",
                       "name a folder with a model, a hub id, or leave it out for the embedded one")  # fmt: skip
            return
        yield Line("model", "ok", f"{settings.model.name}, loaded when a text is judged")
        return
    try:
        text = describe_model()
    except (ModelError, OSError, ValueError) as error:
        yield Line(
            "model", "fail", f"embedded: {error}", "name another model under [model], or install the package again"
        )
        return
    yield Line("model", "ok", f"embedded: {text}")


def _disk(settings: Settings) -> Iterator[Line]:
    folder = settings.data_dir
    place = folder if folder.exists() else folder.absolute().parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Line("disk", "fail", f"{place}: {error.strerror}", "set data_dir to a folder that exists")
        return
    status = "ok" if free > _LOW_DISK else "warn"
    yield Line("disk", status, f"{free / 1e9:.1f} GB free at {place}", "" if status == "ok" else "make room, or purge")


def _store(settings: Settings) -> Iterator[Line]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = open_engine(settings.url)
        behind = pending(engine)
    except (NotReady, SQLAlchemyError, OSError, ImportError) as error:
        yield Line("store", "fail", str(error).splitlines()[0], "check data_dir or database_url, and its permissions")
        return
    if behind:
        yield Line("store", "warn", "migrations are missing", "`monitor db upgrade` (or any start of the daemon)")
        engine.dispose()
        return
    with reading(engine) as session:
        yield Line("store", "ok", "reachable and up to date")
        yield from _steps(session, settings)
        yield from _sources(session)
        waiting = n_unscored(session)
        yield Line("queue", "ok" if waiting < 10_000 else "warn", f"{waiting} mentions wait for judgement",
                   "" if waiting < 10_000 else "let the daemon run, or add a score worker")  # fmt: skip
        for notice in notices.open_notices(session):
            yield Line("notice", "warn", f"{notice.text} (since {notice.at:%Y-%m-%d %H:%M} UTC, {notice.n} times)",
                       "see the operations page of the dashboard")  # fmt: skip
    engine.dispose()


def _steps(session: Session, settings: Settings) -> Iterator[Line]:
    why = ailing(session, settings, now=utc_now())
    if not why:
        yield Line("steps", "ok", "every step went well lately")
    elif len(why) == len(STEPS) and all("not run yet" in line for line in why):
        yield Line("steps", "warn", "the daemon has not run yet", "`monitor run`, or workers (docs/operations.md)")
    else:
        yield Line("steps", "warn", "; ".join(why),
                   "is the daemon running? its log says why a step fails; `monitor run` starts it")  # fmt: skip
    if not settings.heartbeat.url:
        yield Line("heartbeat", "ok", "not used: nobody outside notices when the monitor itself is dead",
                   "set heartbeat.url to an address that raises an alarm when it is no longer called")  # fmt: skip


def _sources(session: Session) -> Iterator[Line]:
    now = utc_now()
    for source in session.exec(select(Source)):
        if source.scraper == IMPORT or not source.active:
            continue
        name = f"source {source.slug}"
        late = timedelta(seconds=3 * source.interval_seconds)
        if source.next_due_at is None and source.last_run_at is None:
            yield Line(name, "warn", "nothing was sent yet", f"let the sender POST to /hooks/{source.slug}")
        elif source.next_due_at is None:
            yield Line(name, "ok", f"last message {source.last_run_at:%Y-%m-%d %H:%M} UTC")
        elif source.last_run_at is None:
            yield Line(name, "warn", "was not read yet", "`monitor once`, or start the daemon")
        elif source.last_status not in {"ok", "empty"}:
            yield Line(name, "fail", f"{source.last_status}: {source.last_error}", _remedy(source.last_status))
        elif source.last_success_at is not None and now - source.last_success_at > late:
            yield Line(name, "warn", f"last read {source.last_success_at:%Y-%m-%d %H:%M} UTC", "is the daemon running?")
        else:
            yield Line(name, "ok", f"last read {source.last_success_at:%Y-%m-%d %H:%M} UTC")


def _remedy(status: str) -> str:
    return {
        "blocked": "the site does not want to be read this way: use its API or an import",
        "captcha": "the site does not want to be read this way: use its API or an import",
        "login": "renew the credentials of this source",
        "changed": "the page changed; a sample was kept, a new version of the reader is needed",
        "not_found": "check the parameters: what they name does not exist (any more)",
        "no_preview": "the channel has its public preview switched off: it cannot be read",
        "bad_params": "mend the parameters of this source",
        "refused": "the address may not be fetched (robots.txt, a private host, the size): see docs/collecting.md",
        "rate_limited": "nothing to do: it waits as long as the site asked",
        "unreachable": "check the network and the address; it is tried again by itself",
    }.get(status, "see the log; it is tried again by itself")


def _channels(settings: Settings, *, offline: bool) -> Iterator[Line]:
    from alerts.errors import AlertError
    from monitor.pipeline.notify import open_channel

    if not settings.channels:
        yield Line("channels", "warn", "no channel: nobody hears of an alert", "add a [channels.NAME] table")
    for name in settings.channels:
        try:
            channel = open_channel(settings, name)
            text = "not asked (offline)" if offline else channel.check()
            channel.close()
        except AlertError as error:
            yield Line(f"channel {name}", "fail", str(error), "check its settings; `monitor notify test` tries it")
            continue
        yield Line(f"channel {name}", "ok", text)


def _http(settings: Settings) -> Iterator[Line]:
    if settings.sources and not settings.http.contact:
        yield Line("contact", "warn", "sites cannot tell who reads them", "set http.contact to your e-mail or page")


def _extras(settings: Settings) -> Iterator[Line]:
    if not settings.url.startswith("sqlite") and importlib.util.find_spec("procrastinate") is None:
        yield Line(
            "distributed", "fail", "procrastinate is not installed", "pip install 'feedback-monitor[distributed]'"
        )
