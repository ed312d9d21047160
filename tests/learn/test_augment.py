"""Augmentation: distortions that can be checked by hand, and the same ones again from the same seed."""

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn.augment import Augmentation

SHAPE = (9, 13)
ROUNDING = 1e-5
"""Of float32 sampling positions across 13 pixels."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dots(batch: int) -> torch.Tensor:
    """One white pixel off centre, at row 4, column 8."""
    images = torch.zeros(batch, *SHAPE)
    images[:, 4, 8] = 1.0
    return images.flatten(1)


def centres(images: torch.Tensor) -> torch.Tensor:
    """Centres of mass [batch, (row, column)]."""
    planes = images.view(-1, *SHAPE)
    rows, columns = torch.arange(SHAPE[0]), torch.arange(SHAPE[1])
    weight = planes.sum(dim=(1, 2))
    return torch.stack(
        [(planes.sum(dim=2) * rows).sum(1) / weight, (planes.sum(dim=1) * columns).sum(1) / weight], 1
    )


def test_nothing_asked_for_changes_nothing():
    images = torch.rand(4, 117, generator=generator())
    assert torch.allclose(Augmentation()(images, SHAPE, generator()), images, atol=ROUNDING)


def test_shifts_are_whole_pixels_and_each_comes_as_often():
    images = dots(4000)
    moves = centres(Augmentation(shift=2)(images, SHAPE, generator())) - centres(images)
    assert torch.allclose(moves, moves.round(), atol=1e-4)
    for axis in range(2):
        counts = np.bincount(moves[:, axis].round().long() + 2, minlength=5)
        assert len(counts) == 5
        # five standard deviations of a binomial count with p = 1/5
        np.testing.assert_allclose(counts, 800, atol=5 * np.sqrt(4000 * 0.2 * 0.8))


def test_all_time_bins_and_channels_of_an_image_move_together():
    film = dots(50).view(50, 1, -1).expand(50, 3, -1).reshape(50, 3, -1)
    moved = Augmentation(2, 20, 0.2, 1.0)(film, SHAPE, generator())
    assert moved.shape == film.shape
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, 0], moved[:, 2])
    assert not torch.equal(moved[0], moved[1])


def test_rotation_keeps_the_distance_from_the_centre():
    moved = centres(Augmentation(rotation=30)(dots(500), SHAPE, generator())) - torch.tensor([4.0, 6.0])
    angles = torch.rad2deg(torch.atan2(moved[:, 0], moved[:, 1]))
    assert (
        25 < angles.abs().max() <= 30 + 3
    )  # the mass of a dot between four pixels is up to a few degrees off
    # bilinear sampling moves the centre of one pixel's mass by less than a quarter of a pixel
    assert torch.allclose(moved.norm(dim=1), torch.tensor(2.0), atol=0.25)


def test_scale_moves_points_along_the_radius():
    moved = centres(Augmentation(scale=0.2)(dots(500), SHAPE, generator())) - torch.tensor([4.0, 6.0])
    assert moved[:, 0].abs().max() < 1e-3
    assert 1.5 < moved[:, 1].min() < 1.8
    assert 2.2 < moved[:, 1].max() < 2.5


def test_elastic_displacement_differs_across_an_image():
    columns = torch.linspace(0, 1, SHAPE[1]).expand(64, *SHAPE).flatten(1)
    bent = Augmentation(elastic=1.0)(columns, SHAPE, generator()).view(-1, *SHAPE)[:, 2:-2, 3:-3]
    straight = columns.view(-1, *SHAPE)[:, 2:-2, 3:-3]
    displacement = (bent - straight) * (SHAPE[1] - 1)
    assert displacement.std(dim=1).mean() > 0.1
    assert displacement.diff(dim=2).abs().mean() < displacement.abs().mean()


def test_the_same_seed_gives_the_same_images_within_0_and_1():
    augmentation = Augmentation(2, 10, 0.1, 1.0)
    images = torch.rand(8, 117, generator=generator())
    first, again, other = (augmentation(images, SHAPE, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1 + ROUNDING


@pytest.mark.parametrize(
    "values", [{"shift": -1}, {"rotation": 181.0}, {"scale": 1.0}, {"elastic": float("nan")}]
)
def test_what_cannot_be_is_named(values: dict):
    with pytest.raises(InputError, match=next(iter(values))):
        Augmentation(**values)
