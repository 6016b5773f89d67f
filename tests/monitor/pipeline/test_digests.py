"""The digest leaves once a day, to the channels that want it, and not at all where there is nothing to tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

import alerts.message
from monitor.config import validate
from monitor.errors import ConfigError
from monitor.pipeline.context import Context
from monitor.pipeline.digests import digest_due
from monitor.pipeline.notify import notify
from monitor.store.engine import reading
from monitor.store.tables import Outbox
from tests.monitor.daemon.test_clock import DUE, Clock, watched

MORNING = DUE - timedelta(hours=1)  # Monday 08:00 in Berlin


def wanting(folder: Path, clock: Clock, digest: object = True) -> Context:
    context = watched(folder, clock)
    box = context.settings.channels["box"].model_copy(update={"digest": digest})
    context.settings = context.settings.model_copy(update={"channels": {"box": box}})
    return context


def sent(context: Context) -> list[str]:
    with reading(context.engine) as session:
        return [row.dedup_key for row in session.exec(select(Outbox).where(Outbox.reason == "daily"))]


def test_once_a_day_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = Clock(MORNING - timedelta(minutes=1))
    context = wanting(tmp_path, clock)
    assert digest_due(context) == 0
    told = []
    for jump in (timedelta(0), timedelta(hours=-3), timedelta(minutes=5), timedelta(days=-2), timedelta(days=1),
                 timedelta(hours=30), timedelta(0)):  # fmt: skip
        clock.at = MORNING + jump
        told.append(digest_due(context))
    assert told == [1, 0, 0, 1, 0, 0, 1]  # two days back: a day that nobody told; the day after had no mention
    assert sent(context) == ["digest:cafe:2026-10-25:box", "digest:cafe:2026-10-23:box"]
    clock.at = MORNING
    assert notify(context).n_new == 2
    context.engine.dispose()


@pytest.mark.parametrize(("digest", "n"), [(False, 0), (("cafe",), 1), (("other",), 0)])
def test_only_where_it_is_wanted(tmp_path: Path, digest: object, n: int) -> None:
    clock = Clock(MORNING)
    context = wanting(tmp_path, clock, digest)
    assert digest_due(context) == n
    context.engine.dispose()


def test_a_chat_gets_lines_and_a_mailbox_gets_a_page(tmp_path: Path) -> None:
    clock = Clock(MORNING)
    context = wanting(tmp_path, clock)
    box = context.settings.channels["box"]
    chat = box.model_copy(update={"kind": "slack", "language": "ru"})
    context.settings = context.settings.model_copy(update={"channels": {"box": box, "chat": chat}})
    assert digest_due(context) == 1
    with reading(context.engine) as session:
        by_channel = {
            row.channel: alerts.message.loads(row.payload["envelope"]) for row in session.exec(select(Outbox))
        }
    assert "<html" in by_channel["box"].html
    assert not by_channel["chat"].html
    assert by_channel["chat"].language == "ru"
    assert "упоминани" in by_channel["chat"].text
    context.engine.dispose()


def test_a_brand_that_is_not_there_is_named() -> None:
    raw = {"brands": {"cafe": {"name": "Cafe"}}, "channels": {"box": {"kind": "file", "digest": ["caffe"]}}}
    with pytest.raises(ConfigError, match=r"channels.box.digest: 'caffe' is not a brand; allowed: cafe"):
        validate(raw, origin="test")


def test_the_zone_is_the_readers(tmp_path: Path) -> None:
    clock = Clock(datetime.fromisoformat("2026-10-26T00:30:00+01:00"))
    context = wanting(tmp_path, clock)
    assert digest_due(context) == 0
    clock.at += timedelta(hours=7, minutes=30)
    assert digest_due(context) == 1
    context.engine.dispose()
