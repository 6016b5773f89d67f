"""How often hourly rows alarm where nothing was planted: single series by score, and brands with topics by budget.

    python -m benchmarks.alerts_hours rates     false alarms per series-week above each score
    python -m benchmarks.alerts_hours brands    incidents a week of busy brands (13 series), against the promised number

Both are simulated: rhythm, weekends, good and bad days, slow noise of the brand, of its negatives and of each topic.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from alerts.panel import Panel
from alerts.settings import Settings
from alerts.threshold import threshold
from benchmarks.alerts import hourly

TOPICS, QUIET_HOURS = 12, 12
WARM = 3 * 168


def rates(args: argparse.Namespace) -> None:
    """False notifications per series-week at each score, with a cool-down of three days."""
    score = np.concatenate([hourly(seed, n=150, weeks=10) for seed in args.seeds or (61, 62)], axis=1)
    weeks = score.size / 168
    print(f"{score.shape[1]} series, {weeks:.0f} series-weeks")
    for needed in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0):
        count, last = 0, np.full(score.shape[1], -999)
        for hour, values in enumerate(score):
            told = (values >= needed) & (hour - last >= 72)
            last[told] = hour
            count += int(told.sum())
        print(f"  score {needed:.1f}: {count} alarms, {count / weeks:.5f} per series-week", flush=True)


def clean_brands(seed: int, n: int, weeks: int) -> tuple[np.ndarray, np.ndarray]:
    """(news, score) of every hour and series of `n` brands with their topics, after three weeks."""
    rng = np.random.default_rng(seed)
    width, length = TOPICS + 1, weeks * 168
    hours = np.arange(length)

    def slow(deviation: np.ndarray) -> np.ndarray:
        noise = np.zeros((length, n))
        for hour in range(1, length):
            noise[hour] = 0.8 * noise[hour - 1] + 0.6 * deviation * rng.standard_normal(n)
        return np.exp(noise - deviation**2 / 2)

    def days() -> np.ndarray:
        return rng.gamma(20, 1 / 20, (length // 24 + 1, n))[hours // 24]

    volume = np.exp(rng.uniform(np.log(50), np.log(1500), n)) / 24
    share = rng.choice([0.1, 0.2, 0.4], n)
    rhythm = np.exp(
        rng.uniform(0.3, 1.2, n) * np.cos(2 * np.pi * (hours[:, None] - rng.integers(0, 24, n)) / 24)
    )  # fmt: skip
    rhythm /= rhythm.mean(axis=0)
    weekend = np.where((hours[:, None] // 24) % 7 > 4, rng.uniform(0.5, 1.1, n), 1.0)
    good_days = days()
    common = slow(rng.uniform(0, 0.25, n))
    own = slow(rng.uniform(0, 0.25, n)) * rng.gamma(50, 1 / 50, (length, n))
    base = volume * rhythm * weekend * good_days * common
    others = rng.poisson(base * (1 - share)).astype(float)
    topic_share = rng.dirichlet(np.full(TOPICS, 0.7), n)
    weights = np.stack([topic_share[:, t] * (slow(rng.uniform(0, 0.3, n)) * days()) for t in range(TOPICS)], axis=2)
    bad = rng.poisson(base * share * own)
    negative, other = np.zeros((length, n * width)), np.zeros((length, n * width))
    for brand in range(n):
        first = brand * width
        negative[:, first], other[:, first] = bad[:, brand], others[:, brand]
        p = weights[:, brand] / weights[:, brand].sum(axis=1)[:, None]
        for hour in np.flatnonzero(bad[:, brand]):
            main = rng.multinomial(bad[hour, brand], p[hour])
            second = rng.permutation(rng.binomial(main, 0.3))  # three in ten speak of another topic, too
            negative[hour, first + 1 : first + width] = np.minimum(main + second, bad[hour, brand])
        whole = (others[:, brand] + bad[:, brand])[:, None]
        other[:, first + 1 : first + width] = whole - negative[:, first + 1 : first + width]
    panel, ones = Panel(n * width, Settings(step_seconds=3600)), np.ones(n * width)
    news, score = np.full((length, n * width), -np.inf), np.full((length, n * width), -np.inf)
    for hour in range(length):
        verdicts = panel.tick(
            negative[hour], other[hour], ones,
            weekday=ones * ((hour // 24) % 7), hour=ones * (hour % 24), holiday=ones * 0,
        )  # fmt: skip
        enough = verdicts.enough
        news[hour] = np.where(enough, verdicts.news, np.minimum(verdicts.news, 0))
        score[hour] = np.where(enough, verdicts.score, -1)
    return news[WARM:], score[WARM:]


def incidents(news: np.ndarray, score: np.ndarray, needed: float) -> int:
    """Stories of one brand: one at a time, until twelve hours in which no series is above half the threshold."""
    alarm, busy = (news >= needed).any(axis=1), (score >= needed / 2).any(axis=1)
    count, until = 0, -1
    for hour in np.flatnonzero(alarm):
        count += int(hour > until)
        quiet, after = 0, int(hour)
        while after < len(busy) and quiet < QUIET_HOURS:
            quiet = 0 if busy[after] else quiet + 1
            after += 1
        until = max(until, after)
    return count


def brands(args: argparse.Namespace) -> None:
    """Incidents a week of a brand against the budget it was given."""
    seen = [clean_brands(seed, args.number, args.weeks) for seed in args.seeds or (1, 2)]
    width = TOPICS + 1
    for budget in (2.0, 1.0, 0.5, 0.14, 0.05):
        needed, count, weeks = threshold(budget / width, step_seconds=3600), 0, 0.0
        for news, score in seen:
            weeks += len(news) / 168 * (news.shape[1] // width)
            for first in range(0, news.shape[1], width):
                part = slice(first, first + width)
                count += incidents(news[:, part], score[:, part], needed)
        print(
            f"  promised {budget:.2f} a week, {count} incidents in {weeks:.0f} weeks: {count / weeks:.3f}", flush=True
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rates", "brands"))
    parser.add_argument("--seeds", type=int, nargs="*")
    parser.add_argument("--number", type=int, default=40, help="brands a seed")
    parser.add_argument("--weeks", type=int, default=8)
    args = parser.parse_args()
    {"rates": rates, "brands": brands}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
