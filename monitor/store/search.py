"""Full-text search: how texts are folded so that people find what they mean.

SQLite: an FTS5 table over folded text (NFKC, lower case, ё as е, diacritics off, Chinese and Japanese as bigrams).
PostgreSQL: a tsvector of the same folded text.
"""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy import text
from sqlmodel import Session

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+")
_WORD = re.compile(r"\w+", re.UNICODE)


def fold(text: str | None) -> str:
    """The searchable form of a text: what is stored in the index, and what a query is turned into."""
    if not text:
        return ""
    flat = unicodedata.normalize("NFKD", text.casefold().replace("ё", "е"))
    # й is a letter of its own in Russian and must not fold into и, as NFKD minus its breve would make it
    kept = "".join(c for c in flat.replace("и\u0306", "\ue000") if not unicodedata.combining(c)).replace("\ue000", "й")
    return _CJK.sub(lambda run: " " + " ".join(_bigrams(run.group())) + " ", unicodedata.normalize("NFC", kept))


def searchable(title: str | None, text: str) -> str:
    """What the index holds of a mention."""
    return fold(f"{title} {text}" if title else text)


def match_expression(query: str) -> str:
    """An FTS5 expression: all words must occur, each as a prefix; "quoted words" as a phrase; -word must not.

    Anything else the user types is data, never syntax.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, exact, terms in _parts(query):
        quoted = '"' + " ".join(terms) + '"'
        (unwanted if minus else wanted).append(quoted if exact else f"{quoted}*")
    if not wanted:
        return ""
    return " AND ".join(wanted) + "".join(f" NOT {term}" for term in unwanted)


def tsquery(query: str) -> str:
    """The same for PostgreSQL's to_tsquery: terms are letters and digits only, so nothing of them is syntax."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, exact, terms in _parts(query):
        joined = " <-> ".join(f"'{term}'" for term in terms) + ("" if exact else ":*")
        (unwanted if minus else wanted).append(f"({joined})")
    if not wanted:
        return ""
    return " & ".join(wanted) + "".join(f" & !{term}" for term in unwanted)


def with_room(session: Session) -> None:
    """Let PostgreSQL keep every place where the words stand, until the transaction ends.

    Short of room it keeps pages, and cuts all texts of a page into words again: two words that stand in half of ten
    million texts did not end within three minutes, and take seconds with it.
    """
    session.execute(text("SELECT set_config('work_mem', '64MB', true)"))


def _parts(query: str) -> list[tuple[bool, bool, list[str]]]:
    """What the user typed as (must not occur, exact phrase, its words)."""
    parts = []
    for minus, phrase, word in re.findall(r'(-?)(?:"([^"]+)"|(\S+))', query):
        terms = _WORD.findall(fold(phrase or word))
        if terms:
            parts.append((bool(minus), bool(phrase), terms))
    return parts


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]
