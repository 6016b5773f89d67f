"""Copies: which new texts say what a mention of the last weeks said, so that a cluster counts once.

Only the first of a cluster stands in the index (`copy_key`): a text that is posted a hundred thousand times is looked
up like any other. All texts of a batch are asked for at once, and of a key that very many texts share only the newest
are compared, so that a new mention costs the same over any history.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, text, update
from sqlmodel import Session, col, select

from monitor.store.tables import CopyKey, Mention, Signature

if TYPE_CHECKING:
    from scrapers.duplicates import Signature as MinHash

WINDOW = timedelta(days=30)
MIN_LENGTH = 60  # "Отлично!" twice is two opinions, a long text twice is a copy
MAX_COMPARED = 20  # of a key the newest so many are candidates, and of the candidates so many are compared
_CHUNK = 500
_SPREAD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: keys of brands far from each other
_HOLDERS = {
    "sqlite": "SELECT wanted.value, (SELECT json_group_array(mention_id) FROM (SELECT mention_id FROM copy_key"
    " WHERE key = wanted.value ORDER BY mention_id DESC LIMIT :most)) FROM json_each(:keys) AS wanted",
    "postgresql": "SELECT wanted, ARRAY(SELECT mention_id FROM copy_key WHERE key = wanted"
    " ORDER BY mention_id DESC LIMIT :most) FROM unnest(CAST(:keys AS bigint[])) AS wanted",
}


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that may be a copy or have some, and the cluster it belongs to."""

    mention_id: int
    cluster_id: int
    published_at: datetime
    text_hash: str
    minhash: MinHash | None


def link(session: Session, rows: Iterable[dict[str, Any]], brand_id: int) -> int:
    """Link new mentions to the first of their cluster; copies do not count. Returns how many copies were found."""
    from scrapers import duplicates  # numpy: not for commands that store nothing

    long = sorted((row for row in rows if len(row["text"]) >= MIN_LENGTH), key=lambda r: (r["published_at"], r["id"]))
    if not long:
        return 0
    mine = [_Text(row["id"], row["id"], row["published_at"], *duplicates.fingerprint(row["text"])) for row in long]
    keys = [keys_of(brand_id, one.text_hash, one.minhash) for one in mine]
    holders = _holders(session, {key for some in keys for key in some})
    known = _stored(session, {found for some in keys for found in _candidates(holders, some)})
    copies: list[dict[str, int]] = []
    firsts: list[dict[str, int]] = []
    for one, some in zip(mine, keys, strict=True):
        same = [other for found in _candidates(holders, some)
                if (other := known.get(found)) is not None and _is_copy(one, other)]  # fmt: skip
        if same:
            first = min(same, key=lambda other: (other.published_at, other.mention_id))
            copies.append({"copy": one.mention_id, "first": first.cluster_id})
            continue
        known[one.mention_id] = one
        for key in some:
            holders.setdefault(key, []).append(one.mention_id)
        firsts += [{"key": key, "mention_id": one.mention_id} for key in some]
    session.execute(
        insert(Signature),
        [{"mention_id": one.mention_id, "published_on": one.published_at.astimezone(UTC).date(),
          "text_hash": one.text_hash, "minhash": duplicates.to_bytes(one.minhash)} for one in mine],
    )  # fmt: skip
    if firsts:
        session.execute(insert(CopyKey), firsts)
    if copies:
        _mark(session, copies)
    return len(copies)


def forget(session: Session, mentions: Sequence[Mention]) -> None:
    """Mentions lose their words: what was derived from them goes, and the next of each cluster stands in the index."""
    brands = {mention.id: mention.brand_id for mention in mentions}
    heads = set()
    for start in range(0, len(mentions), _CHUNK):
        ids = [mention.id for mention in mentions[start : start + _CHUNK]]
        rows = session.exec(select(Signature).where(col(Signature.mention_id).in_(ids))).all()
        _remove(session, [(row, brands[row.mention_id]) for row in rows])
        heads |= {row.mention_id for row in rows}
    for mention in mentions:
        if mention.id in heads and mention.cluster_id == mention.id:
            _inherit(session, mention)


def _inherit(session: Session, mention: Mention) -> None:
    heir = session.exec(
        select(Signature)
        .join(Mention, col(Mention.id) == col(Signature.mention_id))
        .where(Mention.cluster_id == mention.id, Mention.id != mention.id)
        .order_by(col(Mention.published_at), col(Mention.id))
        .limit(1)
    ).first()
    if heir is not None:
        keys = keys_of(mention.brand_id, heir.text_hash, _minhash(heir.minhash))
        session.execute(insert(CopyKey), [{"key": key, "mention_id": heir.mention_id} for key in keys])


def prune(session: Session, *, before: date) -> int:
    """Take some of what was published before a day out of the index; 0 when nothing is left to take."""
    rows = session.exec(
        select(Signature, Mention.brand_id)
        .join(Mention, col(Mention.id) == col(Signature.mention_id))
        .where(col(Signature.published_on) < before)
        .limit(_CHUNK)
    ).all()
    _remove(session, rows)
    return len(rows)


def keys_of(brand_id: int, text_hash: str, minhash: MinHash | None) -> list[int]:
    """Under what a text stands in the index of its brand: its own hash, and its bands. Signed, 64 bits."""
    from scrapers import duplicates

    spread = brand_id * _SPREAD
    values = (int(text_hash[:16], 16), *duplicates.bands(minhash))
    return [((value ^ spread) + 2**63) % 2**64 - 2**63 for value in values]


def _minhash(raw: bytes | None) -> MinHash | None:
    from scrapers import duplicates

    return duplicates.from_bytes(raw)


def _candidates(holders: dict[int, list[int]], keys: Sequence[int]) -> list[int]:
    """Who shares most keys with a text."""
    shared = Counter(found for key in keys for found in holders.get(key, ()))
    return [found for found, _ in shared.most_common(MAX_COMPARED)]


def _is_copy(one: _Text, other: _Text) -> bool:
    from scrapers import duplicates

    if abs(one.published_at - other.published_at) > WINDOW:
        return False
    same = one.text_hash == other.text_hash
    return same or duplicates.similarity(one.minhash, other.minhash) >= duplicates.THRESHOLD


def _holders(session: Session, keys: Iterable[int]) -> dict[int, list[int]]:
    """For each key the newest mentions that have it."""
    wanted, dialect = sorted(keys), session.get_bind().dialect.name
    rows = session.execute(
        text(_HOLDERS[dialect]),
        {"keys": json.dumps(wanted) if dialect == "sqlite" else wanted, "most": MAX_COMPARED},
    )
    lists = ((key, json.loads(ids) if dialect == "sqlite" else ids) for key, ids in rows)
    return {key: list(ids) for key, ids in lists if ids}


def _stored(session: Session, mention_ids: Iterable[int]) -> dict[int, _Text]:
    wanted, found = sorted(mention_ids), {}
    for start in range(0, len(wanted), _CHUNK):
        rows = session.execute(
            select(Mention.id, Mention.cluster_id, Mention.published_at, Signature.text_hash, Signature.minhash)
            .join(Signature, col(Signature.mention_id) == col(Mention.id))
            .where(col(Mention.id).in_(wanted[start : start + _CHUNK]))
        )
        for mention_id, cluster_id, published_at, text_hash, raw in rows:
            found[mention_id] = _Text(mention_id, cluster_id or mention_id, published_at, text_hash, _minhash(raw))
    return found


def _mark(session: Session, copies: list[dict[str, int]]) -> None:
    connection = session.connection()
    table = Mention.__table__
    marked = update(table).values(cluster_id=bindparam("first"), counts=False).where(table.c.id == bindparam("copy"))
    connection.execute(marked, sorted(copies, key=lambda pair: pair["copy"]))
    first = update(table).values(cluster_id=bindparam("first")).where(table.c.id == bindparam("first"))
    ids = sorted({pair["first"] for pair in copies})
    connection.execute(first.where(table.c.cluster_id.is_(None)), [{"first": one} for one in ids])


def _remove(session: Session, rows: Sequence[tuple[Signature, int]]) -> None:
    if not rows:
        return
    table = CopyKey.__table__
    session.connection().execute(
        delete(table).where(table.c.key == bindparam("its_key"), table.c.mention_id == bindparam("its_id")),
        [{"its_key": key, "its_id": row.mention_id} for row, brand_id in rows
         for key in keys_of(brand_id, row.text_hash, _minhash(row.minhash))],
    )  # fmt: skip
    session.execute(delete(Signature).where(col(Signature.mention_id).in_([row.mention_id for row, _ in rows])))
