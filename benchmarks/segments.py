"""A million orders of 200,000 customers: sums, RFM, ABC, life stages, segments. Prints seconds of wall clock and CPU.

    python benchmarks/segments.py [planted]

With "planted": how well 20,000 customers of four known groups come back, under another seed and under 5 % noise.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitor.metrics.customers import Orders, abc, life_stage, rfm, summarise
from monitor.metrics.segments import Feature, agreement, segment

N_ORDERS, N_CUSTOMERS = 1_000_000, 200_000


def main() -> None:
    rng = np.random.default_rng(1)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    kind = rng.choice(4, N_CUSTOMERS, p=[0.3, 0.3, 0.25, 0.15])
    appetite = np.array([8.0, 3.0, 1.0, 5.0])[kind]
    drawn = rng.choice(N_CUSTOMERS, N_ORDERS - N_CUSTOMERS, p=appetite / appetite.sum())
    owner = np.concatenate([np.arange(N_CUSTOMERS), drawn])  # everybody ordered at least once
    names = np.array([f"customer-{i:06d}" for i in range(N_CUSTOMERS)])
    oldest = np.array([60.0, 300.0, 700.0, 200.0])[kind][owner]
    ages = rng.random(N_ORDERS) * oldest + np.array([0.0, 0.0, 150.0, 0.0])[kind][owner]
    amounts = np.exp(rng.normal(np.array([5.5, 6.5, 6.0, 8.0])[kind][owner], 0.4))
    day = now.timestamp() / 86_400 - ages
    orders = Orders(names[owner], day, amounts, rng.random(N_ORDERS) < 0.03)
    stars = np.where(rng.random(N_CUSTOMERS) < 0.1, rng.choice([1, 2, 3, 4, 5], N_CUSTOMERS), np.nan)

    wall, cpu = time.perf_counter(), time.process_time()

    def lap(what: str) -> None:
        print(f"{what:<12}{time.perf_counter() - wall:8.1f} s wall {time.process_time() - cpu:8.1f} s CPU", flush=True)

    table = summarise(orders, now=now)
    lap("sums")
    rfm(table)
    abc(table.total)
    life_stage(orders, table, now=now, period=timedelta(days=30))
    lap("groups")
    by_name = dict(zip(names.tolist(), stars.tolist(), strict=True))
    columns = {"recency": table.recency, "frequency": table.frequency, "basket": table.basket, "tenure": table.tenure}
    features = [Feature(name, values) for name, values in columns.items()]
    features.append(Feature("rating", np.array([by_name[name] for name in table.ids.tolist()])))
    found = segment(features, rng=np.random.default_rng(2))
    lap("segments")
    print(f"{len(table)} customers, {len(found.segments)} segments: {', '.join(str(s.n) for s in found.segments)}")


def planted(n: int = 20_000) -> None:
    """Regulars, large baskets, lapsed grumblers, fans with huge baskets; half of them never rated."""
    rng = np.random.default_rng(0)
    kind = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    rating = np.clip(np.round(rng.normal(np.array([4.5, 4, 2.2, 4.6])[kind], 0.6)), 1, 5)
    rating[rng.random(n) < 0.5] = np.nan
    features = [
        Feature("recency", np.exp(rng.normal(np.array([1, 3, 4.5, 1.2])[kind], 0.5))),
        Feature("frequency", np.exp(rng.normal(np.array([3, 1.5, 0.3, 2.8])[kind], 0.3))),
        Feature("basket", np.exp(rng.normal(np.array([6, 7, 6.2, 8])[kind], 0.3))),
        Feature("rating", rating),
    ]
    noisy = [Feature(one.name, one.values * np.exp(rng.normal(0, 0.05, n))) for one in features]
    found, again, anew = (
        segment(given, rng=np.random.default_rng(seed)) for seed, given in enumerate((features, features, noisy), 1)
    )
    print(f"{n} planted customers, {len(found.segments)} segments; adjusted Rand index:")
    for name, labels in {
        "to the truth": kind, "with another seed": again.labels, "after 5 % noise, anew": anew.labels,
        "after 5 % noise, sorted": found.assign(noisy),
    }.items():  # fmt: skip
        print(f"  {name:<26}{agreement(found.labels, labels):.3f}")


if __name__ == "__main__":
    planted() if "planted" in sys.argv[1:] else main()
