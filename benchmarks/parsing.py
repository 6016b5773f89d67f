"""Pages parsed a second: our readers beside extruct, feedparser and a plain BeautifulSoup pass, on the same files.

    python -m benchmarks.parsing                 files of the shared recordings where they are, else our own samples
    python -m benchmarks.parsing --rounds 5

Everyone gets the bytes and gives Python values. extruct (`pip install extruct`) is left out where it is not installed;
it is asked for JSON-LD and microdata only, its fastest use. The BeautifulSoup pass builds the soup over lxml and takes
the text of every element that a reader would look at. Peers run in turns with ours, the best of the rounds counts: on a
shared machine the ratios mean more than the rates.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scrapers import registry
from scrapers.base import Page
from tests.conftest import shared_directory

NOW = datetime(2026, 11, 20, tzinfo=UTC)
Reader = Callable[[bytes], object]


def files(folder: str) -> list[bytes]:
    """Pages of one scraper: real ones, else the samples of the tests."""
    shared = shared_directory()
    place = shared / "recorded" / folder if shared else Path(__file__).parent.parent / "tests" / "recorded" / folder
    found = [
        one for one in sorted(place.iterdir()) if not one.name.endswith((".expected.json", "recordings.json", ".md"))
    ]
    return [one.read_bytes() for one in found]


def ours(name: str) -> Reader:
    scraper = registry.get(name)
    return lambda body: scraper.parse(Page(body, url="https://example.org/page", fetched_at=NOW)).items


def extruct() -> Reader | None:
    if importlib.util.find_spec("extruct") is None:
        return None
    import extruct as library  # type: ignore[import-not-found,unused-ignore]

    return lambda body: library.extract(
        body, base_url="https://example.org/page", syntaxes=["json-ld", "microdata"], errors="ignore"
    )


def feeds() -> Reader:
    import feedparser

    return lambda body: feedparser.parse(body).entries


def soup(tags: Sequence[str]) -> Reader:
    from bs4 import BeautifulSoup

    def run(body: bytes) -> object:
        tree = BeautifulSoup(body, "lxml")
        return [one.get_text(" ", strip=True) for tag in tags for one in tree.find_all(tag)]

    return run


def rate(reader: Reader, pages: Sequence[bytes]) -> float:
    """Pages a second over all pages once."""
    started = time.perf_counter()
    for one in pages:
        reader(one)
    return len(pages) / (time.perf_counter() - started)


def compare(title: str, pages: Sequence[bytes], readers: dict[str, Reader | None], rounds: int) -> None:
    size = sum(map(len, pages)) / 1e6
    print(f"\n{title}: {len(pages)} pages, {size:.1f} MB")
    best: dict[str, float] = {}
    for _ in range(rounds + 1):  # the first round warms up
        for name, reader in readers.items():
            if reader is not None:
                best[name] = max(best.get(name, 0.0), rate(reader, pages))
    mine = best["ours"]
    for name, value in best.items():
        beside = "" if name == "ours" else f"   ours is {mine / value:.1f} times as fast"
        print(f"  {name:<22} {value:8.1f} pages/s  {value * size / len(pages):6.1f} MB/s{beside}")
    for name, reader in readers.items():
        if reader is None:
            print(f"  {name:<22} not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    compare(
        "schema.org pages",
        files("schema_org"),
        {"ours": ours("schema_org"), "extruct": extruct(), "BeautifulSoup": soup(("script", "p", "span"))},
        rounds,
    )
    compare(
        "feeds (XML only)",
        [one for one in files("rss") if one.lstrip()[:1] == b"<"],
        {"ours": ours("rss"), "feedparser": feeds(), "BeautifulSoup": soup(("item", "entry"))},
        rounds,
    )
    compare(
        "Telegram pages",
        files("telegram"),
        {"ours": ours("telegram"), "BeautifulSoup": soup(("div",))},
        rounds,
    )


if __name__ == "__main__":
    main()
