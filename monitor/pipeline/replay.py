"""The replay: a file of dated feedback through the whole pipeline on a simulated clock; the back-test, and the demo.

Writes `incidents.jsonl`, `notifications.jsonl`, `reports/*.html` and `summary.json` into a folder.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, select

import alerts.message
import alerts.render
from monitor.config import Brand as BrandSettings
from monitor.config import Channel, Settings
from monitor.errors import ConfigError
from monitor.pipeline.context import Context, load_scorer
from monitor.pipeline.importing import brands_of, notes_of
from monitor.pipeline.simulate import Arrival, Clock, Prejudged, judged_of, simulate
from monitor.store.catalogue import slug_of, synchronise
from monitor.store.engine import reading, upgrade, writing
from monitor.store.tables import Brand, Incident, IncidentEvent, Mention, Outbox, Report

_CHANNEL = "replay"
REPORT_FROM = 10  # mentions of a brand in a week: years of a thin file would give hundreds of empty reports


def replay_file(
    settings: Settings,
    file: Path,
    *,
    brand: str,
    out: Path,
    every: timedelta,
    mapping: dict[str, str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    scorer: Any = None,
) -> dict[str, Any]:
    """Replay `file` and return the summary. Raises ConfigError or BadParams for what cannot be read."""
    import scrapers.imports

    if every < timedelta(minutes=1) or every > timedelta(days=1):
        raise ConfigError(f"--every {every}: allowed is one minute to one day")
    started = time.perf_counter()
    told = progress or (lambda what, done, total: None)
    run = scrapers.imports.read(file, mapping=mapping, locale=settings.language)
    rows = list(run)
    bad = [(row.number, row.error or "cannot be read") for row in rows if row.item is None]
    items = [row.item for row in rows if row.item is not None]
    dated = [item for item in items if item.published_at is not None]
    bad += [(row.number, "has no date") for row in rows if row.item is not None and row.item.published_at is None]
    if not dated:
        raise ConfigError(f"{file}: no row has a date; name its column with --map published_at=COLUMN")
    brand_of = brands_of(dated, brand)
    default_source = slug_of(file.name.split(".")[0])
    arrivals = [
        Arrival(item.published_at, name, slug_of(item.origin or default_source), item)
        for item in dated
        if item.published_at is not None and (name := brand_of(item)) is not None
    ]
    out.mkdir(parents=True, exist_ok=True)
    names = sorted({arrival.brand for arrival in arrivals})
    with tempfile.TemporaryDirectory(prefix="monitor-replay-") as folder:
        replaying = _settings(settings, names, Path(folder), out)
        clock = Clock(arrivals[0].at)
        judged = _prejudged(settings, arrivals, told, scorer)
        context = Context(replaying, clock=clock, scorer=judged, progress=told)
        upgrade(context.engine)
        clock.at = min(arrival.at for arrival in arrivals)
        with writing(context.engine) as session:
            synchronise(session, replaying, now=clock.at)
        n_ticks = simulate(context, clock, arrivals, every=every, report_from=REPORT_FROM)
        summary = _write(context, out, file=file, n_bad=len(bad), n_rows=len(rows))
        context.engine.dispose()
    summary |= {
        "ticks": n_ticks, "every_seconds": int(every.total_seconds()), "model": f"{judged.name}@{judged.revision}",
        "notes": notes_of(run), "bad_rows": [{"row": number, "reason": reason} for number, reason in bad[:100]],
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    _dump(out / "summary.json", summary)
    return summary


def _settings(settings: Settings, names: list[str], folder: Path, out: Path) -> Settings:
    """The user's settings with the file's brands, a store of its own, and one channel that writes into `out`."""
    by_name = {brand.name: (slug, brand) for slug, brand in settings.brands.items()}
    brands: dict[str, BrandSettings] = {}
    for name in names:
        slug, found = by_name.get(name, (slug_of(name, taken=brands), BrandSettings(name=name)))
        brands[slug] = found
    channel = Channel(kind="file", language=settings.language, settings={"directory": str(out / "messages")})
    return settings.model_copy(
        update={"brands": brands, "sources": {}, "channels": {_CHANNEL: channel}, "routes": (), "data_dir": folder,
                "database_url": None, "report": settings.report.model_copy(update={"channels": ()})}
    )  # fmt: skip


def _prejudged(
    settings: Settings, arrivals: list[Arrival], progress: Callable[[str, int, int], None], scorer: Any
) -> Any:
    items = [arrival.item for arrival in arrivals if judged_of(arrival.item)[0].strip()]
    n = len(set(map(judged_of, items)))
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        progress("score", done, n)

    return Prejudged(scorer if scorer is not None else load_scorer(settings), items, report)


def _write(context: Context, out: Path, *, file: Path, n_bad: int, n_rows: int) -> dict[str, Any]:
    with reading(context.engine) as session:
        brands = {brand.id: brand.name for brand in session.exec(select(Brand))}
        incidents = session.exec(select(Incident).order_by(col(Incident.opened_at), col(Incident.id))).all()
        lines = []
        for row in incidents:
            events = session.exec(select(IncidentEvent).where(IncidentEvent.incident_id == row.id)).all()
            lines.append(
                {
                    "id": row.uid, "brand": brands.get(row.brand_id), "series": row.series, "signal": row.signal,
                    "rule": row.rule, "topic": row.topic, "location": row.location, "severity": row.severity,
                    "state": row.state, "joined_to": row.machine.get("joined_to"),
                    "opened_at": row.opened_at.isoformat(), "since_at": row.since_at.isoformat(),
                    "last_seen_at": row.last_seen_at.isoformat(),
                    "resolved_at": row.resolved_at.isoformat() if row.resolved_at else None,
                    "observed": row.n_observed, "expected": round(row.n_expected, 2), "excess": round(row.n_excess, 2),
                    "score": round(row.score, 2), "headline": row.data.get("headline", ""),
                    "topics": row.data.get("topics", []), "phrases": row.data.get("phrases", []),
                    "quotes": row.data.get("quotes", []),
                    "events": [{"kind": event.kind, "at": event.at.isoformat()} for event in events],
                }
            )  # fmt: skip
        _lines(out / "incidents.jsonl", lines)
        sent = session.exec(select(Outbox).order_by(col(Outbox.id))).all()
        _lines(out / "notifications.jsonl", [_notification(row, brands) for row in sent])
        folder = out / "reports"
        folder.mkdir(exist_ok=True)
        reports = session.exec(select(Report).order_by(col(Report.week))).all()
        for report in reports:
            name = slug_of(brands.get(report.brand_id, "brand") or "brand")
            (folder / f"{report.week}-{name}.{report.language}.html").write_text(report.html, encoding="utf-8")
        mentions = session.exec(select(Mention.sentiment, Mention.published_at, Mention.counts)).all()
    times = [at for _, at, _ in mentions]
    return {
        "file": file.name,
        "rows": n_rows,
        "n_bad_rows": n_bad,
        "mentions": len(mentions),
        "copies": sum(not counts for _, _, counts in mentions),
        "first_at": _iso(min(times, default=None)),
        "last_at": _iso(max(times, default=None)),
        "sentiment": {name: sum(s == name for s, _, _ in mentions) for name in ("negative", "neutral", "positive")},
        "brands": sorted(name for name in brands.values() if name),
        "incidents": len(lines),
        "joined": sum(line["joined_to"] is not None for line in lines),  # of them, those that another one tells
        "notifications": len(sent),
        "reports": len(reports),
        "reports_from_mentions": REPORT_FROM,
    }


def _notification(row: Outbox, brands: dict[int | None, str]) -> dict[str, Any]:
    envelope = alerts.message.loads(row.payload["envelope"])
    text = alerts.render.headline(envelope.message) if envelope.message else envelope.subject
    return {
        "kind": row.kind, "reason": row.reason, "channel": row.channel, "brand": brands.get(row.brand_id),
        "created_at": row.created_at.isoformat(), "sent_at": _iso(row.sent_at), "state": row.state,
        "subject": envelope.subject, "headline": text, "dedup_key": row.dedup_key,
    }  # fmt: skip


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
