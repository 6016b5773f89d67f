"""One cycle: every step once, in the order of the flow."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context, Tally
from monitor.pipeline.detect import detect
from monitor.pipeline.digests import digest_due
from monitor.pipeline.notify import notify
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score


@dataclass
class Cycle:
    """What one cycle did."""

    collected: Tally = field(default_factory=Tally)
    scored: Tally = field(default_factory=Tally)
    notified: Tally = field(default_factory=Tally)
    n_hours: int = 0
    n_changes: int = 0
    n_reports: int = 0

    @property
    def errors(self) -> list[str]:
        return [*self.collected.errors, *self.scored.errors, *self.notified.errors]


def run_cycle(context: Context, *, collecting: bool = True) -> Cycle:
    """Collect, score, aggregate, detect, report, notify. A stop request ends it after the step it is in."""
    cycle = Cycle()
    if collecting:
        cycle.collected = collect(context)
    if not context.should_stop():
        cycle.scored = score(context)
    if not context.should_stop():
        cycle.n_hours = aggregate(context)
    if not context.should_stop():
        cycle.n_changes = sum(change.transition.speaks for change in detect(context))
    if not context.should_stop():
        cycle.n_reports = report_due(context) + digest_due(context)
    if not context.should_stop():
        cycle.notified = notify(context)
    return cycle
