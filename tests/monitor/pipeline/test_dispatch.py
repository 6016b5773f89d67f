"""From incidents to channels as the configuration says: messages of a brand leave together, ends only where wanted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from monitor.pipeline.notify import notify
from monitor.store.engine import writing
from monitor.store.tables import Outbox
from tests.monitor.pipeline.life import START, Life

RULES = {
    "poison": {"kind": "keywords", "words": ["poison*"], "severity": "critical"},
    "fire": {"kind": "keywords", "words": ["fire"], "severity": "critical"},
}
NOON = START + timedelta(hours=12)


def told(folder: Path, **route: Any) -> Life:
    life = Life(folder, rules=RULES, routes=[{"channels": ["folder"], **route}])
    life.feed(START, 1, lambda _: "I was poisoned", hours=(11, 11.5))
    assert life.look(NOON) == ["opened"]
    life.feed(START, 1, lambda _: "fire in the kitchen", hours=(11, 11.5))
    assert life.look(NOON + timedelta(minutes=5)) == ["opened"]
    return life


def sent(life: Life, after: timedelta) -> list[tuple[str, str]]:
    life.at = NOON + after
    notify(life.context)
    return [(row.kind, row.state) for row in life.messages()]


def test_what_opens_within_the_wait_leaves_as_one_message(tmp_path: Path) -> None:
    life = told(tmp_path, group_wait="10m")
    assert sent(life, timedelta(minutes=9)) == [("opened", "pending"), ("opened", "pending")]
    assert sent(life, timedelta(minutes=10)) == [("opened", "folded"), ("opened", "folded"), ("digest", "sent")]
    reasons = [row.reason for row in life.messages()]
    assert reasons == ["first, route 1, group_wait", "first, route 1, group_wait", "digest of 2"]


def test_after_the_first_the_next_wait_for_the_interval(tmp_path: Path) -> None:
    life = Life(tmp_path, rules=RULES, routes=[{"channels": ["folder"], "group_wait": "1m", "group_interval": "30m"}])
    life.feed(START, 1, lambda _: "I was poisoned", hours=(11, 11.5))
    life.look(NOON)
    assert sent(life, timedelta(minutes=1)) == [("opened", "sent")]
    life.feed(START, 1, lambda _: "fire in the kitchen", hours=(11, 11.5))
    life.look(NOON + timedelta(minutes=5))
    assert sent(life, timedelta(minutes=30)) == [("opened", "sent"), ("opened", "pending")]
    assert sent(life, timedelta(minutes=31)) == [("opened", "sent"), ("opened", "sent")]


def test_closing_notes_are_told_only_where_they_are_wanted(tmp_path: Path) -> None:
    for wanted in (True, False):
        life = told(tmp_path / str(wanted), group_wait="1s", group_interval="1s", ends=wanted)
        sent(life, timedelta(hours=1))
        for hours in range(12, 40):
            life.look(NOON + timedelta(hours=hours))
        assert all(row.state == "resolved" for row in life.incidents())
        kinds = [row.kind for row in life.messages()]
        assert kinds.count("resolved") == (2 if wanted else 0), kinds


def test_a_call_for_help_is_made_once_and_anew_when_the_story_comes_back(tmp_path: Path) -> None:
    life = Life(tmp_path, rules=RULES, routes=[{"channels": ["folder"], "escalate_to": ["folder"]}])

    def calls() -> int:
        return sum(row.kind == "unacknowledged" for row in life.messages())

    life.feed(START, 1, lambda _: "I was poisoned", hours=(11, 11.5))
    life.look(NOON)
    life.look(NOON + timedelta(minutes=59))
    assert calls() == 0
    for minutes in (60, 61, 62):
        life.look(NOON + timedelta(minutes=minutes))
        with writing(life.context.engine) as session:  # the channel refuses it for good
            session.execute(update(Outbox).where(col(Outbox.kind) == "unacknowledged").values(state="dead"))
    assert calls() == 1
    hours = 12
    while life.incidents()[0].state != "resolved":
        life.look(NOON + timedelta(hours=(hours := hours + 1)))
    life.feed(START, 1, lambda _: "I was poisoned again", hours=(12 + hours, 12.5 + hours))
    back = NOON + timedelta(hours=hours + 1)
    assert life.look(back) == ["reopened"]
    assert calls() == 1
    life.look(back + timedelta(hours=1))
    assert calls() == 2
