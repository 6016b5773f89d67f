"""Ids and hashes made from content, for sites that give none, and for seeing edits.

content_id(*parts) -> str      stable id from what identifies a review: subject, author, day, text
content_hash(item) -> str      changes when what people read of an item changes (title, text, rating, owner's reply)
canonical_url(url) -> str      without fragment, tracking parameters, default port
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from scrapers.item import Item

_TRACKING = re.compile(
    r"^(?:utm_\w+|fbclid|gclid|yclid|ysclid|msclkid|mc_[ce]id|igshid|ref_src|_openstat|si)$", re.IGNORECASE
)


def content_id(*parts: object) -> str:
    """`h:` and 32 hex digits of SHA-256 over the parts, folded (NFKC, case, white space); times count by the day."""
    folded = [_folded(one) for one in parts]
    return "h:" + hashlib.sha256("\x1f".join(folded).encode("utf-8", "replace")).hexdigest()[:32]


def content_hash(item: Item) -> str:
    """32 hex digits over the readable content; likes and views do not count, white space does not count."""
    reply = item.reply.text if item.reply else ""
    parts = (item.title or "", item.text, "" if item.rating is None else f"{item.rating:g}", reply)
    joined = "\x1f".join(" ".join(one.split()) for one in parts)
    return hashlib.sha256(joined.encode("utf-8", "replace")).hexdigest()[:32]


def canonical_url(url: str) -> str:
    """The same page under one address. Broken addresses come back as they are."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return url
    if not host:
        return url
    if port and port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{port}"
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(key)]
    return urlunsplit((parts.scheme.lower(), host, parts.path or "/", urlencode(query), ""))


def _folded(part: object) -> str:
    if part is None:
        return ""
    if isinstance(part, datetime):
        return part.date().isoformat()
    return " ".join(unicodedata.normalize("NFKC", str(part)).casefold().split())
