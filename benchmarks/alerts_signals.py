"""How often the signals beside the main detector speak where nothing happened, against the promise.

    python -m benchmarks.alerts_signals topics [--brands 200] [--seed 1]   the mix of topics; and what it finds
    python -m benchmarks.alerts_signals volume [--brands 160] [--seed 1]   surges of all mentions, by whole days
    python -m benchmarks.alerts_signals floods [--seed 1]                  a day of mostly negatives on a thin series

Topics: twelve of unequal size, good and bad days, slow noise of each, three in ten complaints of two topics. Every day
the last seven days are held against the seven weeks before, as the monitor does. A story is told once until it was
quiet for two days. What is planted: in one week one topic takes an extra share of all complaints. Volume: weekdays,
trend, slow noise, holidays, good and bad days. Floods: the counts of the alert benchmark (shared folder) and of
`benchmarks.alerts hard`.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np

from alerts.bursts import VolumeDetector
from alerts.series import Row
from alerts.settings import Settings
from alerts.threshold import threshold
from alerts.topics import needed_score, topic_shift
from benchmarks.alerts import SCENARIOS, _shared, harder
from monitor.pipeline.evidence import FLOOD_LEAST, FLOOD_RATIO, FLOOD_SHARE, FLOOD_SPAN

TOPICS, WEEKS, WARM = 12, 34, 56
QUIET_DAYS = 2
RATES = (0.1, 0.05, 0.02, 0.01, 0.005)


def days_of(rng: np.random.Generator, *, noise: float) -> np.ndarray:
    """Complaints by day and topic of one brand (days, topics)."""
    length = WEEKS * 7
    level = np.exp(rng.uniform(np.log(1), np.log(60)))
    share = rng.dirichlet(np.full(TOPICS, 0.7))
    slow = np.zeros((length, TOPICS))
    deviation = rng.uniform(0, noise, TOPICS)
    for day in range(1, length):
        slow[day] = 0.8 * slow[day - 1] + 0.6 * deviation * rng.standard_normal(TOPICS)
    weights = share * np.exp(slow) * rng.gamma(20, 1 / 20, (length, TOPICS))
    result = np.zeros((length, TOPICS))
    for day, n in enumerate(rng.poisson(level * rng.gamma(20, 1 / 20, length))):
        first = rng.multinomial(n, weights[day] / weights[day].sum())
        result[day] = first + rng.permutation(rng.binomial(first, 0.3))
    return result


def scores(days: np.ndarray) -> list[tuple[float, int, float]]:
    """(score, topic, excess) of each day after the first eight weeks; a score of 0 where too little is there."""
    sums = np.vstack([np.zeros(days.shape[1]), np.cumsum(days, axis=0)])
    found = []
    for day in range(WARM, len(days)):
        now, before = sums[day] - sums[day - 7], sums[day - 7] - sums[day - 56]
        shift = topic_shift(_named(now), _named(before))
        found.append((shift.score, int(shift.topic), shift.excess) if shift else (0.0, -1, 0.0))
    return found


def _named(counts: np.ndarray) -> dict[str, float]:
    return {str(n): float(count) for n, count in enumerate(counts) if count}


def told(found: list[tuple[float, int, float]], needed: float, *, least: float = 2.0) -> list[tuple[int, int]]:
    """(day, topic) of each story: begun at a score, over after quiet days below half of it."""
    result, quiet, open_ = [], 0, False
    for day, (score, topic, excess) in enumerate(found):
        if open_:
            quiet = 0 if score >= needed / 2 else quiet + 1
            open_ = quiet < QUIET_DAYS
        elif score >= needed and excess >= least:
            result.append((day, topic))
            open_, quiet = True, 0
    return result


def topics(args: argparse.Namespace) -> None:
    """Promised and measured rates, and the share of planted changes that is found, with the right topic."""
    rng = np.random.default_rng(args.seed)
    clean, changed = [], []
    for _ in range(args.brands):
        days = days_of(rng, noise=args.noise)
        clean.append(scores(days))
        at, topic = int(rng.integers(WARM + 7, len(days) - 10)), int(rng.integers(TOPICS))
        extra = rng.poisson(days[at : at + 7].sum(axis=1) * rng.choice([0.2, 0.4, 0.8]))
        planted = days.copy()
        planted[at : at + 7, topic] += extra
        changed.append((scores(planted), at - WARM, topic, float(extra.sum())))
    weeks = args.brands * (WEEKS - WARM / 7)
    big = [one for one in changed if one[3] >= 8]
    print(f"{args.brands} brands, {weeks:.0f} brand-weeks, {len(big)} changes of 8 complaints or more")
    for rate in RATES:
        needed = needed_score(rate)
        n_false = sum(len(told(found, needed)) for found in clean)
        hits = [[t for day, t in told(found, needed) if at <= day <= at + 8] for found, at, _, _ in big]
        right = sum(bool(hit) and hit[0] == topic for hit, (_, _, topic, _) in zip(hits, big, strict=True))
        n_found = sum(map(bool, hits))
        print(
            f"  promised {rate:.2f} a week, measured {n_false / weeks:.3f} ({n_false}); "
            f"found {n_found / len(big):.2f}, the right topic {right / max(n_found, 1):.2f}",
            flush=True,
        )


def volume(args: argparse.Namespace) -> None:
    """False surges a week of a brand at each promise, with a cool-down of three days."""
    rng, length, n = np.random.default_rng(args.seed), 260, args.brands
    days = np.arange(length)[:, None]
    level = np.exp(rng.uniform(np.log(3), np.log(1500), n))
    rhythm = np.exp(rng.uniform(0, 0.35, n) * np.cos(2 * np.pi * (days % 7 - 1) / 7))
    trend = np.exp(np.linspace(0, 1, length)[:, None] * rng.uniform(-0.4, 0.5, n))
    slow, deviation = np.zeros((length, n)), rng.uniform(0, 0.25, n)
    for day in range(1, length):
        slow[day] = 0.8 * slow[day - 1] + 0.6 * deviation * rng.standard_normal(n)
    holiday = np.where(rng.random((length, n)) < 0.03, 0.5, 1.0)
    mean = level * rhythm * trend * np.exp(slow) * holiday * rng.gamma(20, 1 / 20, (length, n))
    counts = rng.poisson(mean)
    start = dt.datetime(2025, 1, 6, tzinfo=dt.UTC)
    news = np.zeros((length, n))
    for brand in range(n):
        detector = VolumeDetector(Settings())
        for day in range(length):
            row = Row(start + dt.timedelta(days=day), 0, int(counts[day, brand]))
            news[day, brand] = detector.update(row).news
    weeks = n * (length - 60) / 7
    print(f"{n} brands, {weeks:.0f} brand-weeks")
    for rate in (0.1, 0.05, 0.02, 0.01, 0.005):
        count, last = 0, np.full(n, -99)
        for day in range(60, length):
            told_now = (news[day] >= threshold(rate)) & (day - last >= 3)
            last[told_now] = day
            count += int(told_now.sum())
        print(f"  promised {rate:.3f} a week, measured {count / weeks:.4f} ({count})", flush=True)


def floods(args: argparse.Namespace) -> None:
    """Days that the rule of `monitor.pipeline.evidence.is_flood` takes for a flood, outside of planted outbreaks."""
    simulate = _shared("simulate")
    blocks = {f"seed {seed}": simulate.main_block(seed, 5) for seed in range(args.seed, args.seed + 3)}
    blocks |= {name: [harder(name, 9001, number) for number in range(150)] for name in SCENARIOS}
    blocks["campaign probe"] = simulate.probe_block(args.seed, "campaign", 2)
    for name, series in blocks.items():
        weeks, n_false = _flooded(series)
        print(f"  {name}: {n_false} in {weeks:.0f} series-weeks without an outbreak", flush=True)


def _flooded(series: Iterable[Any]) -> tuple[float, int]:
    weeks, count, span = 0.0, 0, FLOOD_SPAN.days
    for one in series:
        negative, total = (np.array([row[place] or 0 for row in one.rows], dtype=float) for place in (1, 2))
        sums = np.concatenate([[0.0], np.cumsum(negative)])
        for day in range(one.eval_start, len(negative)):
            if one.start <= day <= one.end + 7:
                continue
            usual = (sums[day] - sums[max(0, day - span)]) / span
            weeks += 1 / 7
            count += bool(negative[day] >= max(FLOOD_LEAST, FLOOD_SHARE * total[day], FLOOD_RATIO * (1 + usual)))
    return weeks, count


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("topics", "volume", "floods"))
    parser.add_argument("--brands", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", type=float, default=0.3, help="topics: largest slow noise of a topic, log scale")
    args = parser.parse_args()
    {"topics": topics, "volume": volume, "floods": floods}[args.what](args)


if __name__ == "__main__":
    main()
