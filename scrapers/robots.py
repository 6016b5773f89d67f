"""robots.txt by RFC 9309, read by protego: 4xx means "no rules", 5xx and silence "stay away until it can be read"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from protego import Protego

from scrapers.errors import FetchError, RateLimited, Refused, Unreachable
from scrapers.guard import safe

MAX_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
KEEP_SECONDS = 24 * 3600.0
RETRY_SECONDS = 600.0
STALE_SECONDS = 30 * 24 * 3600.0

Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]


@dataclass(slots=True)
class Rules:
    """robots.txt of one origin, as it was read."""

    text: str | None  # None: no rules, everything is allowed
    parsed: Protego | None
    read_at: float
    check_at: float

    @classmethod
    def of(cls, text: str | None, *, read_at: float, check_at: float) -> Self:
        return cls(text, None if text is None else Protego.parse(_tamed(text)), read_at, check_at)


def _tamed(rules: str) -> str:
    """Patterns become regular expressions, and one with dozens of stars would never end: it is cut at its tenth star.

    A pattern that is cut forbids more (`Disallow`) or is left out (`Allow`).
    """
    if "*" not in rules:
        return rules
    lines = []
    for line in rules.splitlines():
        line = re.sub(r"\*+", "*", line)
        if line.count("*") > 10:
            if line.lstrip().lower().startswith("allow"):
                continue
            line = "*".join(line.split("*")[:10]) + "*"
        lines.append(line)
    return "\n".join(lines)


class Robots:
    """Rules per origin, kept for a day in `known`. `fetch` gives status and body of an address, following redirects."""

    def __init__(
        self, fetch: Fetch, product: str, clock: Callable[[], float], *, known: MutableMapping[str, Rules] | None = None
    ) -> None:
        self._fetch, self._product, self._clock = fetch, product, clock
        self._entries = known if known is not None else {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def check(self, url: str) -> float | None:
        """Crawl-delay in seconds, or None.

        Raises `Refused` when the rules forbid the address, `Unreachable` while they cannot be read.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        async with self._locks.setdefault(origin, asyncio.Lock()):
            entry = await self._entry(origin)
        if entry.parsed is None:
            return None
        if not entry.parsed.can_fetch(url, self._product):
            raise Refused(f"robots.txt of {parts.hostname} forbids this address", url=safe(url))
        delay = entry.parsed.crawl_delay(self._product)
        return float(delay) if delay is not None else None

    async def _entry(self, origin: str) -> Rules:
        now = self._clock()
        try:
            entry: Rules | None = self._entries[origin]
        except KeyError:
            entry = None
        # "read in the future" or "again in a week" is a clock that was set back: read anew
        if entry is not None and entry.read_at <= now < entry.check_at <= now + KEEP_SECONDS:
            return entry
        try:
            code, body = await self._fetch(f"{origin}/robots.txt")
            problem = f"answers {code}" if code >= 500 or code == 429 else None
        except (Refused, RateLimited):
            raise
        except FetchError as failure:
            code, body, problem = 0, b"", f"cannot be read ({failure})"
        if problem is None:
            text = body[:MAX_BYTES].decode("utf-8", "replace") if 200 <= code < 300 else None
            entry = self._entries[origin] = Rules.of(text, read_at=now, check_at=now + KEEP_SECONDS)
            return entry
        if entry is not None and now - entry.read_at < STALE_SECONDS:
            entry.check_at = now + RETRY_SECONDS  # the last copy holds meanwhile
            self._entries[origin] = entry
            return entry
        raise Unreachable(
            f"robots.txt of {origin} {problem}: nothing is fetched there until it can be read", url=origin, retry=False
        )
