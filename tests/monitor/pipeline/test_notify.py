"""Messages and a mail server that is away: for an hour, for days; by the clock of the product, with its real waits."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

import alerts.links
import alerts.render
import monitor.pipeline.notify as notifying
from alerts.channels import Channel, Receipt
from alerts.channels.email import Email
from monitor.pipeline import leaving, outbox
from monitor.pipeline.context import Context
from monitor.pipeline.notify import MAX_TRIES, notify
from monitor.store import meta, notices
from monitor.store.engine import reading, writing
from monitor.store.tables import Outbox
from tests.alerts.sample_messages import opened
from tests.alerts.smtp_server import Inbox, smtp
from tests.monitor import support
from tests.monitor.support import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with smtp("plain", tmp_path) as made:
        yield made


@pytest.fixture
def context(tmp_path: Path, inbox: Inbox) -> Iterator[Context]:
    """A store with one alert for a mail server that says "later"."""
    inbox.data_reply = "451 later"
    settings = {"host": "127.0.0.1", "port": inbox.port, "security": "plain", "sender": "a@luna.example",
                "recipients": ["b@luna.example"]}  # fmt: skip
    made = support.context(tmp_path, channels={"mail": {"kind": "email", "settings": settings}})
    with writing(made.engine) as session:
        outbox.put(session, alerts.render.envelope(opened()), channel="mail", kind="opened", now=NOW)
    yield made
    made.engine.dispose()


def pass_time(context: Context, minutes: int, *, every: int = 5) -> None:
    """What the schedule does: look now and then."""
    for _ in range(0, minutes, every):
        notify(context)
        at = context.now + every * MINUTE
        context.clock = lambda at=at: at  # type: ignore[misc]


def message(context: Context) -> Outbox:
    with reading(context.engine) as session:
        return session.exec(select(Outbox)).one()


def told(context: Context) -> list[str]:
    with reading(context.engine) as session:
        return [notice.key for notice in notices.open_notices(session)]


def test_an_hour_without_the_mail_server(context: Context, inbox: Inbox) -> None:
    pass_time(context, 60)
    row = message(context)
    assert (row.state, row.attempts) == ("pending", 5)
    assert told(context) == ["channel.mail"]  # the operator knows after the third try
    inbox.data_reply = ""
    pass_time(context, 65)
    assert message(context).state == "sent"
    assert len(inbox.mails) == 1
    assert told(context) == []


def test_who_has_left_gets_nothing_and_the_others_do(context: Context, inbox: Inbox) -> None:
    inbox.data_reply = ""
    mail = context.settings.channels["mail"]
    both = mail.model_copy(update={"settings": mail.settings | {"recipients": ["b@luna.example", "c@luna.example"]}})
    web = context.settings.web.model_copy(update={"base_url": "https://monitor.example"})
    context.settings = context.settings.model_copy(update={"channels": {"mail": both}, "web": web})
    with writing(context.engine) as session:
        assert leaving.leave(session, "mail", "B@luna.example", now=NOW)
    notify(context)
    assert inbox.recipients == [["c@luna.example"]]
    url = str(inbox.mails[0]["List-Unsubscribe"]).strip("<>")
    with writing(context.engine) as session:
        grant = alerts.links.read(url.rpartition("/")[2], secret=meta.install_key(session))
        assert grant is not None
        leaving.leave(session, grant.sent_to, grant.about, now=NOW)
        outbox.put(session, alerts.render.envelope(replace(opened(), dedup_key="next")), channel="mail", kind="opened",
                   now=NOW)  # fmt: skip
    notify(context)
    assert len(inbox.mails) == 1
    with reading(context.engine) as session:
        rows = session.exec(select(Outbox).order_by(Outbox.id)).all()  # type: ignore[arg-type]
        assert [row.state for row in rows] == ["sent", "dead"]
        assert "every recipient has unsubscribed" in rows[1].last_error
    assert told(context) == ["channel.mail"]


def test_after_ten_tries_in_a_day_the_operator_is_told(context: Context, inbox: Inbox) -> None:
    pass_time(context, 24 * 60, every=20)
    row = message(context)
    assert (row.state, row.attempts) == ("dead", MAX_TRIES)
    assert "451 later" in row.last_error
    assert told(context) == ["channel.mail"]
    inbox.data_reply = ""
    pass_time(context, 60)
    assert inbox.mails == []  # dead is dead until a person sends it again


def test_a_server_that_drips_holds_up_nobody_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes within the channel's limit, the whole never ends."""
    over, within = threading.Event(), notifying._within

    def soon(seconds: float, channel: Channel[Any], *values: Any, **named: Any) -> Receipt | None:
        return within(0.5 if isinstance(channel, Email) else seconds, channel, *values, **named)

    monkeypatch.setattr(notifying, "_within", soon)

    def drip(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            while not over.wait(0.02):
                client.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=drip, args=(listener,))
        server.start()
        slow = {"host": "127.0.0.1", "port": listener.getsockname()[1], "security": "plain",
                "sender": "a@luna.example", "recipients": ["b@luna.example"], "timeout": 5}  # fmt: skip
        box = {"directory": str(tmp_path / "outbox")}
        context = support.context(
            tmp_path, channels={"mail": {"kind": "email", "settings": slow}, "box": {"kind": "file", "settings": box}}
        )
        with writing(context.engine) as session:
            for channel in ("mail", "box"):
                outbox.put(session, alerts.render.envelope(opened()), channel=channel, kind="opened", now=NOW)
        notify(context)
        over.set()
        server.join()
    with reading(context.engine) as session:
        states = {row.channel: (row.state, row.last_error) for row in session.exec(select(Outbox))}
    assert states == {"mail": ("pending", "no end within 0 s"), "box": ("sent", "")}


def test_what_cannot_be_read_or_kills_the_process_is_given_up_and_told(context: Context, inbox: Inbox) -> None:
    inbox.data_reply = ""
    with writing(context.engine) as session:
        for n in range(2):
            envelope = replace(alerts.render.envelope(opened()), dedup_key=f"other:{n}")
            outbox.put(session, envelope, channel="mail", kind="opened", now=NOW, group="all")
        first, broken, deadly = session.exec(select(Outbox).order_by(col(Outbox.id))).all()
        broken.payload = {"envelope": "{"}
        deadly.state, deadly.attempts = "sending", MAX_TRIES
    notify(context)
    with reading(context.engine) as session:
        rows = {row.id: row for row in session.exec(select(Outbox))}
    assert rows[first.id].state == "sent" and len(inbox.mails) == 1
    assert (rows[broken.id].state, rows[broken.id].last_error) == ("dead", "the message cannot be read")
    assert rows[deadly.id].last_error == "the process died 10 times while it was sent"
    assert told(context) == ["channel.mail"]
