"""Levenberg and Marquardt's method for many starts in lockstep, with bounds and a loss that spares outliers.

    minimise  sum_k s^2 rho(r_k^2 / s^2),    rho(q) = q  or  2 (sqrt(1 + q) - 1)  (soft l1)
    step      (J'WJ + lambda diag(J'WJ)) dz = -J'W r,    W = rho'

Unknowns at a bound that the gradient pushes outwards are held for that step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsim.fit.records import Array

Residuals = Callable[[Array, Array], tuple[Array, Array]]

FIRST_DAMPING = 1e-2
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e9
KEPT = 4  # starts of a polarity that are never dropped
PATIENCE = 4  # iterations without progress after which a start counts as settled


@dataclass(frozen=True)
class Optimum:
    """Where the starts ended, best first: unknowns [starts, unknowns], loss [starts], polarity [starts]."""

    z: Array
    loss: Array
    polarity: Array
    iterations: int


def levenberg_marquardt(
    residuals: Residuals,
    z: Array,
    polarity: Array,
    bounds: tuple[Array, Array],
    *,
    iterations: int,
    progress: float,
    outlier_scale: float | None = None,
) -> Optimum:
    """Lower the loss of every start; after a quarter and half of the iterations, each polarity drops its worse half.

    Args:
        residuals: of unknowns [starts, unknowns] and polarities [starts].
        z: starting points.
        polarity: of each start.
        bounds: lowest and highest unknowns.
        iterations: at most.
        progress: relative fall of the loss that counts as such.
        outlier_scale: s of the soft l1 loss; least squares where left out.
    """
    low, high = bounds
    z = np.clip(z, low, high)
    r, jacobian = residuals(z, polarity)
    loss = _loss(r, outlier_scale)
    damping = np.full(len(z), FIRST_DAMPING)
    settled = np.zeros(len(z), int)
    done = 0
    for done in range(1, iterations + 1):
        trial = np.clip(z + _moves(z, r, jacobian, damping, bounds=bounds, scale=outlier_scale), low, high)
        r_new, jacobian_new = residuals(trial, polarity)
        loss_new = _loss(r_new, outlier_scale)
        better = loss_new < loss
        settled = np.where(better & (loss_new < loss * (1 - progress)), 0, settled + 1)
        z[better], r[better], jacobian[better], loss[better] = (
            trial[better],
            r_new[better],
            jacobian_new[better],
            loss_new[better],
        )
        damping = np.clip(np.where(better, damping / 5, damping * 4), LEAST_DAMPING, MOST_DAMPING)
        if done in {iterations // 4, iterations // 2}:
            keep = _better_half(loss, polarity)
            z, r, jacobian, loss, polarity, damping, settled = (
                a[keep] for a in (z, r, jacobian, loss, polarity, damping, settled)
            )
        if (settled >= PATIENCE).all():
            break
    order = np.argsort(loss)
    return Optimum(z[order], loss[order], polarity[order], done)


def _better_half(loss: Array, polarity: Array) -> NDArray[np.intp]:
    """Numbers of the better half of the starts of each polarity."""
    groups = [np.flatnonzero(polarity == sign) for sign in np.unique(polarity)]
    return np.concatenate([own[np.argsort(loss[own])[: max(len(own) // 2, KEPT)]] for own in groups])


def _weights(r: Array, scale: float | None) -> Array:
    return np.ones_like(r) if scale is None else 1 / np.sqrt(1 + (r / scale) ** 2)


def _loss(r: Array, scale: float | None) -> Array:
    values = r**2 if scale is None else 2 * scale**2 * (np.sqrt(1 + (r / scale) ** 2) - 1)
    return np.nan_to_num(values.sum(1), nan=np.inf)


def _moves(
    z: Array, r: Array, jacobian: Array, damping: Array, *, bounds: tuple[Array, Array], scale: float | None
) -> Array:
    weighted = jacobian * _weights(r, scale)[..., None]
    gradient = np.einsum("smu,sm->su", weighted, r)
    normal = np.einsum("smu,smw->suw", weighted, jacobian, optimize=True)
    held = ((z <= bounds[0]) & (gradient > 0)) | ((z >= bounds[1]) & (gradient < 0))
    gradient[held] = 0.0
    normal *= ~held[:, None, :] & ~held[:, :, None]
    diagonal = np.einsum("suu->su", normal)
    diagonal *= 1 + damping[:, None]
    diagonal += 1e-12 * diagonal.max(1, keepdims=True) + 1e-300
    return -np.linalg.solve(normal, gradient[..., None])[..., 0]
