"""Turns at hosts, kept in the store: the limit of a host holds over every process that shares it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlmodel import Session

from monitor.store.engine import writing
from monitor.store.tables import HostBucket
from scrapers.errors import BudgetSpent

CLOCKS_DIFFER = 600.0  # seconds; hosts of one fleet may; more is a clock that was set back


class StoreLimiter:
    """The `HostLimiter` of `scrapers`, one short transaction per turn."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    async def reserve(self, host: str, *, interval_seconds: float, daily_limit: int | None = None) -> float:
        now = self._clock()
        day = int(now // 86_400)
        with writing(self._engine) as session:
            bucket = _bucket(session, host, now)
            if bucket.day < day:
                bucket.day, bucket.n_today = day, 0
            spent = daily_limit is not None and bucket.n_today >= daily_limit
            at = max(now, bucket.free_at)
            if not spent:
                bucket.free_at = at + interval_seconds
                bucket.n_today += 1
            session.add(bucket)
        if spent:
            raise BudgetSpent(
                f"the daily budget of {daily_limit} requests to {host} is spent", retry_after=(day + 1) * 86_400 - now
            )
        return at - now

    async def spend(self, source: str, daily_limit: int) -> None:
        """One request of a source's own budget of a day. Raises BudgetSpent."""
        await self.reserve(f"source {source}", interval_seconds=0.0, daily_limit=daily_limit)

    async def hold(self, host: str, *, seconds: float) -> None:
        now = self._clock()
        with writing(self._engine) as session:
            bucket = _bucket(session, host, now)
            bucket.free_at = max(bucket.free_at, now + seconds)
            session.add(bucket)


def _bucket(session: Session, host: str, now: float) -> HostBucket:
    """The row of a host. What a clock that ran ahead left in it lasts as long as it should, but from now."""
    bucket = session.get(HostBucket, host, with_for_update=True) or HostBucket(host=host)
    if bucket.seen_at > now + CLOCKS_DIFFER:
        bucket.free_at -= bucket.seen_at - now
        bucket.day = min(bucket.day, int(now // 86_400))  # what was spent of a day stays spent
        bucket.seen_at = now
    bucket.seen_at = max(bucket.seen_at, now)
    return bucket
