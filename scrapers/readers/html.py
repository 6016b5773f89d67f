"""Bytes of a page to text, tree or soup, safely: no network, no entities, no huge trees.

decode(page_or_bytes, content_type="") -> str    by BOM, valid UTF-8, header, <meta>/<?xml>, then by guess
tree(page) -> HtmlElement | None      lxml, fast: use xpath; None when there is nothing to parse
soup(page) -> BeautifulSoup           where CSS selectors are wanted
text_of(node) -> str                  plain text of an lxml element or a soup tag, line breaks kept; None gives ""
by_class(root, name, tag="*")         lxml elements that carry a class
first(root, xpath) -> str | None      first hit of an xpath as one clean line
language(root) -> str | None          "pt" of <html lang="pt-BR">
absolute(url, base) -> str | None     http(s) address or None
looks_like_html(body) -> bool         where JSON was expected
"""

from __future__ import annotations

import codecs
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from charset_normalizer import from_bytes
from lxml import etree
from lxml.html import HtmlElement, HTMLParser

from scrapers.base import Page
from scrapers.readers import text

_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([a-zA-Z0-9_.:-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([a-zA-Z0-9_.:-]{2,40})["']""", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_HEADER = re.compile(r"""charset\s*=\s*["']?([a-zA-Z0-9_.:-]{2,40})""", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WESTERN = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252"}


def decode(page: Page | bytes, content_type: str = "") -> str:
    """Text of a response. Never fails: what cannot be read becomes U+FFFD."""
    if isinstance(page, Page):
        content_type = content_type or page.headers.get("content-type", "")
        body = page.body
    else:
        body = page
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    try:
        return body.decode("utf-8")  # multi-byte UTF-8 is never valid by accident, whatever the header claims
    except UnicodeDecodeError as problem:
        cut = problem.start >= len(body) - 4 and problem.reason == "unexpected end of data"
    declared = charset_of(body, content_type)
    if cut and declared in (None, "utf-8"):
        return body.decode("utf-8", "replace")
    if declared and declared != "utf-8":
        try:
            return body.decode(declared)
        except (UnicodeDecodeError, LookupError):
            pass
    damaged = body.decode("utf-8", "replace")
    if declared == "utf-8" and damaged.count("\ufffd") * 200 < len(body):
        return damaged
    guess = from_bytes(body[:200_000]).best()
    if guess is not None:
        return body.decode(guess.encoding, "replace")
    return damaged if damaged.count("\ufffd") * 20 < len(damaged) else body.decode("cp1252", "replace")


def charset_of(body: bytes, content_type: str = "") -> str | None:
    """Charset that the header or the document claims, as Python calls it; None when unknown or not given."""
    head = body[:4096]
    for found in (_HEADER.search(content_type), _XML.search(head), _META.search(head)):
        if found is None:
            continue
        raw = found.group(1)
        name = (raw.decode("ascii") if isinstance(raw, bytes) else raw).lower()
        name = _WESTERN.get(name, name)
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    return None


def tree(page: Page | bytes | str) -> HtmlElement | None:
    """The page as an lxml tree."""
    source = page if isinstance(page, str) else decode(page)
    source = _DECLARATION.sub("", text.without_marks(source), count=1)
    if not source.strip():
        return None
    parser = HTMLParser(encoding="utf-8", huge_tree=False, no_network=True)
    try:
        root = etree.fromstring(source.encode("utf-8", "replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None
    return root if isinstance(root, HtmlElement) else None


def soup(page: Page | bytes | str) -> BeautifulSoup:
    """The page as a soup over lxml."""
    source = page if isinstance(page, str) else decode(page)
    return BeautifulSoup(source.replace("\x00", ""), "lxml")


def text_of(node: HtmlElement | Tag | None) -> str:
    """Plain text of an element; <br> and blocks are line breaks."""
    if node is None:
        return ""
    if isinstance(node, Tag):
        return text.from_html(node.decode_contents())
    return text.of_element(node)


def by_class(root: HtmlElement, name: str, tag: str = "*") -> list[HtmlElement]:
    """Elements under `root` with the class `name`, in document order."""
    return list(root.xpath(f".//{tag}[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]"))


def first(root: HtmlElement | None, xpath: str) -> str | None:
    """First hit of an xpath (element, attribute or text) as one clean line; None when missing or empty."""
    if root is None:
        return None
    hits: Any = root.xpath(xpath)
    if not isinstance(hits, list):
        return text.optional(str(hits))
    for hit in hits:
        value = text.line(text.of_element(hit)) if isinstance(hit, etree._Element) else text.line(str(hit))
        if value:
            return value
    return None


def language(root: HtmlElement | None) -> str | None:
    """Two- or three-letter language of the page, from <html lang> or og:locale."""
    raw = first(root, "/html/@lang") or first(root, "/html/@*[local-name()='lang']")
    raw = raw or first(root, "//meta[@property='og:locale']/@content")
    return language_code(raw)


def language_code(raw: object) -> str | None:
    """ "pt-BR", "pt_BR", "PT" -> "pt"; None for anything else."""
    if not isinstance(raw, str):
        return None
    found = re.match(r"^\s*([a-zA-Z]{2,3})(?:[-_][A-Za-z0-9]+)*\s*$", raw)
    code = found.group(1).lower() if found else None
    return None if code in (None, "und", "mul", "zxx", "mis") else code


def absolute(url: object, base: str = "") -> str | None:
    """An http(s) address made absolute; None for anything else (javascript:, data:, broken, half a character)."""
    if not isinstance(url, str) or not url.strip():
        return None
    try:
        full = urljoin(base, url.strip())
        full.encode()  # a lone surrogate (UnicodeEncodeError is a ValueError) could not be stored
        parts = urlsplit(full)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return full if parts.scheme in ("http", "https") and host else None


def looks_like_html(body: bytes) -> bool:
    """A page of markup where data was expected."""
    return bool(
        re.match(
            rb"^(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|!--|title|meta|script|div)",
            body[:600],
            re.IGNORECASE,
        )
    )
