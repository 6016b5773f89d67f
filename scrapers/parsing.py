"""Running a reader on a page of a stranger: whatever happens, a `Parsed` comes back.

`parse` is the boundary that isolates readers: an exception of a reader is `changed` with its name. Pages over a
megabyte are read in a worker process with a time limit: one evil page can neither stop nor slow the daemon.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import structlog

from scrapers.base import Page, Parsed, Scraper, Status
from scrapers.errors import UnknownScraper

log = structlog.get_logger("scrapers.parsing")

Parser = Callable[[Scraper, Page], Awaitable[Parsed]]
LARGE_BYTES = 1_000_000
TIME_LIMIT_SECONDS = 60.0


def parse(scraper: Scraper, page: Page) -> Parsed:
    """Reads a page here and now."""
    try:
        return scraper.parse(page)
    except Exception as problem:  # noqa: BLE001 (the boundary around plug-ins)
        log.warning("page.unreadable", scraper=scraper.meta.name, why=type(problem).__name__)
        return Parsed(Status.CHANGED, note=f"the reader failed on this page: {type(problem).__name__}: {problem}"[:300])


async def parse_here(scraper: Scraper, page: Page) -> Parsed:
    """Small pages in this process."""
    return parse(scraper, page)


class WorkerParser:
    """A `Parser`: small pages here, large ones in a worker process that is killed when it takes too long."""

    def __init__(self, *, large_bytes: int = LARGE_BYTES, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> None:
        self._large, self._limit = large_bytes, time_limit_seconds
        self._pool: ProcessPoolExecutor | None = None

    async def __call__(self, scraper: Scraper, page: Page) -> Parsed:
        if len(page.body) <= self._large:
            return parse(scraper, page)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        future = self._pool.submit(_in_worker, scraper.meta.name, page)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limit)
        except TimeoutError:
            self.close()
            return Parsed(Status.CHANGED, note=f"the page could not be read within {self._limit:g} s")
        except BrokenProcessPool:
            self.close()
            return Parsed(Status.CHANGED, note="reading the page broke the worker process")
        except UnknownScraper:
            return parse(scraper, page)  # a reader that is not registered cannot be named to a worker

    def close(self) -> None:
        """Ends the worker, also in the middle of a page."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


def _in_worker(name: str, page: Page) -> Parsed:
    from scrapers import registry

    return parse(registry.get(name), page)
