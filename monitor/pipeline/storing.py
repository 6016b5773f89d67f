"""Storing: items of a source become mentions of the brands they speak of, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from monitor.pipeline.context import Context
from monitor.pipeline.matching import Matcher
from monitor.store.ingest import Ingested, ingest
from monitor.store.tables import Brand, Source

if TYPE_CHECKING:
    from scrapers.item import Item


def store(
    session: Session,
    context: Context,
    source: Source,
    items: Iterable[Item],
    *,
    matcher: Matcher,
    origin: str | None = None,
) -> Ingested:
    """Ingest what speaks of a brand: of that of the source, or of every one whose query matches.

    `origin` is within what ids are unique: the scraper, unless it is given.
    """
    brands = {brand.slug: brand.id or 0 for brand in session.exec(select(Brand).where(col(Brand.active).is_(True)))}
    total = Ingested()
    found: dict[str, list[Item]] = {}
    for item in items:
        if "service" in item.flags:
            continue  # "channel created", "photo changed": nobody's opinion
        slugs = _brands_of(context, source, item, matcher)
        total.n_elsewhere += not slugs
        for slug in slugs:
            here = item if source.location and not item.location else placed(item, slug, matcher)
            found.setdefault(slug, []).append(here)  # a source of one place stays there
    for slug, own in sorted(found.items(), key=lambda pair: brands[pair[0]]):
        counts = ingest(
            session, own, brand_id=brands[slug], source_id=source.id or 0, origin=origin or source.scraper,
            now=context.now,
            location=source.location, store_authors=context.settings.privacy.store_authors,
        )  # fmt: skip
        total.n_seen += counts.n_seen
        total.n_new += counts.n_new
        total.n_edited += counts.n_edited
        total.n_copies += counts.n_copies
    return total


def _brands_of(context: Context, source: Source, item: Item, matcher: Matcher) -> list[str]:
    configured = context.settings.sources.get(source.slug)
    own = configured.brand if configured else None
    if own is None:
        return matcher.brands_of(item, source=source.scraper)
    if configured and configured.filter and not matcher.matches(own, item, source=source.scraper):
        return []
    return [own]


def placed(item: Item, brand: str, matcher: Matcher) -> Item:
    """The item with its place in the brand's own spelling."""
    place = matcher.location_of(brand, item)
    return replace(item, location=place) if place else item
