"""The order of every label that a model of ours puts out."""

from __future__ import annotations

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")
TOPICS: tuple[str, ...] = (
    "delivery",
    "price",
    "staff",
    "quality",
    "food",
    "assortment",
    "waiting",
    "support",
    "returns",
    "payment",
    "app",
    "packaging",
    "ambience",
    "cleanliness",
    "location",
    "safety",
    "loyalty",
    "information",
    "general",
)
