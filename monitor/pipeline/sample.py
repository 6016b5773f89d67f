"""The bundled sample: a chain of cafes, fed through the pipeline on a simulated clock for a new user to see it all."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlmodel import col, select

import alerts.message
import alerts.render
from monitor.config import Settings, validate
from monitor.errors import NotReady
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.customers import load_sample as load_customers
from monitor.pipeline.recount import recount
from monitor.pipeline.simulate import Arrival, Clock, Prejudged, arrive, judged_of, simulate
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, Incident, Mention, Outbox

_LOADED = "sample.loaded_until"
_BRAND, _RIVAL = "polden", "gudok"
LIVE = timedelta(days=28)  # the last weeks arrive hour by hour; what lies before is imported as history


def sample_settings(data_dir: Path) -> Settings:
    """The configuration of the sample: a brand with six places, a competitor, two channels that write files."""
    arrange = _arrange()
    outbox = str((data_dir / "outbox").resolve())
    raw: dict[str, Any] = {
        "language": "ru",
        "time_zone": "Europe/Moscow",
        "data_dir": str(data_dir.resolve()),
        "brands": {
            _BRAND: {
                "name": arrange.BRAND,
                "aliases": list(arrange.ALIASES),
                "country": "RU",
                "locations": [{"name": place.name} for place in arrange.PLACES],
            },
            _RIVAL: {
                "name": arrange.RIVAL,
                "aliases": list(arrange.RIVAL_ALIASES),
                "country": "RU",
                "competitor": True,
            },
        },
        "channels": {
            "mail": {"kind": "file", "settings": {"directory": outbox}},
            "mail_en": {"kind": "file", "language": "en", "settings": {"directory": f"{outbox}/english"}},
        },
    }
    return validate(raw, origin="the bundled sample")


def load_sample(context: Context) -> list[str]:
    """Feed the sample into the store, once; returns lines that say where to look. A second call doubles nothing."""
    with reading(context.engine) as session:
        until_text = meta.get(session, _LOADED)
    if until_text is None:
        until = context.now
        _feed(context, until)
        load_customers(context, until)
        aggregate(context)
        recount(context)  # answers of surveys belong to the days of the incident
        with writing(context.engine) as session:
            meta.put(session, _LOADED, until.isoformat())
    return _where_to_look(context)


def _arrivals(rows: Iterable[dict[str, str]], name: str, brand: str, until: datetime) -> list[Arrival]:
    import scrapers.imports

    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(_arrange().FEEDBACK_COLUMNS))
    writer.writeheader()
    writer.writerows(rows)
    run = scrapers.imports.read_bytes(table.getvalue().encode(), name=name, now=until)
    items = [row.item for row in run if row.item is not None]
    return [Arrival(one.published_at, brand, one.origin or "import", one) for one in items if one.published_at]


def _feed(context: Context, until: datetime) -> None:
    arrange, brands = _arrange(), context.settings.brands
    arrivals = _arrivals(arrange.arrange(until), "cafe_feedback.csv", brands[_BRAND].name, until)
    arrivals += _arrivals(arrange.rivals(until), "rival_feedback.csv", brands[_RIVAL].name, until)
    arrivals.sort(key=lambda arrival: arrival.at)
    n = len({judged_of(arrival.item) for arrival in arrivals})
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        context.progress("judge", done, n)

    judged = Prejudged(context.scorer, [arrival.item for arrival in arrivals], told)
    clock = Clock(arrivals[0].at)
    simulated = Context(context.settings, engine=context.engine, clock=clock, scorer=judged, rng=context.rng,
                        progress=context.progress, should_stop=context.should_stop)  # fmt: skip
    live_from = until - LIVE
    past = [arrival for arrival in arrivals if arrival.at < live_from]
    clock.at = live_from
    arrive(simulated, past)  # what a new user does first: import the history, then go live
    simulate(simulated, clock, [a for a in arrivals if a.at >= live_from], every=timedelta(hours=1), until=until)


def _where_to_look(context: Context) -> list[str]:
    outbox = context.settings.outbox_dir
    with reading(context.engine) as session:
        n = len(session.exec(select(Mention.id)).all())
        incidents = session.exec(select(Incident).order_by(col(Incident.opened_at))).all()
        brands = {brand.id: brand.name for brand in session.exec(select(Brand))}
        messages = session.exec(select(Outbox).where(Outbox.channel == "mail").order_by(col(Outbox.id))).all()
        headlines = [(row.kind, _headline(row)) for row in messages if row.kind != "report"]
    lines = [f"{n} mentions of {', '.join(sorted(set(brands.values())))} judged, {len(incidents)} incident(s) found:"]
    lines += [f"  {kind}: {headline}" for kind, headline in headlines]
    lines += [
        f"alert e-mails (.eml, .html), Slack messages (.slack.json) and weekly reports (.html): {outbox}",
        "the same in English: " + str(outbox / "english"),
        "your own brand: `monitor init` writes a commented monitor.toml; `monitor source test URL` tries a page;",
        "`monitor import FILE --brand NAME` loads an export; then `make run` again",
    ]
    return lines


def _headline(row: Outbox) -> str:
    envelope = alerts.message.loads(row.payload["envelope"])
    return alerts.render.headline(envelope.message) if envelope.message else envelope.subject


def _arrange() -> ModuleType:
    """The script beside the sample, loaded by its path: the sample is part of the repository, not of the wheel."""
    path = Path(__file__).resolve().parents[2] / "examples" / "arrange.py"
    if not path.is_file():
        raise NotReady(f"the bundled sample is not here ({path}); it comes with the repository, not with the package")
    spec = importlib.util.spec_from_file_location("monitor_sample_arrange", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
