"""The feed: mentions of a selection page by page, with topics, copies, thread and corrections."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from monitor.store.queries.chosen import Chosen, chosen
from monitor.store.queries.selection import Selection, mention_conditions, sentiment_about
from monitor.store.tables import Correction, Judgement, Mention, Revision, TopicTag

COUNT_LIMIT = 10_000  # a feed is not read further: counting beyond costs more than it tells
_LATEST = timedelta(days=3)  # looked at first: of a busy brand more than a feed shows, and each part before is larger


class BadCursor(ValueError):
    """A cursor that this feed did not give."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A mention with what stands beside it in the feed."""

    mention: Mention
    topics: tuple[TopicTag, ...] = ()
    n_cluster: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the feed, newest first; `next_cursor` leads to the older one."""

    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything known about one mention."""

    entry: Entry
    thread: tuple[Mention, ...] = ()
    copies: tuple[Mention, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    corrections: tuple[Correction, ...] = ()
    revisions: tuple[Revision, ...] = field(default=())


def page(session: Session, selection: Selection, *, cursor: str | None = None, limit: int = 25) -> Page:
    """One page, newest first. Raises BadCursor."""
    after = _decode(cursor) if cursor else None
    newest: list[int] = []
    latest = selection if after is None else dataclasses.replace(
        selection, end=max(selection.start, min(selection.end, after[0] + timedelta(hours=1)))
    )  # fmt: skip
    for part in _backwards(latest):
        if (held := _held(session, part)) is None:
            break
        newest += held.newest(part, limit + 1 - len(newest), after=after)
        if len(newest) > limit or part.start == selection.start:
            return _page(session, newest, limit)
    about = sentiment_about(selection.topics) if selection.topics else None
    statement = select(Mention)
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    conditions = mention_conditions(session, selection, about=about)
    if after:
        at, last = after
        conditions.append(
            or_(col(Mention.published_at) < at, and_(col(Mention.published_at) == at, col(Mention.id) < last))
        )
    found = session.exec(
        statement.where(*conditions).order_by(col(Mention.published_at).desc(), col(Mention.id).desc()).limit(limit + 1)
    ).all()
    return _page_of(session, found, limit)


def _held(session: Session, selection: Selection) -> Chosen | None:
    """The selection in the sheets, where it is one that the rows' own order does not find at once."""
    everything = Selection(selection.brand_id, selection.start, selection.end)
    return None if selection == everything else chosen(session, selection, before=False)


def _backwards(selection: Selection) -> Iterator[Selection]:
    """A selection in parts that grow, the latest first: where much is found the older ones need not be looked at."""
    end, length = selection.end, _LATEST
    while end - length > selection.start:
        yield dataclasses.replace(selection, start=end - length, end=end)
        end, length = end - length, 3 * length
    yield dataclasses.replace(selection, end=end)


def _page(session: Session, newest: Sequence[int], limit: int) -> Page:
    rows = {row.id: row for row in session.exec(select(Mention).where(col(Mention.id).in_(newest)))}
    return _page_of(session, [rows[number] for number in newest if number in rows], limit)


def _page_of(session: Session, found: Sequence[Mention], limit: int) -> Page:
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        tuple(entries(session, shown)), _encode(shown[-1].published_at, shown[-1].id or 0) if more and shown else None
    )


def entries(session: Session, mentions: Sequence[Mention]) -> list[Entry]:
    """Topics and cluster sizes for these mentions, in their order."""
    ids = [mention.id for mention in mentions]
    tags: dict[int, list[TopicTag]] = {}
    if ids:
        for tag in session.exec(
            select(TopicTag).where(col(TopicTag.mention_id).in_(ids)).order_by(col(TopicTag.p).desc())
        ):
            tags.setdefault(tag.mention_id, []).append(tag)
    clusters = {mention.cluster_id for mention in mentions if mention.cluster_id is not None}
    sizes: dict[int, int] = {}
    if clusters:
        counted = session.exec(
            select(Mention.cluster_id, func.count())
            .where(col(Mention.cluster_id).in_(clusters))
            .group_by(col(Mention.cluster_id))
        )
        sizes = {cluster: n for cluster, n in counted if cluster is not None}
    return [
        Entry(
            mention,
            tuple(tags.get(mention.id or 0, ())),
            sizes.get(mention.cluster_id, 1) if mention.cluster_id is not None else 1,
        )
        for mention in mentions
    ]


def count(session: Session, selection: Selection, *, limit: int = COUNT_LIMIT) -> int:
    """How many mentions, counted no further than `limit` + 1."""
    n = 0
    for part in _backwards(selection):
        if (held := _held(session, part)) is None:
            break
        n += held.n(part)
        if n > limit or part.start == selection.start:
            return min(limit + 1, n)
    about = sentiment_about(selection.topics) if selection.topics else None
    statement = select(col(Mention.id))
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    inner = statement.where(*mention_conditions(session, selection, about=about)).limit(limit + 1).subquery()
    return int(session.exec(select(func.count()).select_from(inner)).one())


def ids(session: Session, selection: Selection, *, limit: int) -> list[int]:
    """Ids of the selection, newest first, for bulk corrections and exports."""
    about = sentiment_about(selection.topics) if selection.topics else None
    statement = select(col(Mention.id))
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    found = session.exec(
        statement.where(*mention_conditions(session, selection, about=about))
        .order_by(col(Mention.published_at).desc(), col(Mention.id).desc())
        .limit(limit)
    )
    return [int(number) for number in found if number is not None]


def whole(session: Session, mention_id: int) -> Whole | None:
    """A mention with its thread, copies, judgements, corrections and former words."""
    mention = session.get(Mention, mention_id)
    if mention is None:
        return None
    related = [mention.external_id] + ([mention.parent_id] if mention.parent_id else [])
    near = (Mention.brand_id == mention.brand_id, Mention.origin == mention.origin, Mention.id != mention.id)
    thread = [
        one
        for found in (col(Mention.external_id).in_(related[1:]), col(Mention.parent_id).in_(related))  # an index each
        for one in session.exec(select(Mention).where(*near, found).order_by(col(Mention.published_at)).limit(50))
    ]
    thread = sorted({one.id: one for one in thread}.values(), key=lambda one: one.published_at)[:50]
    copies: Sequence[Mention] = ()
    if mention.cluster_id is not None:
        copies = session.exec(
            select(Mention)
            .where(Mention.cluster_id == mention.cluster_id, Mention.id != mention.id)
            .order_by(col(Mention.published_at))
            .limit(50)
        ).all()
    return Whole(
        entries(session, [mention])[0],
        tuple(thread),
        tuple(copies),
        tuple(session.exec(select(Judgement).where(Judgement.mention_id == mention_id).order_by(col(Judgement.id)))),
        tuple(session.exec(select(Correction).where(Correction.mention_id == mention_id).order_by(col(Correction.id)))),
        tuple(session.exec(select(Revision).where(Revision.mention_id == mention_id).order_by(col(Revision.id)))),
    )


def _encode(at: datetime, last: int) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{last}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, int]:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, last = plain.partition("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or abs(int(last)) > 2**62:
            raise ValueError("no zone")
        return moment, int(last)
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise BadCursor(f"cursor {cursor[:80]!r} is not one of this feed") from error
