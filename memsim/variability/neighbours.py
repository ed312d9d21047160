"""What measured cells near a condition say of it.

Distances count each property (of pulse and cell) by its rank correlation with the outcome. Shares follow a logistic
regression through the nearest cells, so that they are also right where they change fast or at the end of the
measurements:

    share = expit(b_0 + b . u),   u the distance from the condition over that of the farthest of those cells,

which takes b from the most likely outcome of these cells, less RIDGE b^2 / 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import expit

from memsim.variability.quantiles import Array, normal_scores

NEAREST = 100
"""Cells that a share is estimated from, at least."""
LEAST = 0.1
"""What a property counts at least, over the one that counts most."""
RIDGE = 0.1
STEEPEST = 12.0  # beyond it a share is 0 or 1 to 1e-5
MOVES = 12  # of Newton's method, each at most LONGEST
LONGEST = 3.0


def weights(places: Array, outcome: NDArray) -> Array:
    """What makes distances of `places` [cells, properties] comparable."""
    scores, deviation = normal_scores(outcome), places.std(axis=0)
    counts = np.array([abs(np.mean(normal_scores(column) * scores)) for column in places.T])
    return np.maximum(counts, LEAST * counts.max()) / np.where(deviation > 0, deviation, 1.0)


def shares(conditions: Array, outcome: NDArray[np.bool_], axes: Sequence[Array]) -> Array:
    """Share of cells with an outcome at each crossing of the axes.

    Args:
        conditions: [cells, properties].
        outcome: [cells].
        axes: values of each property.
    """
    scale = weights(conditions, outcome)
    crossings = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) * scale
    near = min(max(NEAREST, len(outcome) // crossings[..., 0].size), len(outcome))
    distance, found = KDTree(conditions * scale).query(crossings, k=[*range(1, near + 1)])
    reach = np.maximum(distance[..., -1:, None], 1e-12)
    u = (conditions[found] * scale - crossings[..., None, :]) / reach
    return _logistic(np.concatenate([np.ones_like(u[..., :1]), u], axis=-1), outcome[found].astype(float))


def _logistic(terms: Array, outcome: Array) -> Array:
    """Share where all terms but the first are zero, of `terms` [..., cells, terms] and outcomes [..., cells]."""
    b = np.zeros(terms.shape[:-2] + terms.shape[-1:])
    ridge = np.full(terms.shape[-1], RIDGE)
    ridge[0] = 1e-3  # keeps it finite where all outcomes are the same
    for _ in range(MOVES):
        share = expit(np.clip(np.einsum("...kt,...t->...k", terms, b), -STEEPEST, STEEPEST))
        slope = np.einsum("...kt,...k->...t", terms, outcome - share) - ridge * b
        curvature = np.einsum("...kt,...k,...ks->...ts", terms, share * (1 - share), terms) + np.diag(ridge)
        move = np.linalg.solve(curvature, slope[..., None])[..., 0]
        b = b + np.clip(move, -LONGEST, LONGEST)
    return np.asarray(expit(np.clip(b[..., 0], -STEEPEST, STEEPEST)))
