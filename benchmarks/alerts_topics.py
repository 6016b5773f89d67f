"""How often a change in the mix of topics is told where nothing changed, against the promise; and what it finds.

    python -m benchmarks.alerts_topics [--brands 200] [--seed 1]

Simulated brands: twelve topics of unequal size, good and bad days, slow noise of each topic, three in ten complaints of
two topics. Every day the last seven days are held against the seven weeks before, as the monitor does. A story is told
once until it was quiet for two days. What is planted: in one week one topic takes an extra share of all complaints.
"""

from __future__ import annotations

import argparse

import numpy as np

from alerts.topics import needed_score, topic_shift

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


def main() -> None:
    """Print promised and measured rates, and the share of planted changes that is found, with the right topic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brands", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", type=float, default=0.3, help="largest slow noise of a topic, log scale")
    args = parser.parse_args()
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


if __name__ == "__main__":
    main()
