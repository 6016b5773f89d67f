"""The constants of the statistical model: every belief of the detector before data, in one place, with its reason.

They were chosen on simulated series (docs/alerts.md names the seeds) and are not meant to be turned by users, whose
knobs are in `alerts.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["DAY", "Prior"]

Array = npt.NDArray[np.float64]

DAY = 86_400


@dataclass(frozen=True)
class Prior:
    """Beliefs before any data. Half-lives are in days."""

    # Level: memories of the count itself, and a long memory of the share times a short one of the volume. The shortest
    # is for series whose level wanders by the week; it is trusted only where it has predicted better.
    half_life_levels: tuple[float, ...] = (3.0, 14.0, 70.0)
    trust_levels: tuple[float, ...] = (0.02, 0.326, 0.326, 0.326)  # before any evidence; the last is share times volume
    half_life_share: float = 180.0
    half_life_total: float = 21.0
    half_life_others: float = 28.0
    half_life_phase: float = 150.0
    half_life_dispersion: float = 90.0
    half_life_memory: float = 34.0  # of the evidence which memory predicts best
    pseudo_count: float = 0.3
    phase_pseudo_count: float = 3.0  # per unit of dispersion: weekday and hour factors are shrunk to one

    # Dispersion (variance / mean of one step) and elasticity of negatives to the other mentions: a grid with weights.
    dispersions: tuple[float, ...] = (1.02, 1.3, 1.75, 2.5, 4.0, 7.0, 14.0, 30.0)
    dispersion_weights: tuple[float, ...] = (0.20, 0.22, 0.20, 0.15, 0.10, 0.07, 0.04, 0.02)
    elasticities: tuple[float, ...] = (0.0, 0.5, 1.0)
    elasticity_weights: tuple[float, ...] = (0.2, 0.3, 0.5)
    half_life_grid: float = 230.0

    # Persistence: days that are high after high days without any outbreak (slow news). Its correlation is estimated per
    # series, shrunk to none by so many steps; evidence of several days is divided by the variance inflation it implies.
    half_life_lag: float = 120.0
    lag_pseudo_count: float = 20.0

    # Shift: the volume of everything jumps (campaign, holiday, a site that vanished) by a gamma factor of this shape,
    # and mostly stays so the next day. Negatives follow it (1.0) or, rarely, only the others moved (0.0).
    p_shift: float = 0.03
    p_shift_holiday: float = 0.5
    p_shift_stays: float = 0.7
    shift_shape: float = 0.8
    shift_memory: float = 1.0  # how much of yesterday's movement counts, when yesterday was shifted
    shift_elasticities: tuple[float, float] = (1.0, 0.0)
    shift_elasticity_weights: tuple[float, float] = (0.9, 0.1)

    p_outbreak: float = 0.0007  # odds by which a row that looks like an outbreak is kept from the baseline

    # Outbreak: extra negatives in units of one step's standard deviation. A spike has `size` of them in one step, a
    # burst 1.5 times that over three, a plateau or a ramp three times that over the longest window. Huge ones are rare,
    # but must be thinkable: else a very large count would speak for a wild series rather than for an outbreak.
    sizes: tuple[float, ...] = (2.0, 4.0, 6.0, 10.0, 20.0, 50.0, 150.0)
    size_weights: tuple[float, ...] = (0.24, 0.24, 0.24, 0.2, 0.05, 0.02, 0.01)
    shape_weights: tuple[float, float, float, float] = (0.25, 0.25, 0.25, 0.25)
    intensities: tuple[float, ...] = (
        0.0, 0.3, 0.5, 0.8, 1.2, 1.8, 2.6, 3.8, 5.5, 8.0, 12.0, 18.0, 30.0, 60.0, 150.0, 400.0,
    )  # fmt: skip
    least_extra: float = 0.5
    onsets_daily: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    onsets_hourly: tuple[int, ...] = (1, 2, 3, 4, 6, 8)

    # A score is news while it is above the recent ones, which fade by this much a day.
    fade_per_day: float = 0.5

    # A collector that breaks without saying so, and a level that changed for good.
    p_false_zero: float = 0.02
    outage_penalty: float = 1.0  # off the score while such zeros are among the newest rows: backlogs come in lumps
    new_normal_days: float = 14.0

    # The same as arrays, for whoever reckons with them at every tick.

    @cached_property
    def phi(self) -> Array:
        """Dispersions."""
        return np.array(self.dispersions)

    @cached_property
    def beta(self) -> Array:
        """Elasticities where volume moves as usual, then those where it has shifted."""
        return np.array((*self.elasticities, *self.shift_elasticities))

    @cached_property
    def beta_squared(self) -> Array:
        """Of every elasticity."""
        return np.square(self.beta)

    @cached_property
    def movement(self) -> npt.NDArray[np.intp]:
        """Of every elasticity whether it answers the usual movement of the volume (0) or a shift (1)."""
        return np.repeat([0, 1], [len(self.elasticities), len(self.shift_elasticities)])

    @cached_property
    def shift_weights(self) -> Array:
        """Of the elasticities under a shift."""
        return np.array(self.shift_elasticity_weights)

    @cached_property
    def phi_of_components(self) -> Array:
        """Dispersion of every pair of a dispersion and an elasticity."""
        return np.repeat(self.phi, len(self.beta))

    @cached_property
    def log_trust(self) -> Array:
        """Log weight of the memories before any evidence."""
        return np.log(self.trust_levels)

    @cached_property
    def rungs(self) -> Array:
        """Intensities of the ladder, the first (no outbreak) too."""
        return np.array(self.intensities)
