"""The constants of the statistical model: every prior belief of the detector in one place, with its reason.

They were chosen on simulated series (docs/alerts.md names the seeds) and are not meant to be turned by users, whose
knobs are in `alerts.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DAY", "Prior"]

DAY = 86_400


@dataclass(frozen=True)
class Prior:
    """Beliefs before any data. Half-lives are in days; windows in steps."""

    windows_daily: tuple[int, ...] = (1, 2, 3, 5, 7)
    windows_hourly: tuple[int, ...] = (1, 3, 6, 12, 24)
    window_weights: tuple[float, ...] = (0.40, 0.20, 0.15, 0.13, 0.12)

    # Level: two memories of the count itself, and a long memory of the share times a short one of the volume.
    half_life_levels: tuple[float, float] = (21.0, 70.0)
    half_life_share: float = 120.0
    half_life_total: float = 21.0
    half_life_others: float = 28.0
    half_life_phase: float = 70.0
    half_life_dispersion: float = 90.0
    pseudo_count: float = 0.3
    phase_pseudo_count: float = 3.0  # per unit of dispersion: weekday and hour factors are shrunk to one

    # Dispersion (variance / mean of one step) and elasticity of negatives to the other mentions: a grid with weights.
    dispersions: tuple[float, ...] = (1.02, 1.3, 1.75, 2.5, 4.0, 7.0, 14.0, 30.0)
    dispersion_weights: tuple[float, ...] = (0.20, 0.22, 0.20, 0.15, 0.10, 0.07, 0.04, 0.02)
    elasticities: tuple[float, ...] = (0.0, 0.5, 1.0)
    elasticity_weights: tuple[float, ...] = (0.3, 0.3, 0.4)
    forget_per_day: float = 0.997

    # Shift: the volume of everything jumps (campaign, holiday, a site that vanished): gamma factor of this shape.
    p_shift: float = 0.03
    p_shift_holiday: float = 0.5
    shift_shape: float = 0.8
    shift_elasticities: tuple[float, float] = (1.0, 0.0)
    shift_elasticity_weights: tuple[float, float] = (0.9, 0.1)

    # Outbreak: extra negatives in a window, in standard deviations of that window.
    p_outbreak: float = 0.02
    outbreak_sizes: tuple[float, ...] = (2.0, 3.5, 5.5, 9.0, 16.0)
    outbreak_weights: tuple[float, ...] = (0.30, 0.30, 0.20, 0.12, 0.08)
    outbreak_floor: float = 2.0

    # A collector that breaks without saying so, and a level that changed for good.
    p_false_zero: float = 0.02
    new_normal_days: float = 14.0
