"""A million orders of 200,000 customers: sums, RFM, ABC, life stages, segments. Prints seconds of wall clock and CPU.

    python benchmarks/segments.py [planted [SEEDS [NAME ...]]]
    python benchmarks/segments.py rule [NOISES [SEEDS]]

With "planted": worlds of known groups, and worlds without any, made of orders, answers and words, brought to features
as the product does it, and segmented: as they are, with another seed, and with 5 % noise on the rows.

With "rule": the groups into which customers without clusters are sorted, under so many noises, in so many worlds of
each kind without groups, on the bundled sample and on the million; and how many customers change theirs in a month.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitor.metrics.customers import Bounds, Customers, Floats, Ints, Orders, abc, grouped, life_stage, rfm, summarise
from monitor.metrics.segments import Feature, agreement, segment
from monitor.pipeline import segmenting
from monitor.pipeline.sample import _arrange
from monitor.store.queries.customers import AnswerRow, Said

N_ORDERS, N_CUSTOMERS = 1_000_000, 200_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def million() -> tuple[Orders, npt.NDArray[np.str_]]:
    """A million orders of 200,000 customers of four kinds, and their names."""
    rng = np.random.default_rng(1)
    kind = rng.choice(4, N_CUSTOMERS, p=[0.3, 0.3, 0.25, 0.15])
    appetite = np.array([8.0, 3.0, 1.0, 5.0])[kind]
    drawn = rng.choice(N_CUSTOMERS, N_ORDERS - N_CUSTOMERS, p=appetite / appetite.sum())
    owner = np.concatenate([np.arange(N_CUSTOMERS), drawn])  # everybody ordered at least once
    names = np.array([f"customer-{i:06d}" for i in range(N_CUSTOMERS)])
    oldest = np.array([60.0, 300.0, 700.0, 200.0])[kind][owner]
    ages = rng.random(N_ORDERS) * oldest + np.array([0.0, 0.0, 150.0, 0.0])[kind][owner]
    amounts = np.exp(rng.normal(np.array([5.5, 6.5, 6.0, 8.0])[kind][owner], 0.4))
    day = NOW.timestamp() / 86_400 - ages
    return Orders(names[owner], day, amounts, rng.random(N_ORDERS) < 0.03), names


def main() -> None:
    orders, names = million()
    rng = np.random.default_rng(3)
    answered, spoke = (rng.choice(N_CUSTOMERS, N_CUSTOMERS // 10, replace=False) for _ in range(2))
    at = NOW - timedelta(days=3)
    scores = rng.integers(0, 11, len(answered))
    answers = [AnswerRow("nps", float(x), at, names[one], "", "", "", None)
               for one, x in zip(answered, scores, strict=True)]  # fmt: skip
    said = [
        Said(names[one], at, "negative" if rng.random() < 0.4 else "positive", frozenset({str(rng.choice(TOPICS))}),
             float(rng.integers(1, 6)))
        for one in spoke
    ]  # fmt: skip

    wall, cpu = time.perf_counter(), time.process_time()

    def lap(what: str) -> None:
        print(f"{what:<12}{time.perf_counter() - wall:8.1f} s wall {time.process_time() - cpu:8.1f} s CPU", flush=True)

    table = summarise(orders, now=NOW)
    lap("sums")
    rfm(table)
    groups_of(table)
    abc(table.total)
    life_stage(orders, table, now=NOW, period=timedelta(days=30))
    lap("groups")
    features = segmenting.features_of(table, answers, said, segmenting.loud(table, said), NOW)
    lap("features")
    found = segment(features, rng=np.random.default_rng(2))
    lap("segments")
    print(f"{len(table)} customers, {len(found.segments)} segments: {', '.join(str(s.n) for s in found.segments)}")


def kind(share: float, rate: float, basket: float, **more: float | dict[str, float]) -> dict[str, Any]:
    """Customers alike: orders a month, logarithm of a basket, days since they left (`gone`), chance to bring an order
    back, mean NPS as a share, stars, chance of a negative word and, in it, of each topic (a quarter where not said)."""
    return {"share": share, "rate": rate, "basket": basket, "gone": 0.0, "returns": 0.03, "nps": 0.75, "stars": 4.0,
            "negative": 0.3, "spread": 0.35, "baskets": 0.25, **more}  # fmt: skip


FOUR = (kind(0.4, 6, 6, nps=0.85, stars=4.6, negative=0.1),
        kind(0.3, 0.6, 7, stars=4.2, topics={"price": 0.7}),
        kind(0.2, 1, 6.2, gone=150, nps=0.4, stars=3, negative=0.8, topics={"waiting": 0.8}),
        kind(0.1, 5, 8, nps=0.9, stars=4.7, negative=0.1))  # fmt: skip
# name -> (kinds, customers, share who write, share who answer surveys)
WORLDS: dict[str, tuple[tuple[dict[str, Any], ...], int, float, float]] = {
    "four groups": (FOUR, 8000, 0.8, 0.6),
    "the same, 400 customers": (FOUR, 400, 0.8, 0.6),
    "the same, one in twelve speaks": (FOUR, 8000, 0.08, 0.08),
    "five, down to 4 %": (
        (kind(0.6, 1.5, 6), kind(0.2, 0.4, 6.1, gone=180), kind(0.1, 9, 6.4, nps=0.9, negative=0.1),
         kind(0.06, 1, 8, returns=0.4), kind(0.04, 0.2, 7.6, gone=120)), 8000, 0.8, 0.6),
    "three, two of them told apart by words alone": (
        (kind(0.5, 4, 6, nps=0.85, negative=0.08, stars=4.6),
         kind(0.3, 3.7, 6.05, nps=0.4, negative=0.85, stars=3, topics={"waiting": 0.85, "price": 0.1}),
         kind(0.2, 0.7, 6.2, gone=140, negative=0.4)), 8000, 0.8, 0.6),
    "six": (
        (kind(0.25, 8, 5.6, nps=0.85, negative=0.1), kind(0.2, 1, 7.5, negative=0.2),
         kind(0.2, 1, 6, gone=170, negative=0.4),
         kind(0.15, 6, 7.6, nps=0.35, negative=0.8, stars=3, topics={"staff": 0.8}),
         kind(0.1, 7, 5.6, nps=0.3, negative=0.9, stars=2.8, topics={"price": 0.8}),
         kind(0.1, 3, 6.5, returns=0.5, nps=0.5, negative=0.5)), 8000, 0.8, 0.6),
    "two": ((kind(0.7, 5, 6), kind(0.3, 0.8, 6, gone=150)), 8000, 0.8, 0.6),
    "no groups, everybody alike": ((kind(1, 2, 6),), 8000, 0.8, 0.6),
    "no groups, 400 customers": ((kind(1, 2, 6),), 400, 0.8, 0.6),
    "no groups, rates from 1 to 50": ((kind(1, 1.5, 6, spread=1.0, baskets=0.5),), 8000, 0.8, 0.6),
    "no groups, many grumble": ((kind(1, 2, 6, negative=0.5, topics={"waiting": 0.6, "price": 0.3}),), 8000, 0.9, 0.6),
    "no groups, people leave all the time": ((kind(1, 1.5, 6, spread=0.8, gone=45, baskets=0.5),), 8000, 0.8, 0.6),
    "no groups, who seldom buy and speak": ((kind(1, 0.15, 6, baskets=0.5),), 8000, 0.15, 0.1),
}  # fmt: skip
TOPICS = ("waiting", "price", "staff", "quality", "delivery")


@dataclass(frozen=True, slots=True)
class Rows:
    """What the store would hold of a year of such customers: orders, answers, words."""

    orders: Orders
    answers: list[AnswerRow]
    said: list[Said]


def made(rng: np.random.Generator, world: str) -> tuple[Ints, Rows]:
    """The kind of each customer, and their rows; customers have numbers of six digits for names."""
    kinds, n, write, answer = WORLDS[world]
    which = rng.choice(len(kinds), n, p=[one["share"] for one in kinds])

    def of(name: str) -> Floats:
        return np.array([one[name] for one in kinds], dtype=float)[which]

    names = np.array([f"{number:06d}" for number in range(n)])
    gone = np.where(of("gone") > 0, of("gone") * np.exp(rng.normal(0, 0.35, n)), 0.0)
    gone = np.minimum(gone, 345.0)
    first = np.maximum(365 * (1 - rng.random(n) * 0.3), gone + 15)
    orders = 1 + rng.poisson(of("rate") * np.exp(rng.normal(0, of("spread"))) * (first - gone) / 30)
    owner = np.repeat(np.arange(n), orders)
    age = gone[owner] + rng.random(len(owner)) * (first - gone)[owner]
    amount = np.exp((of("basket") + rng.normal(0, of("baskets")))[owner] + rng.normal(0, 0.3, len(owner)))
    back = rng.random(len(owner)) < of("returns")[owner]
    mood = rng.normal(0, 0.1, n)
    who = np.repeat(np.arange(n), np.where(rng.random(n) < answer, 1 + rng.poisson(1, n), 0))
    scores = np.clip(np.round(10 * (of("nps") + mood)[who] + rng.normal(0, 1.5, len(who))), 0, 10)
    at = NOW - timedelta(days=1)
    answers = [AnswerRow("nps", float(score), at, names[one], "", "", "", None)
               for one, score in zip(who, scores, strict=True)]  # fmt: skip
    who = np.repeat(np.arange(n), np.where(rng.random(n) < write, 1 + rng.poisson(1, n), 0))
    negative = rng.random(len(who)) < of("negative")[who]
    chance = np.array([[one.get("topics", {}).get(topic, 0.25) for topic in TOPICS] for one in kinds])[which]
    blamed = negative[:, None] & (rng.random((len(who), len(TOPICS))) < chance[who])
    stars = np.clip(np.round((of("stars") + mood)[who] + rng.normal(0, 0.7, len(who)) - 1.2 * negative), 1, 5)
    starred = rng.random(len(who)) < 0.6
    said = [
        Said(names[one], at, "negative" if bad else "positive",
             frozenset(topic for topic, blames in zip(TOPICS, all_blamed, strict=True) if blames),
             float(rating) if has else None)
        for one, bad, all_blamed, rating, has in zip(who, negative, blamed, stars, starred, strict=True)
    ]  # fmt: skip
    day = NOW.timestamp() / 86_400 - age
    return which, Rows(Orders(names[owner], day, amount, back), answers, said)


def noisy(rows: Rows, rng: np.random.Generator) -> Rows:
    """Money and ages 5 % off, one order in twenty lost (nobody's last), one answer and one text in twenty somebody
    else's."""
    shaken = shaken_orders(rows.orders, rng, NOW)

    def swapped(row: Any, pool: Sequence[Any]) -> Any:
        return replace(pool[rng.integers(len(pool))], customer=row.customer) if rng.random() < 0.05 else row

    return Rows(shaken, [swapped(row, rows.answers) for row in rows.answers],
                [swapped(row, rows.said) for row in rows.said])  # fmt: skip


def shaken_orders(orders: Orders, rng: np.random.Generator, now: datetime) -> Orders:
    today = now.timestamp() / 86_400
    kept = rng.random(len(orders.day)) >= 0.05
    kept[np.unique(orders.customer, return_index=True)[1]] = True
    day = today - (today - orders.day) * np.exp(rng.normal(0, 0.05, len(orders.day)))
    amount = orders.amount * np.exp(rng.normal(0, 0.05, len(orders.day)))
    return Orders(orders.customer[kept], day[kept], amount[kept], orders.returned[kept])


def sample() -> tuple[Orders, datetime]:
    """The orders of the bundled sample, and the end of them."""
    arrange = _arrange()
    rows = [one for one in arrange.orders(arrange.COMMITTED_UNTIL) if one["stage"] != "placed"]
    times = [datetime.fromisoformat(one["ordered_at"]) for one in rows]
    return Orders.of([one["customer_id"] for one in rows], times, [float(one["amount"]) for one in rows],
                     [one["returned"] == "true" for one in rows]), arrange.COMMITTED_UNTIL  # fmt: skip


def groups_of(table: Customers, bounds: Bounds | None = None) -> npt.NDArray[Any]:
    return grouped(table, table.recency, bounds or Bounds.of(table.recency, table.basket))


def rule(n_noises: int, n_made: int) -> None:
    """Agreement of the groups by rule with themselves under noise, and what moves between the last three months."""
    print("| world | customers | groups | 5 % noise: mean | least | change theirs in a month | there and back |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
    crowds = [("the sample", *sample()), ("a million orders", million()[0], NOW)]
    for world, (kinds, *_) in WORLDS.items():
        if len(kinds) == 1:
            crowds += [(world, made(np.random.default_rng(5000 + seed), world)[1].orders, NOW)
                       for seed in range(n_made)]  # fmt: skip
    told: dict[str, list[tuple[int, int, list[float], float, float]]] = {}
    for world, orders, now in crowds:
        table = summarise(orders, now=now)
        groups = groups_of(table)
        rng = np.random.default_rng(42)
        many = n_noises if len(table) < 1000 else max(1, n_noises // 10)
        shaken = (summarise(shaken_orders(orders, rng, now), now=now) for _ in range(many))
        agreed = [agreement(groups, groups_of(one)) for one in shaken]
        moved, back = movements(orders, table, now)
        told.setdefault(world, []).append((len(table), len(set(groups.tolist())), agreed, moved, back))
    for world, found in told.items():
        agreed = [one for _, _, some, _, _ in found for one in some]
        print(f"| {world} | {found[0][0]:,} | {max(one[1] for one in found)} | {np.mean(agreed):.2f} | "
              f"{min(agreed):.2f} | {np.mean([one[3] for one in found]):.0%} | "
              f"{np.mean([one[4] for one in found]):.1%} |")  # fmt: skip


def movements(orders: Orders, table: Customers, now: datetime) -> tuple[float, float]:
    """Of the customers at two month's ends, the part in another group; at three, in the first and third alike."""
    bounds = Bounds.of(table.recency, table.basket)
    held: list[dict[str, str]] = []
    for ago in range(3, -1, -1):  # before, the history of half a year is too young
        then = summarise(orders, now=now - timedelta(days=30 * ago))
        held.append(dict(zip(then.ids.tolist(), groups_of(then, bounds).tolist(), strict=True)))
    moved = [a[one] != b[one] for a, b in pairwise(held) for one in a]
    back = [a[one] == c[one] != b[one] for a, b, c in zip(held, held[1:], held[2:], strict=False) for one in a]
    return float(np.mean(moved)), float(np.mean(back))


def features_of(rows: Rows) -> list[Feature]:
    """As the product makes them of these rows."""
    table = summarise(rows.orders, now=NOW)
    return segmenting.features_of(table, rows.answers, rows.said, segmenting.loud(table, rows.said), NOW)


def planted(n_made: int, wanted: Sequence[str]) -> None:
    """Each world made anew with so many seeds: numbers of segments, and the least agreement in any."""
    print("| world | planted | found | to the truth | another seed | 5 % noise, anew | 5 % noise, sorted |")
    print("| :--- | ---: | :--- | ---: | ---: | ---: | ---: |")
    for world, (kinds, *_) in WORLDS.items():
        if wanted and not any(part in world for part in wanted):
            continue
        told: list[tuple[int, float, float, float, float]] = []
        for seed in range(n_made):
            rng = np.random.default_rng(1000 + seed)
            truth, rows = made(rng, world)
            features, shaken = features_of(rows), features_of(noisy(rows, rng))
            found, again, anew = (
                segment(given, rng=np.random.default_rng(number)) for number, given in
                enumerate((features, features, shaken))
            )  # fmt: skip
            by_name = {one.name: one for one in shaken}
            moved = found.assign([by_name.get(one.name, one) for one in features])
            told.append((len(found.segments), *(agreement(found.labels, labels)
                                                for labels in (truth, again.labels, anew.labels, moved))))  # fmt: skip
        counts = ", ".join(str(one[0]) for one in told)
        least = [f"{min(one[column] for one in told):.2f}" for column in range(1, 5)]
        if len(kinds) == 1:
            least[0] = "-"
        print(f"| {world} | {len(kinds)} | {counts} | {' | '.join(least)} |", flush=True)


if __name__ == "__main__":
    if "planted" in sys.argv[1:2]:
        planted(int(sys.argv[2]) if len(sys.argv) > 2 else 5, sys.argv[3:])
    elif "rule" in sys.argv[1:2]:
        rule(*(int(sys.argv[place]) if len(sys.argv) > place else many for place, many in ((2, 40), (3, 5))))
    else:
        main()
