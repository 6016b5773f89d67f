"""How often each interval holds the truth: simulations with known answers, as the table in docs/metrics.md.

    python benchmarks/coverage.py [RUNS] [NAME ...]

A nominal 95 % interval should hold the truth in 93 to 97 of 100 runs. RUNS is 2000 by default (half of it for the
effect, which fits dozens of regressions a run).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitor.metrics.branch import branch_rating
from monitor.metrics.counts import difference_of_counts, dispersion, ratio_of_counts
from monitor.metrics.effect import Period, difference_in_differences
from monitor.metrics.impact import topic_impact
from monitor.metrics.median import change_of_median, median_of
from monitor.metrics.metric import Interval
from monitor.metrics.proportion import newcombe, wilson
from monitor.metrics.retention import kaplan_meier
from monitor.metrics.sentiment import Tally, net_change, net_interval, net_sentiment_adjusted
from monitor.metrics.survey import mean_of
from monitor.metrics.voice import share_of_voice

Case = Callable[[np.random.Generator], bool | None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def keep(function: Case) -> Case:
        CASES[name] = function
        return function

    return keep


def _pick(rng: np.random.Generator, shares: tuple[float, ...], n: int) -> list[int]:
    return [int(c) for c in rng.multinomial(n, shares)]


@case("share, Wilson (n 30, 15 % negative)")
def _(rng: np.random.Generator) -> bool:
    return 0.15 in wilson(int(rng.binomial(30, 0.15)), 30)


@case("share, Wilson (n 300, 24 %)")
def _(rng: np.random.Generator) -> bool:
    return 0.24 in wilson(int(rng.binomial(300, 0.24)), 300)


@case("difference of shares, Newcombe (n 60 and 45, 40 % and 20 %)")
def _(rng: np.random.Generator) -> bool:
    return 0.2 in newcombe(int(rng.binomial(60, 0.4)), 60, int(rng.binomial(45, 0.2)), 45)


@case("difference of counts (31 and 12, Poisson)")
def _(rng: np.random.Generator) -> bool:
    return 19 in difference_of_counts(int(rng.poisson(31)), int(rng.poisson(12)))


@case("difference of counts (40 and 20, variance 3 x mean, dispersion from 8 weeks)")
def _(rng: np.random.Generator) -> bool:
    def clumped(mean: float, size: int | None = None) -> np.ndarray:
        return rng.negative_binomial(mean / 2, 1 / 3, size)

    return 20 in difference_of_counts(int(clumped(40)), int(clumped(20)), dispersion=dispersion(clumped(20, 8)))


@case("ratio of counts, mid-P (40 and 20)")
def _(rng: np.random.Generator) -> bool:
    return 2.0 in ratio_of_counts(int(rng.poisson(40)), int(rng.poisson(20)))


@case("net sentiment and NPS (n 40, 20/30/50)")
def _(rng: np.random.Generator) -> bool:
    down, _, up = _pick(rng, (0.2, 0.3, 0.5), 40)
    return 30.0 in net_interval(up, down, 40)


@case("change of net sentiment (n 120 and 100)")
def _(rng: np.random.Generator) -> bool:
    now, before = Tally(*_pick(rng, (0.35, 0.15, 0.5), 120)), Tally(*_pick(rng, (0.2, 0.2, 0.6), 100))
    return -25.0 in net_change(now, before)


@case("net sentiment cleared of model bias (n 400, 300 labelled)")
def _(rng: np.random.Generator) -> bool:
    confusion = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.03, 0.07, 0.9]])
    truth = np.array([0.3, 0.2, 0.5])
    labelled = np.array([rng.multinomial(100, row) for row in confusion])
    observed = Tally(*_pick(rng, tuple(confusion.T @ truth), 400))
    metric = net_sentiment_adjusted(observed, labelled, rng=rng, n_bootstrap=300)
    return metric.interval is not None and 20.0 in metric.interval


@case("median wait (n 25, skewed)")
def _(rng: np.random.Generator) -> bool:
    interval = median_of("wait", rng.lognormal(2.0, 1.2, 25).tolist(), unit="minutes").interval
    return interval is not None and float(np.exp(2.0)) in interval


@case("change of a median wait (n 60 and 40, skewed)")
def _(rng: np.random.Generator) -> bool:
    now = median_of("wait", rng.lognormal(2.5, 1.2, 60).tolist(), unit="minutes")
    before = median_of("wait", rng.lognormal(2.0, 1.2, 40).tolist(), unit="minutes")
    interval = change_of_median(now, before)
    return interval is not None and float(np.exp(2.5) - np.exp(2.0)) in interval


@case("mean of stars, Student (n 40)")
def _(rng: np.random.Generator) -> bool:
    stars = rng.choice([1, 2, 3, 4, 5], 40, p=[0.15, 0.1, 0.1, 0.25, 0.4])
    interval = mean_of("stars", stars.tolist(), bounds=(1.0, 5.0)).interval
    return interval is not None and 3.65 in interval


@case("share of voice, Goodman: all four at once (n 400)")
def _(rng: np.random.Generator) -> bool:
    truth = {"a": 0.45, "b": 0.3, "c": 0.15, "d": 0.1}
    drawn = dict(zip(truth, _pick(rng, tuple(truth.values()), 400), strict=True))
    return all(
        voice.share.interval is not None and truth[voice.brand] in voice.share.interval
        for voice in share_of_voice(drawn)
    )


@case("branch rating (60 reviews, true mean 3.65)")
def _(rng: np.random.Generator) -> bool:
    stars = rng.choice([1, 2, 3, 4, 5], 60, p=[0.15, 0.1, 0.1, 0.25, 0.4])
    interval = branch_rating(stars.tolist(), rng.uniform(0, 365, 60).tolist()).interval
    return interval is not None and 3.65 in interval


@case("topic impact, bootstrap (n 300, 15 % with the topic)")
def _(rng: np.random.Generator) -> bool:
    marks = rng.random(300) < 0.15
    values = np.where(
        marks, rng.choice([-100, 0, 100], 300, p=[0.7, 0.1, 0.2]), rng.choice([-100, 0, 100], 300, p=[0.2, 0.2, 0.6])
    )
    truth = (0.15 * -50 + 0.85 * 40) - 40
    interval = topic_impact(values, marks, rng=rng, n_bootstrap=400).interval
    return interval is not None and truth in interval


@case("retention, Kaplan-Meier (n 60, censored)")
def _(rng: np.random.Generator) -> bool:
    life, watch = rng.exponential(10, 60), rng.uniform(2, 15, 60)
    point = kaplan_meier(np.minimum(life, watch).tolist(), (life <= watch).tolist()).at(5.0)
    return point is not None and float(np.exp(-0.5)) in point.interval


def chain(
    rng: np.random.Generator,
    *,
    fall: float,
    n_before: int = 26,
    n_after: int = 12,
    mentions: int = 160,
    rho: float = 0.5,
) -> tuple[list[Period], list[Period]]:
    """Twenty cafés, four of them changed: a common season, weekly moods with memory, complaints binomial."""
    n = n_before + n_after

    def moods(sd: float) -> np.ndarray:
        steps = rng.normal(0, sd, n)
        series = np.zeros(n)
        series[0] = steps[0] / np.sqrt(1 - rho**2)
        for i in range(1, n):
            series[i] = rho * series[i - 1] + steps[i]
        return series

    common = 0.3 + 0.04 * np.sin(np.arange(n) / 4) + moods(0.03)
    groups = []
    for treated, volume, sd in ((True, mentions, 0.018), (False, mentions * 4, 0.009)):
        shares = np.clip(common + moods(sd) - (fall * (np.arange(n) >= n_before) if treated else 0), 0.01, 0.99)
        seen = np.maximum(1, rng.poisson(volume, n))
        groups.append([Period(float(rng.binomial(m, p)), float(m)) for m, p in zip(seen, shares, strict=True)])
    return groups[0], groups[1]


def _effect(rng: np.random.Generator, fall: float, **world: float) -> tuple[bool | None, str]:
    n_before = int(world.get("n_before", 26))
    treated, control = chain(rng, fall=fall, **world)  # type: ignore[arg-type]
    found = difference_in_differences(treated, control, change_at=n_before)
    interval: Interval | None = found.interval
    return (None if interval is None else -fall in interval), found.verdict


EFFECTS: dict[str, tuple[float, dict[str, float]]] = {
    "effect: a third less waiting, 26 + 12 weeks": (0.1, {}),
    "effect: nothing happened, 26 + 12 weeks": (0.0, {}),
    "effect: a third less, few mentions (32 a week)": (0.1, {"mentions": 32}),
    "effect: a third less, 12 + 6 weeks": (0.1, {"n_before": 12, "n_after": 6}),
    "effect: a third less, strong memory (0.7)": (0.1, {"rho": 0.7}),
    "effect: nothing happened, strong memory (0.7)": (0.0, {"rho": 0.7}),
    "effect: nothing happened, 12 + 6 weeks, strong memory (0.7)": (0.0, {"n_before": 12, "n_after": 6, "rho": 0.7}),
}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    wanted = sys.argv[2:]
    print("| interval | runs | holds the truth |\n| :--- | ---: | ---: |")
    for name, function in CASES.items():
        if not wanted or any(part in name for part in wanted):
            rng = np.random.default_rng(7)
            hits = [function(rng) for _ in range(runs)]
            print(f"| {name} | {runs} | {np.mean(hits):.1%} |", flush=True)
    print(
        "\n| effect | runs | holds the truth | fell | rose | no clear change | cannot tell |\n"
        + "| :--- |"
        + " ---: |" * 6
    )
    for name, (fall, world) in EFFECTS.items():
        if not wanted or any(part in name for part in wanted):
            rng = np.random.default_rng(7)
            told = [_effect(rng, fall, **world) for _ in range(runs // 2)]
            held = [hit for hit, _ in told if hit is not None]
            verdicts = [
                f"{np.mean([v == wanted_v for _, v in told]):.1%}"
                for wanted_v in ("fell", "rose", "no_clear_change", "cannot_tell")
            ]
            print(f"| {name} | {len(told)} | {np.mean(held):.1%} | {' | '.join(verdicts)} |", flush=True)


if __name__ == "__main__":
    main()
