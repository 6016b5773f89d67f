"""How long a host asks to wait: Retry-After in both forms, and quotas that are used up.

asked(page, now) -> seconds | None       the answer is "not now" (429, 403 or 503 with a time, an empty quota)
refilled(page, now) -> seconds | None    a good answer that says the quota is used up: when it is full again
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from scrapers.base import Page
from scrapers.readers import walls

LONGEST = 24 * 3600.0
_USUAL = 60.0  # where a host does not say


def asked(page: Page, now: float) -> float | None:
    """Seconds to wait before the same request may be made again, at most a day; None when it was answered."""
    code = page.status_code
    after = walls.retry_after(page.headers.get("retry-after"), page.fetched_at)
    if code == 429 or (code == 403 and (after is not None or _used_up(page))) or (code == 503 and after is not None):
        if after is None:
            after = _reset_in(page, now)
        return min(after if after is not None else _USUAL, LONGEST)
    return None


def refilled(page: Page, now: float) -> float | None:
    """Seconds until a quota that this answer used up is full again."""
    reset = _reset_in(page, now) if _used_up(page) else None
    return min(reset, LONGEST) if reset else None


def _used_up(page: Page) -> bool:
    return _header(page, "remaining") in ("0", "0.0")


def _reset_in(page: Page, now: float) -> float | None:
    """The header is an epoch, seconds, or an ISO time, by site."""
    raw = _header(page, "reset")
    if re.fullmatch(r"\d{1,12}(\.\d+)?", raw):
        value = float(raw)
        return max(0.0, value - now) if value > 1e9 else value
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now)


def _header(page: Page, name: str) -> str:
    return page.headers.get(f"x-ratelimit-{name}", page.headers.get(f"x-rate-limit-{name}", "")).strip()
