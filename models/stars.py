"""What the author's stars say of the sentiment of his words.

A text is judged by its words; where its author gave stars, too, they are evidence of their own. By Bayes, with the
words and the stars taken as independent given the sentiment, the probabilities of the words are multiplied by the
likelihood of the stars. Independent they are not quite, so the likelihood is tempered (`WORDS`), and of a topic, which
may well be blamed in a review of five stars, they say less (`TOPICS`).

The likelihoods were counted on 223 reviews of fourteen sources in five languages, whose words alone were judged by a
reader who did not see the stars (docs/models.md, "Stars").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import SENTIMENTS, Judgement

REVISION = "1"  # of the numbers below: part of every judgement's `model`
WORDS, TOPICS = 0.75, 0.35  # how far the stars are believed: of the whole text, of what it says of a topic

# How many reviews of 1, 2, 3, 4 and 5 stars were negative, neutral or mixed, positive; half a review each beside them.
_COUNTED = np.array(((50, 0, 0), (40, 5, 5), (14, 12, 3), (5, 7, 32), (1, 3, 46)), dtype=np.float64) + 0.5
_LOG_LIKELIHOOD = np.log(_COUNTED / _COUNTED.sum(axis=0))  # [stars, sentiment]


def evidence(rating: float) -> npt.NDArray[np.float64]:
    """Log-likelihood of `rating` (1 to 5, halves lie between their neighbours) under each of SENTIMENTS."""
    at = min(max(float(rating), 1.0), 5.0) - 1.0
    low = min(int(at), 3)
    seen: npt.NDArray[np.float64] = (1 - (at - low)) * _LOG_LIKELIHOOD[low] + (at - low) * _LOG_LIKELIHOOD[low + 1]
    return seen


def weighed(judgement: Judgement, rating: float | None) -> Judgement:
    """The judgement of a text whose author gave `rating` stars (1 to 5); without stars, and without a sentiment, as it
    is."""
    if rating is None or judgement.sentiment is None:
        return judgement
    seen = evidence(rating)
    words = (judgement.p_negative, judgement.p_neutral, judgement.p_positive)
    return replace(
        judgement,
        **_said(words, WORDS * seen),
        topics=tuple(
            tag
            if tag.p_negative is None or tag.p_neutral is None or tag.p_positive is None
            else replace(tag, **_said((tag.p_negative, tag.p_neutral, tag.p_positive), TOPICS * seen))
            for tag in judgement.topics
        ),
    )


def unweighed(probabilities: Sequence[float], rating: float) -> tuple[float, float, float]:
    """What the words alone said (negative, neutral, positive), of probabilities that `weighed` gave."""
    back = _said(probabilities, -WORDS * evidence(rating))
    return back["p_negative"], back["p_neutral"], back["p_positive"]


def _said(probabilities: Sequence[float], shift: npt.NDArray[np.float64]) -> dict[str, Any]:
    p = np.asarray(probabilities, dtype=np.float64).clip(1e-4) * np.exp(shift - shift.max())
    p = (p / p.sum()).round(4)
    return {
        "sentiment": SENTIMENTS[int(p.argmax())],
        **{f"p_{name}": float(value) for name, value in zip(SENTIMENTS, p, strict=True)},
    }
