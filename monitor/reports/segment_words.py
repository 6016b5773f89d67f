"""Segments of customers in words: "often, small baskets, complains about waiting"."""

from __future__ import annotations

from monitor.i18n import Translator, translator
from monitor.metrics.segments import Segment
from monitor.reports.sentences import topic_in_sentence

CLEAR = 0.45  # mean normal score from which a trait is worth a word
COMPLAINTS = "complaints:"  # features of this prefix are shares of complaints about a topic
MAX_WORDS = 4


def segment_words(segment: Segment, language: str, *, topic_names: dict[str, str] | None = None) -> str:
    """The traits that set a segment apart, strongest first; "average in everything" where none does.

    Known features: recency, frequency, basket, tenure, returned, rating, sentiment, nps, and `complaints:TOPIC`. Others
    are named as they are, with more or less.
    """
    t = translator(language)
    words: list[str] = []
    for trait in segment.traits:
        if abs(trait.score) < CLEAR or len(words) == MAX_WORDS:
            continue
        high = trait.score > 0
        if trait.feature.startswith(COMPLAINTS):
            topic = trait.feature.removeprefix(COMPLAINTS)
            name = topic_in_sentence((topic_names or {}).get(topic, topic), language)
            words.append(
                t.gettext("complains about {topic}", topic=name)
                if high
                else t.gettext("hardly complains about {topic}", topic=name)
            )
        else:
            words.append(_word(t, trait.feature, high=high))
    return ", ".join(words) if words else t.gettext("average in everything")


def _word(t: Translator, feature: str, *, high: bool) -> str:
    words = {
        "recency": (t.gettext("not seen for long"), t.gettext("was here lately")),
        "frequency": (t.gettext("often"), t.gettext("rarely")),
        "basket": (t.gettext("large baskets"), t.gettext("small baskets")),
        "tenure": (t.gettext("customer of old"), t.gettext("new customer")),
        "returned": (t.gettext("returns much"), t.gettext("returns little")),
        "rating": (t.gettext("rates high"), t.gettext("rates low")),
        "sentiment": (t.gettext("speaks well of us"), t.gettext("speaks badly of us")),
        "nps": (t.gettext("recommends us"), t.gettext("advises against us")),
    }
    if feature in words:
        return words[feature][0 if high else 1]
    return t.gettext("more {feature}", feature=feature) if high else t.gettext("less {feature}", feature=feature)
