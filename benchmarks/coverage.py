"""How often each interval holds the truth: simulations with known answers, as the table in docs/metrics.md.

    [SEED=11] python benchmarks/coverage.py [RUNS] [NAME ...]

A nominal 95 % interval should hold the truth in 93 to 97 of 100 runs. RUNS is 2000 by default (half of it for the
effect, which fits dozens of regressions a run, a tenth where hundreds of fits are redrawn).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitor.metrics.branch import branch_rating
from monitor.metrics.clv import BgNbd, GammaGamma, History, lifetime_values, mean_lifetime_value
from monitor.metrics.counts import difference_of_counts, dispersion, ratio_of_counts
from monitor.metrics.effect import Measure, Period, difference_in_differences, interrupted_series
from monitor.metrics.impact import topic_impact
from monitor.metrics.median import change_of_median, median_of
from monitor.metrics.metric import Interval
from monitor.metrics.proportion import newcombe, paired_difference, wilson
from monitor.metrics.retention import kaplan_meier
from monitor.metrics.satisfaction import ecsi, engagement, problems_per_100, thousand_points
from monitor.metrics.sentiment import Tally, net_change, net_interval, net_sentiment_adjusted
from monitor.metrics.survey import change_of_mean, mean_of
from monitor.metrics.voice import share_of_voice

How = Literal["beside", "counts", "alone"]
MENTIONS = 160  # a week about the cafés that were changed
Case = Callable[[np.random.Generator], bool | None]
CASES: dict[str, tuple[Case, int]] = {}


def case(name: str, *, one_of: int = 1) -> Callable[[Case], Case]:
    """Registers a simulation; `one_of` runs of so many are made of one that takes long."""

    def keep(function: Case) -> Case:
        CASES[name] = (function, one_of)
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


@case("difference of shares, Newcombe (customers lost: n 20 and 200, 80 % and 93 %)")
def _(rng: np.random.Generator) -> bool:
    return -0.13 in newcombe(int(rng.binomial(20, 0.8)), 20, int(rng.binomial(200, 0.93)), 200)


@case("difference of shares of the same people, Agresti and Min (n 150, 12 % and 5 % changed)")
def _(rng: np.random.Generator) -> bool:
    gained, lost, _ = _pick(rng, (0.12, 0.05, 0.83), 150)
    return 0.07 in paired_difference(gained, lost, 150)


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


@case("NPS, few answers and most of them content (n 25, 4/16/80)")
def _(rng: np.random.Generator) -> bool:
    down, _, up = _pick(rng, (0.04, 0.16, 0.8), 25)
    return 76.0 in net_interval(up, down, 25)


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


@case("change of a mean, Welch (stars, n 40 and 25)")
def _(rng: np.random.Generator) -> bool:
    now = rng.choice([1, 2, 3, 4, 5], 40, p=[0.15, 0.1, 0.1, 0.25, 0.4])
    before = rng.choice([1, 2, 3, 4, 5], 25, p=[0.3, 0.2, 0.1, 0.2, 0.2])
    interval = change_of_mean(
        float(now.mean()), float(now.var(ddof=1)), 40, float(before.mean()), float(before.var(ddof=1)), 25
    )
    return interval is not None and 0.85 in interval


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


QUESTIONNAIRE: Mapping[str, tuple[float, ...]] = {
    "image": (0.9, 0.7, 0.5), "expectations": (0.8, 0.6), "product_quality": (0.9, 0.8, 0.7),
    "service_quality": (0.8, 0.6), "value": (0.8, 0.9),
    "satisfaction": (0.9, 0.8, 0.7), "loyalty": (0.9, 0.5),
}  # fmt: skip


def respondents(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Answers 1 to 10 whose latent variables hang together as ECSI says, with three loads of image and so on."""
    latent = {"image": rng.normal(size=n)}
    latent["expectations"] = 0.5 * latent["image"] + rng.normal(size=n) * 0.8
    latent["product_quality"] = 0.6 * latent["expectations"] + rng.normal(size=n) * 0.7
    latent["service_quality"] = 0.4 * latent["expectations"] + rng.normal(size=n) * 0.8
    quality = 0.6 * latent["product_quality"] + 0.4 * latent["service_quality"]
    latent["value"] = 0.3 * latent["expectations"] + 0.5 * quality + rng.normal(size=n) * 0.7
    causes = 0.2 * latent["image"] + 0.1 * latent["expectations"] + 0.5 * quality + 0.2 * latent["value"]
    latent["satisfaction"] = causes + rng.normal(size=n) * 0.5
    latent["loyalty"] = 0.2 * latent["image"] + 0.5 * latent["satisfaction"] + rng.normal(size=n) * 0.8
    return {
        name: np.clip(np.round(6.5 + 1.6 * (np.outer(latent[name], loads) + 0.6 * rng.normal(size=(n, len(loads))))),
                      1, 10)
        for name, loads in QUESTIONNAIRE.items()
    }  # fmt: skip


@cache
def everybody() -> dict[str, float]:
    """The index of each latent variable over 300,000 respondents: what a survey of a few hundred estimates."""
    found = ecsi(respondents(np.random.default_rng(1), 300_000), rng=np.random.default_rng(2), n_bootstrap=1)
    return {name: metric.value or 0.0 for name, metric in found.items()}


@case("ECSI satisfaction, quality of product and service apart, path model redrawn (n 250)", one_of=10)
def _(rng: np.random.Generator) -> bool:
    metric = ecsi(respondents(rng, 250), rng=rng, n_bootstrap=200)["satisfaction"]
    return metric.interval is not None and everybody()["satisfaction"] in metric.interval


@case("ECSI loyalty, path model redrawn (n 60)", one_of=10)
def _(rng: np.random.Generator) -> bool:
    metric = ecsi(respondents(rng, 60), rng=rng, n_bootstrap=200)["loyalty"]
    return metric.interval is not None and everybody()["loyalty"] in metric.interval


@case("1,000-point index (n 40, two factors weighing 2 and 1)")
def _(rng: np.random.Generator) -> bool:
    staff = rng.choice([4, 7, 9, 10], 40, p=[0.2, 0.3, 0.3, 0.2])
    food = np.clip(staff + rng.choice([-1, 0], 40), 1, 10)
    interval = thousand_points({"staff": staff.tolist(), "food": food.tolist()}, {"staff": 2.0, "food": 1.0}).interval
    return interval is not None and 100 * (7.6 - 0.5 / 3) in interval


@case("problems per 100 (n 60, 0.6 a customer, clumped)")
def _(rng: np.random.Generator) -> bool:
    interval = problems_per_100(rng.negative_binomial(1.2, 2 / 3, 60).tolist()).interval
    return interval is not None and 60.0 in interval


@case("engagement groups: share fully engaged (n 60)")
def _(rng: np.random.Generator) -> bool:
    answers = [[5.0, 5.0, 4.0] if full else [3.0, 4.0, 2.0] for full in rng.random(60) < 0.23]
    interval = engagement(answers)["fully_engaged"].interval
    return interval is not None and 0.23 in interval


def buyers(rng: np.random.Generator, n: int) -> dict[str, History]:
    """Customers who buy, spend and leave as BG/NBD with Gamma-Gamma says, watched for 39 to 78 weeks."""
    found = {}
    rates, leaving = rng.gamma(0.8, 1 / 5.0, n), rng.beta(0.9, 2.5, n)
    scales, ages = rng.gamma(4.0, 1 / 15.0, n), rng.uniform(39, 78, n)
    for number in range(n):
        at, times = 0.0, []
        while rng.random() >= (leaving[number] if times else 0.0):  # may leave after each order but the first
            at += rng.exponential(1 / rates[number])
            if at > ages[number]:
                break
            times.append(at)
        x = len(times)
        spent = float(rng.gamma(6.0 * x, 1 / scales[number]) / x) if x else 0.0
        found[str(number)] = History(x, times[-1] if times else 0.0, float(ages[number]), spent)
    return found


@cache
def worth() -> float:
    """The mean over 200,000 such customers, from the parameters that made them."""
    made = buyers(np.random.default_rng(1), 200_000)
    values = lifetime_values(made, BgNbd(0.8, 5.0, 0.9, 2.5), GammaGamma(6.0, 4.0, 15.0), periods=26)
    return sum(values.values()) / len(values)


@case("lifetime value, both models redrawn (n 400, half a year ahead)", one_of=10)
def _(rng: np.random.Generator) -> bool:
    interval = mean_lifetime_value(buyers(rng, 400), periods=26, rng=rng, n_bootstrap=30).interval
    return interval is not None and worth() in interval


def chain(
    rng: np.random.Generator,
    *,
    fall: float,
    n_before: int = 26,
    n_after: int = 12,
    mentions: int = MENTIONS,
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


def _effect(rng: np.random.Generator, fall: float, *, how: How = "beside", **world: float) -> tuple[bool | None, str]:
    """Whether the interval held the truth (None without one) and what was said."""
    n_before = int(world.get("n_before", 26))
    treated, control = chain(rng, fall=fall, **world)  # type: ignore[arg-type]
    if how == "alone":
        found = interrupted_series(treated, change_at=n_before)
    else:
        measure: Measure = "count" if how == "counts" else "share"
        found = difference_in_differences(treated, control, change_at=n_before, measure=measure)
    truth = -fall * (world.get("mentions", MENTIONS) if how == "counts" else 1.0)
    interval: Interval | None = found.interval
    return (None if interval is None else truth in interval), found.verdict


EFFECTS: dict[str, tuple[float, dict[str, Any]]] = {
    "effect: a third less waiting, 26 + 12 weeks": (0.1, {}),
    "effect: nothing happened, 26 + 12 weeks": (0.0, {}),
    "effect: a third less, few mentions (32 a week)": (0.1, {"mentions": 32}),
    "effect: a third less, 12 + 6 weeks": (0.1, {"n_before": 12, "n_after": 6}),
    "effect: a third less, strong memory (0.7)": (0.1, {"rho": 0.7}),
    "effect: nothing happened, strong memory (0.7)": (0.0, {"rho": 0.7}),
    "effect: nothing happened, 12 + 6 weeks, strong memory (0.7)": (0.0, {"n_before": 12, "n_after": 6, "rho": 0.7}),
    "effect in complaints a week: a third less, 26 + 12 weeks": (0.1, {"how": "counts"}),
    "effect in complaints a week: nothing happened, 26 + 12 weeks": (0.0, {"how": "counts"}),
    "effect without a control: a third less, 26 + 12 weeks": (0.1, {"how": "alone"}),
    "effect without a control: nothing happened, 26 + 12 weeks": (0.0, {"how": "alone"}),
}
EFFECTS |= {
    f"effect{told}: nothing happened, {before} + {after} weeks, {memory}": (
        0.0,
        {"how": how, "n_before": before, "n_after": after, "rho": rho},
    )
    for told, how in (("", "beside"), (" without a control", "alone"))
    for before, after in ((12, 6), (26, 13))
    for rho, memory in ((0.0, "no memory"), (0.3, "memory 0.3"), (0.6, "memory 0.6"))
}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    wanted = sys.argv[2:]
    print("| interval | runs | holds the truth |\n| :--- | ---: | ---: |")
    for name, (function, one_of) in CASES.items():
        if not wanted or any(part in name for part in wanted):
            rng = np.random.default_rng(7)
            hits = [function(rng) for _ in range(runs // one_of)]
            print(f"| {name} | {len(hits)} | {np.mean(hits):.1%} |", flush=True)
    print(
        "\n| effect | runs | holds the truth | fell | rose | no clear change | cannot tell |\n"
        + "| :--- |"
        + " ---: |" * 6
    )
    for name, (fall, world) in EFFECTS.items():
        if not wanted or any(part in name for part in wanted):
            rng = np.random.default_rng(int(os.environ.get("SEED", "11")))  # nothing was chosen with 11
            told = [_effect(rng, fall, **world) for _ in range(runs // 2)]
            held = [hit for hit, _ in told if hit is not None]
            verdicts = [
                f"{np.mean([v == wanted_v for _, v in told]):.1%}"
                for wanted_v in ("fell", "rose", "no_clear_change", "cannot_tell")
            ]
            print(f"| {name} | {len(told)} | {np.mean(held):.1%} | {' | '.join(verdicts)} |", flush=True)


if __name__ == "__main__":
    main()
