"""Which words carried a judgement: occlusion, every word (or phrase of a long text) left out once and the change
measured.
"""

from __future__ import annotations

import re

import numpy as np

from models.backend import Backend, Floats
from models.base import Span
from models.errors import ModelError, TextRejected
from models.text import condense, prepare

MAX_VARIANTS = 96  # longer texts are occluded phrase by phrase
# Words between spaces; single characters of scripts without spaces are grouped by two.
_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]{1,2}|[^\s\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")


def spans(text: str, backend: Backend, *, topic: str | None = None) -> list[Span]:
    """Stretches of the text with the fall of the judged probability when they are left out, strongest first.

    Without `topic`: of the sentiment judged. With it: of the topic and its sentiment together. ModelError when the
    backend has no such topic. Method: Zeiler and Fergus 2014, occlusion; on text Li, Monroe and Jurafsky 2016,
    "erasure".
    """
    if topic is not None and topic not in backend.topics:
        raise ModelError(
            f"topic {topic!r} is not one of this model: {', '.join(backend.topics) or 'it has no topic heads'}"
        )
    try:
        whole = prepare(text)
    except TextRejected:
        return []
    if len(text) != len(condense(text)):
        text = text[: len(whole)]  # a huge text is explained by its beginning
    units = [match.span() for match in _UNIT.finditer(text)]
    per = -(-len(units) // MAX_VARIANTS)
    groups = [(units[i][0], units[min(i + per, len(units)) - 1][1]) for i in range(0, len(units), per)]
    variants: list[str] = [whole]
    kept: list[tuple[int, int]] = []
    for start, end in groups:
        try:
            variants.append(prepare(f"{text[:start]} {text[end:]}"))
        except TextRejected:  # the only word there is
            variants.append("")
        kept.append((start, end))
    left = [i for i, variant in enumerate(variants) if variant]
    scored = _target([variants[i] for i in left], backend, topic)
    values = dict(zip(left, scored.tolist(), strict=True))
    weights = [values[0] - values.get(i + 1, 0.0) for i in range(len(kept))]
    found = [Span(start, end, round(weight, 4)) for (start, end), weight in zip(kept, weights, strict=True)]
    return sorted((span for span in found if abs(span.weight) >= 0.005), key=lambda span: -abs(span.weight))


def _target(texts: list[str], backend: Backend, topic: str | None) -> Floats:
    """Probability, in each variant, of what the first (the whole text) was judged to be."""
    outputs = backend.predict(texts)
    if topic is None:
        return np.asarray(outputs.sentiment[:, int(outputs.sentiment[0].argmax())])
    assert outputs.topics is not None and outputs.topic_sentiment is not None
    at = backend.topics.index(topic)
    polarity = outputs.topic_sentiment[:, at]
    return np.asarray(outputs.topics[:, at] * polarity[:, int(polarity[0].argmax())])
