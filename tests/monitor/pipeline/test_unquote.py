"""Erased words leave messages, reports and incidents too: with `forget`, `purge` and after `privacy.keep_text`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

import alerts.message
import alerts.render
import monitor.pipeline.collect as collecting
import monitor.pipeline.notify as notifying
from alerts.message import Envelope, Quote
from monitor.pipeline import outbox, reporting
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import forget, housekeep, purge
from monitor.pipeline.matching import Matcher
from monitor.pipeline.notify import notify
from monitor.pipeline.score import score
from monitor.pipeline.story import summary
from monitor.reports.week import Week
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Incident, Outbox, Report, Source
from scrapers.base import Status
from scrapers.batch import Batch
from tests.alerts.sample_messages import opened
from tests.monitor import support
from tests.monitor.support import NOW, item

ANNA = (
    'The waiter was rude & <b>loud</b>, we waited *fifty* minutes for "two" coffees, and nobody said a word about it. '
    "Then the bill came with a third coffee on it that nobody had ordered, drunk or seen on any table of that place. "
    "We asked, he laughed, and the manager who came after a quarter of an hour told us that such things do happen."
)
BORIS = "Late again: a cold soup after forty minutes, and it was served without any bread or spoon"
BEFORE = NOW - timedelta(days=7)


def address(name: str) -> str:
    return f"https://reviews.example/{name}"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """Two complaints of last week: in an alert that was sent, in one that waits, and in the incident."""
    mail = {"host": "127.0.0.1", "port": 9, "sender": "a@luna.example", "recipients": ["b@luna.example"]}
    made = support.context(
        tmp_path, scorer=support.WordScorer(),
        channels={"folder": {"kind": "file", "settings": {"directory": str(tmp_path / "out")}, "reports": False},
                  "mail": {"kind": "email", "settings": mail, "reports": True}},
    )  # fmt: skip
    with writing(made.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "site", now=NOW).id or 0
        items = [item(name, text, at=BEFORE, author=name, title=title, url=address(name))
                 for name, text, title in (("anna", ANNA, "Never again"), ("boris", BORIS, None))]  # fmt: skip
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=BEFORE)
        quotes = (
            Quote(text=f"Never again. {ANNA}", url=address("anna"), at=BEFORE),
            Quote(text=BORIS, url=address("boris"), at=BEFORE),
        )
        message = replace(opened(), quotes=quotes, at=NOW, chart_png=b"a chart")
        incident = Incident(
            uid="i", brand_id=brand_id, series="brand=cafe", signal="negative", opened_at=NOW, since_at=BEFORE,
            last_seen_at=NOW, data=summary(message),
        )  # fmt: skip
        session.add(incident)
        session.flush()
        for key, channel in (("sent", "folder"), ("waits", "folder")):
            outbox.put(
                session, alerts.render.envelope(replace(message, dedup_key=key)), channel=channel, kind="opened",
                now=NOW, brand_id=brand_id, incident_id=incident.id,
                not_before=NOW + timedelta(hours=key == "waits"),
            )  # fmt: skip
    score(made)
    aggregate(made)
    notify(made)
    yield made
    made.engine.dispose()


def report(context: Context) -> None:
    with reading(context.engine) as session:
        brand = session.exec(select(Brand)).one()
    assert reporting.make(context, brand, Week.last_complete(NOW, context.settings.zone))


def stored(context: Context) -> list[str]:
    """All that messages, reports and incidents hold, as somebody who opens the database reads it."""
    found: list[str] = []
    with reading(context.engine) as session:
        for row in session.exec(select(Outbox).order_by(col(Outbox.id))):
            envelope = alerts.message.loads(row.payload["envelope"])
            quotes = [quote.text for quote in envelope.message.quotes] if envelope.message else []
            found.append("\n".join([envelope.subject, envelope.text, envelope.html, *quotes, str(row.payload)]))
        for report in session.exec(select(Report)):
            found += [report.html, report.markdown]
        found += [str(row.data) for row in session.exec(select(Incident))]
    return [" ".join(text.split()) for text in found]


def holding(context: Context, words: str) -> int:
    return sum(words in text for text in stored(context))


def test_what_a_person_wrote_leaves_everything_that_quotes_it(context: Context) -> None:
    report(context)
    n = len(stored(context))
    assert n == 6  # two alerts, the mail of the report, its page and Markdown, the incident
    assert holding(context, "The waiter was rude") == holding(context, "a cold soup after forty minutes") == n
    assert holding(context, "reviews.example/anna") == n
    assert forget(context, author="anna", dry_run=True).n_mentions == 1
    assert holding(context, "The waiter was rude") == n
    assert forget(context, author="anna").n_mentions == 1
    for words in ("The waiter was rude", "fifty", "told us that such", "Never again", "reviews.example/anna"):
        assert holding(context, words) == 0, words
    assert holding(context, "a cold soup after forty minutes") == holding(context, "reviews.example/boris") == n
    assert holding(context, "removed") == n
    with reading(context.engine) as session:
        sent = session.exec(select(Outbox).where(Outbox.state == "sent")).one()
        envelope = outbox.envelope_of(sent)
        assert envelope is not None and list(envelope.inline.values()) == [b"a chart"]


def test_a_message_that_waits_leaves_without_the_quote(context: Context, tmp_path: Path) -> None:
    forget(context, url=address("anna"))
    before = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    context.clock = lambda: NOW + timedelta(hours=2)
    notify(context)
    left = [path.read_text("utf-8") for path in (tmp_path / "out").rglob("*") if path.is_file() and path not in before
            and path.suffix != ".png"]  # fmt: skip
    assert any("cold soup" in text for text in left) and not any("waiter" in text for text in left)


def test_what_is_sent_is_read_at_the_last_moment(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten between the look for what is due and the call: the sender holds up to a hundred messages."""
    sent: list[Envelope] = []
    find = notifying._due

    def find_and_forget(*args: Any) -> Any:
        jobs = find(*args)
        forget(context, author="anna")
        return jobs

    def carry(seconds: float, channel: Any, envelope: Envelope, **_: Any) -> Any:
        sent.append(envelope)
        raise notifying.Rejected("enough")

    monkeypatch.setattr(notifying, "_due", find_and_forget)
    monkeypatch.setattr(notifying, "_within", carry)
    context.clock = lambda: NOW + timedelta(hours=2)
    notify(context)
    assert sent and not any("waiter" in envelope.text + envelope.html for envelope in sent)


def test_old_words_go_and_with_them_their_quotes(context: Context) -> None:
    report(context)
    context.clock = lambda: BEFORE + timedelta(days=364)
    housekeep(context)
    assert holding(context, "The waiter was rude") == 6
    context.clock = lambda: BEFORE + timedelta(days=366)
    housekeep(context)
    assert holding(context, "The waiter was rude") == holding(context, "a cold soup after forty minutes") == 0


def test_what_its_site_took_away_takes_its_quotes_along(context: Context) -> None:
    report(context)
    with reading(context.engine) as session:
        source = session.exec(select(Source)).one()
    source.scraper = "site"  # what its mentions name as their origin
    gone = Batch(slice="", page_url=address(""), status=Status.OK, gone=("anna", "never seen"))
    collecting._commit(context, source, gone, 0, Matcher(context.settings.brands))
    assert holding(context, "The waiter was rude") == holding(context, "reviews.example/anna") == 0
    assert holding(context, "a cold soup after forty minutes") == 6


def test_words_of_before_an_edit_go_too(context: Context) -> None:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "site", now=NOW).id or 0
        edited = item("anna", "All is well now", at=BEFORE, author="anna", url=address("anna"))
        ingest(session, [edited], brand_id=brand_id, source_id=source_id, origin="site", now=NOW)
    assert holding(context, "The waiter was rude") == 3
    forget(context, author="anna")
    assert holding(context, "The waiter was rude") == 0


def test_messages_written_before_the_words_are_not_read(context: Context) -> None:
    """An old history of messages costs a purge nothing: only rows younger than the oldest mention are loaded."""
    with writing(context.engine) as session:
        for n in range(50):
            envelope = alerts.render.envelope(replace(opened(), dedup_key=f"old{n}"))
            outbox.put(session, envelope, channel="folder", kind="opened", now=BEFORE - timedelta(days=30))
    loaded: list[object] = []

    def see(row: Outbox, _: object) -> None:
        loaded.append(row)

    event.listen(Outbox, "load", see)
    try:
        assert purge(context, before=NOW) == 2
    finally:
        event.remove(Outbox, "load", see)
    assert 3 <= len(loaded) < 20
