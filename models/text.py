"""What a text is before it is judged: cleaning, reasons for rejection, keys of duplicates, windows over long texts."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from models.errors import TextRejected

MAX_CHARACTERS = 24_000  # beyond this a text is sampled, see `condense`
_PHRASE, _STRETCH = 4, 8  # words, or signs where words are not spaced, that count as the same thing said again
_STRETCHES = 6  # how many pieces of a huge text are kept

# Invisible characters that change bytes and not meaning. ZWJ and ZWNJ (U+200D, U+200C) stay: emoji families,
# Persian, Hindi.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffd]|[\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,300}|!--.{0,2000}?--)>", re.DOTALL)
_SPACE = re.compile(r"\s+")
# "Zalgo": marks piled on a letter. Only marks that no language piles up; Thai, Arabic and Indic marks are other blocks.
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_PILE = re.compile(f"[{_MARKS}]{{3,}}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_PICTOGRAPH = re.compile(
    "[\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u25aa-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
# :) ;-( :'( =D xD <3 ^_^ and the Russian ))) or (((
_EMOTICON = re.compile(r"[:;=8][-'o^]?[)(\]\[DPpSsOo/\\|*3]|[)(]{2,}|\)$|<3|\^_*\^|>_<|-_-|[xX]D")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![\w.])@\w{1,50}")


def clean(text: str) -> str:
    """The text without what no reader sees: markup, entities, control and invisible characters, piled marks, spare
    spaces.

    Case, punctuation, emoji, repeated letters, links and handles stay: they inform, or are the tokenizer's business.
    """
    if text.isascii() and not _needs_ascii_work(text):
        return text
    if "&" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m.group()), text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    text = _SURROGATE.sub(" ", _CONTROL.sub(" ", text))
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        text = (
            _PILE.sub("", unicodedata.normalize("NFC", text))
            if _PILE.search(text)
            else unicodedata.normalize("NFC", text)
        )
    return _SPACE.sub(" ", text).strip()


def _needs_ascii_work(text: str) -> bool:
    return bool(
        "&" in text or "<" in text or "  " in text or not text.isprintable() or text[:1] == " " or text[-1:] == " "
    )


def prepare(text: object) -> str:
    """`clean`, cut to size; raises TextRejected with the reason when there is nothing to judge."""
    if text is None:
        raise TextRejected("no text")
    if not isinstance(text, str):
        raise TextRejected(f"not a text but {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        text = condense(text)
    cleaned = clean(text)
    if not cleaned:
        raise TextRejected("empty text")
    bare = cleaned
    if may_have_address(cleaned):
        bare = _URL.sub("", bare)
    if "@" in cleaned:
        bare = _HANDLE.sub("", bare)
    if not bare.strip():
        raise TextRejected("only links or handles")
    if not (any(map(str.isalnum, bare)) or _PICTOGRAPH.search(bare) or _EMOTICON.search(bare)):
        raise TextRejected("no words, digits or emoji")
    return said_twice(cleaned)


def said_twice(text: str) -> str:
    """The text without what it says a third time: four words in a row, or eight signs where words are not spaced.

    Somebody who pastes a verdict a hundred times means it once: its words, counted a hundred times, drown the rest, and
    faint topics of theirs become loud.
    """
    words = text.split(" ")
    spaced = len(words) * 20 > len(text)
    units, size = (words, _PHRASE) if spaced else (list(text), _STRETCH)
    if len(units) < 3 * size or 2 * len(set(units)) > len(units):
        return text
    seen: dict[tuple[str, ...], int] = {}
    spare: set[int] = set()
    for at in range(len(units) - size + 1):
        run = tuple(units[at : at + size])
        seen[run] = seen.get(run, 0) + 1
        if seen[run] > 2:
            spare.update(range(at, at + size))
    left = [unit for at, unit in enumerate(units) if at not in spare]
    return " ".join((" " if spaced else "").join(left).split()) if spare else text


def condense(text: str, *, limit: int = MAX_CHARACTERS) -> str:
    """A huge text as evenly spread stretches, the beginning and the end among them, at most `limit` characters."""
    if len(text) <= limit:
        return text
    size = limit // _STRETCHES - 1
    last = len(text) - size
    return "\n".join(text[start : start + size] for start in (last * i // (_STRETCHES - 1) for i in range(_STRETCHES)))


def key(text: str) -> bytes:
    """Equal for texts that get one judgement: the cleaned text itself, hashed to 16 bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def lowered(text: str) -> str:
    """Lower case without a change of length."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(character.lower()[0] for character in text)  # "İ".lower() has two characters


def may_have_address(text: str) -> bool:
    """Whether it is worth looking for one: most texts have none."""
    return "://" in text or "www." in text.lower()


def windows(n_tokens: int, *, size: int, limit: int = 32) -> list[tuple[int, int]]:
    """Half-open token ranges, each at most `size` long, that cover a text; neighbours share an eighth of `size`.

    One range when the text fits. More than `limit` ranges are thinned evenly; the first and the last stay.
    """
    if size < 8:
        raise ValueError(f"size is {size}; windows under 8 tokens carry no meaning")
    if n_tokens <= size:
        return [(0, n_tokens)]
    step = size - size // 8
    n = -(-(n_tokens - size) // step) + 1
    if n <= limit:  # as short as they may be: 50 tokens are two windows of 28, not of 47
        size = -(-(n_tokens + (n - 1) * (size // 8)) // n)
    # evenly spread starts: the last window is as full as the others
    starts = [round(i * (n_tokens - size) / (n - 1)) for i in range(n)]
    if n > limit:
        starts = [starts[round(i * (n - 1) / (limit - 1))] for i in range(limit)]
    return [(start, start + size) for start in starts]


_SENTENCE = re.compile(r"[^.!?…。!?।؟\n]+(?:[.!?…。!?।؟\n]+|$)")
# A clause ends where a contrast begins; the words are those of `but`, `however` in the languages most read here.
_WORDS_OF_CONTRAST = (
    "but|however|although|though|while|но|однако|зато|хотя|але|проте|зате|aber|jedoch|obwohl|mais|cependant|"
    "pero|aunque|sin embargo|ma|però|mas|porém|embora|ale|jednak|chociaż|ama|fakat|"
    "ancak|maar|echter|avšak|tapi|namun|nhưng|лекин|бірақ|алайда"
)
_CONTRAST = re.compile(rf"[\s,;—–-](?:{_WORDS_OF_CONTRAST})(?=[\s,])")  # begins after one of these signs
_FIRST_CONTRAST = re.compile(rf"(?:{_WORDS_OF_CONTRAST})(?=[\s,])")  # or with the text
_UNSPACED_CONTRAST = re.compile("但是|但|不过|可是|けど|でも|しかし|하지만|지만|लेकिन|मगर|لكن|แต่")


_PAUSE = re.compile(r"[,;，；、،؛]| [–—-] ")


def parts(text: str, spots: Sequence[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    """The clauses of a text, cut once more at commas: between words of different subjects, and where a subject is on
    one side and both have three words or more ("the box was lovely, nothing in it worked").

    `spots`: where a word of a subject begins, and which. Less than that at a comma stays with what is before it.
    """
    pauses = [match.end() for match in _PAUSE.finditer(text)] if spots else []
    if not pauses:
        yield from clauses(text)
        return
    for start, end in clauses(text):
        inside = [(at, subject) for at, subject in spots if start <= at < end]
        cuts = [cut for cut in pauses if start < cut <= end] if inside else []
        begin = start
        for cut, following in zip(cuts, [*cuts[1:], end], strict=False):
            before = {subject for at, subject in inside if begin <= at < cut}
            after = {subject for at, subject in inside if cut <= at < following}
            spoken = min(len(text[begin:cut].split()), len(text[cut:following].split())) >= 3
            if (before and after - before) or (spoken and (before or after)):
                yield begin, cut
                begin = cut
        yield begin, end


def clauses(text: str) -> Iterator[tuple[int, int]]:
    """Character ranges of the clauses of a text: sentences, cut again before a word of contrast."""
    contrasts = _contrasts(text)
    for sentence in _SENTENCE.finditer(text):
        start, end = sentence.span()
        for contrast in contrasts:
            if start < contrast < end and text[start:contrast].strip(" ,;—–-"):
                yield start, contrast
                start = contrast
        if text[start:end].strip():
            yield start, end


def _contrasts(text: str) -> list[int]:
    """Where the words of contrast of a text begin."""
    text = lowered(text)
    found = [match.start() + 1 for match in _CONTRAST.finditer(text)]
    if _FIRST_CONTRAST.match(text):
        found.insert(0, 0)
    if not text.isascii():
        found += [match.start() for match in _UNSPACED_CONTRAST.finditer(text)]
        found.sort()
    return found
