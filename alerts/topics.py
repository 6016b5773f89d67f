"""Whether negatives speak of other things than before: a test of the mix of topics, and the topic that grew most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import chdtrc

__all__ = ["TopicShift", "fade", "needed_score", "topic_shift"]

MIN_NEGATIVE = 8
PSEUDO = 0.5
WANDERS = 400.0  # so many mentions add one to the dispersion: the mix wanders by itself, which large counts show
# False stories a week of the score, measured where the mix only wanders: log10(rate) = shift - slope * score.
RATE = (-0.08, 1.07)


@dataclass(frozen=True, slots=True)
class TopicShift:
    """The mix of topics now against before. `score` is -log10 p; `topic` grew most: seen `observed`, due `expected`."""

    score: float
    p_value: float
    statistic: float
    freedom: int
    topic: str
    observed: float
    expected: float

    @property
    def excess(self) -> float:
        """Mentions of the topic above the old mix."""
        return self.observed - self.expected


def topic_shift(
    now: Mapping[str, float], before: Mapping[str, float], *, dispersion: float = 1.5, min_negative: int = MIN_NEGATIVE
) -> TopicShift | None:
    """G-test of the topics of the newest negatives against those of the weeks before (counts by topic).

    G = 2 sum observed log(observed / expected), with Williams' correction for small counts, divided by `dispersion`
    (people copy each other: topics come in clumps) and by what the mix wanders by itself. The old mix is smoothed by
    half a mention a topic, and its own sampling error enters through the two-sample form of the test. None with fewer
    than `min_negative` tags now or before. (Sokal and Rohlf, Biometry, on the G-test and Williams' correction.)
    """
    topics = sorted(set(now) | set(before))
    n_now = sum(now.values())
    n_before = sum(before.values())
    if n_now < min_negative or n_before < min_negative or len(topics) < 2:
        return None
    smooth = {topic: before.get(topic, 0.0) + PSEUDO for topic in topics}
    whole = sum(smooth.values())
    statistic = 0.0
    for topic in topics:
        seen_now, seen_before = now.get(topic, 0.0), smooth[topic]
        pooled = (seen_now + seen_before) / (n_now + whole)
        for seen, size in ((seen_now, n_now), (seen_before, whole)):
            if seen > 0:
                statistic += 2 * seen * math.log(seen / (size * pooled))
    freedom = len(topics) - 1
    correction = 1 + (len(topics) + 1) / (6 * (n_now + whole))
    statistic = max(0.0, statistic / correction / (dispersion + n_now / WANDERS))
    p_value = float(chdtrc(freedom, statistic))
    due = {topic: n_now * smooth[topic] / whole for topic in topics}
    top = max(topics, key=lambda topic: (now.get(topic, 0.0) - due[topic], topic))
    score = -math.log10(max(p_value, 1e-300))
    return TopicShift(score, p_value, statistic, freedom, top, now.get(top, 0.0), due[top])


def needed_score(rate: float) -> float:
    """The score that mixes which only wander reach `rate` times a week, looked at once a day."""
    shift, slope = RATE
    return max(0.0, (shift - math.log10(rate)) / slope)


def fade(
    before: Mapping[str, float], counts: Mapping[str, float], *, days: float, half_life: float = 28.0
) -> dict[str, float]:
    """The old mix some days later, with new counts added: what a tick stores instead of the rows."""
    keep = 0.5 ** (days / half_life)
    topics = set(before) | set(counts)
    return {topic: before.get(topic, 0.0) * keep + counts.get(topic, 0.0) for topic in sorted(topics)}
