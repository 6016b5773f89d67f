"""Judgement of texts: sentiment, topics, sentiment per topic, language. Texts in, judgements out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.base import Scorer


def load(name: str | None = None, **options: Any) -> Scorer:
    """Load a model: None gives the embedded one; else a hub id or a directory. See `models.scorer.load`."""
    from models.scorer import load as _load  # torch and transformers only when a text is judged

    return _load(name, **options)
