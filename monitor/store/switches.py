"""Topics that are switched off, in the taxonomy or by the configuration: an app has no food, a bank no packaging.

A topic that is off marks no mention, so that nothing counts, shows or alarms about it. What a model said is kept in its
judgements: mentions lose the topic in slices, and get it back in slices when it is switched on. What a person said of a
mention stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import String, cast, delete, insert
from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.engine import exclusive
from monitor.store.ingest import touch_all
from monitor.store.tables import Judgement, Mention, Topic, TopicTag

CONFIGURED, FOLLOWED = "without_topics", "topics_followed"
SLICE = 2_000  # mentions that are changed in one transaction
_SCANNED = 20_000  # numbers of judgements that are looked through at once


def configure(session: Session, topics: Iterable[str]) -> None:
    """Remember which topics the configuration switches off."""
    wanted = json.dumps(sorted(set(topics)))
    if wanted != (meta.get(session, CONFIGURED) or "[]"):
        meta.put(session, CONFIGURED, wanted)


def configured(session: Session) -> frozenset[str]:
    """Topics that the configuration switches off: no page can switch them on."""
    return frozenset(json.loads(meta.get(session, CONFIGURED) or "[]"))


def off(session: Session) -> frozenset[str]:
    """Topics that are switched off."""
    return configured(session) | set(session.exec(select(Topic.key).where(col(Topic.active).is_(False))))


def switched(session: Session) -> frozenset[str]:
    """Topics that mentions may lack, or still have, whatever their model said: off, or not followed to the end yet."""
    state = _followed(session)
    return off(session) | set(state["off"]) | set(state["back"])


def follow(session: Session) -> bool:
    """Bring one slice of the mentions in step with the switches; whether there is more to do."""
    now_off = off(session)
    if not now_off and meta.get(session, FOLLOWED) is None:
        return False
    exclusive(session, FOLLOWED)  # judges on several hosts do this
    state = _followed(session)
    back = {key: after for key, after in state["back"].items() if key not in now_off}
    back.update({key: 0 for key in state["off"] if key not in now_off})
    n_taken = _take(session, now_off) if now_off else 0
    if n_taken < SLICE and back:
        key = min(back)
        after = _give(session, key, after=back.pop(key))
        if after is not None:
            back[key] = after
    following = {"off": sorted(now_off), "back": back}
    if following != state:
        meta.put(session, FOLLOWED, json.dumps(following))
    return n_taken == SLICE or bool(back)


def _followed(session: Session) -> dict[str, Any]:
    """Topics that mentions have lost, and after which judgement those go on that they get back."""
    return json.loads(meta.get(session, FOLLOWED) or '{"off": [], "back": {}}')


def _take(session: Session, topics: frozenset[str]) -> int:
    rows = session.execute(
        select(Mention.id, Mention.brand_id, Mention.published_at)
        .where(
            col(Mention.id).in_(select(TopicTag.mention_id).where(col(TopicTag.topic).in_(topics))),
            col(Mention.corrected).is_(False),
        )
        .order_by(col(Mention.id))
        .limit(SLICE)
        .with_for_update()
    ).all()
    ids = [row.id for row in rows]
    session.execute(delete(TopicTag).where(col(TopicTag.mention_id).in_(ids), col(TopicTag.topic).in_(topics)))
    touch_all(session, ((row.brand_id, row.published_at) for row in rows))
    return len(rows)


def _give(session: Session, topic: str, *, after: int) -> int | None:
    """Mark mentions by their judgements in force; the number after which to go on, None where all were looked through.

    Only where the mention does not have the topic yet: the model may have judged it since.
    """
    upto = after + _SCANNED
    rows = session.execute(
        select(Mention.id, Mention.brand_id, Mention.published_at, Judgement.topics)
        .join(Judgement, (col(Judgement.mention_id) == Mention.id) & (col(Judgement.model) == Mention.model))
        .where(
            col(Judgement.id) > after, col(Judgement.id) <= upto,
            cast(Judgement.topics, String).contains(json.dumps(topic)),
            col(Mention.corrected).is_(False),
            col(Mention.id).not_in(select(TopicTag.mention_id).where(TopicTag.topic == topic)),
        )
        .order_by(col(Mention.id))
        .with_for_update(of=Mention)
    ).all()  # fmt: skip
    tags = [{"mention_id": row.id, **tag} for row in rows for tag in row.topics if tag["topic"] == topic]
    if tags:
        session.execute(insert(TopicTag), tags)
    touch_all(session, ((row.brand_id, row.published_at) for row in rows))
    return upto if session.exec(select(Judgement.id).where(col(Judgement.id) > upto).limit(1)).first() else None
