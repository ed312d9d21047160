"""Descents: how high and how fast they are, what a pixel sends, and descents that cannot be."""

import math

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.data import DataTable, DescentTable, descents, load_dataset, make_dataset
from memsim.learn.data.descent import Descent, Plane, events_of
from memsim.learn.data.events import crossed

TABLE = DescentTable(side=8, train=40, test=20, noise=0.0)
STEPS = 10


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_divergence_is_speed_over_height():
    falling = Descent(double(100.0), double(5.0))
    assert [falling.divergence(time).item() for time in (0.0, 10.0, 19.0)] == [0.05, 0.1, 1.0]
    other = Descent.ending(double(100.0, 60.0), double(1.0, 0.05), 19.0)
    torch.testing.assert_close(other.divergence(19.0), double(1.0, 0.05), rtol=1e-12, atol=0)
    assert other.speed[0].item() == pytest.approx(5.0, rel=1e-12)


@pytest.mark.parametrize(("climb", "events"), [(0.0, 0), (0.14, 0), (0.16, 1), (0.74, 4), (-0.74, -4)])
def test_a_pixel_sends_one_event_for_each_threshold(climb: float, events: int):
    found, level = crossed(double(0.3 + climb), double(0.3), 0.15)
    assert found.item() == events
    assert level.item() == pytest.approx(0.3 + 0.15 * events, rel=1e-12)
    # in small steps, as in one
    total, level = 0.0, double(0.3)
    for part in range(1, 101):
        found, level = crossed(double(0.3 + climb * part / 100), level, 0.15)
        total += found.item()
    assert total == events


def test_a_pixel_sees_the_average_of_its_ground():
    plane = Plane(
        torch.tensor([[0.11 + 0.05j]], dtype=torch.complex128),
        torch.tensor([[0.7 * complex(math.cos(0.4), math.sin(0.4))]], dtype=torch.complex128),
    )
    side, height, fine = 8, 80.0, 200
    width = 2 * height / side
    within = (torch.arange(fine, dtype=torch.float64) + 0.5) / fine
    x = -height + width * (5 + within)
    y = -height + width * (2 + within[:, None])
    wanted = (0.7 * torch.cos(0.11 * x + 0.05 * y + 0.4)).mean()
    # the midpoint rule is off by (q w)^2 / 24 over the square of its points
    assert plane.seen(double(height), side)[0, 2, 5].item() == pytest.approx(float(wanted), rel=1e-5)


def test_what_is_twice_as_coarse_from_twice_the_height_looks_the_same():
    falling = Descent(double(80.0), double(20.0))
    plane = Plane.drawn(1, TABLE, torch.Generator().manual_seed(0))
    far = Descent(2 * falling.start, 2 * falling.speed)
    events = events_of(plane, falling, STEPS, TABLE)
    assert events.sum() > 100
    assert torch.equal(events, events_of(Plane(plane.waves / 2, plane.strength), far, STEPS, TABLE))


def test_descents_are_the_same_at_each_call_and_learn_divergence_in_its_unit():
    one, again = (descents(STEPS, TABLE) for _ in range(2))
    other = descents(STEPS, TABLE.model_copy(update={"seed": 1}))
    assert torch.equal(one.test.stored, again.test.stored)
    assert not torch.equal(one.test.stored, other.test.stored)
    assert one.train.stored.shape == (40, STEPS, 128)
    found = one.in_units(one.train.labels)
    assert found.min() >= 0.05
    assert found.max() <= 1.0
    fast, slow = (one.train.inputs()[found[:, 0] > 0.6], one.train.inputs()[found[:, 0] < 0.3])
    assert fast.mean() > slow.mean()


def test_descent_is_chosen_in_a_study_whose_steps_are_its_own():
    study = make_study(data={"name": "descent", "descent": {"side": 8, "train": 5, "test": 3}}, steps=7)
    assert load_dataset(study.data, bins=7).train.stored.shape == (5, 7, 128)
    assert make_study(**study.model_dump(exclude_none=True)) == study


def test_descents_that_cannot_be_and_entries_of_other_data_are_refused():
    with pytest.raises(InputError, match=r"heights = \[100.0, 60.0\]; allowed: \[lower, higher\]"):
        make_study(data={"name": "descent", "descent": {"heights": [100.0, 60.0]}})
    with pytest.raises(InputError, match="divergences = "):
        make_study(data={"name": "descent", "descent": {"divergences": [0.5, 0.5]}})
    with pytest.raises(InputError, match=r"recall .* changes nothing, because descent is made as descent"):
        load_dataset(DataTable(name="descent", recall={"cues": 3}))
    with pytest.raises(InputError, match="these data are your own and not descent"):
        make_dataset((torch.rand(20, 3), torch.arange(20) % 2), descent={"side": 8})
