"""How often a host is asked: turns, pauses it asked for, daily budgets, and a breaker for hosts in trouble."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scrapers.errors import BudgetSpent, Unreachable


class HostLimiter(Protocol):
    """Turns at a host. The application may keep them in its database so that they hold over all its workers."""

    async def reserve(self, host: str, *, interval_seconds: float, daily_limit: int | None = None) -> float:
        """Takes the next free turn, returns the seconds until it. `BudgetSpent` when that of the day is."""
        ...

    async def hold(self, host: str, *, seconds: float) -> None:
        """No turn at this host before `seconds` have passed: the host asked for it."""
        ...


class MemoryLimiter:
    """The limiter of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free_at: dict[str, float] = {}
        self._seen_at = -math.inf
        self._days: dict[str, tuple[int, int]] = {}

    async def reserve(self, host: str, *, interval_seconds: float, daily_limit: int | None = None) -> float:
        now = self._now()
        at = max(now, self._free_at.get(host, 0.0))
        if daily_limit is not None:
            day = int(now // 86400)
            counted, used = self._days.get(host, (day, 0))
            used = used if counted == day else 0
            if used >= daily_limit:
                rest = (day + 1) * 86400 - now
                raise BudgetSpent(f"the daily budget of {daily_limit} requests to {host} is spent", retry_after=rest)
            self._days[host] = (day, used + 1)
        self._free_at[host] = at + interval_seconds
        return at - now

    async def hold(self, host: str, *, seconds: float) -> None:
        self._free_at[host] = max(self._free_at.get(host, 0.0), self._now() + seconds)

    def _now(self) -> float:
        """The clock. When it was set back, waits go on as long as they should, but from now."""
        now = self._clock()
        if now < self._seen_at:
            self._free_at = {host: at - (self._seen_at - now) for host, at in self._free_at.items()}
        self._seen_at = now
        return now


@dataclass(slots=True)
class Circuit:
    """The trouble with one host."""

    n_failures: int = 0
    n_openings: int = 0
    opened_at: float = -math.inf
    rests: float = 0.0  # seconds from then on
    probing: bool = False


class Breaker:
    """Opens after `failures` in a row for `seconds`, doubling up to six hours; then one probe decides."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        failures: int = 5,
        seconds: float = 900.0,
        circuits: dict[str, Circuit] | None = None,
    ) -> None:
        self._clock, self._failures, self._seconds = clock, failures, seconds
        self._hosts = circuits if circuits is not None else {}

    def check(self, host: str) -> None:
        """Raises `Unreachable` while the circuit is open or another request probes it."""
        one = self._hosts.get(host)
        if one is None or one.n_failures < self._failures:
            return
        now = self._clock()
        one.opened_at = min(one.opened_at, now)  # a clock that was set back must not make the rest longer
        rest = one.opened_at + one.rests - now
        if rest > 0:
            raise Unreachable(
                f"{host} failed {one.n_failures} times in a row and rests for {rest:.0f} s more", retry=False
            )
        if one.probing:
            raise Unreachable(f"{host} is being tried again by another request", retry=False)
        one.probing = True

    def succeeded(self, host: str) -> None:
        self._hosts.pop(host, None)

    def failed(self, host: str) -> None:
        one = self._hosts.setdefault(host, Circuit())
        one.n_failures += 1
        one.probing = False
        if one.n_failures >= self._failures:
            one.opened_at = self._clock()
            one.rests = min(self._seconds * 2**one.n_openings, 6 * 3600)
            one.n_openings += 1

    def released(self, host: str) -> None:
        """The request ended without saying anything about the host (refused by us, cancelled)."""
        one = self._hosts.get(host)
        if one is not None:
            one.probing = False
