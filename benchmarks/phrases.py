"""How many everyday phrases the shipped model takes as a reader does, as a Markdown table.

    python -m benchmarks.phrases [--model DIRECTORY] [--wrong]

The phrases and what is expected of them: tests/models/phrases.yaml (never among the training texts). A phrase with
topics counts twice: its verdict, and all of its topics' sentiments.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import yaml

from models.base import Judgement
from models.scorer import load

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--wrong", action="store_true", help="list what is judged otherwise")
    given = parser.parse_args()
    known = phrases()
    judged = load(given.model).score([phrase.text for phrase in known])
    results = [right(phrase, one) for phrase, one in zip(known, judged, strict=True)]
    print("| language | phrases | verdict right | with topics | topics right |\n|---|---|---|---|---|")
    for language in ["all", *dict.fromkeys(phrase.language for phrase in known)]:
        own = [result for phrase, result in zip(known, results, strict=True) if language in ("all", phrase.language)]
        topical = [topics for _, topics in own if topics is not None]
        verdicts = sum(verdict for verdict, _ in own)
        print(f"| {language} | {len(own)} | {verdicts} ({verdicts / len(own):.0%}) | {len(topical)} | {sum(topical)} |")
    if given.wrong:
        for phrase, one, (verdict, topics) in zip(known, judged, results, strict=True):
            if not verdict or topics is False:
                tags = ", ".join(f"{tag.topic} {tag.sentiment}" for tag in one.topics)
                print(f"{phrase.language}  {phrase.text}  ->  {one.sentiment} ({one.p_positive:.2f})  [{tags}]")


if __name__ == "__main__":
    main()
