"""Share of voice: which part of what is said about all tracked brands is said about each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, Interval, Metric, check_counts
from monitor.metrics.proportion import newcombe

VOICE = "share of voice: mentions of the brand over mentions of all tracked brands, Goodman 1965 simultaneous interval"


@dataclass(frozen=True, slots=True)
class Voice:
    """One brand's share, and its change against another period when that was given."""

    brand: str
    share: Metric
    change: float | None = None
    change_interval: Interval | None = None


def share_of_voice(
    now: Mapping[str, int],
    *,
    before: Mapping[str, int] | None = None,
    n_needed: int = 20,
    confidence: float = CONFIDENCE,
) -> list[Voice]:
    """Shares of the brands in `now` (mentions by brand, duplicates counted once), largest first.

    The shares of k brands hang together, so their intervals hold at once (Goodman 1965, Technometrics 7): each is a
    score interval at the quantile of 1 - alpha/k. The change of one brand is Newcombe's.
    """
    check_counts(**{f"mentions of {brand}": n for brand, n in now.items()})
    total = sum(now.values())
    total_before = sum(before.values()) if before else 0
    chi_square = tails.chi_square_quantile(1 - (1 - confidence) / max(1, len(now)), 1)
    voices = []
    for brand, n_brand in sorted(now.items(), key=lambda entry: (-entry[1], entry[0])):
        if total == 0:
            voices.append(Voice(brand, Metric("share_of_voice", None, None, 0, VOICE, "share", n_needed)))
            continue
        value = n_brand / total
        root = math.sqrt(chi_square * (chi_square + 4 * n_brand * (total - n_brand) / total))
        low = (chi_square + 2 * n_brand - root) / (2 * (total + chi_square))
        high = (chi_square + 2 * n_brand + root) / (2 * (total + chi_square))
        interval = Interval(min(value, max(0.0, low)), max(value, min(1.0, high)))
        metric = Metric("share_of_voice", value, interval, total, VOICE, "share", n_needed)
        if before and total_before and metric.shown:
            n_before = before.get(brand, 0)
            voices.append(
                Voice(
                    brand,
                    metric,
                    value - n_before / total_before,
                    newcombe(n_brand, total, n_before, total_before, confidence=confidence),
                )
            )
        else:
            voices.append(Voice(brand, metric))
    return voices
