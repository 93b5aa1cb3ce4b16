"""The units of a report: score, pixels and percent from a mean squared error or a ratio of two."""

import math

PIXELS_PER_UNIT = 48.0
"""A coordinate is (k - 48) / 48, so one unit is 48 pixels."""


def rmse_px(mse: float) -> float:
    """The root mean squared error of one coordinate in pixels: 48 * sqrt(MSE), so score = 1152 / RMSE^2."""
    return PIXELS_PER_UNIT * math.sqrt(mse)


def percent_change(ratio: float) -> float:
    """A ratio of two MSEs as a change in percent: 0.9 is -10."""
    return 100.0 * (ratio - 1.0)


def log_margin(sesoi: float) -> float:
    """The smallest effect of interest on the log scale: log(1 + sesoi).

    The band is symmetric in logarithms: for 5 % it holds MSE ratios from 1 / 1.05 = 0.952 to 1.05.

    Raises:
        ValueError: `sesoi` is not a positive finite share (5 % is 0.05).
    """
    if not (sesoi > 0.0 and math.isfinite(sesoi)):
        raise ValueError(f"the smallest effect of interest must be a positive share such as 0.05, not {sesoi}")
    return math.log1p(sesoi)
