"""How late mentions become known: the share of a step's mentions that is there after a while."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from alerts.errors import BadRule

__all__ = ["MAX_BACKFILL", "arrival_curve", "by_hour", "known_share"]

MAX_BACKFILL = dt.timedelta(
    days=7
)  # observed later than that after the event: a backfill, which tells nothing of delay
_HOUR = dt.timedelta(hours=1)
PSEUDO = 20.0  # mentions that arrive at once, believed before any is seen


def arrival_curve(
    seen: Iterable[tuple[dt.datetime, dt.datetime]], *, steps: int = 7, step_seconds: int = 86_400
) -> tuple[float, ...]:
    """The delay curve for `Settings.arrived`, from (event time, time it was first observed) of past mentions.

    A mention counts as arrived after k steps when it was observed before the end of the k-th step after that of its
    event. Backfills (more than seven days late) are left out. Shrunk to "all at once" with 20 pseudo-mentions; the last
    value is 1: later arrivals are not waited for. Raises BadRule for a number of steps below one.
    """
    if steps < 1:
        raise BadRule(f"delay: steps={steps}; allowed is 1 or more")
    counts = [0] * steps
    n = 0
    for event_at, observed_at in seen:
        late = observed_at - event_at
        if late > MAX_BACKFILL:
            continue
        start = event_at.timestamp() // step_seconds
        lag = int(observed_at.timestamp() // step_seconds - start)
        n += 1
        if lag < steps:
            counts[max(lag, 0)] += 1
    curve, arrived = [], 0
    for count in counts:
        arrived += count
        curve.append((arrived + PSEUDO) / (n + PSEUDO))
    curve[-1] = 1.0
    return tuple(min(share, 1.0) for share in curve)


def by_hour(delays: Iterable[dt.timedelta]) -> list[int]:
    """How many mentions became known in each hour after their step began; backfills are left out."""
    counts = [0] * (MAX_BACKFILL // _HOUR)
    for delay in delays:
        if delay <= MAX_BACKFILL:
            counts[min(max(delay // _HOUR, 0), len(counts) - 1)] += 1
    return counts


def known_share(counts: Sequence[int], age: dt.timedelta, *, usual: float, pseudo: float = PSEUDO) -> float:
    """The share of a step's mentions that is known when it began `age` ago, from the counts of `by_hour`.

    `usual` is the share without any delay, believed as much as `pseudo` mentions. Unlike a curve by whole steps this
    tells the hours of a day apart: what is read at six in the morning brings yesterday and nothing of today.
    """
    hours = max(age / _HOUR, 0.0)
    whole = min(int(hours), len(counts))
    known = sum(counts[:whole]) + (counts[whole] * (hours - whole) if whole < len(counts) else 0.0)
    return (known + pseudo * usual) / (sum(counts) + pseudo)
