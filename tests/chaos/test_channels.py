"""Mail and chat that refuse, fall silent, hang up, or take a message and never say so: everybody is told in the end."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import func, select

from monitor.store.engine import open_engine, reading
from monitor.store.tables import Outbox
from tests.chaos import account
from tests.chaos.wire import MODES, wire
from tests.chaos.world import nursery, world, write_config

FAULTS = [mode for mode in MODES if mode != "pass"]


def test_every_way_a_dialogue_breaks(tmp_path: Path) -> None:
    with (
        world(tmp_path, seed=8, n_items=8, n_words=1 + len(FAULTS)) as (around, port),
        wire(around.inbox.port, cut_after=b"\r\n.\r\n") as mail,
        wire(port, cut_after=b'"metadata"') as slack,
        nursery(tmp_path) as lives,
    ):
        around.failing = around.growing = False
        config = write_config(tmp_path, around, port, mail_port=mail.port, slack_port=slack.port, timeout=0.5)
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        around.say()
        account.until(lambda: len(around.slack) == 1 and len(around.inbox.mails) == 1, 120, "the first alert")
        for mode in FAULTS:
            mail.mode = slack.mode = mode
            around.say()
            if mode == "cut_answer":  # Slack is asked and knows the message: that is over before it can be seen
                account.until(lambda: mail.n_cut > 0 and slack.n_cut > 0, 120, "both channels lose an answer")
            else:
                account.until(lambda: _failed(engine) == {"mail", "slack"}, 120, f"both channels {mode}")
            mail.mode = slack.mode = "pass"
            account.until(lambda: account.settled(engine, around), 120, f"everything is told after {mode}")
        around.n_items = len(around.items)
        # a mail that was taken without a word may come twice
        account.end(around, lives, engine, [pid], n_kills=mail.n_cut, said=f"channels {', '.join(FAULTS)}")


def _failed(engine: Engine) -> set[str]:
    """Channels with a message on its way that was tried and failed."""
    with reading(engine) as session:
        waiting = select(Outbox.channel).where(Outbox.state == "pending", Outbox.last_error != "", Outbox.attempts > 0)
        newest = select(func.max(Outbox.incident_id)).scalar_subquery()
        return set(session.exec(waiting.where(Outbox.incident_id == newest)))
