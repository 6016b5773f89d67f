"""What people do: corrections, decisions on incidents, silences, topics, sources; for pages and API alike.

Each is one short transaction with its line in the log of changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

import alerts.incident
from monitor.config import Rule
from monitor.pipeline import leaving
from monitor.pipeline.context import Context
from monitor.store import incidents, notices, suggestions
from monitor.store import rules as stored_rules
from monitor.store.buckets import recompute
from monitor.store.engine import reading, writing
from monitor.store.ingest import hour_of
from monitor.store.judgements import SENTIMENTS, correct
from monitor.store.queries import incidents as incident_queries
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import (
    Incident,
    Mention,
    Notice,
    Outbox,
    SavedView,
    Silence,
    Source,
    StoredRule,
    Topic,
    TopicSuggestion,
    TopicTag,
)
from monitor.web.accounts import audit
from monitor.web.errors import BadRequest, NotFound

MAX_BULK = 1000
LONGEST_SILENCE = timedelta(days=90)
SILENCE_KEYS = ("brand", "topic", "location", "series", "severity", "rule")
_TOPIC_KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CHUNK = 400


@dataclass(frozen=True, slots=True)
class Correcting:
    """What to change on mentions. `topics` replaces all topics, `add` and `remove` change one."""

    sentiment: str | None = None
    topics: tuple[tuple[str, str], ...] | None = None
    add: tuple[str, str] | None = None
    remove: str | None = None

    def check(self, known: Sequence[str]) -> None:
        """Raises BadRequest."""
        if self.sentiment is None and self.topics is None and self.add is None and self.remove is None:
            raise BadRequest("a correction must say a sentiment or topics")
        pairs = [*(self.topics or ()), *([self.add] if self.add else [])]
        for value in [self.sentiment, *(polarity for _, polarity in pairs)]:
            if value is not None and value not in SENTIMENTS:
                raise BadRequest(f"sentiment {value!r}: allowed: {', '.join(SENTIMENTS)}")
        for key, _ in pairs:
            if key not in known:
                raise BadRequest(f"topic {key!r}: allowed: {', '.join(known)}")


def correct_mentions(context: Context, actor: str, ids: Sequence[int], change: Correcting) -> int:
    """Correct mentions, alone or in bulk. Returns how many. Raises BadRequest, NotFound."""
    if not ids:
        raise BadRequest("no mention is chosen")
    if len(ids) > MAX_BULK:
        raise BadRequest(f"at most {MAX_BULK} mentions at once")
    now, n = context.now, 0
    with writing(context.engine) as session:
        change.check(tuple(in_force(session).topics))
        touched: dict[int, set[datetime]] = {}
        for start in range(0, len(ids), _CHUNK):
            found = session.exec(select(Mention).where(col(Mention.id).in_(list(ids[start : start + _CHUNK])))).all()
            for mention in found:
                correct(session, mention, actor=actor, now=now, sentiment=change.sentiment,
                        topics=_topics(session, mention, change))  # fmt: skip
                touched.setdefault(mention.brand_id, set()).add(hour_of(mention.published_at))
                n += 1
        if n == 0:
            raise NotFound("there is no such mention")
        session.flush()
        for brand_id, hours in touched.items():  # people must see at once what they did; the daemon does the same later
            for start in range(0, len(hours), 200):
                recompute(session, brand_id, sorted(hours)[start : start + 200])
        audit(session, actor, "mention.corrected", str(ids[0]) if len(ids) == 1 else "", now=now, n=n,
              sentiment=change.sentiment, topics=[list(pair) for pair in change.topics] if change.topics else None,
              add=list(change.add) if change.add else None, remove=change.remove)  # fmt: skip
    return n


def _topics(session: Session, mention: Mention, change: Correcting) -> list[tuple[str, str]] | None:
    if change.topics is not None:
        return list(dict(change.topics).items())
    if change.add is None and change.remove is None:
        return None
    rows = session.exec(select(TopicTag).where(TopicTag.mention_id == mention.id))
    current = {row.topic: row.sentiment for row in rows}
    if change.add is not None:
        current[change.add[0]] = change.add[1]
    if change.remove is not None:
        current.pop(change.remove, None)
    return list(current.items())


# ---- incidents


def decide(context: Context, actor: str, uid: str, action: str, *, note: str = "") -> Incident:
    """acknowledge, resolve, confirm, reject or comment. Raises BadRequest, NotFound."""
    steps: dict[str, tuple[Any, str, str]] = {
        "acknowledge": (alerts.incident.acknowledge, "acknowledged", "incident.acknowledged"),
        "resolve": (alerts.incident.resolve, "resolved_by_hand", "incident.resolved"),
        "confirm": (alerts.incident.confirm, "confirmed", "incident.confirmed"),
        "reject": (alerts.incident.reject, "rejected", "incident.rejected"),
        "comment": (None, "comment", "incident.commented"),
    }
    if action not in steps:
        raise BadRequest(f"action {action!r}: allowed: {', '.join(steps)}")
    note = note.strip()
    if action == "comment" and not note:
        raise BadRequest("a comment needs words")
    if len(note) > 4000:
        raise BadRequest("a note has at most 4000 characters")
    now = context.now
    step, kind, name = steps[action]
    with writing(context.engine) as session:
        row = incident_queries.by_uid(session, uid)
        if row is None:
            raise NotFound(f"there is no incident {uid!r}")
        changed = True
        if step is not None:
            old = incidents.value_of(row)
            new = step(old, now=now, by=actor)
            changed = new != old
            if changed:
                incidents.store(session, new, brand_id=row.brand_id, row=row)
        if changed or note:
            incidents.record(session, row, kind if changed else "comment", at=now, actor=actor, note=note)
            audit(session, actor, name, uid, now=now)
        session.flush()
        session.expunge(row)
    return row


def add_silence(context: Context, actor: str, matchers: dict[str, str], *, hours: float, note: str = "") -> int:
    """Mute what matches all of these for some hours. Returns its id. Raises BadRequest."""
    kept = {key: value.strip() for key, value in matchers.items() if value.strip()}
    for key in kept:
        if key not in SILENCE_KEYS:
            raise BadRequest(f"silence: {key!r}: allowed: {', '.join(SILENCE_KEYS)}")
    if not kept:
        raise BadRequest("a silence must name at least a brand: it would mute everything")
    if not 0 < hours <= LONGEST_SILENCE.total_seconds() / 3600:
        raise BadRequest(f"a silence ends after at most {LONGEST_SILENCE.days} days")
    now = context.now
    with writing(context.engine) as session:
        row = Silence(matchers=kept, starts_at=now, ends_at=now + timedelta(hours=hours), actor=actor, note=note[:1000])
        session.add(row)
        session.flush()
        audit(session, actor, "silence.added", str(row.id), now=now, hours=hours, **kept)
        return row.id or 0


def end_silence(context: Context, actor: str, silence_id: int) -> None:
    """Raises NotFound."""
    now = context.now
    with writing(context.engine) as session:
        row = session.get(Silence, silence_id)
        if row is None:
            raise NotFound(f"there is no silence {silence_id}")
        if row.ends_at > now:
            row.ends_at = now
            session.add(row)
            incidents.owe_now(session, now=now)
            audit(session, actor, "silence.ended", str(silence_id), now=now)


# ---- rules


def save_rule(context: Context, actor: str, name: str, rule: Rule) -> None:
    """Put a plain rule in force, under a name that the configuration does not use. Raises BadRequest."""
    name = name.strip().lower()
    if not _TOPIC_KEY.fullmatch(name):
        raise BadRequest(f"rule name {name[:60]!r}: 2 to 40 small Latin letters, digits and _, a letter first")
    if name in context.settings.rules:
        raise BadRequest(f"rule {name!r} stands in the configuration; change it there, or give this one another name")
    if rule.brand is not None and rule.brand not in context.settings.brands:
        raise BadRequest(f"brand {rule.brand!r}: allowed: {', '.join(context.settings.brands) or 'none yet'}")
    now = context.now
    with writing(context.engine) as session:
        stored_rules.save(session, name, rule, now=now, actor=actor)
        audit(session, actor, "rule.saved", name, now=now, kind=rule.kind)


def steer_rule(context: Context, actor: str, name: str, action: str) -> None:
    """on, off or delete a rule of the dashboard. Raises BadRequest, NotFound."""
    if action not in {"on", "off", "delete"}:
        raise BadRequest(f"action {action!r}: allowed: on, off, delete")
    now = context.now
    with writing(context.engine) as session:
        row = session.get(StoredRule, name)
        if row is None:
            raise NotFound(f"there is no rule {name!r} in the dashboard")
        if action == "delete":
            session.delete(row)
        else:
            row.active, row.changed_at, row.actor = action == "on", now, actor
            session.add(row)
        audit(session, actor, {"on": "rule.resumed", "off": "rule.paused", "delete": "rule.deleted"}[action], name,
              now=now)  # fmt: skip


# ---- topics


def decide_suggestion(
    context: Context, actor: str, suggestion_id: int, *, key: str = "", name: str = "", stage: str = "",
    experience: str = "", keywords: Sequence[str] = (),
) -> str:  # fmt: skip
    """Make a topic of a suggestion (`key` and `name`), add its words to a topic there is (`key` alone), or dismiss it.

    Returns the key of the topic. Raises BadRequest, NotFound.
    """
    now = context.now
    with reading(context.engine) as session:
        row = session.get(TopicSuggestion, suggestion_id)
        if row is None or row.state != "open":
            raise NotFound(f"there is no open suggestion {suggestion_id}")
        taxonomy = in_force(session)
        quotes = [mention.text[:500] for mention in suggestions.quotes(session, row)]
        own = list(row.keywords)
    key = key.strip().lower()
    if key:
        known = taxonomy.topics.get(key)
        if known is None and not name.strip():
            raise BadRequest("a new topic needs a name")
        language = context.settings.language
        words = [word for word in keywords if word.strip()] or own
        edit_topic(
            context, actor, key,
            names={language: name} if known is None else dict(known.names),
            keywords=list(dict.fromkeys([*(known.keywords if known else ()), *words])),
            examples=list(dict.fromkeys([*(known.examples if known else ()), *quotes])),
            stage=stage or (known.stage if known else "use"),
            touchpoint=known.touchpoint.get(language, "") if known else "",
            experience=experience or (known.experience if known else ""), active=True,
        )  # fmt: skip
    with writing(context.engine) as session:
        row = session.get(TopicSuggestion, suggestion_id)
        if row is None:
            raise NotFound(f"there is no open suggestion {suggestion_id}")
        row.state, row.topic, row.decided_at, row.actor = "accepted" if key else "dismissed", key, now, actor
        session.add(row)
        audit(session, actor, f"suggestion.{row.state}", row.key, now=now)
    return key


def edit_topic(
    context: Context,
    actor: str,
    key: str,
    *,
    names: dict[str, str],
    keywords: Sequence[str],
    examples: Sequence[str],
    stage: str,
    touchpoint: str,
    experience: str,
    active: bool,
) -> None:
    """Write a topic over the built-in one, or make a new one. Raises BadRequest."""
    key = key.strip().lower()
    if not _TOPIC_KEY.fullmatch(key):
        raise BadRequest(f"topic key {key!r}: 2 to 40 small Latin letters, digits and _, a letter first")
    now = context.now
    with writing(context.engine) as session:
        taxonomy = in_force(session)
        if stage not in taxonomy.stages:
            raise BadRequest(f"stage {stage!r}: allowed: {', '.join(taxonomy.stages)}")
        if experience and experience not in taxonomy.experiences:
            raise BadRequest(f"experience {experience!r}: allowed: {', '.join(taxonomy.experiences)}")
        known = taxonomy.topics.get(key)
        kept = {language: name.strip()[:80] for language, name in names.items() if name.strip()}
        if known is None and not kept:
            raise BadRequest("a new topic needs a name")
        row = session.get(Topic, key) or Topic(key=key, custom=known is None)
        row.names, row.stage, row.experience, row.active = kept, stage, experience, active
        row.touchpoint = touchpoint.strip()[:120]
        row.keywords = [word.strip()[:80] for word in keywords if word.strip()][:200]
        row.examples = [text.strip()[:500] for text in examples if text.strip()][:100]
        session.add(row)
        audit(session, actor, "topic.edited", key, now=now)


def map_topic(context: Context, actor: str, key: str, *, stage: str, touchpoint: str, experience: str) -> None:
    """Move a topic on the journey: its stage, touchpoint and kind of experience; all else stays.

    An empty touchpoint is the built-in one. Raises BadRequest, NotFound.
    """
    now = context.now
    with writing(context.engine) as session:
        taxonomy = in_force(session)
        if key not in taxonomy.topics:
            raise NotFound(f"there is no topic {key!r}")
        if stage not in taxonomy.stages:
            raise BadRequest(f"stage {stage!r}: allowed: {', '.join(taxonomy.stages)}")
        if experience not in taxonomy.experiences:
            raise BadRequest(f"experience {experience!r}: allowed: {', '.join(taxonomy.experiences)}")
        row = session.get(Topic, key) or Topic(key=key)
        row.stage, row.experience, row.touchpoint = stage, experience, touchpoint.strip()[:120]
        session.add(row)
        audit(session, actor, "topic.mapped", key, now=now, stage=stage, experience=experience)


def reset_topic(context: Context, actor: str, key: str) -> None:
    """Back to the built-in topic; a topic people made goes. Raises NotFound."""
    with writing(context.engine) as session:
        row = session.get(Topic, key)
        if row is None:
            raise NotFound(f"topic {key!r} was not edited")
        session.delete(row)
        audit(session, actor, "topic.reset", key, now=context.now)


# ---- views


def save_view(context: Context, actor: str, user_id: int, name: str, query: str, *, shared: bool) -> int:
    """Keep a filter under a name; the same name again replaces it. Raises BadRequest."""
    name = name.strip()[:80]
    if not name:
        raise BadRequest("a view needs a name")
    if len(query) > 4000:
        raise BadRequest("the filter of this view is too long")
    with writing(context.engine) as session:
        row = session.exec(select(SavedView).where(SavedView.user_id == user_id, SavedView.name == name)).first()
        row = row or SavedView(user_id=user_id, name=name)
        row.query, row.shared = query.lstrip("?"), shared
        session.add(row)
        session.flush()
        audit(session, actor, "view.saved", name, now=context.now)
        return row.id or 0


def delete_view(context: Context, actor: str, user_id: int, view_id: int) -> None:
    """Raises NotFound for a view that is not one's own."""
    with writing(context.engine) as session:
        row = session.get(SavedView, view_id)
        if row is None or row.user_id != user_id:
            raise NotFound(f"you have no view {view_id}")
        session.delete(row)
        audit(session, actor, "view.deleted", row.name, now=context.now)


# ---- operations


def steer_source(context: Context, actor: str, slug: str, action: str, *, hours: float = 24) -> None:
    """pause, resume, or read now. Raises BadRequest, NotFound."""
    now = context.now
    if not 0 < hours <= 24 * 90:
        raise BadRequest("a pause lasts at most 90 days")
    with writing(context.engine) as session:
        row = session.exec(select(Source).where(Source.slug == slug)).first()
        if row is None:
            raise NotFound(f"there is no source {slug!r}")
        if action == "pause":
            row.paused_until = now + timedelta(hours=hours)
            audit(session, actor, "source.paused", slug, now=now, hours=hours)
        elif action == "resume":
            row.paused_until = None
            audit(session, actor, "source.resumed", slug, now=now)
        elif action == "now" and row.next_due_at is None:
            raise BadRequest(f"{slug} is not read: what comes to it is sent or imported")
        elif action == "now":
            row.paused_until, row.next_due_at = None, now
            audit(session, actor, "source.due", slug, now=now)
        else:
            raise BadRequest(f"action {action!r}: allowed: pause, resume, now")
        session.add(row)


def retry_message(context: Context, actor: str, outbox_id: int) -> None:
    """Try a message that was given up once more. Raises NotFound."""
    now = context.now
    with writing(context.engine) as session:
        changed = session.execute(
            update(Outbox)
            .where(col(Outbox.id) == outbox_id, col(Outbox.state) == "dead")
            .values(state="pending", attempts=0, next_try_at=now)
        )
        if changed.rowcount == 0:
            raise NotFound(f"message {outbox_id} was not given up")
        audit(session, actor, "outbox.retried", str(outbox_id), now=now)


def subscribe(context: Context, actor: str, channel: str, address: str, *, wanted: bool) -> None:
    """Leave one recipient of a channel out from now on, or send to it again."""
    now = context.now
    with writing(context.engine) as session:
        if wanted:
            changed = leaving.come_back(session, channel, address)
        else:
            changed = leaving.leave(session, channel, address, now=now)
        if changed:
            audit(session, actor, "recipient.returned" if wanted else "recipient.left", channel, now=now,
                  address=address)  # fmt: skip


def close_notice(context: Context, actor: str, notice_id: int) -> None:
    """Raises NotFound."""
    with writing(context.engine) as session:
        row = session.get(Notice, notice_id)
        if row is None:
            raise NotFound(f"there is no notice {notice_id}")
        notices.close(session, row.key, now=context.now)
        audit(session, actor, "notice.closed", row.key, now=context.now)
