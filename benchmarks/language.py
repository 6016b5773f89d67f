"""Language identification: our head beside lingua, on the dev texts of a labelled collection, whole and cut to three
words.

    python -m benchmarks.language ../shared/data/sentiment [--texts 100]

Then our head in a house that writes one, two or five languages in equal shares, the text's own among them or not (a
surprise), on texts cut to one, two and three words and on whole ones: accuracy over all texts.

Per engine: macro accuracy over languages (of all texts), precision where it answers, share answered, texts a second,
memory. lingua is restricted to the languages of the collection that it knows and runs in its high-accuracy and its
low-accuracy mode.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

from models import language

LINGUA_NAMES = {"no": "nb"}
LINGUA_LACKS = {"am", "ha", "ig", "ml", "pcm", "rw", "si", "tw", "uz"}  # of the collection's languages, in 2.1
LINGUA_KNOWS: set[str] = set()


def sample(directory: Path, n: int, *, seed: int = 0) -> list[tuple[str, str]]:
    import pyarrow.parquet as pq

    rng, rows = random.Random(seed), []
    for path in sorted(directory.glob("*.parquet")):
        table = pq.read_table(path, columns=["text", "split"]).to_pylist()
        texts = [row["text"] for row in table if row["split"] == "dev"]
        rng.shuffle(texts)
        rows += [(path.stem, text) for text in texts[:n]]
    return rows


def lingua(codes: set[str], *, low: bool) -> Callable[[list[str]], list[str | None]]:
    from lingua import Language, LanguageDetectorBuilder

    wanted = {LINGUA_NAMES.get(code, code) for code in codes}
    known = [lang for lang in Language.all() if lang.iso_code_639_1.name.lower() in wanted]
    builder = LanguageDetectorBuilder.from_languages(*known)
    detector = (builder.with_low_accuracy_mode() if low else builder.with_preloaded_language_models()).build()
    back = {v: k for k, v in LINGUA_NAMES.items()}

    def detect(texts: list[str]) -> list[str | None]:
        found = detector.detect_languages_in_parallel_of(texts)
        codes = [f.iso_code_639_1.name.lower() if f else None for f in found]
        return [back.get(code, code) if code else None for code in codes]

    return detect


def report(name: str, detect: Callable[[list[str]], list[str | None]], rows: list[tuple[str, str]]) -> dict[str, float]:
    texts = [text for _, text in rows]
    detect(texts[:64])
    start = time.perf_counter()
    found = detect(texts)
    rate = len(texts) / (time.perf_counter() - start)
    per: dict[str, list[bool]] = {}
    for (code, _), answer in zip(rows, found, strict=True):
        per.setdefault(code, []).append(answer == code)
    answered = [(code, a) for (code, _), a in zip(rows, found, strict=True) if a is not None]
    accuracy = {code: sum(hits) / len(hits) for code, hits in per.items()}
    right = sum(code == a for code, a in answered) / max(len(answered), 1)
    both = [value for code, value in accuracy.items() if code in LINGUA_KNOWS]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:34} macro accuracy {sum(accuracy.values()) / len(accuracy):.3f}  "
        f"where lingua knows the language {sum(both) / len(both):.3f}  precision {right:.3f}  "
        f"answered {len(answered) / len(rows):.3f}  {rate:8.0f} texts/s  peak {peak:.0f} MB",
        flush=True,
    )
    return accuracy


def houses(rows: list[tuple[str, str]], *, seed: int = 0) -> None:
    """Accuracy where the languages of the company are known; the others of a house are drawn at random."""
    rng = random.Random(seed)
    codes = sorted({code for code, _ in rows})
    drawn = [rng.sample([other for other in codes if other != code], 5) for code, _ in rows]
    shares: dict[str, list[dict[str, float] | None]] = {"nothing known": [None] * len(rows)}
    for n in (1, 2, 5):
        at_home = [[code, *others[: n - 1]] for (code, _), others in zip(rows, drawn, strict=True)]
        shares[f"{n} languages, its own among them"] = [dict.fromkeys(house, 1 / n) for house in at_home]
    for n in (1, 5):
        shares[f"{n} languages, a surprise"] = [dict.fromkeys(others[:n], 1 / n) for others in drawn]
    print("\n| house | one word | two | three | whole text |\n|---|---|---|---|---|")
    for name, priors in shares.items():
        cells = []
        for words in (1, 2, 3, None):
            found = language.detect([" ".join(text.split()[:words]) for _, text in rows], priors=priors)
            right = sum(code == answer for (code, _), answer in zip(rows, found, strict=True))
            cells.append(f"{100 * right / len(rows):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--texts", type=int, default=100, help="per language")
    parser.add_argument("--without-lingua", action="store_true")
    given = parser.parse_args()
    rows = sample(given.directory, given.texts)
    short = [(code, " ".join(text.split()[:3])) for code, text in rows]
    codes = {code for code, _ in rows}
    LINGUA_KNOWS.update(codes - LINGUA_LACKS)
    print(f"{len(rows)} texts, {len(codes)} languages")
    engines: list[tuple[str, Callable[[list[str]], list[str | None]]]] = [
        ("ours", lambda texts: language.detect(texts))
    ]
    if not given.without_lingua:
        engines += [
            ("lingua low accuracy", lingua(codes, low=True)),
            ("lingua high accuracy", lingua(codes, low=False)),
        ]
    for name, detect in engines:
        accuracy = report(name, detect, rows)
        report(f"{name}, three words", detect, short)
        worst = sorted(accuracy.items(), key=lambda pair: pair[1])[:12]
        print("    weakest:", " ".join(f"{code} {value:.2f}" for code, value in worst))
    houses(rows)


if __name__ == "__main__":
    main()
