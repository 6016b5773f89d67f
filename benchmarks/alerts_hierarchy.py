"""Does one story give one incident, at the right node? A brand of 5 sources, 12 topics, 20 places over 26 weeks.

    python -m benchmarks.alerts_hierarchy [--seeds 5] [--leaves]

Ten incidents are planted in each run: at a place, a topic, a source, a topic at a place, and over the whole brand.
Reported: incidents opened for each planted one (1.0 is the aim), how often the node they name is the planted one, and
false incidents a week against the promise of one. The same counts are watched without what was planted first: an
incident that opens there, too (same node, within two days), is a false one and belongs to no planted one, whatever the
time it falls into. The counts are simulated; the generator is in this file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import math
from dataclasses import dataclass, field

import numpy as np

from alerts.detector import decide
from alerts.hierarchy import find
from alerts.panel import Panel
from alerts.series import SeriesKey
from alerts.settings import Settings
from alerts.threshold import threshold

SOURCES, TOPICS, PLACES = 5, 12, 20
HISTORY, WATCHED = 56, 182
START = dt.datetime(2025, 1, 6, tzinfo=dt.UTC)
KINDS = ("place", "topic", "source", "topic_place", "brand")
QUIET_DAYS = 2
NEAR = 2  # days


@dataclass
class Planted:
    """One incident put into the counts."""

    kind: str
    key: SeriesKey
    first: int
    last: int
    extra: int
    opened: list[SeriesKey] = field(default_factory=list)
    moved: int = 0


def key_of(source: int | None, topic: int | None, place: int | None) -> SeriesKey:
    """The series of a cell with some of its dimensions open."""
    return SeriesKey(
        "brand",
        source=None if source is None else f"source{source}",
        topic=None if topic is None else f"topic{topic}",
        location=None if place is None else f"place{place}",
    )


def nodes(*, leaves: bool) -> dict[SeriesKey, tuple[int | None, int | None, int | None]]:
    """Every node that is watched: the brand, each dimension, pairs of them, and the single cells if asked."""
    dims = [[None, *range(n)] for n in (SOURCES, TOPICS, PLACES)]
    found = {}
    for place in itertools.product(*dims):
        narrowed = sum(part is not None for part in place)
        if narrowed <= 2 or leaves:
            found[key_of(*place)] = place
    return found


def simulate(seed: int, *, plant: bool = True) -> tuple[np.ndarray, np.ndarray, list[Planted]]:
    """(negatives, all mentions) by day and cell, and what was planted in them."""
    rng = np.random.default_rng(seed)
    days = HISTORY + WATCHED
    share = rng.dirichlet(np.full(SOURCES, 2.0))[:, None, None] * rng.dirichlet(np.full(TOPICS, 2.0))[None, :, None]
    share = share * rng.dirichlet(np.full(PLACES, 3.0))[None, None, :]
    p_negative = np.clip(0.2 * rng.gamma(6, 1 / 6, TOPICS), 0.03, 0.7)[None, :, None]
    weekday = np.array([1.1, 1.0, 1.0, 1.0, 1.1, 1.0, 0.8])
    level = 400 * weekday[np.arange(days) % 7] * np.exp(np.cumsum(rng.normal(0, 0.01, days)))
    common = rng.gamma(50, 1 / 50, days)[:, None, None, None]
    by_source = rng.gamma(20, 1 / 20, (days, SOURCES))[:, :, None, None]
    by_topic = rng.gamma(20, 1 / 20, (days, TOPICS))[:, None, :, None]
    mean = level[:, None, None, None] * share * common * by_source * by_topic
    negative = rng.poisson(mean * p_negative)
    other = rng.poisson(mean * (1 - p_negative))
    planted = []
    starts = HISTORY + 7 + np.arange(10) * ((WATCHED - 14) // 10) + rng.integers(0, 6, 10)
    for number, first in enumerate(starts):
        kind = KINDS[number % len(KINDS)]
        length = int(rng.choice([1, 3, 5]))
        source = int(rng.integers(SOURCES)) if kind == "source" else None
        topic = int(rng.integers(TOPICS)) if kind in ("topic", "topic_place") else None
        place = int(rng.integers(PLACES)) if kind in ("place", "topic_place") else None
        inside = tuple(slice(None) if part is None else slice(part, part + 1) for part in (source, topic, place))
        weights = np.broadcast_to(share, (SOURCES, TOPICS, PLACES))[inside]
        usual = negative[:HISTORY, *inside].sum(axis=(1, 2, 3))
        deviation = max(math.sqrt(usual.var() + usual.mean() * 0.2), 1.0)
        extra = 0
        for day in range(int(first), int(first) + length):
            size = max(4 / math.sqrt(length), 6 * deviation / math.sqrt(length))
            added = rng.poisson(size * weights / weights.sum())
            negative[(day, *inside)] += added if plant else 0
            extra += int(added.sum())
        planted.append(Planted(kind, key_of(source, topic, place), int(first), int(first) + length - 1, extra))
    return negative, negative + other, planted


def run(seed: int, *, leaves: bool) -> dict[str, object]:
    """What a simulated brand tells of what was planted, less what it tells without."""
    alone = watch(seed, leaves=leaves, plant=False, anyway=frozenset())
    anyway = frozenset((key, day + off) for key, day in alone["opened_at"] for off in range(-NEAR, NEAR + 1))  # type: ignore[attr-defined]
    return watch(seed, leaves=leaves, plant=True, anyway=anyway)


def watch(seed: int, *, leaves: bool, plant: bool, anyway: frozenset[tuple[SeriesKey, int]]) -> dict[str, object]:
    """Watch one simulated brand day by day; incidents close after two quiet days."""
    negative, total, planted = simulate(seed, plant=plant)
    places = nodes(leaves=leaves)
    keys = list(places)
    sums = {}
    for name, cells in (("negative", negative), ("total", total)):
        sums[name] = np.stack(
            [
                cells[:, *(slice(None) if part is None else slice(part, part + 1) for part in place)].sum(
                    axis=(1, 2, 3)
                )
                for place in places.values()
            ],
            axis=1,
        ).astype(float)
    settings = Settings(false_alarms_per_week=1.0, n_series=len(keys))
    panel, needed = Panel(len(keys), settings), threshold(settings.rate)
    ones = np.ones(len(keys))
    opened: dict[SeriesKey, int] = {}  # series of open incidents, last day they were loud
    false_keys, opened_at = [], []
    for day in range(HISTORY + WATCHED):
        at = START + dt.timedelta(days=day)
        verdicts = panel.tick(
            sums["negative"][day],
            sums["total"][day] - sums["negative"][day],
            ones,
            weekday=ones * at.weekday(),
            hour=ones * 0,
            holiday=ones * 0,
        )
        if day < HISTORY:
            continue
        n_negative = sums["negative"][max(0, day - 6) : day + 1].sum(axis=0)
        loud = bool((verdicts.score >= needed).any())  # without a loud node only open incidents are of interest
        decisions = {
            key: decide(panel, verdicts, n, at=at)
            for n, key in enumerate(keys)
            if (loud and n_negative[n] > 0) or key in opened
        }
        found = find(decisions, open_series=list(opened))
        for key in [key for key, last in opened.items() if day - last > QUIET_DAYS]:
            del opened[key]
        for finding in found:
            grown = [key for key in finding.widens if key in opened]
            for key in grown:  # the same incident, about a wider node from now on
                story = _story(planted, key, day)
                if story is not None and story.opened and story.opened[-1] == key:
                    story.opened[-1] = finding.series
                    story.moved += 1
                del opened[key]
            if finding.series not in opened:
                story = _story(planted, finding.series, day) if (finding.series, day) not in anyway else None
                if not grown:
                    opened_at.append((finding.series, day))
                    if story is None:
                        false_keys.append(finding.series.text())
                if story is not None and (not grown or not story.opened):  # a false one may have become this story
                    story.opened.append(finding.series)
            opened[finding.series] = day
    seen = [story for story in planted if story.opened]
    return {
        "seed": seed,
        "series": len(keys),
        "planted": len(planted),
        "found": len(seen),
        "opened": sum(len(story.opened) for story in planted),
        "node_right": sum(story.opened[0] == story.key for story in seen),
        "moved": sum(story.moved for story in planted),
        "false_per_week": round(len(false_keys) / (WATCHED / 7), 3),
        "stories": [
            {
                "planted": s.key.text(),
                "extra": s.extra,
                "days": s.last - s.first + 1,
                "opened": [k.text() for k in s.opened],
            }
            for s in planted
        ],
        "false": false_keys,
        "opened_at": opened_at,
    }


def _story(planted: list[Planted], key: SeriesKey, day: int) -> Planted | None:
    """The planted incident that an incident opened now can be about: it overlaps in time and in mentions."""
    for story in planted:
        if story.first <= day <= story.last + 7 and story.key.overlaps(key):
            return story
    return None


def main() -> None:
    """Print a line per run and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--leaves", action="store_true", help="also watch the 1200 single cells")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    results = [run(seed, leaves=args.leaves) for seed in range(args.first_seed, args.first_seed + args.seeds)]
    for result in results:
        short = {
            name: value
            for name, value in result.items()
            if name != "opened_at" and (args.verbose or name not in ("stories", "false"))
        }
        print(json.dumps(short, ensure_ascii=False))
    sums = {name: sum(int(r[name]) for r in results) for name in ("planted", "found", "opened", "node_right")}  # type: ignore[call-overload]
    print(
        f"found {sums['found']} of {sums['planted']}; opened per found {sums['opened'] / max(sums['found'], 1):.2f}; "
        f"right node {sums['node_right'] / max(sums['found'], 1):.0%}; "
        f"false a week {np.mean([float(r['false_per_week']) for r in results]):.2f} (promise 1)"  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()
