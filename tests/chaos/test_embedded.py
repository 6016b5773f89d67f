"""The embedded daemon, killed at random instants, beside a site, a chat and a mail server that fail."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from monitor.config import load
from monitor.store.backup import backup, restore
from monitor.store.check import verify
from monitor.store.engine import open_engine, reading
from monitor.store.tables import Outbox
from tests.chaos import account
from tests.chaos.world import nursery, world, write_config

KILLS = int(os.environ.get("MONITOR_TEST_KILLS", "4"))
SEED = int(os.environ.get("MONITOR_TEST_SEED", "20"))


def test_killed_at_random_instants(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    with (
        world(tmp_path, seed=SEED, n_items=min(400, 30 + 2 * KILLS), n_words=min(40, 3 + KILLS // 4)) as (around, port),
        nursery(tmp_path) as lives,
    ):
        config = write_config(tmp_path, around, port)
        started = time.monotonic()
        pid = lives.start("embedded", config)
        # instants from the first millisecond to a while after a whole round, however slow the machine is
        account.until(lambda: len(around.inbox.mails) > 0, 120, "the first alert")
        lives.end(pid, signal.SIGKILL)
        n_before = around.n_requests
        pid = lives.start("embedded", config)
        pace = account.until(lambda: around.n_requests > n_before, 120, "the next reading")
        lives.end(pid, signal.SIGKILL)
        for _ in range(KILLS - 2):
            pid = lives.start("embedded", config)
            time.sleep(rng.uniform(0.02, 1.2 * pace))
            assert lives.end(pid, signal.SIGKILL) == -signal.SIGKILL
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        said = f"embedded, {KILLS} kills in {time.monotonic() - started:.0f} s"
        account.end(around, lives, engine, [pid], n_kills=KILLS, said=said)
        print(f"{around.n_failures} of {around.n_requests} requests failed")


@pytest.mark.parametrize("channel", ["slack", "mail"])
def test_killed_at_the_instant_of_sending(channel: str, tmp_path: Path) -> None:
    """The channel has the message and nobody has written that down: Slack is asked, mail may come twice."""
    with world(tmp_path, seed=3, n_items=12, n_words=2) as (around, port), nursery(tmp_path) as lives:
        around.failing, around.slack_delay = False, 1.0 if channel == "slack" else 0.0
        arrived = around.slack if channel == "slack" else around.inbox.mails
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        account.until(lambda: len(arrived) > 0, 120, "a message arrives")
        lives.end(pid, signal.SIGKILL)
        around.slack_delay = 0.0
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        account.end(around, lives, engine, [pid], n_kills=1, said=f"killed while {channel} is told")


def test_a_backup_made_while_it_works_is_restored(tmp_path: Path) -> None:
    """The drill: back up the running store, lose the disk, restore, start: what came since is read again."""
    with world(tmp_path, seed=12, n_items=30, n_words=3) as (around, port), nursery(tmp_path) as lives:
        around.failing = False
        config = write_config(tmp_path, around, port)
        settings = load(config, environ={})
        store, copy = tmp_path / "data" / "monitor.sqlite", tmp_path / "copy.sqlite"
        pid = lives.start("embedded", config)
        account.until(lambda: len(around.inbox.mails) > 0, 120, "the first alert")
        assert backup(settings, copy) > 0
        n_before = len(around.items)
        account.until(lambda: len(around.items) > n_before, 120, "the site grows")
        engine = open_engine(f"sqlite:///{store}")
        account.until(lambda: account.n_mentions(engine) > n_before, 120, "more is stored than the backup holds")
        engine.dispose()
        lives.end(pid, signal.SIGKILL)
        for file in store.parent.glob("monitor.sqlite*"):
            file.unlink()
        restore(settings, copy)
        engine = open_engine(f"sqlite:///{store}")
        assert 0 < account.n_mentions(engine) <= n_before
        assert verify(engine) == []
        pid = lives.start("embedded", config)
        # mails since the backup may come again
        account.end(around, lives, engine, [pid], n_kills=around.n_words, said="restored from a backup")


def test_the_clock_is_set_forward_and_back(tmp_path: Path) -> None:
    """After every jump sources are read and alerts told as before, at once."""
    day = 86_400
    with world(tmp_path, seed=7, n_items=40, n_words=6) as (around, port), nursery(tmp_path) as lives:
        around.failing = around.growing = False
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        for seconds in (0, 3 * day, 0, -3 * day, day / 24):
            clock = tmp_path / "clock.new"
            clock.write_text(str(seconds))
            clock.rename(tmp_path / "clock")
            n_slack, n_mail = len(around.slack), len(around.inbox.mails)
            around.say()
            account.until(
                lambda n_slack=n_slack, n_mail=n_mail: len(around.slack) > n_slack and len(around.inbox.mails) > n_mail,
                120, f"an alert with the clock {seconds / day:+.1f} days off",
            )  # fmt: skip
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        around.n_items = len(around.items)
        account.end(around, lives, engine, [pid], n_kills=0, said="clock set forward and back")


@pytest.mark.skipif("MONITOR_TEST_KILLS" not in os.environ, reason="part of `make chaos`")
def test_mail_and_chat_down_for_a_while(tmp_path: Path) -> None:
    with world(tmp_path, seed=4, n_items=12, n_words=3) as (around, port), nursery(tmp_path) as lives:
        around.failing, around.slack_down = False, True
        around.inbox.data_reply = "451 later"
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        account.until(lambda: (tmp_path / "data" / "monitor.sqlite").exists(), 30, "the store is there")
        account.until(lambda: _postponed(engine) == {"mail", "slack"}, 60, "both channels fail")
        assert not around.slack and not around.inbox.mails
        around.slack_down, around.inbox.data_reply = False, ""
        account.end(around, lives, engine, [pid], n_kills=0, said="mail and chat down for a while")


def _postponed(engine: Engine) -> set[str]:
    with contextlib.suppress(OperationalError), reading(engine) as session:
        return set(session.exec(select(Outbox.channel).where(col(Outbox.attempts) >= 1, Outbox.last_error != "")))
    return set()
