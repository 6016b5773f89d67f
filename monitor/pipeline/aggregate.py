"""The aggregate step: touched hours become buckets, and buckets the counts of days."""

from __future__ import annotations

from monitor.pipeline.context import Context
from monitor.store import daily, sheets
from monitor.store.buckets import recompute_touched
from monitor.store.engine import writing


def aggregate(context: Context) -> int:
    """Recompute every touched hour, a short transaction at a time. Returns the number of hours."""
    total = 0
    while not context.should_stop():
        with writing(context.engine) as session:
            n = recompute_touched(session)
        total += n
        if n == 0:
            break
    return total


def roll_up(context: Context) -> int:
    """Make the daily counts where the store has none of the configured time zone, and sheets where it has none.

    Returns the number of days.
    """
    sheets.build(context.engine, should_stop=context.should_stop)
    return daily.build(context.engine, context.settings.zone, should_stop=context.should_stop)
