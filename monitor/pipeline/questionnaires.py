"""Indices from questionnaires: which items of the surveys feed ECSI, the 1,000-point index, problems, engagement.

Items are recognised by their names, as `--item image_1=COLUMN` gave them: `image_1`, `expectations_1` ... `loyalty_2`
(1 to 10) for ECSI, its quality as `quality_1`, or apart as `product_quality_1` and `service_quality_1`; `factor_NAME`
(1 to 10) for the 1,000-point index; `problems` (how many) for problems per 100; `engagement_1` ... (1 to 5) for the
engagement groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.metrics.metric import BadNumbers, Metric
from monitor.metrics.satisfaction import QUALITIES, ecsi, ecsi_paths, engagement, problems_per_100, thousand_points
from monitor.store.queries import customers

SINGLE = ("nps", "csat", "ces")  # asked alone: no items of a questionnaire
FACTOR = "factor_"
ENGAGEMENT = "engagement_"
PROBLEMS = "problems"
Sheet = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Indices:
    """What the items allow; empty parts were not asked, `faults` says what was asked wrongly."""

    ecsi: tuple[Metric, ...] = ()
    thousand: Metric | None = None
    weights: Mapping[str, float] | None = None  # of the factors, brought to sum 1
    problems_per_100: Metric | None = None
    engagement: tuple[Metric, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All of them in order."""
        lone = tuple(metric for metric in (self.thousand, self.problems_per_100) if metric is not None)
        return (*self.ecsi, *lone, *self.engagement)

    @property
    def empty(self) -> bool:
        return not (self.metrics or self.faults)


def questionnaire(
    session: Session,
    brand_id: int,
    *,
    start: datetime,
    end: datetime,
    rng: np.random.Generator,
    weights: Mapping[str, float] | None = None,
) -> Indices:
    """The indices of the answers in start <= time < end. `weights` of factors are declared; all the same without them.

    Raises ConfigError for weights of factors that nobody asked about.
    """
    sheets = customers.sheets(session, brand_id, start=start, end=end, but=SINGLE)
    items = sorted({item for sheet in sheets for item in sheet})
    faults: list[str] = []
    found: dict[str, Metric] = {}
    blocks = {latent: [item for item in items if item.startswith(latent + "_")] for latent in ecsi_paths(QUALITIES)}
    blocks = {latent: named for latent, named in blocks.items() if named}
    missing = [latent for latent in ecsi_paths(blocks) if latent not in blocks]
    if blocks and missing:
        listed = ", ".join(f"{latent}_1" for latent in missing)
        faults.append(f"ECSI needs items of each of its parts; none is named {listed}")
    elif blocks:
        answers = {
            latent: np.array([[sheet.get(item, np.nan) for item in named] for sheet in sheets])
            for latent, named in blocks.items()
        }
        asked = np.any([~np.isnan(block).all(axis=1) for block in answers.values()], axis=0)
        try:
            found = ecsi({latent: block[asked] for latent, block in answers.items()}, rng=rng)
        except BadNumbers as problem:
            faults.append(str(problem))
    thousand, declared = _thousand(sheets, items, weights, faults)
    counted = [sheet[PROBLEMS] for sheet in sheets if PROBLEMS in sheet]
    groups: dict[str, Metric] = {}
    engaged = [item for item in items if item.startswith(ENGAGEMENT)]
    asked_all = [sheet for sheet in sheets if engaged and all(item in sheet for item in engaged)]
    whole = [[sheet[item] for item in engaged] for sheet in asked_all]
    try:
        groups = engagement(whole) if whole else {}
    except BadNumbers as problem:
        faults.append(str(problem))
    per_100: Metric | None = None
    try:
        per_100 = problems_per_100([round(value) for value in counted]) if counted else None
    except BadNumbers as problem:
        faults.append(str(problem))
    return Indices(tuple(found.values()), thousand, declared, per_100, tuple(groups.values()), tuple(faults))


def _thousand(
    sheets: Sequence[Sheet], items: Sequence[str], weights: Mapping[str, float] | None, faults: list[str]
) -> tuple[Metric | None, Mapping[str, float] | None]:
    factors = {item.removeprefix(FACTOR): item for item in items if item.startswith(FACTOR)}
    for name in weights or {}:
        if name not in factors:
            known = ", ".join(sorted(factors)) or "no item is named factor_..."
            raise ConfigError(f"factor {name!r} is unknown; allowed: {known}")
    if not factors:
        return None, None
    given = {name: (weights or {}).get(name, 0.0 if weights else 1.0) for name in factors}
    total = sum(given.values())
    whole = [sheet for sheet in sheets if all(item in sheet for item in factors.values())]
    try:
        metric = thousand_points({name: [sheet[item] for sheet in whole] for name, item in factors.items()}, given)
    except BadNumbers as problem:
        faults.append(str(problem))
        return None, None
    return metric, {name: weight / total for name, weight in given.items()}


__all__ = ["Indices", "questionnaire"]
