"""The boundary around readers: exceptions, crashes and endless work of one page stay with that page."""

from __future__ import annotations

import asyncio
import time

import pytest

from scrapers import registry
from scrapers.base import Meta, Page, Parsed, Scraper, Status
from scrapers.parsing import WorkerParser, parse


class Broken(Scraper):
    meta = Meta(name="broken", title="Broken", access="A", terms="made for these tests only")

    def parse(self, page: Page) -> Parsed:
        raise ZeroDivisionError("by nothing")


def test_an_exception_of_a_reader_is_a_status() -> None:
    found = parse(Broken(), Page(b"x"))
    assert found.status is Status.CHANGED
    assert found.note == "the reader failed on this page: ZeroDivisionError: by nothing"


def test_large_pages_are_read_in_another_process_with_the_same_result() -> None:
    item = b"<item><guid>%d</guid><title>t</title><description>words</description></item>"
    body = b"<rss version='2.0'><channel>" + b"".join(item % n for n in range(300)) + b"</channel></rss>"
    scraper, page = registry.get("rss"), Page(body)

    async def run() -> tuple[Parsed, Parsed]:
        worker = WorkerParser(large_bytes=1000)
        try:
            return await worker(scraper, page), await worker(scraper, page)
        finally:
            worker.close()

    first, second = asyncio.run(run())
    assert first == second == scraper.parse(page)
    assert len(first.items) == 300


def test_a_page_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Parsed:
        worker = WorkerParser(large_bytes=0, time_limit_seconds=0.05)  # less than a process needs to start
        started = time.monotonic()
        found = await worker(registry.get("rss"), Page(b"<rss/>"))
        assert time.monotonic() - started < 10
        worker.close()
        return found

    found = asyncio.run(run())
    assert found.status is Status.CHANGED
    assert found.note == "the page could not be read within 0.05 s"


def test_a_reader_that_is_not_registered_is_run_here() -> None:
    async def run() -> Parsed:
        worker = WorkerParser(large_bytes=0)
        try:
            return await worker(Broken(), Page(b"x"))
        finally:
            worker.close()

    assert "ZeroDivisionError" in (asyncio.run(run()).note or "")
