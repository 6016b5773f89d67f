"""Plain rules of the configuration as the rules of `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import alerts.rules
from alerts.series import SeriesKey
from monitor.config import Rule, Settings

FixedRule = alerts.rules.MoreThan | alerts.rules.MeanRatingBelow | alerts.rules.Words


def of_brand(settings: Settings, brand: str) -> dict[str, FixedRule]:
    """The rules that watch a brand, by their name in the configuration."""
    return {
        name: build(name, rule, brand)
        for name, rule in settings.rules.items()
        if rule.brand is None or rule.brand == brand
    }


def build(name: str, rule: Rule, brand: str) -> FixedRule:
    """The rule as `alerts` checks it. Raises alerts.errors.BadRule."""
    hours = rule.window.total_seconds() / 3600
    series = SeriesKey(brand)
    if rule.kind == "low_ratings":
        return alerts.rules.MoreThan(name, series, hours, rule.severity, count=rule.more_than,
                                     rating_at_most=rule.rating_at_most)  # fmt: skip
    if rule.kind == "negative_count":
        return alerts.rules.MoreThan(name, series, hours, rule.severity, count=rule.more_than, negative_only=True)
    if rule.kind == "mean_rating":
        return alerts.rules.MeanRatingBelow(name, series, hours, rule.severity, rating=rule.below or 3.0)
    return alerts.rules.Words(name, series, hours, rule.severity, words=rule.words)


def n_with_words(texts: Sequence[str], words: Sequence[str], *, now: datetime) -> int:
    """How many texts hold one of the words (`*` at an end allows any ending)."""
    rule = alerts.rules.Words("safety", SeriesKey("any"), 1.0, words=tuple(words))
    facts = [
        alerts.rules.Fact(at=now, series=rule.series, mention_id=str(n), text=text) for n, text in enumerate(texts)
    ]
    hit = rule.check(facts, now)
    return len(hit.mention_ids) if hit else 0
