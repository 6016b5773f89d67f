"""Names of schema.org types: which of them are reviews, comments, editorial texts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

Node = dict[str, Any]
REVIEW = frozenset(
    {"Review", "UserReview", "CriticReview", "EmployerReview", "MediaReview", "Recommendation", "ReviewNewsArticle"}
)
COMMENT = frozenset({"Comment", "UserComments", "DiscussionForumPosting", "Answer"})
EDITORIAL = frozenset({"Article", "NewsArticle", "BlogPosting", "CriticReview", "ReviewNewsArticle"})


def types_of(node: Node) -> frozenset[str]:
    kinds = node.get("@type")
    if isinstance(kinds, str):
        return short(kinds)
    if isinstance(kinds, list):
        return frozenset(one for raw in kinds if isinstance(raw, str) for one in short(raw))
    return frozenset()


@lru_cache(maxsize=1000)
def short(raw: str | None) -> frozenset[str]:
    """Names of types without their vocabulary: "https://schema.org/Review" is Review."""
    parts = (raw or "").split()
    return frozenset(one.rstrip("/").rpartition("/")[2].rpartition(":")[2].rpartition("#")[2] for one in parts)
