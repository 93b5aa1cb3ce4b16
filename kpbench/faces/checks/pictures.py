"""Pictures with nothing to see."""

from collections.abc import Iterator

import numpy as np

from kpbench.faces.checks.hashes import flat
from kpbench.faces.checks.pool import Finding, Pool

CONSTANT = 1.0
"""Standard deviation of the grey values."""

BLACK, WHITE, SHARE = 8, 247, 0.9
"""A picture is almost black where `SHARE` of its grey values are at most `BLACK`; of real faces at most 0.34 are."""

BLOCK = 1_000
"""Faces that are counted at once."""


def blank(pool: Pool) -> Iterator[Finding]:
    """Pictures of one grey, or of almost one, or almost all black or white."""
    grey = pool.images.reshape(len(pool), -1)
    black, white = np.empty(len(pool)), np.empty(len(pool))
    for at in range(0, len(pool), BLOCK):  # a comparison of all at once takes as much memory as the faces
        dots = grey[at : at + BLOCK]
        black[at : at + BLOCK], white[at : at + BLOCK] = ((dots <= BLACK).mean(axis=1), (dots >= WHITE).mean(axis=1))
    for at in np.flatnonzero(flat(pool.images) | (black >= SHARE) | (white >= SHARE)).tolist():
        sd = grey[at].std()
        if constant := sd < CONSTANT:
            what = f"one grey, {grey[at].mean():.0f}"
        elif black[at] >= SHARE:
            what = f"{black[at]:.0%} black"
        elif white[at] >= SHARE:
            what = f"{white[at]:.0%} white"
        else:
            what = f"almost one grey (standard deviation {sd:.1f} of 255)"
        numbers = {"grey_sd": float(sd), "grey_mean": float(grey[at].mean())}
        text = f"the picture of {pool.place(at)} is {what}"
        yield pool.finding("error" if constant else "warning", text, [at], numbers)
