"""Texts written for this project (`written/<language>.yaml`), as labelled rows: whole, in pieces, and joined.

They teach languages and topics of which no collection may be used for shipped weights. The files hold words, verdicts
without a topic, clauses about one topic, sentences about several topics, and whole posts; `rows_of` makes rows of them
with a seeded generator. A share of all but the words is held back as development rows: those items occur in no training
row, alone or joined.
"""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from models.errors import TrainingError
from models.labels import SENTIMENTS, TOPICS

DIRECTORY = Path(__file__).parent / "written"
SOURCE = "written"  # the name of these rows' source in both data sets
DEV_SHARE = 12  # one item of so many is a development row
_KEYS = ("language", "and", "but", "words", "verdicts", "topics", "posts")
_MAY = "mixed"  # the key that a file may lack
_SIGNS = {"-": 0, "=": 1, "+": 2}  # the sentiment of a topic in the key of a group of mixed texts: "food+ waiting-"
_WHOLE = "whole"  # in such a key: the sentiment of the whole; alone: a text about no topic
_NOISE = 0.25  # share of rows that are typed carelessly


@dataclass(frozen=True, slots=True)
class Written:
    """One file. `words`, `verdicts`, `posts`: items by sentiment (0, 1, 2); `topics`: the same for each topic.

    `mixed`: (text, sentiment of the whole, topic -> sentiment) of sentences about several topics, or about none.
    """

    language: str
    joins_and: tuple[str, ...]
    joins_but: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    verdicts: tuple[tuple[str, ...], ...]
    topics: dict[str, tuple[tuple[str, ...], ...]]
    posts: tuple[tuple[str, ...], ...]
    mixed: tuple[tuple[str, int | None, dict[str, int]], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A text with what is known of it. `topics`: topic -> sentiment; {} has none, of None nothing is known.

    is_bare: a verdict in general, about no topic in particular.
    """

    text: str
    sentiment: int | None
    topics: dict[str, int] | None
    is_dev: bool = False
    is_bare: bool = False


def read_all(directory: Path = DIRECTORY) -> list[Written]:
    """Every file of the folder, by language. TrainingError names the file and the key that is wrong."""
    return [read(path) for path in sorted(directory.glob("*.yaml"))]


def read(path: Path) -> Written:
    """One file; TrainingError names what is wrong in it."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, in C
    except yaml.YAMLError as error:
        raise TrainingError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict) or set(raw) - {_MAY} != set(_KEYS):
        there = ", ".join(map(str, raw)) if isinstance(raw, dict) else type(raw).__name__
        raise TrainingError(f"{path}: needs exactly the keys {', '.join(_KEYS)} (may have {_MAY}); there are: {there}")
    if raw["language"] != path.stem:
        raise TrainingError(f"{path}: language is {raw['language']!r}, the file's name says {path.stem!r}")
    topics = raw["topics"]
    if not isinstance(topics, dict):
        raise TrainingError(f"{path}: topics: a table of topics is expected")
    for topic in topics:
        if topic not in TOPICS:
            raise TrainingError(f"{path}: topics.{topic} is unknown; known: {', '.join(TOPICS)}")
    return Written(
        language=path.stem,
        joins_and=_strings(path, "and", raw["and"]),
        joins_but=_strings(path, "but", raw["but"]),
        words=_by_sentiment(path, "words", raw["words"]),
        verdicts=_by_sentiment(path, "verdicts", raw["verdicts"]),
        topics={topic: _by_sentiment(path, f"topics.{topic}", topics[topic]) for topic in TOPICS if topic in topics},
        posts=_by_sentiment(path, "posts", raw["posts"]),
        mixed=_mixed(path, raw.get(_MAY, {})),
    )


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _by_sentiment(path: Path, key: str, raw: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(raw, dict) or not set(raw) <= set(SENTIMENTS):
        raise TrainingError(f"{path}: {key}: lists under {', '.join(SENTIMENTS)} are expected")
    return tuple(_strings(path, f"{key}.{name}", raw.get(name) or []) for name in SENTIMENTS)


def _mixed(path: Path, raw: Any) -> tuple[tuple[str, int | None, dict[str, int]], ...]:
    """Groups of texts under what they say of topics and of the whole: `food+ waiting-`, `food= whole-`, `whole+`.

    Without `whole` the sentiment of the whole is that of the topics, where all have the same.
    """
    if not isinstance(raw, dict):
        raise TrainingError(f"{path}: {_MAY}: a table of groups is expected, such as 'food+ waiting-'")
    found: dict[str, tuple[int | None, dict[str, int]]] = {}
    for key, texts in raw.items():
        parts = str(key).split()
        signs = {part[:-1]: _SIGNS.get(part[-1]) for part in parts}
        if not parts or len(signs) < len(parts) or not set(signs) <= {*TOPICS, _WHOLE} or None in signs.values():
            raise TrainingError(f"{path}: {_MAY}.{key}: topics (or {_WHOLE}) are expected, each once, with -, = or +")
        labels = set(signs.values())
        whole = signs.pop(_WHOLE, labels.pop() if len(labels) == 1 else None)
        said = whole, {topic: sign for topic, sign in signs.items() if sign is not None}
        for text in _strings(path, f"{_MAY}.{key}", texts):
            if found.setdefault(text, said) != said:
                raise TrainingError(f"{path}: {_MAY}.{key}: {text!r} is also in another group")
    return tuple((text, *said) for text, said in found.items())


def _strings(path: Path, key: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, str) and item for item in raw):
        raise TrainingError(f"{path}: {key}: a list of texts in quotes is expected")
    return tuple(dict.fromkeys(raw))


def rows_of(written: Written, *, seed: int, joined: int = 2) -> list[Row]:
    """The rows of one language, the same for the same seed. `joined`: rows of two clauses for each clause."""
    rng = random.Random(f"{seed}:{written.language}")  # noqa: S311
    kept = _Kept(written)
    rows = [*kept.development]
    fresh = [*_word_rows(kept, rng), *_verdict_rows(kept, rng), *_clause_rows(kept, rng, joined)]
    fresh += [Row(text, label, None) for label, texts in enumerate(kept.posts) for text in texts]
    fresh += kept.mixed
    held = {row.text for row in rows}
    rows += [replace(row, text=_careless(row.text, rng)) for row in fresh]
    return [row for row in rows if row.is_dev or row.text not in held]


def held_back(written: Written) -> list[Row]:
    """The development rows of one language, verdicts in general marked as such."""
    verdicts = {text for group in written.verdicts for text in group}
    return [replace(row, is_bare=row.text in verdicts) for row in _Kept(written).development]


class _Kept:
    """The items of a file without those that are development rows."""

    def __init__(self, written: Written) -> None:
        self.written = written
        self.development: list[Row] = []
        self.posts = self._split(written.posts, None)
        self.verdicts = self._split(written.verdicts, None)
        self.topics = {topic: self._split(texts, topic) for topic, texts in written.topics.items()}
        self.mixed: list[Row] = []
        for text, whole, said in written.mixed:
            row = Row(text, whole, said, is_dev=_is_dev(text))
            (self.development if row.is_dev else self.mixed).append(row)
        held = {row.text for row in self.development}
        self.words = [[word for word in words if word not in held] for words in written.words]

    def _split(self, texts: tuple[tuple[str, ...], ...], topic: str | None) -> list[list[str]]:
        kept: list[list[str]] = [[], [], []]
        for label, group in enumerate(texts):
            for text in group:
                if _is_dev(text):
                    self.development.append(Row(text, label, None if topic is None else {topic: label}, is_dev=True))
                else:
                    kept[label].append(text)
        return kept


def _is_dev(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % DEV_SHARE == 0


def _word_rows(kept: _Kept, rng: random.Random) -> list[Row]:
    """Each word alone, beside words that say nothing, and beside another of its kind."""
    written = kept.written
    plain, rows = kept.words[1], []
    for label, words in enumerate(kept.words):
        for word in words:
            rows.append(Row(word, label, None))
            if plain:
                around = [word, *rng.sample(plain, k=min(2, len(plain)))]
                rng.shuffle(around)
                rows.append(Row(_space(written).join(around), label, None))
            rows.append(Row(_space(written).join((word, rng.choice(words))), label, None))
    return rows


def _verdict_rows(kept: _Kept, rng: random.Random) -> list[Row]:
    """Each verdict alone, and beside another of its kind or a word."""
    rows = []
    for label, texts in enumerate(kept.verdicts):
        pool = [*texts, *kept.words[label]]
        for text in texts:
            rows.append(Row(text, label, None, is_bare=True))
            other = rng.choice(pool)
            rows.append(Row(_sentences(kept.written, text, other), label, None, is_bare=other in texts))
    return rows


def _clause_rows(kept: _Kept, rng: random.Random, joined: int) -> list[Row]:
    """Clauses alone, two of one sentiment (of two topics), two of opposite sentiments, and with a verdict."""
    clauses = [
        (topic, label, text)
        for topic, groups in kept.topics.items()
        for label, texts in enumerate(groups)
        for text in texts
    ]
    rows = [Row(text, label, {topic: label}) for topic, label, text in clauses]
    by_label = [[clause for clause in clauses if clause[1] == label] for label in range(len(SENTIMENTS))]
    written = kept.written
    for topic, label, text in clauses:
        if kept.verdicts[label]:
            rows.append(Row(_sentences(written, text, rng.choice(kept.verdicts[label])), label, {topic: label}))
        for _ in range(joined):
            other_label = rng.choice((label, label, 2 - label)) if label != 1 else 1
            others = rng.sample(by_label[other_label], k=min(4, len(by_label[other_label])))
            other = next((clause for clause in others if clause[0] != topic), None)
            if other is None:
                continue
            word = rng.choice(written.joins_and if other_label == label else written.joins_but)
            overall = label if other_label == label else None
            rows.append(Row(_joined(text, word, other[2]), overall, {topic: label, other[0]: other_label}))
    return rows


def _joined(first: str, word: str, second: str) -> str:
    return f"{first.rstrip('.!。।۔… ')}{word}{second}"


def _sentences(written: Written, *texts: str) -> str:
    if written.language in _NO_SPACES:
        return "。".join(text.rstrip("。") for text in texts)
    return " ".join(text if text[-1:] in ".!?…।۔" else f"{text}." for text in texts[:-1]) + f" {texts[-1]}"


_NO_SPACES = ("ja", "zh", "th")


def _space(written: Written) -> str:
    return "" if written.language in _NO_SPACES else " "


def _careless(text: str, rng: random.Random) -> str:
    """Some rows as people type: no accents, capitals, no final mark, a letter lost, doubled or swapped."""
    if rng.random() > _NOISE:
        return text
    kind = rng.randrange(5)
    if kind == 0:
        return _without_accents(text)
    if kind == 1:
        return text.upper() if rng.random() < 0.4 else text.capitalize()
    if kind == 2:
        return text.rstrip(".!?。।۔")
    if kind == 3:
        return text + rng.choice(("!", "!!", "...", "."))
    letters = [index for index, sign in enumerate(text) if sign.isalpha()]
    if len(letters) < 8:
        return text
    at = rng.choice(letters[1:-1])
    return rng.choice((text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:], _swapped(text, at)))


def _swapped(text: str, at: int) -> str:
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _without_accents(text: str) -> str:
    """Latin letters without their marks; other scripts as they are."""
    plain = []
    for sign in text:
        parts = unicodedata.normalize("NFD", sign)
        plain.append(parts[0] if parts[0] < "\u0250" else sign)
    return "".join(plain)


def count(written: Sequence[Written]) -> dict[str, int]:
    """Number of items in each language's file."""
    return {
        one.language: sum(
            len(texts) for groups in (one.words, one.verdicts, one.posts, *one.topics.values()) for texts in groups
        )
        + len(one.mixed)
        for one in written
    }
