"""Survey indices: NPS, CSAT and CES 2.0 from answers, and the change of each between two periods."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric
from monitor.metrics.proportion import WILSON, newcombe, wilson
from monitor.metrics.sample import Sample
from monitor.metrics.sentiment import Tally, net_change, net_interval

NPS = "NPS 100(promoters 9-10 - detractors 0-6), adjusted Wald interval (3, T) (Rocks 2016)"
CSAT = f"CSAT top-two-box of 1..5, {WILSON}"
CES_INDEX = "CES 2.0 index %(6-7) - %(1-3) of 1..7, adjusted Wald interval"
MEAN = "mean with Student's t interval"


Answers = Sequence[float] | Sample


def nps_tally(answers: Answers) -> Tally:
    """Detractors, passives, promoters of answers 0..10."""
    held = _sample(answers, 0, 10)
    down, up = held.between(0, 6), held.between(9, 10)
    return Tally(down, held.n - down - up, up)


def nps(answers: Answers, *, n_needed: int = 10, confidence: float = CONFIDENCE) -> Metric:
    """Net promoter score, -100 to 100."""
    return _net("nps", nps_tally(answers), NPS, n_needed, confidence)


def nps_change(now: Answers, before: Answers, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of NPS(now) - NPS(before)."""
    return net_change(nps_tally(now), nps_tally(before), confidence=confidence)


def csat(answers: Answers, *, n_needed: int = 10, confidence: float = CONFIDENCE) -> Metric:
    """Share of 4 and 5 among answers 1..5, 0 to 1. The mean is another number: see `mean_of`."""
    x, n = _top(answers)
    if n == 0:
        return Metric("csat", None, None, 0, CSAT, unit="share", n_needed=n_needed)
    return Metric("csat", x / n, wilson(x, n, confidence=confidence), n, CSAT, unit="share", n_needed=n_needed)


def csat_change(now: Answers, before: Answers, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of CSAT(now) - CSAT(before), in shares."""
    return newcombe(*_top(now), *_top(before), confidence=confidence)


def ces_tally(answers: Answers) -> Tally:
    """Disagree (1-3), middle (4-5), agree (6-7) of answers 1..7 to "made it easy"."""
    held = _sample(answers, 1, 7)
    down, up = held.between(1, 3), held.between(6, 7)
    return Tally(down, held.n - down - up, up)


def ces_index(answers: Answers, *, n_needed: int = 10, confidence: float = CONFIDENCE) -> Metric:
    """CES 2.0 as an index, -100 to 100. Vendors differ (some count 5 as agreement): the method says which."""
    return _net("ces_index", ces_tally(answers), CES_INDEX, n_needed, confidence)


def ces_mean(answers: Answers, *, n_needed: int = 10, confidence: float = CONFIDENCE) -> Metric:
    """Mean agreement 1..7 with "made it easy"."""
    return mean_of("ces_mean", _sample(answers, 1, 7), bounds=(1.0, 7.0), n_needed=n_needed, confidence=confidence)


def mean_of(
    name: str,
    values: Answers,
    *,
    bounds: tuple[float, float] | None = None,
    n_needed: int = 5,
    confidence: float = CONFIDENCE,
) -> Metric:
    """Mean with Student's t interval, cut at `bounds`. Equal answers leave no spread to measure: then the interval
    takes one answer at the farther bound as if it had been given, so that it is never of width zero."""
    held = values if isinstance(values, Sample) else Sample.of(values)
    n = held.n
    if n < 2:
        return Metric(name, None, None, n, MEAN, unit="stars", n_needed=max(2, n_needed))
    mean, spread = held.mean, math.sqrt(held.variance)
    if spread == 0 and bounds is not None:
        far = bounds[0] if mean - bounds[0] >= bounds[1] - mean else bounds[1]
        spread = math.sqrt(Sample.of([*held.each().tolist(), far]).variance)
    half = tails.t_quantile(0.5 + confidence / 2, n - 1) * spread / math.sqrt(n)
    low, high = mean - half, mean + half
    if bounds is not None:
        low, high = max(bounds[0], low), min(bounds[1], high)
    return Metric(
        name, mean, Interval(min(low, mean), max(high, mean)), n, MEAN, unit="stars", n_needed=max(2, n_needed)
    )


def change_of_mean(
    mean_now: float,
    variance_now: float,
    n_now: int,
    mean_before: float,
    variance_before: float,
    n_before: int,
    *,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Welch's interval of a difference of means; None when either side has fewer than two values or no spread."""
    if n_now < 2 or n_before < 2:
        return None
    a, b = variance_now / n_now, variance_before / n_before
    if a + b <= 0:
        return None
    freedom = (a + b) ** 2 / (a * a / (n_now - 1) + b * b / (n_before - 1))
    half = tails.t_quantile(0.5 + confidence / 2, freedom) * math.sqrt(a + b)
    difference = mean_now - mean_before
    return Interval(difference - half, difference + half)


def _net(name: str, tally: Tally, method: str, n_needed: int, confidence: float) -> Metric:
    if tally.n == 0:
        return Metric(name, None, None, 0, method, n_needed=n_needed)
    interval = net_interval(tally.n_positive, tally.n_negative, tally.n, confidence=confidence)
    return Metric(name, tally.net, interval, tally.n, method, n_needed=n_needed)


def _top(answers: Answers) -> tuple[int, int]:
    """How many answers of 1..5 are 4 or 5, of how many."""
    held = _sample(answers, 1, 5)
    return held.between(4, 5), held.n


def _sample(answers: Answers, lowest: int, highest: int) -> Sample:
    """Raises BadNumbers for an answer off the scale."""
    listed = answers.values.tolist() if isinstance(answers, Sample) else answers
    for position, answer in enumerate(listed, start=1):
        if not lowest <= answer <= highest:
            raise BadNumbers(f"answer {position} is {answer!r}; allowed is {lowest} to {highest}")
    return answers if isinstance(answers, Sample) else Sample.of(answers)
