"""The account after the chaos: what the world gave and got, against what the store holds."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func, text
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from alerts.channels.email import message_id
from monitor.store import notices
from monitor.store.check import verify
from monitor.store.engine import reading
from monitor.store.tables import Incident, IncidentEvent, Judgement, Mention, Outbox, TouchedHour
from tests.chaos.world import Nursery, World


@dataclass(frozen=True)
class Account:
    """Figures of one run; everything that must be nothing is checked by `check`."""

    n_mentions: int
    n_lost: int
    n_doubled: int
    n_unjudged: int
    n_marked: int
    n_incidents: int
    n_unheard: int
    n_slack_twice: int
    n_mail_twice: int

    def line(self) -> str:
        return (
            f"{self.n_mentions} mentions, {self.n_lost} lost, {self.n_doubled} doubled, {self.n_unjudged} unjudged, "
            f"{self.n_marked} marked; {self.n_incidents} incidents, {self.n_unheard} not told; "
            f"sent twice: {self.n_slack_twice} Slack, {self.n_mail_twice} mail"
        )


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something; how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - started


def settled(engine: Engine, world: World) -> bool:
    """Whether everything the site shows was taken, judged, counted, and every message has left."""
    with reading(engine) as session:
        n = session.exec(select(func.count()).select_from(Mention).where(Mention.score_state != "new")).one()
        waiting = session.exec(
            select(func.count()).select_from(Outbox).where(col(Outbox.state).in_(["pending", "sending"]))
        ).one()
        touched = session.exec(select(func.count()).select_from(TouchedHour)).one()
        told = session.exec(select(func.count()).select_from(Incident)).one()
    return n >= len(world.items) and not waiting and not touched and told >= len(world.words_out)


def end(around: World, lives: Nursery, engine: Engine, running: Sequence[int], *, n_kills: int, said: str) -> Account:
    """How every trial ends: the site grows up, all is done, the lives end in order, and the account is drawn.

    There is no limit on how long it takes, only on how long nothing moves: machines differ, and load too.
    """
    moved_at, seen = time.monotonic(), (0, 0)
    until(lambda: n_done(engine) > 0, 300, "the store is made and filled")
    calm_since = None  # detection follows the counting: what it finds last is to be told, too
    while calm_since is None or time.monotonic() - calm_since < 2:
        if len(around.items) < around.n_items or not settled(engine, around):
            calm_since = None
        elif calm_since is None:
            calm_since = time.monotonic()
        now = (len(around.items), n_done(engine))
        if now != seen:
            moved_at, seen = time.monotonic(), now
        assert time.monotonic() - moved_at < 300, f"nothing moved for 300 s: {now} of {around.n_items} items, done"
        time.sleep(0.2)
    for pid in running:
        assert lives.end(pid, signal.SIGTERM) == 0
    found = take(engine, around)
    engine.dispose()
    print(f"\n{said}: {found.line()}")
    check(found, n_kills=n_kills)
    return found


def n_done(engine: Engine) -> int:
    """Mentions kept and messages sent; none while the store is not made yet (a disk that failed may have lost it)."""
    with contextlib.suppress(OperationalError), reading(engine) as session:
        sent = session.exec(select(func.count()).select_from(Outbox).where(Outbox.state == "sent")).one()
        return sent + n_mentions(engine)
    return 0


def n_mentions(engine: Engine) -> int:
    with reading(engine) as session:
        return session.exec(select(func.count()).select_from(Mention)).one()


def told(engine: Engine, key: str) -> bool:
    """Whether the operator has an open notice of this key."""
    with contextlib.suppress(OperationalError), reading(engine) as session:
        return key in {notice.key for notice in notices.open_notices(session)}
    return False


def take(engine: Engine, world: World) -> Account:
    assert verify(engine) == []
    with reading(engine) as session:
        found = [*session.exec(select(Mention.external_id))]
        shown = {guid for guid, _, _ in world.items}
        unjudged = session.exec(select(func.count()).select_from(Mention).where(Mention.score_state == "new")).one()
        marked = session.exec(select(func.count()).select_from(Mention).where(Mention.score_state == "failed")).one()
        judgements = session.exec(select(func.count()).select_from(Judgement)).one()
        incidents = session.exec(select(Incident)).all()
        messages = session.exec(select(Outbox)).all()
        numbers = session.execute(
            text("SELECT incident_id, count(*), max(number) FROM incident_event GROUP BY incident_id")
        ).all()
        n_opened = session.exec(
            select(func.count()).select_from(IncidentEvent).where(IncidentEvent.kind == "opened")
        ).one()
    assert judgements == len(found)
    assert {row.state for row in messages} <= {"sent", "folded"}
    assert all(n == last for _, n, last in numbers)
    by_rule = [incident for incident in incidents if incident.rule]
    assert sorted(incident.rule for incident in by_rule) == sorted(f"word{n}" for n in world.words_out)
    assert n_opened == len(incidents)
    slack, mail = world.slack_keys(), world.mail_ids()
    unheard = 0
    for channel in ("mail", "slack"):
        heard = set(slack) if channel == "slack" else None
        rows = [row for row in messages if row.channel == channel]
        opened = {row.incident_id: row for row in rows if row.kind == "opened"}
        unheard += len({incident.id for incident in incidents} - set(opened))
        in_digests = 0
        for row in rows:
            key = row.dedup_key.rsplit(":", 1)[0]
            arrived = key in heard if heard is not None else message_id(key, domain="luna.example") in mail
            unheard += row.state == "sent" and not arrived
            if row.kind == "digest" and arrived:
                in_digests += int(row.reason.removeprefix("digest of "))
        unheard += sum(row.state == "folded" for row in rows) - in_digests
    return Account(
        n_mentions=len(set(found)), n_lost=len(shown - set(found)), n_doubled=len(found) - len(set(found)),
        n_unjudged=unjudged, n_marked=marked, n_incidents=len(incidents), n_unheard=unheard,
        n_slack_twice=slack.total() - len(slack), n_mail_twice=mail.total() - len(mail),
    )  # fmt: skip


def check(account: Account, *, n_kills: int) -> None:
    """Nothing lost, nothing doubled, everybody told; a message twice only where a kill hit the send."""
    nothing = (account.n_lost, account.n_doubled, account.n_unjudged, account.n_marked, account.n_unheard)
    assert nothing == (0, 0, 0, 0, 0), account.line()
    assert account.n_slack_twice == 0, account.line()  # it can be asked
    assert account.n_mail_twice <= n_kills, account.line()
