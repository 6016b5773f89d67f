"""Satisfaction indices from questionnaires: ECSI by partial least squares, a 1,000-point index, engagement groups.

Each names its method; the weights of an index are estimated (ECSI) or declared (the others), never hidden.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric
from monitor.metrics.proportion import WILSON, wilson

Floats = npt.NDArray[np.float64]

# Perceived quality is asked as a whole, or of the product and of the service apart, or of one of them.
QUALITIES = ("quality", "product_quality", "service_quality")
ECSI = (
    "ECSI: PLS path model, mode A, centroid scheme; 100(sum w x - sum w)/(9 sum w) of items 1..10, bootstrap interval"
)
ECSI_EQUAL = "ECSI with equal weights, since partial least squares found no usable ones; bootstrap interval"
THOUSAND = "1,000-point index: 100 times the mean of items 1..10 with declared factor weights, Student's t interval"
PROBLEMS = "problems per 100: 100 times the mean number of problems a respondent reports, Student's t interval"
ENGAGEMENT = (
    "engagement after Gallup's CE11: all items 1..5; fully engaged from a mean of {full:g}, actively disengaged up to "
    f"{{away:g}} (cut points are ours, Gallup's are not published); {WILSON}"
)
LEAST_ANSWERS = 30
TOLERANCE = 1e-7
MOST_ITERATIONS = 300


def ecsi_paths(qualities: Collection[str] = ("quality",)) -> dict[str, tuple[str, ...]]:
    """The inner model of ECSI (Tenenhaus et al. 2005, without complaints): what each latent variable is explained by.
    The quality of product and of service stand side by side (ECSI Technical Committee 1998)."""
    asked = tuple(name for name in QUALITIES if name in qualities) or QUALITIES[:1]
    return {
        "image": (),
        "expectations": ("image",),
        **dict.fromkeys(asked, ("expectations",)),
        "value": ("expectations", *asked),
        "satisfaction": ("image", "expectations", *asked, "value"),
        "loyalty": ("image", "satisfaction"),
    }


@dataclass(frozen=True, slots=True)
class PathModel:
    """A fitted path model. `weights` are those of the raw items (not standardised), signs oriented upwards."""

    weights: Mapping[str, Floats]
    loadings: Mapping[str, Floats]
    paths: Mapping[tuple[str, str], float]
    r_squared: Mapping[str, float]
    n: int
    n_iterations: int


def path_model(items: Mapping[str, Floats], paths: Mapping[str, Sequence[str]]) -> PathModel:
    """Partial least squares path modelling (Wold 1982; Tenenhaus et al. 2005): mode A, centroid scheme.

    `items` maps each latent variable to its answers, shape (n respondents, n items), without gaps; `paths` to what
    explains it. Raises BadNumbers where an item is constant, a block is missing, or the weights do not settle.
    """
    names = list(paths)
    blocks = {name: _standard(_block(items, name), name) for name in names}
    n = len(next(iter(blocks.values())))
    neighbours = {name: [*paths[name], *(other for other in names if name in paths[other])] for name in names}
    lonely = [name for name in names if not neighbours[name]]
    if lonely:
        raise BadNumbers(f"latent variable {lonely[0]!r} is joined to no other")
    weights = {name: np.ones(block.shape[1]) for name, block in blocks.items()}
    latent = {name: _scaled(blocks[name] @ weights[name]) for name in names}
    n_iterations, change = 0, math.inf
    while change >= TOLERANCE:
        if n_iterations == MOST_ITERATIONS:
            raise BadNumbers("the weights of the path model do not settle")
        n_iterations, change = n_iterations + 1, 0.0
        inner = {}
        for name in names:
            signs = [np.sign(float(latent[name] @ latent[other])) or 1.0 for other in neighbours[name]]
            inner[name] = sum(sign * latent[other] for sign, other in zip(signs, neighbours[name], strict=True))
        for name in names:
            fresh = blocks[name].T @ inner[name] / n
            fresh = fresh / np.std(blocks[name] @ fresh)
            change = max(change, float(np.max(np.abs(np.abs(fresh) - np.abs(weights[name])))))
            weights[name] = fresh
            latent[name] = blocks[name] @ fresh
    loadings = {}
    for name in names:
        correlations = blocks[name].T @ latent[name] / n
        if correlations.sum() < 0:
            weights[name], latent[name], correlations = -weights[name], -latent[name], -correlations
        loadings[name] = correlations
    coefficients, r_squared = _inner(names, paths, latent)
    raw = {name: weights[name] / _block(items, name).std(axis=0) for name in names}
    return PathModel(raw, loadings, coefficients, r_squared, n, n_iterations)


def ecsi(
    items: Mapping[str, Floats],
    *,
    rng: np.random.Generator,
    n_bootstrap: int = 300,
    n_needed: int = LEAST_ANSWERS,
    confidence: float = CONFIDENCE,
) -> dict[str, Metric]:
    """Index 0..100 of each latent variable, with an interval from redrawn respondents. `items` has a block for each of
    `ecsi_paths`, with the kinds of quality that were asked about.

    Respondents with a gap in any item are left out. When the path model cannot be fitted, or gives an item a negative
    weight, the weights are equal, and the method and note of the metric say so.
    """
    paths = ecsi_paths(items)
    kept = _complete(items, paths)
    n = len(next(iter(kept.values())))
    if n < n_needed:
        return {name: Metric(name, None, None, n, ECSI, "index", n_needed) for name in paths}
    weights, note = _weights(kept, paths)
    method = ECSI if not note else ECSI_EQUAL
    values = {name: _index(kept[name], weights[name]) for name in paths}
    draws: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(n_bootstrap):
        chosen = rng.integers(0, n, n)
        redrawn = {name: block[chosen] for name, block in kept.items()}
        found = weights if note else _weights(redrawn, paths)[0]
        for name in paths:
            draws[name].append(_index(redrawn[name], found[name]))
    tail = (1 - confidence) / 2
    metrics = {}
    for name in paths:
        low, high = (float(q) for q in np.quantile(draws[name], [tail, 1 - tail]))
        interval = Interval(min(low, values[name]), max(high, values[name]))
        metrics[name] = Metric(name, values[name], interval, n, method, "index", n_needed, note)
    return metrics


def thousand_points(
    factors: Mapping[str, Sequence[float]], weights: Mapping[str, float], *, n_needed: int = LEAST_ANSWERS
) -> Metric:
    """Index up to 1,000 from one answer 1..10 per factor and respondent, with declared weights (brought to sum 1)."""
    if factors.keys() != weights.keys() or not factors:
        raise BadNumbers(f"factors {sorted(factors)} need one weight each, got {sorted(weights)}")
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise BadNumbers("weights must not be negative, and not all zero")
    columns = []
    for name, answers in factors.items():
        column = np.asarray(answers, dtype=float)
        if ((column < 1) | (column > 10)).any():
            raise BadNumbers(f"{name}: answers must lie between 1 and 10")
        columns.append(column * weights[name] / total)
    if len({len(column) for column in columns}) != 1:
        raise BadNumbers("every factor needs an answer of every respondent")
    return _mean("thousand_points", np.sum(columns, axis=0) * 100, (100.0, 1000.0), THOUSAND, n_needed)


def problems_per_100(n_problems: Sequence[int], *, n_needed: int = LEAST_ANSWERS) -> Metric:
    """Problems per 100 customers from the number that each respondent reports."""
    counts = np.asarray(n_problems, dtype=float)
    if (counts < 0).any():
        raise BadNumbers("a number of problems must not be negative")
    return _mean("problems_per_100", counts * 100, (0.0, math.inf), PROBLEMS, n_needed)


def engagement(
    answers: Sequence[Sequence[float]], *, full: float = 4.5, away: float = 2.5, n_needed: int = LEAST_ANSWERS
) -> dict[str, Metric]:
    """Shares of fully engaged, indifferent and actively disengaged customers from items 1..5 (rows are respondents)."""
    if not 1 <= away < full <= 5:
        raise BadNumbers(f"cut points must rise within 1 to 5, got {away!r} and {full!r}")
    means = []
    for number, row in enumerate(answers, start=1):
        if not row or not all(1 <= value <= 5 for value in row):
            raise BadNumbers(f"respondent {number}: answers must lie between 1 and 5")
        means.append(sum(row) / len(row))
    n = len(means)
    counts = {
        "fully_engaged": sum(mean >= full for mean in means),
        "indifferent": sum(away < mean < full for mean in means),
        "actively_disengaged": sum(mean <= away for mean in means),
    }
    method = ENGAGEMENT.format(full=full, away=away)
    return {
        name: Metric(name, x / n if n else None, wilson(x, n) if n else None, n, method, "share", n_needed)
        for name, x in counts.items()
    }


def _mean(name: str, values: Floats, bounds: tuple[float, float], method: str, n_needed: int) -> Metric:
    n = len(values)
    if n < max(2, n_needed):
        return Metric(name, None, None, n, method, "index", max(2, n_needed))
    mean = float(values.mean())
    spread = float(values.std(ddof=1))
    if spread == 0:  # alike, which leaves none to measure: as if one more had been a problem, or a scale's end, away
        ends = (bound for bound in bounds if math.isfinite(bound) and bound != mean)
        spread = float(np.append(values, max(ends, key=lambda end: abs(end - mean), default=mean + 100)).std(ddof=1))
    half = tails.t_quantile(0.975, n - 1) * spread / math.sqrt(n)
    return Metric(
        name, mean, Interval(max(bounds[0], mean - half), min(bounds[1], mean + half)), n, method, "index", n_needed
    )


def _weights(items: Mapping[str, Floats], paths: Mapping[str, Sequence[str]]) -> tuple[Mapping[str, Floats], str]:
    try:
        weights = path_model(items, paths).weights
    except BadNumbers as problem:
        return {name: np.ones(items[name].shape[1]) for name in paths}, f"equal weights: {problem}"
    if any((block < 0).any() for block in weights.values()):
        return {name: np.ones(items[name].shape[1]) for name in paths}, "equal weights: an item's weight is negative"
    return weights, ""


def _index(block: Floats, weights: Floats) -> float:
    """Fornell's rescaled weighted mean of items 1..10."""
    return float(100 * (block.mean(axis=0) @ weights - weights.sum()) / (9 * weights.sum()))


def _complete(items: Mapping[str, Floats], paths: Mapping[str, Sequence[str]]) -> dict[str, Floats]:
    blocks = {name: _block(items, name) for name in paths}
    for name, block in blocks.items():
        known = block[~np.isnan(block)]
        if ((known < 1) | (known > 10)).any():
            raise BadNumbers(f"{name}: answers must lie between 1 and 10")
    whole = np.all([~np.isnan(block).any(axis=1) for block in blocks.values()], axis=0)
    return {name: block[whole] for name, block in blocks.items()}


def _block(items: Mapping[str, Floats], name: str) -> Floats:
    if name not in items:
        raise BadNumbers(f"no items for latent variable {name!r}")
    block = np.asarray(items[name], dtype=float)
    if block.ndim != 2 or block.shape[1] == 0 or len(block) != len(next(iter(items.values()))):
        raise BadNumbers(f"{name}: answers must be (respondents, items), got shape {block.shape}")
    return block


def _standard(block: Floats, name: str) -> Floats:
    deviation = block.std(axis=0)
    if len(block) < 3 or (deviation == 0).any():
        raise BadNumbers(f"{name}: an item that everybody answers alike cannot be weighed")
    standard: Floats = (block - block.mean(axis=0)) / deviation
    return standard


def _scaled(values: Floats) -> Floats:
    scaled: Floats = (values - values.mean()) / values.std()
    return scaled


def _inner(
    names: Sequence[str], paths: Mapping[str, Sequence[str]], latent: Mapping[str, Floats]
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    coefficients: dict[tuple[str, str], float] = {}
    r_squared: dict[str, float] = {}
    for name in names:
        if paths[name]:
            causes = np.column_stack([latent[cause] for cause in paths[name]])
            found = np.linalg.lstsq(causes, latent[name], rcond=None)[0]
            coefficients |= {(cause, name): float(value) for cause, value in zip(paths[name], found, strict=True)}
            r_squared[name] = 1 - float(np.var(latent[name] - causes @ found)) / float(np.var(latent[name]))
    return coefficients, r_squared
