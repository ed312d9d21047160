"""The Yin-Yang data set: three classes in a plane that no linear classifier separates.

L. Kriener, J. Goeltz, M. A. Petrovici, "The Yin-Yang dataset", NICE 2022 (arXiv:2102.08211). A disc of radius R = 0.5
around (R, R) holds two dots of radius 0.1 at (R/2, R) and (3R/2, R): class 2. The yin (class 1) is the right dot, the
left half-disc of radius R/2 without its dot, and the upper half without the right half-disc; the rest is yang
(class 0). An input is (x, y, 1 - x, 1 - y). The published files come from the seeds below, and so do these.
"""

from __future__ import annotations

import numpy as np
import torch

from memsim.learn.data.dataset import Dataset, Split

DISC, DOT = 0.5, 0.1
TRAIN_SIZE, TRAIN_SEED = 5000, 42
TEST_SIZE, TEST_SEED = 1000, 40


def yin_yang() -> Dataset:
    """5000 points to train on and 1000 to test on, those of the publication."""
    return Dataset("yin-yang", 3, (4,), _points(TRAIN_SIZE, TRAIN_SEED), _points(TEST_SIZE, TEST_SEED))


def _points(size: int, seed: int) -> Split:
    # the legacy generator, because its stream is what makes the published points
    random = np.random.RandomState(seed)
    points, labels = np.empty((size, 2)), np.empty(size, np.int64)
    for number in range(size):
        labels[number] = random.randint(3)
        points[number] = random.rand(2)
        while _class(*points[number]) != labels[number]:
            points[number] = random.rand(2)
    inputs = np.concatenate([points, 1 - points], axis=1)
    return Split(torch.as_tensor(inputs, dtype=torch.float32), torch.from_numpy(labels))


def _class(x: float, y: float) -> int | None:
    """Class of a point of the unit square; None outside the disc."""
    if np.hypot(x - DISC, y - DISC) > DISC:
        return None
    right, left = np.hypot(x - 1.5 * DISC, y - DISC), np.hypot(x - 0.5 * DISC, y - DISC)
    if min(right, left) < DOT:
        return 2
    return int(DOT < left <= 0.5 * DISC or (y > DISC and right > 0.5 * DISC) or right <= DOT)
