"""Topics by the lexicon for rows that nobody labelled: thin topics everywhere, all topics where a language has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from models.labels import TOPICS
from models.taxonomy.topics import read_yaml
from models.training.data import TRAIN, Corpus

# Topics with too few labelled rows in most languages; "general" has no trigger of its own.
THIN_TOPICS = ("payment", "app", "information", "returns", "support", "loyalty", "safety")


def load_lexicon(path: Path) -> dict[str, Any]:
    """The lexicon file: `topics.<topic>.<language>` lists of triggers, `substring_languages`."""
    return read_yaml(path)


def triggers(lexicon: dict[str, Any], topic: str, language: str) -> re.Pattern[str] | None:
    """One expression for all triggers of a topic in a language, over lower-case text; None without triggers.

    At word boundaries, "*" for any ending; plain substrings in languages without spaces; Arabic words may carry
    a proclitic.
    """
    terms = lexicon["topics"].get(topic, {}).get(language)
    if not terms:
        return None
    substring = language in lexicon["substring_languages"]
    parts = [r"\w*".join(map(re.escape, str(term).lower().replace("’", "'").split("*"))) for term in terms]
    if substring:
        return re.compile("|".join(parts))
    begin = r"(?<!\w)[وفبلك]?(?:ال)?" if language == "ar" else r"(?<!\w)"
    # The border is asked for once a place, not once a term: five times as fast.
    return re.compile(f"{begin}(?:{'|'.join(parts)})(?!\\w)")


def add_weak_topics(corpus: Corpus, lexicon: dict[str, Any]) -> int:
    """Mark training rows of the sentiment data with topics the lexicon finds; the number of marked rows.

    A topic with triggers in the row's language becomes a decision: present if one fires, else absent. In
    languages with rows in the topic data only `THIN_TOPICS` are decided this way, elsewhere every topic but "general".
    A verdict of our own about nothing in particular lacks the topics already, but not one whose trigger fires.
    """
    corpus.weak |= (corpus.labelled != 0) & ~corpus.is_topic & (corpus.split == TRAIN)
    with_topics = {int(index) for index in np.unique(corpus.language[corpus.is_topic])}
    for index, language in enumerate(corpus.languages):
        rows = np.flatnonzero((corpus.language == index) & ~corpus.is_topic & (corpus.split == TRAIN))
        names = THIN_TOPICS if index in with_topics else tuple(name for name in TOPICS if name != "general")
        patterns = {name: triggers(lexicon, name, language) for name in TOPICS}
        every = [(1 << TOPICS.index(name), pattern) for name, pattern in patterns.items() if pattern is not None]
        decided = sum(1 << TOPICS.index(name) for name in names if patterns[name] is not None)
        known = [(bit, pattern) for bit, pattern in every if bit & decided]
        if not known or not len(rows):
            continue
        for row in rows:
            text, bare = corpus.texts[int(row)].lower().replace("’", "'"), int(corpus.labelled[row])
            fired = sum(bit for bit, pattern in (every if bare else known) if pattern.search(text))
            corpus.topics[row] = fired & decided
            corpus.labelled[row] = decided | (bare & ~fired)
        corpus.weak[rows] = True
    return int(corpus.weak.sum())
