"""What a text can be about: the topics, their place in the customer's journey, and the words that give them away."""

from __future__ import annotations

from models.taxonomy.lexicon import Hit, Lexicon, lexicon
from models.taxonomy.topics import TOPICS, Taxonomy, Topic, taxonomy

__all__ = ["TOPICS", "Hit", "Lexicon", "Taxonomy", "Topic", "lexicon", "taxonomy"]
