"""Segments in words."""

from __future__ import annotations

from monitor.metrics.segments import Segment, Trait
from monitor.reports.segment_words import segment_words


def test_segments_in_words() -> None:
    traits = (
        Trait("frequency", 1.4, 22.0),
        Trait("basket", -1.1, 180.0),
        Trait("complaints:waiting", 0.9, 0.3),
        Trait("rating", -0.2, 4.0),
    )
    segment = Segment(0, 120, 0.2, traits)
    assert (
        segment_words(segment, "en", topic_names={"waiting": "Waiting"})
        == "often, small baskets, complains about waiting"
    )
    assert (
        segment_words(segment, "ru", topic_names={"waiting": "Ожидание"})
        == "часто, мелкие чеки, жалуется на тему «Ожидание»"
    )
    assert segment_words(Segment(1, 5, 0.1, (Trait("rating", 0.1, 4.0),)), "en") == "average in everything"
    assert segment_words(Segment(1, 5, 0.1, (Trait("steps", -1.0, 4.0),)), "en") == "less steps"
