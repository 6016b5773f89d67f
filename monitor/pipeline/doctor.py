"""The doctor: looks at everything that can be wrong, and says what to do about it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from monitor.config import Settings, find, load
from monitor.errors import ConfigError, NotReady
from monitor.i18n import Translator, spoken, translator
from monitor.pipeline.context import utc_now
from monitor.pipeline.score import n_unscored
from monitor.pipeline.wellbeing import STEPS, ailing
from monitor.store import notices
from monitor.store.catalogue import IMPORT
from monitor.store.engine import open_engine, pending, reading
from monitor.store.tables import Source
from monitor.told import told

_LOW_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: ok, warn or fail; what was seen; what to do. `check` names it for programs, in one language."""

    check: str
    status: str
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(config: Path | None, *, offline: bool = False) -> list[Line]:
    """Every check in order, in the language of the configuration; a check that cannot run says why."""
    lines: list[Line] = []
    try:
        file = find(config)
        settings = load(config)
    except ConfigError as error:
        t = translator(spoken())
        remedy = t.gettext("mend the line; `monitor config check` tries again")
        return [Line("configuration", "fail", told(t, text), remedy) for text in str(error).splitlines()]
    t = translator(settings.language)
    if file is None:
        lines.append(Line("configuration", "warn", t.gettext("no monitor.toml: defaults only"),
                          t.gettext("`monitor init` writes one")))  # fmt: skip
    else:
        n = len(settings.brands)
        text = t.gettext(
            "{file}: brands {brands}, sources {sources}", file=file, brands=n, sources=len(settings.sources)
        )
        lines.append(Line("configuration", "ok", text))
        if not n:
            lines.append(Line("brands", "warn", t.gettext("no brand is configured"),
                              t.gettext("add a [brands.NAME] table")))  # fmt: skip
    return lines + look(settings, t, offline=offline)


def look(settings: Settings, t: Translator, *, offline: bool) -> list[Line]:
    """Everything but the configuration file itself; `offline` leaves out what needs the network."""
    return [
        *_weights(settings, t), *_disk(settings, t), *_store(settings, t), *_channels(settings, t, offline=offline),
        *_http(settings, t), *_extras(settings, t),
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


def _weights(settings: Settings, t: Translator) -> Iterator[Line]:
    from models.errors import ModelError

    if settings.model.name:
        folder = Path(settings.model.name).expanduser()
        if settings.model.name.startswith(("/", ".", "~")) and not (folder / "config.json").is_file():
            text = t.gettext("model.name: {name}: no config.json is there", name=settings.model.name)
            remedy = t.gettext("name a folder with a model, a hub id, or leave it out for the embedded one")
            yield Line("model", "fail", text, remedy)
            return
        yield Line("model", "ok", t.gettext("{name}, loaded when a text is judged", name=settings.model.name))
        return
    try:
        text = describe_model()
    except (ModelError, OSError, ValueError) as error:
        yield Line("model", "fail", t.gettext("embedded: {what}", what=error),
                   t.gettext("name another model under [model], or install the package again"))  # fmt: skip
        return
    yield Line("model", "ok", t.gettext("embedded: {what}", what=text))


def _disk(settings: Settings, t: Translator) -> Iterator[Line]:
    folder = settings.data_dir
    place = folder if folder.exists() else folder.absolute().parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Line("disk", "fail", f"{place}: {error.strerror}", t.gettext("set data_dir to a folder that exists"))
        return
    status = "ok" if free > _LOW_DISK else "warn"
    yield Line("disk", status, t.gettext("{n} GB free at {place}", n=t.number(free / 1e9, 1), place=place),
               "" if status == "ok" else t.gettext("make room, or purge"))  # fmt: skip


def _store(settings: Settings, t: Translator) -> Iterator[Line]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = open_engine(settings.url)
        behind = pending(engine)
    except (NotReady, SQLAlchemyError, OSError, ImportError) as error:
        yield Line("store", "fail", told(t, str(error).splitlines()[0]),
                   t.gettext("check data_dir or database_url, and its permissions"))  # fmt: skip
        return
    if behind:
        yield Line("store", "warn", t.gettext("migrations are missing"),
                   t.gettext("`monitor db upgrade` (or any start of the daemon)"))  # fmt: skip
        engine.dispose()
        return
    with reading(engine) as session:
        yield Line("store", "ok", t.gettext("reachable and up to date"))
        yield from _steps(session, settings, t)
        yield from _sources(session, t)
        waiting = n_unscored(session)
        yield Line("queue", "ok" if waiting < 10_000 else "warn",
                   t.ngettext("{n} mention waits for judgement", "{n} mentions wait for judgement", waiting),
                   "" if waiting < 10_000 else t.gettext("let the daemon run, or add a score worker"))  # fmt: skip
        for notice in notices.open_notices(session):
            text = t.gettext(
                "{text} (since {at}, times: {n})", text=told(t, notice.text), at=_moment(notice.at), n=notice.n
            )
            yield Line("notice", "warn", text, t.gettext("see the operations page of the dashboard"))
    engine.dispose()


def _steps(session: Session, settings: Settings, t: Translator) -> Iterator[Line]:
    why = ailing(session, settings, now=utc_now())
    if not why:
        yield Line("steps", "ok", t.gettext("every step went well lately"))
    elif len(why) == len(STEPS) and all("not run yet" in line for line in why):
        yield Line("steps", "warn", t.gettext("the daemon has not run yet"),
                   t.gettext("`monitor run`, or workers (docs/operations.md)"))  # fmt: skip
    else:
        remedy = t.gettext("is the daemon running? its log says why a step fails; `monitor run` starts it")
        yield Line("steps", "warn", "; ".join(told(t, line) for line in why), remedy)
    if not settings.heartbeat.url:
        remedy = t.gettext("set heartbeat.url to an address that raises an alarm when it is no longer called")
        text = t.gettext("not used: nobody outside notices when the monitor itself is dead")
        yield Line("heartbeat", "ok", text, remedy)


def _sources(session: Session, t: Translator) -> Iterator[Line]:
    now = utc_now()
    for source in session.exec(select(Source)):
        if source.scraper == IMPORT or not source.active:
            continue
        name = f"source {source.slug}"
        late = timedelta(seconds=3 * source.interval_seconds)
        if source.next_due_at is None and source.last_run_at is None:
            yield Line(name, "warn", t.gettext("nothing was sent yet"),
                       t.gettext("let the sender POST to /hooks/{slug}", slug=source.slug))  # fmt: skip
        elif source.next_due_at is None:
            yield Line(name, "ok", t.gettext("last message {at}", at=_moment(source.last_run_at)))
        elif source.last_run_at is None:
            yield Line(name, "warn", t.gettext("was not read yet"),
                       t.gettext("`monitor once`, or start the daemon"))  # fmt: skip
        elif source.last_status not in {"ok", "empty"}:
            text = f"{source.last_status}: {told(t, source.last_error)}"
            yield Line(name, "fail", text, _remedy(source.last_status, t))
        elif source.last_success_at is not None and now - source.last_success_at > late:
            yield Line(name, "warn", t.gettext("last read {at}", at=_moment(source.last_success_at)),
                       t.gettext("is the daemon running?"))  # fmt: skip
        else:
            yield Line(name, "ok", t.gettext("last read {at}", at=_moment(source.last_success_at)))


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "-"


def _remedy(status: str, t: Translator) -> str:
    return {
        "blocked": t.gettext("the site does not want to be read this way: use its API or an import"),
        "captcha": t.gettext("the site does not want to be read this way: use its API or an import"),
        "login": t.gettext("renew the credentials of this source"),
        "changed": t.gettext("the page changed; a sample was kept, a new version of the reader is needed"),
        "not_found": t.gettext("check the parameters: what they name does not exist (any more)"),
        "no_preview": t.gettext("the channel has its public preview switched off: it cannot be read"),
        "bad_params": t.gettext("mend the parameters of this source"),
        "refused": t.gettext(
            "the address may not be fetched (robots.txt, a private host, the size): see docs/collecting.md"
        ),
        "rate_limited": t.gettext("nothing to do: it waits as long as the site asked"),
        "unreachable": t.gettext("check the network and the address; it is tried again by itself"),
    }.get(status, t.gettext("see the log; it is tried again by itself"))


def _channels(settings: Settings, t: Translator, *, offline: bool) -> Iterator[Line]:
    from alerts.errors import AlertError
    from monitor.pipeline.notify import open_channel

    if not settings.channels:
        yield Line("channels", "warn", t.gettext("no channel: nobody hears of an alert"),
                   t.gettext("add a [channels.NAME] table"))  # fmt: skip
    for name in settings.channels:
        try:
            channel = open_channel(settings, name)
            text = t.gettext("not asked (offline)") if offline else channel.check()
            channel.close()
        except AlertError as error:
            yield Line(f"channel {name}", "fail", told(t, str(error)),
                       t.gettext("check its settings; `monitor notify test` tries it"))  # fmt: skip
            continue
        yield Line(f"channel {name}", "ok", text)


def _http(settings: Settings, t: Translator) -> Iterator[Line]:
    if settings.sources and not settings.http.contact:
        yield Line("contact", "warn", t.gettext("sites cannot tell who reads them"),
                   t.gettext("set http.contact to your e-mail or page"))  # fmt: skip


def _extras(settings: Settings, t: Translator) -> Iterator[Line]:
    if not settings.url.startswith("sqlite") and importlib.util.find_spec("procrastinate") is None:
        yield Line("distributed", "fail", t.gettext("procrastinate is not installed"),
                   "pip install 'feedback-monitor[distributed]'")  # fmt: skip
