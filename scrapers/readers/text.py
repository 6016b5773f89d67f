"""What a stored text is: plain, NFC, no control, bidi or zero-width characters, no markup.

plain(value) -> str        clean a text that is already plain (any type; None gives "")
line(value) -> str         the same on one line: names, titles
optional(value) -> str | None    `line`, None when nothing is left
from_html(fragment) -> str       an HTML fragment: <br> and blocks become line breaks, markup and scripts go
"""

from __future__ import annotations

import html
import re
import unicodedata

from lxml import etree
from lxml.html import HtmlElement

# C0 and C1 controls but tab and newline; bidi controls; zero-width space, joiner, BOM, soft hyphen; tag characters.
# ZWJ and ZWNJ stay when single: emoji and Persian need them.
_DROP = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e001f]"
)
_JOINER_RUN = re.compile("[\u200c\u200d]{2,}")
_JOINER_ALONE = re.compile("(?:(?<=\\s)|^)[\u200c\u200d]+|[\u200c\u200d]+(?=\\s|$)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r"\n{3,}")
_AROUND_BREAKS = re.compile(r" ?\n ?")

_BLOCKS = frozenset(
    "address article aside blockquote dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "  # noqa: SIM905
    "h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr ul".split()
)
_PARAGRAPHS = frozenset("p blockquote ul ol table h1 h2 h3 h4 h5 h6 pre".split())  # noqa: SIM905
_SILENT = frozenset("script style template noscript head title svg math iframe object".split())  # noqa: SIM905
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&[#a-zA-Z]")


def plain(value: object) -> str:
    """Clean plain text; line breaks are kept (at most one empty line in a row)."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if _is_simple(text):
        return text.strip()
    text = _without_surrogates(text)
    text = (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u2028", "\n")
        .replace("\u2029", "\n\n")
        .replace("\x85", "\n")
    )
    text = _DROP.sub("", unicodedata.normalize("NFC", text))
    if "\u200c" in text or "\u200d" in text:
        text = _JOINER_ALONE.sub("", _JOINER_RUN.sub("\u200d", text))
    text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _BREAKS.sub("\n\n", _AROUND_BREAKS.sub("\n", text))
    return text.strip()


def line(value: object) -> str:
    """Clean text on one line."""
    return " ".join(plain(value).split())


def optional(value: object) -> str | None:
    """Clean one-line text, or None when there is none (also for dicts and lists, which are no text)."""
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    return line(value) or None


def from_html(fragment: object) -> str:
    """Plain text of an HTML fragment. Text without markup passes through `plain` only."""
    if fragment is None:
        return ""
    source = fragment if isinstance(fragment, str) else str(fragment)
    if not _MARKUP.search(source):
        return plain(source)
    if "<" not in source:
        return plain(html.unescape(source))
    source = without_marks(_without_surrogates(source))
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(f"<div>{source}</div>".encode(), parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        root = None
    found = of_element(root) if root is not None else ""
    # libxml2 gives up on very deep nesting; the words are still there.
    return found or plain(html.unescape(without_markup(source)))


def without_markup(source: str) -> str:
    """What a page shows, roughly and in one pass: no tags, scripts, styles. For looking at pages, not for storing."""
    out: list[str] = []
    place, lower = 0, source.lower()
    while (start := source.find("<", place)) >= 0:
        out.append(source[place:start])
        found = _UNSEEN.match(lower, start + 1)
        if found:
            end = lower.find(f"</{found.group()}", start)
            start = end if end >= 0 else len(source)
        end = source.find(">", start)
        if end < 0:
            break
        place = end + 1
    else:
        out.append(source[place:])
    return " ".join(out)


_UNSEEN = re.compile(r"(?:script|style|noscript|svg)\b")


def of_element(root: HtmlElement) -> str:
    """Plain text under an lxml element (its own tail is not included). Iterative: depth of the page does not matter."""
    out: list[str] = []
    silent: etree._Element | None = None
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event in ("comment", "pi"):
            if silent is None and node.tail and node is not root:
                out.append(_soft(node.tail, node))
            continue
        tag = node.tag if isinstance(node.tag, str) else ""
        if event == "start":
            if silent is not None:
                continue
            if tag in _SILENT:
                silent = node
                continue
            if tag == "br":
                out.append("\x01")
            elif tag in _BLOCKS:
                out.append("\x02" if tag in _PARAGRAPHS else "\x03")
            elif tag == "img" and "emoji" in (node.get("class") or ""):
                out.append(node.get("alt") or "")
            if node.text:
                out.append(_soft(node.text, node))
            continue
        if silent is node:
            silent = None
        elif silent is None and tag in _BLOCKS:
            out.append("\x02" if tag in _PARAGRAPHS else "\x03")
        if silent is None and node is not root and node.tail:
            parent = node.getparent()
            out.append(_soft(node.tail, parent if parent is not None else node))
    return plain(_breaks("".join(out)))


def _soft(value: str, holder: etree._Element) -> str:
    """White space of the source is one space, but in <pre>."""
    if "\n" in value or "\r" in value or "\t" in value:
        if holder.tag == "pre":
            return value.replace("\n", "\x01")
        return re.sub(r"[ \t\r\n]+", " ", value)
    return value


def without_marks(source: str) -> str:
    """A page without NUL and without the marks that `of_element` uses for breaks."""
    return source.translate(_MARKS) if _MARK.search(source) else source


_MARK = re.compile("[\x00-\x03]")
_MARKS = {0: None, 1: None, 2: None, 3: None}


def _breaks(value: str) -> str:
    def one(found: re.Match[str]) -> str:
        marks = found.group()
        lines = marks.count("\x01")
        if "\x02" in marks:
            return "\n\n"
        if "\x03" in marks:
            return "\n" if lines <= 1 else "\n" * lines
        return "\n" * lines

    return re.sub(r"[\x01\x02\x03][\x01\x02\x03 ]*", one, value)


def _is_simple(text: str) -> bool:
    return text.isascii() and text.isprintable() and "  " not in text


def _without_surrogates(text: str) -> str:
    """Pairs of escaped surrogates (a habit of some APIs) become the character they stand for, lone ones U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
