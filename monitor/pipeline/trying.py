"""Trying: the newest page of a link or of a configured source is read; nothing is stored, no resume point moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.errors import ConfigError
from monitor.pipeline.collect import client_settings
from monitor.pipeline.context import Context

if TYPE_CHECKING:
    from scrapers.base import Scraper
    from scrapers.item import Item


@dataclass(frozen=True, slots=True)
class Trial:
    """What came: items of the first page (or the first handful of messages), the status, and why in words."""

    status: str
    note: str | None
    items: tuple[Item, ...]


def target(context: Context, link_or_name: str) -> tuple[Scraper, Any]:
    """The scraper and its parameters for a pasted link, or of a configured source. Raises ConfigError."""
    import scrapers.registry

    named = context.settings.sources.get(link_or_name)
    if named is not None:
        scraper = scrapers.registry.get(named.scraper)
        return scraper, scraper.params_type.model_validate(named.params)
    found = scrapers.registry.match(link_or_name)
    if found is None:
        known = ", ".join(context.settings.sources) or "none is configured"
        raise ConfigError(
            f"{link_or_name!r} is neither a full http(s) link that a scraper knows nor a configured source ({known}); "
            "see `monitor source list --verbose`"
        )
    return found


def unreadable(scraper: Scraper, params: Any) -> str | None:
    """Why a source of this kind cannot be read at all, and what to do instead; None when it can."""
    from scrapers.base import Scraper as Base
    from scrapers.errors import ScraperError

    if scraper.meta.pushed or type(scraper).batches is not Base.batches:
        return None
    try:
        possible = any(scraper.request(params, part, None) is not None for part in scraper.slices(params))
    except ScraperError:
        possible = True  # only credentials or a parameter are missing
    if possible:
        return None
    return (
        f"{scraper.meta.name} is not read from its site. {scraper.meta.terms} Saved pages: `monitor parse "
        f"{scraper.meta.name} FILE`; exports: `monitor import FILE`."
    )


def attempt(context: Context, scraper: Scraper, params: Any) -> Trial:
    """Read the newest page. Raises scrapers.errors.ScraperError."""
    return asyncio.run(_attempt(context, scraper, params))


async def _attempt(context: Context, scraper: Scraper, params: Any) -> Trial:
    from scrapers.collect import collect
    from scrapers.http import Client

    async with Client(client_settings(context)) as client:
        reading = collect(scraper, params, None, client, now=context.now, max_pages=1, backfill_pages=0)
        try:
            async for batch in reading:
                if batch.items or batch.note != "the newest pages are read":
                    return Trial(str(batch.status), batch.note, batch.items)
        finally:
            await reading.aclose()  # type: ignore[attr-defined]
    return Trial("empty", "nothing came", ())
