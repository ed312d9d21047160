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


def pulses(batch: int, lines: int = 4, times: int = 21) -> torch.Tensor:
    """Series with one value in the middle of each line."""
    series = torch.zeros(batch, times, lines)
    series[:, times // 2] = 0.5
    return series


PLANE = (21, 4)


def test_mirrored_images_are_whole_and_half_of_all():
    images = torch.rand(400, 117, generator=generator())
    planes = images.view(-1, *SHAPE)
    for name, axis in (("flip_across", 2), ("flip_down", 1)):
        found = Augmentation(**{name: True})(images, SHAPE, generator()).view(-1, *SHAPE)
        same = (found == planes).flatten(1).all(1)
        assert ((found == planes.flip(axis)).flatten(1).all(1) ^ same).all()
        # 400 fair draws: four standard deviations are 40
        assert abs(int(same.sum()) - 200) < 40


def test_a_series_moves_in_time_by_whole_bins_all_lines_together():
    series = pulses(300)
    found = Augmentation(time_shift=3)(series, PLANE, generator())
    where = found.argmax(dim=1)
    assert (where == where[:, :1]).all()
    assert sorted(set((where[:, 0] - 10).tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert torch.equal(found.sum((1, 2)), series.sum((1, 2)))
    ends = Augmentation(time_shift=30)(series, PLANE, generator()).sum((1, 2))
    assert (ends == 0).any()  # what leaves does not come back at the other end


def test_a_series_changes_its_size_as_a_whole():
    found = Augmentation(amplitude=0.4)(pulses(300), PLANE, generator())
    size = found[:, 10] / 0.5
    assert (size == size[:, :1]).all()
    assert 0.6 <= size.min() < 0.65
    assert 1.35 < size.max() <= 1.4


def test_a_silent_channel_loses_both_rails():
    found = Augmentation(channel_dropout=0.3)(pulses(500), PLANE, generator(), rails=2)
    there = found.sum(1) > 0
    assert torch.equal(there[:, :2], there[:, 2:])
    # 1000 draws: four standard deviations are 6 %
    assert there.double().mean() == pytest.approx(0.7, abs=0.06)


def test_noise_has_its_size_and_stays_in_range():
    series = torch.full((200, 21, 4), 0.5)
    found = Augmentation(noise=0.05)(series, PLANE, generator())
    # 16 800 draws: four standard errors of a standard deviation are 2.2 %
    assert (found - 0.5).std() == pytest.approx(0.05, rel=0.022)
    wild = Augmentation(noise=5.0)(series, PLANE, generator())
    assert ((wild >= 0) & (wild <= 1)).all()


def test_static_inputs_have_no_time_to_shift():
    with pytest.raises(InputError, match="augmentation time_shift, noise is for series over time"):
        Augmentation(time_shift=1, noise=0.1)(torch.zeros(2, 12), (3, 4), generator())
