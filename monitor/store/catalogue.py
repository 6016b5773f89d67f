"""Brands and sources: the configuration written into rows, so that mentions can refer to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from monitor.config import Settings
from monitor.store import switches
from monitor.store.engine import exclusive
from monitor.store.meta import install_key
from monitor.store.tables import Brand, Source

IMPORT = "import"  # the scraper of sources that are files


def synchronise(session: Session, settings: Settings, *, now: datetime) -> None:
    """Bring brand and source rows in step with the configuration. What left it is switched off, not deleted."""
    import scrapers.registry

    exclusive(session, "catalogue")  # hosts of one release start together
    install_key(session)
    switches.configure(session, settings.without_topics)
    for slug, wanted in settings.brands.items():
        brand = find_brand(session, slug) or Brand(slug=slug, name=wanted.name)
        brand.name, brand.is_competitor, brand.active = wanted.name, wanted.competitor, True
        session.add(brand)
    session.flush()
    ids = {brand.slug: brand.id for brand in session.exec(select(Brand))}
    for slug, source_settings in settings.sources.items():
        meta = scrapers.registry.get(source_settings.scraper).meta
        interval = source_settings.interval or timedelta(seconds=meta.interval_seconds)
        seconds = max(
            int(interval.total_seconds()), meta.min_interval_seconds if source_settings.interval is None else 1
        )
        source = session.exec(select(Source).where(Source.slug == slug)).first()
        if source is None:
            source = Source(slug=slug, title=slug, scraper=meta.name, created_at=now, next_due_at=now)
        source.title = source.title or slug
        source.scraper = meta.name
        source.brand_id = ids[source_settings.brand] if source_settings.brand else None
        source.location = source_settings.location or ""
        source.interval_seconds = seconds
        source.active = source_settings.enabled
        if meta.pushed:
            source.next_due_at = None  # it comes by itself
        elif source.next_due_at is None:
            source.next_due_at = now
        session.add(source)
    for source in session.exec(select(Source).where(col(Source.scraper) != IMPORT)):
        if source.slug not in settings.sources:
            source.active = False
            session.add(source)


def find_brand(session: Session, name: str) -> Brand | None:
    """A brand by identifier or by name."""
    return session.exec(select(Brand).where((col(Brand.slug) == name) | (col(Brand.name) == name))).first()


def ensure_brand(session: Session, name: str) -> Brand:
    """The brand of that identifier or name, made when there is none (imports may bring new ones)."""
    brand = find_brand(session, name)
    if brand is None:
        brand = Brand(slug=slug_of(name, taken=session.exec(select(Brand.slug))), name=name)
        session.add(brand)
        session.flush()
    return brand


def ensure_import(session: Session, slug: str, *, now: datetime, title: str = "") -> Source:
    """The source row of an import named `slug`, made when there is none."""
    source = session.exec(select(Source).where(Source.slug == slug)).first()
    if source is None:
        source = Source(slug=slug, title=title or slug, scraper=IMPORT, created_at=now)
        session.add(source)
        session.flush()
    return source


def slug_of(name: str, *, taken: Iterable[str] = ()) -> str:
    """An identifier from a name: lower case, letters transliterated where Cyrillic, unique."""
    table = str.maketrans(
        {"а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
         "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
         "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
         "я": "ya"}
    )  # fmt: skip
    plain = name.casefold().translate(table)
    base = (
        "_".join(part for part in "".join(c if c.isascii() and c.isalnum() else " " for c in plain).split()) or "brand"
    )
    used = set(taken)
    slug, number = base, 2
    while slug in used:
        slug, number = f"{base}_{number}", number + 1
    return slug
