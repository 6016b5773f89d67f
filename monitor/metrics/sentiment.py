"""Net sentiment: positive minus negative per hundred, with and without neutrals, raw and cleared of model bias."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric, check_counts, z_value

NET = "net sentiment 100(P - N)/(P + N + U), adjusted Wald interval (three answers added, as for NPS)"
NET_OPINIONATED = "net sentiment without neutrals 100(P - N)/(P + N), adjusted Wald interval"
ADJUSTED = "shares cleared of classifier bias by the inverted confusion matrix, bootstrap over both samples"


@dataclass(frozen=True, slots=True)
class Tally:
    """Mentions of one series and period by sentiment; `n_unjudged` have none (stars without a text, say)."""

    n_negative: int = 0
    n_neutral: int = 0
    n_positive: int = 0
    n_unjudged: int = 0

    def __post_init__(self) -> None:
        check_counts(
            n_negative=self.n_negative,
            n_neutral=self.n_neutral,
            n_positive=self.n_positive,
            n_unjudged=self.n_unjudged,
        )

    @property
    def n(self) -> int:
        """Judged mentions: what every share is of."""
        return self.n_negative + self.n_neutral + self.n_positive

    @property
    def n_all(self) -> int:
        """All mentions: what volume is."""
        return self.n + self.n_unjudged

    @property
    def negative_share(self) -> float | None:
        return self.n_negative / self.n if self.n else None

    @property
    def net(self) -> float | None:
        return 100.0 * (self.n_positive - self.n_negative) / self.n if self.n else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.n_negative + other.n_negative,
            self.n_neutral + other.n_neutral,
            self.n_positive + other.n_positive,
            self.n_unjudged + other.n_unjudged,
        )

    def __sub__(self, other: Tally) -> Tally:
        return Tally(
            self.n_negative - other.n_negative,
            self.n_neutral - other.n_neutral,
            self.n_positive - other.n_positive,
            self.n_unjudged - other.n_unjudged,
        )


def net_interval(n_up: float, n_down: float, n: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of 100(up - down)/n, adjusted Wald: 3 answers added, 3/4 of them up and 3/4 down.

    Bonett and Price 2012 for differences of paired shares; Rocks 2016 for NPS (model (3, T)).
    """
    check_counts(n_up=n_up, n_down=n_down, n=n)
    if n_up + n_down > n * (1 + 1e-12):
        raise BadNumbers(f"n_up + n_down must not exceed n, got {n_up!r} + {n_down!r} of {n!r}")
    z = z_value(confidence)
    total = n + 3
    p, d = (n_up + 0.75) / total, (n_down + 0.75) / total
    half = z * math.sqrt((p + d - (p - d) ** 2) / total)
    raw = 100.0 * (n_up - n_down) / n if n else 0.0
    low = max(-100.0, 100.0 * (p - d - half))
    high = min(100.0, 100.0 * (p - d + half))
    return Interval(min(low, raw), max(high, raw))


def net_sentiment(
    tally: Tally, *, with_neutral: bool = True, n_needed: int = 10, confidence: float = CONFIDENCE
) -> Metric:
    """Net sentiment in points from -100 to 100; the variant is named in the method."""
    n = tally.n if with_neutral else tally.n_positive + tally.n_negative
    name = "net_sentiment" if with_neutral else "net_sentiment_opinionated"
    method = NET if with_neutral else NET_OPINIONATED
    if n == 0:
        return Metric(name, None, None, 0, method, n_needed=n_needed)
    value = 100.0 * (tally.n_positive - tally.n_negative) / n
    interval = net_interval(tally.n_positive, tally.n_negative, n, confidence=confidence)
    return Metric(name, value, interval, n, method, n_needed=n_needed)


def net_change(now: Tally, before: Tally, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the difference of two net sentiments: MOVER over both adjusted Wald intervals."""
    if now.n == 0 or before.n == 0:
        return Interval(-200.0, 200.0)
    a, b = now.net or 0.0, before.net or 0.0
    of_a = net_interval(now.n_positive, now.n_negative, now.n, confidence=confidence)
    of_b = net_interval(before.n_positive, before.n_negative, before.n, confidence=confidence)
    return Interval(
        max(-200.0, a - b - math.hypot(a - of_a.low, of_b.high - b)),
        min(200.0, a - b + math.hypot(of_a.high - a, b - of_b.low)),
    )


def cleared_shares(tally: Tally, confusion: npt.NDArray[np.integer] | list[list[int]]) -> npt.NDArray[np.float64]:
    """True shares (negative, neutral, positive) behind the observed ones.

    `confusion[i][j]` counts labelled texts of true class i that the model called j. With M its rows as shares, the
    observed shares are M^T times the true ones; the solution is projected on the simplex (Buonaccorsi 2010,
    matrix method; Forman 2008, "adjusted count").
    """
    matrix = np.asarray(confusion, dtype=float)
    if matrix.shape != (3, 3) or (matrix < 0).any() or (matrix.sum(axis=1) == 0).any():
        raise BadNumbers("confusion must be 3 x 3 counts with every true class present")
    if tally.n == 0:
        raise BadNumbers("no judged mentions")
    rows = matrix / matrix.sum(axis=1, keepdims=True)
    if np.linalg.cond(rows) > 1e6:
        raise BadNumbers("the model cannot tell the classes apart: its confusion matrix has no inverse")
    observed = np.array([tally.n_negative, tally.n_neutral, tally.n_positive], dtype=float) / tally.n
    return _to_simplex(np.linalg.solve(rows.T, observed))


def net_sentiment_adjusted(
    tally: Tally,
    confusion: npt.NDArray[np.integer] | list[list[int]],
    *,
    rng: np.random.Generator,
    n_bootstrap: int = 2000,
    n_needed: int = 30,
    confidence: float = CONFIDENCE,
) -> Metric:
    """Net sentiment cleared of classifier bias; show it beside the raw one, never alone.

    The bootstrap redraws the observed mentions and the labelled sample, so a small labelled sample widens it.
    """
    name = "net_sentiment_adjusted"
    if tally.n < n_needed:
        return Metric(name, None, None, tally.n, ADJUSTED, n_needed=n_needed)
    shares = cleared_shares(tally, confusion)
    matrix = np.asarray(confusion, dtype=float)
    totals = matrix.sum(axis=1).astype(int)
    observed = np.array([tally.n_negative, tally.n_neutral, tally.n_positive], dtype=float) / tally.n
    draws = rng.multinomial(tally.n, observed, size=n_bootstrap) / tally.n
    # half a text added to each cell: a labelled sample without a single error does not prove that there are none
    smooth = (matrix + 0.5) / (matrix + 0.5).sum(axis=1, keepdims=True)
    rows = np.stack([rng.multinomial(totals[i], smooth[i], size=n_bootstrap) for i in range(3)], axis=1)
    values = []
    for draw, redrawn in zip(draws, rows / totals[None, :, None], strict=True):
        if np.linalg.cond(redrawn) < 1e6:
            cleared = _to_simplex(np.linalg.solve(redrawn.T, draw))
            values.append(100.0 * (cleared[2] - cleared[0]))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    value = float(100.0 * (shares[2] - shares[0]))
    return Metric(
        name, value, Interval(min(float(low), value), max(float(high), value)), tally.n, ADJUSTED,
        n_needed=n_needed, note=f"labelled sample of {int(matrix.sum())}",
    )  # fmt: skip


def _to_simplex(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The nearest point whose parts are not negative and sum to one (Duchi et al. 2008)."""
    ordered = np.sort(vector)[::-1]
    surplus = (np.cumsum(ordered) - 1) / np.arange(1, len(vector) + 1)
    last = int(np.nonzero(ordered > surplus)[0][-1])
    result: npt.NDArray[np.float64] = np.maximum(vector - surplus[last], 0.0)
    return result
