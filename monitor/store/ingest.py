"""Items into mentions: which are new, edited or copies; rows and touched hours in the caller's transaction."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, text
from sqlmodel import Session, col, select

from monitor.store import copies, meta, months
from monitor.store.search import searchable
from monitor.store.tables import Mention, Revision, TouchedHour

if TYPE_CHECKING:
    from scrapers.item import Item

MAX_TEXT = 20_000  # characters kept of one text; what is longer is an article, and its head says what it is about
GONE = "gone_at_source"  # flag of a mention that its site took away; what a person or the law erased never has it
BACK_AFTER = timedelta(days=1)  # a late or cached page does not bring back what is gone; a page of the next day does
_CHUNK = 400


@dataclass(slots=True)
class Ingested:
    """Counts of one call, and the ids that are new."""

    n_seen: int = 0
    n_new: int = 0
    n_edited: int = 0
    n_copies: int = 0
    n_elsewhere: int = 0  # of a source of several brands: what speaks of none of them
    new_ids: list[int] = field(default_factory=list)


def content_hash(item: Item) -> str:
    """Changes when anything a reader would notice changes: title, text, rating, reply, hidden or deleted marks."""
    reply = item.reply.text if item.reply else ""
    marks = ",".join(sorted(item.flags & {"hidden", "deleted"}))
    whole = "\x1f".join([item.title or "", item.text, str(item.rating or ""), reply, marks])
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:32]


def ingest(
    session: Session,
    items: Iterable[Item],
    *,
    brand_id: int,
    source_id: int,
    origin: str,
    now: datetime,
    location: str = "",
    store_authors: bool = False,
    near_duplicates: bool = True,
) -> Ingested:
    """Insert what is new, update what was edited (the old words become a Revision), leave the rest alone.

    The key is (brand, origin, external id): a second run changes nothing. Items without a date get the time of first
    sight, which later readings do not move.
    """
    counts, touched = Ingested(), list[datetime]()
    key = meta.install_key(session)
    rest = iter(items)
    while batch := list(islice(rest, _CHUNK)):
        touched += _ingest_chunk(
            session, batch, counts, brand_id, source_id, origin, now, location, store_authors, key, near_duplicates
        )
    touch(session, brand_id, touched)  # last: who waits for a mark holds no mention that another waits for
    return counts


def going(session: Session, external_ids: Sequence[str], *, brand_ids: Sequence[int], origin: str) -> list[Mention]:
    """Which mentions their site has taken away, of those that are not gone yet."""
    found: list[Mention] = []
    for start in range(0, len(external_ids), _CHUNK):
        found += session.exec(
            select(Mention).where(
                col(Mention.brand_id).in_(brand_ids),
                Mention.origin == origin,
                col(Mention.external_id).in_(external_ids[start : start + _CHUNK]),
                col(Mention.gone_at).is_(None),
            )
        ).all()
    return found


def mark_gone(session: Session, mentions: Sequence[Mention], *, now: datetime) -> None:
    """Deleted at the source: body and author go, the id, rating and date stay.

    A mention that the site shows again later gets its words back.
    """
    erase_texts(session, mentions, now=now)
    for mention in mentions:
        mention.flags = sorted({*mention.flags, GONE})


def erase_texts(session: Session, mentions: Sequence[Mention], *, now: datetime) -> None:
    """Take the words and the person out of mentions; what was judged and counted stays."""
    for mention in mentions:
        mention.text, mention.title, mention.author, mention.reply_text, mention.url = "", None, None, None, None
        mention.gone_at = now
        if mention.score_state == "new":
            mention.score_state = "none"
        session.add(mention)
    session.flush()
    copies.forget(session, mentions)
    ids = [mention.id for mention in mentions]
    unsearched = text("DELETE FROM mention_search WHERE rowid IN :ids").bindparams(bindparam("ids", expanding=True))
    for start in range(0, len(ids), _CHUNK):
        session.execute(delete(Revision).where(col(Revision.mention_id).in_(ids[start : start + _CHUNK])))
        session.execute(unsearched, {"ids": ids[start : start + _CHUNK]})


def touch(session: Session, brand_id: int, times: Iterable[datetime]) -> None:
    """Mark the hours of these times for recomputation.

    On PostgreSQL a mark that is there is locked until the caller commits: whoever counts the hour meanwhile cannot see
    the caller's rows, and must not take the mark away. Marks are taken in order, so that two callers never wait for
    each other.
    """
    hours = {hour_of(at) for at in times}
    if not hours:
        return
    rows = [{"brand_id": brand_id, "hour_at": hour} for hour in sorted(hours)]
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        statement = pg_insert(TouchedHour)
        key = [col(TouchedHour.brand_id), col(TouchedHour.hour_at)]
        same = {"hour_at": statement.excluded.hour_at}
        session.execute(statement.on_conflict_do_update(index_elements=key, set_=same), rows)
    else:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        session.execute(sqlite_insert(TouchedHour).on_conflict_do_nothing(), rows)


def touch_all(session: Session, marks: Iterable[tuple[int, datetime]]) -> None:
    """`touch` for times of several brands, in the order of their ids."""
    times: dict[int, list[datetime]] = defaultdict(list)
    for brand_id, at in marks:
        times[brand_id].append(at)
    for brand_id in sorted(times):
        touch(session, brand_id, times[brand_id])


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def rating_sentiment(rating: float) -> str:
    """What stars without words say: 1-2 negative, 3 neutral, 4-5 positive."""
    return "negative" if rating < 2.5 else "neutral" if rating < 3.5 else "positive"


def _ingest_chunk(
    session: Session,
    items: Sequence[Item],
    counts: Ingested,
    brand_id: int,
    source_id: int,
    origin: str,
    now: datetime,
    location: str,
    store_authors: bool,
    key: bytes,
    near_duplicates: bool,
) -> list[datetime]:
    """Returns the times whose hours are touched."""
    counts.n_seen += len(items)
    latest: dict[str, Item] = {item.external_id: item for item in items}
    known = _known(session, brand_id, origin, list(latest))
    fresh: list[dict[str, Any]] = []
    touched: list[datetime] = []
    for external_id, item in latest.items():
        digest = content_hash(item)
        old = known.get(external_id)
        if old is None and external_id in known:  # its month is gone, and so is its story
            continue
        if old is None:
            fresh.append(_row(item, digest, brand_id, source_id, origin, now, location, store_authors, key))
        elif old.gone_at is not None and GONE in old.flags and now - old.gone_at >= BACK_AFTER:
            _restore(session, old, _row(item, digest, brand_id, source_id, origin, now, location, store_authors, key))
            counts.n_edited += 1
            touched.append(old.published_at)
        elif old.content_hash != digest and old.gone_at is None:
            _edit(session, old, item, digest, now)
            counts.n_edited += 1
            touched.append(old.published_at)
        else:
            _refresh(session, old, item)
    if fresh:
        made = session.execute(insert(Mention).returning(col(Mention.external_id), col(Mention.id)), fresh)
        ids = {external_id: int(mention_id) for external_id, mention_id in made.all()}
        for row in fresh:
            row["id"] = ids[row["external_id"]]
        counts.n_new += len(fresh)
        counts.new_ids += [row["id"] for row in fresh]
        session.execute(
            text("INSERT INTO mention_search (rowid, body) VALUES (:id, :body)"),
            [{"id": row["id"], "body": searchable(row["title"], row["text"])} for row in fresh],
        )
        if near_duplicates:
            counts.n_copies += copies.link(session, fresh, brand_id)
        touched += [row["published_at"] for row in fresh]
    return touched


def _known(session: Session, brand_id: int, origin: str, external_ids: Sequence[str]) -> dict[str, Mention | None]:
    """What is stored under these ids; None where the month that it arrived in was dropped."""
    if not months.is_cut(session):
        where = Mention.brand_id == brand_id, Mention.origin == origin, col(Mention.external_id).in_(external_ids)
        return {mention.external_id: mention for mention in session.exec(select(Mention).where(*where))}
    key = months.KEY.c
    rows = session.execute(
        select(key.external_id, Mention)
        .select_from(months.KEY)
        .outerjoin(Mention, col(Mention.id) == key.mention_id)
        .where(key.brand_id == brand_id, key.origin == origin, key.external_id.in_(external_ids))
    )
    return {row.external_id: row.Mention for row in rows}


def _row(
    item: Item,
    digest: str,
    brand_id: int,
    source_id: int,
    origin: str,
    now: datetime,
    location: str,
    store_authors: bool,
    key: bytes,
) -> dict[str, Any]:
    author = item.author_id or item.author
    named = item.author or author
    if not store_authors:  # a customer whom the export names is the same one in orders and answers
        known_as = (meta.CUSTOMER, item.customer) if item.customer else (origin, author)
        named = meta.pseudonym(key, known_as[0], known_as[1]) if known_as[1] else None
    words = item.text[:MAX_TEXT]
    published = item.published_at or now
    if published > now + timedelta(days=1):
        published = now  # a clock in the future would hide the mention from every window
    has_words = bool(words.strip() or (item.title or "").strip())
    row: dict[str, Any] = {
        "brand_id": brand_id, "source_id": source_id, "origin": origin, "external_id": item.external_id,
        "kind": item.kind, "url": item.url, "author": named, "location": item.location or location,
        "title": item.title, "text": words, "rating": item.rating, "rating_raw": item.rating_raw,
        "rating_scale": item.rating_scale, "published_at": published,
        "published_precision": (item.published_precision or "second") if item.published_at else "first_seen",
        "edited_at": item.edited_at, "observed_at": now, "parent_id": item.parent_id,
        "reply_text": item.reply.text if item.reply else None,
        "reply_at": item.reply.published_at if item.reply else None,
        "n_likes": item.n_likes, "n_views": item.n_views, "flags": sorted(item.flags), "content_hash": digest,
        "cluster_id": None, "counts": True, "score_state": "new" if has_words else "none",
        "language": item.language or "", "sentiment": None, "model": "", "corrected": False,
    }  # fmt: skip
    if not has_words and item.rating is not None:
        row["sentiment"], row["model"] = rating_sentiment(item.rating), "rating"
    return row


def _edit(session: Session, old: Mention, item: Item, digest: str, now: datetime) -> None:
    words = item.text[:MAX_TEXT]
    changed_words, changed_stars = (old.text, old.title) != (words, item.title), old.rating != item.rating
    session.add(
        Revision(mention_id=old.id, seen_until=now, title=old.title, text=old.text, rating=old.rating,
                 content_hash=old.content_hash)
    )  # fmt: skip
    old.title, old.text, old.rating = item.title, words, item.rating
    old.rating_raw, old.rating_scale = item.rating_raw, item.rating_scale
    old.edited_at = item.edited_at or now
    old.content_hash = digest
    if changed_words or changed_stars:  # both are judged
        old.score_state = "new" if (words.strip() or (item.title or "").strip()) else "none"
    if changed_words:
        session.execute(
            text("UPDATE mention_search SET body = :body WHERE rowid = :id"),
            {"id": old.id, "body": searchable(item.title, words)},
        )
    if old.score_state == "none":
        old.sentiment = rating_sentiment(item.rating) if item.rating is not None else None
    _refresh(session, old, item)


def _restore(session: Session, old: Mention, row: dict[str, Any]) -> None:
    """The site shows again what it had taken away. Judged anew only where the words are others than before."""
    same = old.content_hash == row["content_hash"] and old.score_state == "done"
    for name in ("url", "author", "title", "text", "rating", "rating_raw", "rating_scale", "edited_at", "reply_text",
                 "reply_at", "flags", "content_hash"):  # fmt: skip
        setattr(old, name, row[name])
    old.gone_at = old.missing_since = None
    if not same:
        old.score_state = row["score_state"]
    session.add(old)
    session.execute(
        text("INSERT INTO mention_search (rowid, body) VALUES (:id, :body)"),
        {"id": old.id, "body": searchable(row["title"], row["text"])},
    )


def _refresh(session: Session, old: Mention, item: Item) -> None:
    """What may change without being an edit: likes, views, the owner's reply, a more exact date."""
    values = {"n_likes": item.n_likes, "n_views": item.n_views}
    if item.reply is not None:
        values |= {"reply_text": item.reply.text, "reply_at": item.reply.published_at}  # type: ignore[dict-item]
    for name, value in values.items():
        if value is not None and getattr(old, name) != value:
            setattr(old, name, value)
            session.add(old)
    if old.missing_since is not None:
        old.missing_since = None
        session.add(old)
