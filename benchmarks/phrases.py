"""How many everyday phrases the shipped model takes as a reader does, as a Markdown table.

    python -m benchmarks.phrases [--model DIRECTORY] [--wrong]

The phrases and what is expected of them: tests/models/phrases.yaml. "New" are those that do not occur, as a whole,
among the texts written for training (the collections of strangers are not searched). Topics are right where each
expected one is said with its sentiment. Below the table: how often verdicts in general, greetings and questions of our
own texts, held back from training, get a topic although they have none (`general` apart).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import yaml

from models.base import Judgement
from models.scorer import load
from models.training.data import text_key
from models.training.written import held_back, read_all

FILE = Path(__file__).parent.parent / "tests" / "models" / "phrases.yaml"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text, the verdicts that are fair, and the sentiments of its topics."""

    language: str
    text: str
    verdicts: frozenset[str]
    topics: dict[str, str]


def phrases(file: Path = FILE) -> list[Phrase]:
    """All phrases of the file."""
    found = []
    for language, entries in yaml.safe_load(file.read_text(encoding="utf-8")).items():
        for text, expected in entries.items():
            said = expected if isinstance(expected, dict) else {"verdict": expected}
            verdicts = frozenset(said["verdict"].split("|"))
            found.append(Phrase(language, text, verdicts, dict(said.get("topics", {}))))
    return found


def right(phrase: Phrase, judged: Judgement) -> tuple[bool, bool | None]:
    """(is the verdict fair, are all topics said with their sentiments; None where none are expected)."""
    tags = {tag.topic: tag.sentiment for tag in judged.topics}
    topical = all(tags.get(topic) == sentiment for topic, sentiment in phrase.topics.items())
    return judged.sentiment in phrase.verdicts, topical if phrase.topics else None


def taught_keys() -> set[str]:
    """Keys of every item of the texts written for training."""
    found: set[str] = set()
    for one in read_all():
        for groups in (one.words, one.verdicts, one.posts, *one.topics.values()):
            found |= {text_key(text) for group in groups for text in group}
        found |= {text_key(text) for text, *_ in one.mixed}
    return found


def about_nothing() -> list[tuple[str, str]]:
    """(language, text) of the held-back texts of our own that are about no topic: verdicts in general, greetings."""
    rows = [(one.language, row) for one in read_all() for row in held_back(one)]
    return [(language, row.text) for language, row in rows if row.topics == {} or row.is_bare]


def _share(right: list[bool]) -> str:
    return f"{sum(right)} ({sum(right) / len(right):.0%})" if right else "0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--wrong", action="store_true", help="list what is judged otherwise")
    given = parser.parse_args()
    known, scorer = phrases(), load(given.model)
    judged = scorer.score([phrase.text for phrase in known])
    results = [right(phrase, one) for phrase, one in zip(known, judged, strict=True)]
    taught = taught_keys()
    new = [text_key(phrase.text) not in taught for phrase in known]
    print("| language | phrases | right | new | right | with topics | right |\n|---|---|---|---|---|---|---|")
    for language in ["all", *dict.fromkeys(phrase.language for phrase in known)]:
        own = [i for i, phrase in enumerate(known) if language in ("all", phrase.language)]
        topical = [topics for i in own if (topics := results[i][1]) is not None]
        verdicts, fresh = [results[i][0] for i in own], [results[i][0] for i in own if new[i]]
        print(
            f"| {language} | {len(own)} | {_share(verdicts)} | {len(fresh)} | {_share(fresh)} "
            f"| {len(topical)} | {_share(topical)} |"
        )
    bare = about_nothing()
    heard = scorer.score([text for _, text in bare], languages=[language for language, _ in bare])
    loud = [any(tag.topic != "general" for tag in one.topics) for one in heard]
    print(f"\nOf {len(bare)} held-back texts about nothing in particular, tagged with a topic: {_share(loud)}")
    if given.wrong:
        for phrase, one, (verdict, topics) in zip(known, judged, results, strict=True):
            if not verdict or topics is False:
                tags = ", ".join(f"{tag.topic} {tag.sentiment}" for tag in one.topics)
                print(f"{phrase.language}  {phrase.text}  ->  {one.sentiment} ({one.p_positive:.2f})  [{tags}]")


if __name__ == "__main__":
    main()
