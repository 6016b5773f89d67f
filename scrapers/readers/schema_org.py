"""schema.org reviews of any page: JSON-LD first, then microdata and RDFa, each review once.

    read(page, root=None) -> Reviews   .items, .facts (rating_value, rating_count, review_count), .marked up at all?
    nodes(page) -> list[dict]             all JSON-LD objects of a page, for readers that want more of them
    review(node, page, ...) -> Item       one JSON-LD or microdata object of type Review

Fields by https://schema.org/Review. Comments are read only from pages that mark up no review. Reviews marked up as
articles (`Article` and `Review` together, `CriticReview`) are editorial: their kind is "article".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from scrapers.base import Page
from scrapers.item import Item, Kind, Reply
from scrapers.readers import dates, html, json_data, json_ld, microdata, rating, text
from scrapers.readers.identity import canonical_url, content_id
from scrapers.readers.numbers import count, number
from scrapers.readers.schema_types import COMMENT, EDITORIAL, REVIEW, Node, types_of

_MARKS = (b"schema.org", b"ld+json", b"data-vocabulary.org")
# Attributes of microdata and RDFa. The patterns begin with plain letters: their search is fast, and pages are large.
_REVIEW_MARK = re.compile(
    r"type(?:of)?\s*=\s*[\"']?[^\"'>]{0,200}?(?:Review|Recommendation|AggregateRating)|itemprop\s*=\s*[\"']?reviews?\b"
)
_COMMENT_MARK = re.compile(r"type(?:of)?\s*=\s*[\"']?[^\"'>]{0,200}?(?:Comment|DiscussionForumPosting|Answer)")
_LANGUAGE = re.compile(r"<html\b[^>]{0,500}?\blang\s*=\s*[\"']?([A-Za-z_-]{2,15})", re.IGNORECASE)
_ANONYMOUS = frozenset({"", "anonymous", "guest", "аноним", "гость", "user", "пользователь"})


@dataclass(frozen=True, slots=True)
class Reviews:
    items: tuple[Item, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)
    marked: bool = False


def read(page: Page, root: HtmlElement | None = None) -> Reviews:
    """Everything the page marks up as a review."""
    if not any(one in page.body for one in _MARKS):
        return Reviews()
    content = html.decode(page)
    documents = [json_ld.flat(one) for one in json_ld.scripts(content)]
    page_language = _LANGUAGE.search(content[:5000])
    language = html.language_code(page_language.group(1)) if page_language else None
    found: list[Item] = []
    for kind, wanted, pattern in (("review", REVIEW, _REVIEW_MARK), ("comment", COMMENT, _COMMENT_MARK)):
        if pattern.search(content):  # JSON-LD needs no tree, attributes do
            root = html.tree(content) if root is None else root
            if root is not None:
                documents.append(list(microdata.objects(root, wanted | {"AggregateRating"})))
        known = {one["@id"]: one for nodes in documents for one in nodes if _is_defined(one)}
        groups = [
            [_item(one, page, known, kind=kind, language=language) for one in nodes if types_of(one) & wanted]
            for nodes in documents
        ]
        found = _merged([[one for one in group if one is not None] for group in groups])
        if found:
            break
    facts = _facts(one for nodes in documents for one in nodes)
    return Reviews(_unique(found), facts, marked=True)


def nodes(page: Page) -> list[Node]:
    """All JSON-LD objects with a type, nested ones included, in document order."""
    return [node for document in json_ld.scripts(html.decode(page)) for node in json_ld.flat(document)]


def _is_defined(node: Node) -> bool:
    """An object with an id that says more than its id."""
    return isinstance(node.get("@id"), str) and len(node) > 1


def review(node: Node, page: Page, *, kind: Kind = "review", language: str | None = None) -> Item | None:
    """One object of type Review (or Comment) as an item; None when it says nothing."""
    return _item(node, page, {}, kind=kind, language=language)


def _item(node: Node, page: Page, known: dict[str, Node], *, kind: str, language: str | None) -> Item | None:
    def of(*names: str) -> Any:
        return next((_deref(node[name], known) for name in names if node.get(name) not in (None, "", [])), None)

    body = _text(of("reviewBody", "text", "description", "articleBody", "commentText"))
    extra = [
        f"{sign} {note}" for name, sign in (("positiveNotes", "+"), ("negativeNotes", "−")) for note in _notes(of(name))
    ]
    body = "\n".join([*([body] if body else []), *extra])
    title = text.optional(text.from_html(_string(of("name", "headline"))))
    subject = _subject(of("itemReviewed"))
    stars = _rating(of("reviewRating", "ratingValue", "rating"))
    author, author_id = _author(of("author", "creator", "accountablePerson"))
    raw_time = _string(of("datePublished", "dateCreated", "uploadDate", "commentTime", "dateModified"))
    when = dates.read(raw_time, page.fetched_at, languages=(language,) if language else ())
    if not (body or stars.raw or (title and author)):
        return None
    if title and (title == subject or body.startswith(title)):
        title = None
    lang = html.language_code(_string(of("inLanguage")))  # the page's own language says little about its guests
    types = types_of(node)
    edited = dates.iso(_string(of("dateModified")))
    reply = of("comment", "ownerResponse", "reply") if kind == "review" else None
    url = html.absolute(_string(of("url")), page.url)
    parent = of("parentItem")
    return Item(
        kind="article" if kind == "review" and types & EDITORIAL else kind,  # type: ignore[arg-type]
        external_id=_identity(node, page, url) or content_id(_place(subject, page), author, raw_time, stars.raw, body),
        title=title,
        text=body,
        url=url or _anchor(node, page) or html.absolute(page.url),
        author=author,
        author_id=author_id,
        edited_at=edited if edited and when.at and edited > when.at else None,
        language=lang,
        reply=_reply(reply),
        parent_id=_string(parent.get("@id")) if isinstance(parent, dict) else None,
        subject=subject,
        n_likes=count(of("upvoteCount")),
        **stars.fields(),
        **when.fields(),
    )


def _identity(node: Node, page: Page, url: str | None) -> str | None:
    """`@id`, else an address of its own (not that of the page), else the id of the element that holds it."""
    own = node.get("@id")
    if isinstance(own, str) and own.strip() and not own.startswith("_:"):
        return text.line(own)
    if url and (canonical_url(url) != canonical_url(page.url) or urlsplit(url).fragment):
        return url
    identifier = node.get("identifier")
    if isinstance(identifier, dict):
        identifier = identifier.get("value")
    if isinstance(identifier, (str, int)) and not isinstance(identifier, bool) and str(identifier).strip():
        return text.line(identifier)
    return None


def _anchor(node: Node, page: Page) -> str | None:
    """The page at the element that holds the review."""
    element = node.get("#element")
    while element is not None:
        name = element.get("id")
        if name and re.fullmatch(r"[\w.:-]{1,80}", name) and re.search(r"\d", name):
            return html.absolute(f"#{name}", page.url)
        element = element.getparent()
        if element is not None and element.tag in ("body", "main", "ol", "ul", "section"):
            return None
    return None


def _place(subject: str | None, page: Page) -> str:
    parts = urlsplit(page.url)
    return subject or f"{parts.netloc}{parts.path}"


def _deref(value: Any, known: dict[str, Node]) -> Any:
    """`{"@id": ..}` alone stands for the object with that id."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and set(value) <= {"@id", "@type"} and isinstance(value.get("@id"), str):
        return known.get(value["@id"], value)
    return value


def _string(value: Any) -> str | None:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("@value", value.get("name"))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(one for one in (_text(part) for part in value) if one)
    return text.from_html(_string(value))


def _notes(value: Any) -> list[str]:
    entries = value.get("itemListElement", []) if isinstance(value, dict) else value
    return [one for one in (text.line(text.from_html(_string(part))) for part in json_data.items(entries)) if one]


def _rating(value: Any) -> rating.Rating:
    """A Rating object, a list of them (the first), or a bare number."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        worst = value.get("worstRating")
        best = value.get("bestRating")
        return rating.read(value.get("ratingValue"), best, worst) or rating.NONE
    return rating.read(value) or rating.NONE


def _author(value: Any) -> tuple[str | None, str | None]:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        own = value.get("url") or value.get("@id") or value.get("sameAs")
        return text.optional(text.from_html(_string(value.get("name")))), _string(own)
    return text.optional(text.from_html(_string(value))), None


def _subject(value: Any) -> str | None:
    return text.optional(text.from_html(_string(value)))


def _reply(value: Any) -> Reply | None:
    """The first comment under a review is the owner's answer, by habit of shops."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None
    body = _text(value.get("text") or value.get("description"))
    author, _ = _author(value.get("author"))
    return (
        Reply(body, author, dates.iso(_string(value.get("datePublished") or value.get("dateCreated"))))
        if body
        else None
    )


# --- the whole page -----------------------------------------------------------------------------------------------


def _merged(groups: Iterable[list[Item]]) -> list[Item]:
    """Reviews of several markups of one page: of each review as many as the markup with most of it has."""
    out: list[Item] = []
    have: Counter[tuple[Any, ...]] = Counter()
    for group in groups:
        here: Counter[tuple[Any, ...]] = Counter()
        for item in group:
            key = _key(item)
            here[key] += 1
            if here[key] > have[key]:
                out.append(item)
        have |= here
    return out


def _key(item: Item) -> tuple[Any, ...]:
    body = re.sub(r"\W+", "", item.text.casefold())[:60]
    author = (item.author or "").casefold().strip()
    if len(body) >= 20:
        return (body, "" if author in _ANONYMOUS else author)
    return (body, author, item.published_at.date() if item.published_at else None, item.rating)


def _unique(items: list[Item]) -> tuple[Item, ...]:
    """Equal ids get a number: two anonymous reviews of a day without words are two."""
    seen: Counter[str] = Counter()
    out: list[Item] = []
    for item in items:
        seen[item.external_id] += 1
        n = seen[item.external_id]
        out.append(item if n == 1 else replace(item, external_id=f"{item.external_id}#{n}"))
    return tuple(out)


def _facts(all_nodes: Iterable[Node]) -> dict[str, float]:
    """The first aggregate rating of the page."""
    for node in all_nodes:
        if "AggregateRating" not in types_of(node):
            continue
        found = {
            "rating_value": _rating(node).value,
            "rating_count": number(node.get("ratingCount")),
            "review_count": number(node.get("reviewCount")),
        }
        facts = {key: value for key, value in found.items() if value is not None}
        if facts:
            return facts
    return {}
