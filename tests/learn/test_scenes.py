"""Generated event scenes: the flow that they are said to have is the one that their events have."""

import math

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.data import DataTable, SceneTable, event_scenes, load_dataset, make_dataset
from memsim.learn.data.scenes import Scenes, events_of

QUIET = SceneTable(side=16, train=6, test=3, noise=0.0, mismatch=0.0, refractory=0.0)


def _drawn(table: SceneTable, count: int = 6) -> Scenes:
    scenes = Scenes.drawn(count, table, torch.Generator().manual_seed(1))
    exact = (scenes.velocity, scenes.rate, scenes.waves, scenes.strength)
    return Scenes(*(one.to(torch.complex128) for one in exact), scenes.side)


@pytest.mark.parametrize(
    "moves",
    [{"zoom": 0.0, "spin": 0.0}, {"spin": 0.0}, {"zoom": 0.0}, {}],
    ids=["slide", "zoom", "turn", "all"],
)
def test_brightness_moves_along_with_the_flow(moves: dict[str, float]):
    """dL/dt + u . grad L = 0, by central differences in time and, with a finer camera, in space."""
    scenes, time, short = _drawn(QUIET.model_copy(update=moves)), 0.03, 1e-5
    change = (scenes.log_intensity(time + short) - scenes.log_intensity(time - short)) / (2 * short)
    seen, flow = scenes.log_intensity(time), scenes.flow()
    # central differences over a pixel of waves of 5 pixels and more lose up to 1 - sinc(2 pi / 5) = 24 %: fourth order
    # loses (2 pi / 5)^4 / 30 = 8 % of the shortest one
    down, along = (
        (8 * (seen.roll(-1, axis) - seen.roll(1, axis)) - seen.roll(-2, axis) + seen.roll(2, axis)) / 12
        for axis in (1, 2)
    )
    carried = flow[:, 0] * along + flow[:, 1] * down
    inside = (..., slice(2, -2), slice(2, -2))
    left = (change + carried)[inside]
    assert left.std() < 0.08 * change[inside].std()


def test_flow_is_that_of_its_velocity_divergence_and_spin():
    scenes = _drawn(QUIET)
    flow = scenes.flow()
    slope = [[flow[:, part].diff(dim=axis).mean(dim=(1, 2)) for axis in (2, 1)] for part in (0, 1)]
    torch.testing.assert_close(slope[0][0] + slope[1][1], scenes.divergence)
    torch.testing.assert_close(slope[1][0] - slope[0][1], 2 * scenes.rate.imag)
    torch.testing.assert_close(flow.mean(dim=(2, 3)), torch.view_as_real(scenes.velocity))


def test_events_add_up_to_the_change_of_brightness():
    scenes = _drawn(QUIET)
    events = events_of(scenes, QUIET, 4, torch.Generator())
    change = scenes.log_intensity(QUIET.duration) - scenes.log_intensity(0.0)
    counted = QUIET.threshold * (events[:, :, 0] - events[:, :, 1]).sum(dim=1)
    assert (counted - change).abs().max() < QUIET.threshold
    assert change.abs().max() > 3 * QUIET.threshold


def test_refractory_pixels_give_no_more_events_than_time_allows_and_noise_comes_at_its_rate():
    scenes = _drawn(QUIET)
    free = events_of(scenes, QUIET, 1, torch.Generator())
    slow = events_of(scenes, QUIET.model_copy(update={"refractory": 0.02}), 1, torch.Generator())
    assert slow.sum(dim=2).max() <= math.ceil(QUIET.duration / 0.02) < free.sum(dim=2).max()
    still = Scenes(
        torch.zeros_like(scenes.velocity), torch.zeros_like(scenes.rate), scenes.waves, scenes.strength, 16
    )
    noise = events_of(still, QUIET.model_copy(update={"noise": 20.0}), 1, torch.Generator().manual_seed(0))
    # 3072 pixels with 1 event of either polarity for each: four standard deviations are 4 / sqrt(2 * 1536)
    assert noise.sum(dim=2).mean() == pytest.approx(2.0, abs=4 * math.sqrt(2 / 1536))


@pytest.mark.parametrize(("target", "outputs"), [("velocity", 2), ("divergence", 1), ("flow", 2 * 16 * 16)])
def test_targets_are_what_moves_in_their_units(target: str, outputs: int):
    data = event_scenes(4, target, QUIET)
    scenes = Scenes.drawn(QUIET.train, QUIET, torch.Generator().manual_seed(QUIET.seed))
    wanted = {
        "velocity": torch.view_as_real(scenes.velocity),
        "divergence": scenes.divergence[:, None],
        "flow": scenes.flow().flatten(1),
    }[target]
    found = data.in_units(data.train.labels)
    known = ~found.isnan()
    assert data.classes == outputs == found.shape[1]
    torch.testing.assert_close(found[known], wanted[known].double(), rtol=1e-5, atol=1e-4)  # single precision
    if target == "flow":
        seen = data.train.stored.view(QUIET.train, 4, 2, -1).sum(dim=(1, 2)) > 0
        assert torch.equal(known.view(-1, 2, 256), seen[:, None].expand(-1, 2, -1))
    else:
        assert known.all()


def test_the_past_is_shown_behind_the_present():
    plain = event_scenes(4, "velocity", QUIET).train.stored.view(QUIET.train, 4, 1, -1)
    data = event_scenes(4, "velocity", QUIET.model_copy(update={"history": 2}))
    shown = data.train.stored.view(QUIET.train, 4, 3, -1)
    assert data.shape == (6, 16, 16)
    assert torch.equal(shown[:, :, :1], plain)
    assert torch.equal(shown[:, 2:, 2:], plain[:, :2])
    assert not shown[:, :2, 2].any()


def test_scenes_are_chosen_in_a_study_and_refused_where_they_cannot_be():
    table = {"name": "event-scenes", "targets": "flow", "scenes": {"side": 16, "train": 3, "test": 2}}
    study = make_study(data=table, steps=4)
    assert load_dataset(study.data, bins=4).shape == (2, 16, 16)
    assert make_study(**study.model_dump(exclude_none=True)) == study
    for wrong, told in (
        ({"targets": "classes"}, "velocity, divergence, flow"),
        ({"test_share": 0.5}, "changes nothing"),
        ({"targets": "divergence", "scenes": SceneTable(zoom=0.0, train=1, test=1)}, "zoom"),
    ):
        with pytest.raises(InputError, match=told):
            load_dataset(DataTable(name="event-scenes", **wrong), bins=4)


@pytest.mark.parametrize("wrong", [{"targets": "flow"}, {"scenes": {"side": 16}}])
def test_entries_of_scenes_are_refused_of_other_data(wrong: dict):
    with pytest.raises(InputError, match="event-scenes"):
        make_dataset((torch.rand(20, 3), torch.rand(20, 1)), **wrong)
