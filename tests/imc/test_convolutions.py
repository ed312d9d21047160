"""Convolutions of every kind are those of torch with the weights that arrays hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from memsim.imc import load_hardware, map_to_imc, observe
from memsim.imc.workloads import workload_of

IDEAL = load_hardware("ideal-16", {"accumulation.bits": 32})
KINDS = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d)}


def spikes(shape: tuple[int, ...]) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.4).double()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_convolutions_are_those_of_torch_with_the_weights_of_arrays(as_held, data: st.DataObject) -> None:
    draw = data.draw
    axes, transposed = draw(st.sampled_from([1, 2])), draw(st.booleans())
    several = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    groups, stride, dilation = draw(st.sampled_from([1, 2, 3])), several(1, 3), several(1, 2)
    choices = {"stride": stride, "dilation": dilation, "groups": groups, "bias": draw(st.booleans())}
    if transposed:
        choices |= {"padding": several(0, 3)}
        # of torch: less than the stride or the dilation
        choices |= {"output_padding": tuple(min(one - 1, draw(st.integers(0, 2))) for one in stride)}
    else:
        same = st.sampled_from(["same", "valid"] if max(stride) == 1 else ["valid"])
        choices |= {"padding": draw(same) if draw(st.booleans()) else several(0, 3)}
        choices |= {"padding_mode": draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))}
    channels, neurons = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    torch.manual_seed(0)
    conv = KINDS[axes][transposed](channels, neurons, several(1, 4), **choices).double()
    mapped = map_to_imc(conv, IDEAL).eval()
    x = spikes((2, channels, 9, 10)[: 2 + axes])
    expected = as_held(conv, mapped)(x)
    # float64 sums of at most 48 products, in another order
    torch.testing.assert_close(mapped(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mapped(x[0]), expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("axes", [1, 2])
def test_gradients_are_those_of_torch(as_held, axes: int, transposed: bool) -> None:
    torch.manual_seed(0)
    conv = KINDS[axes][transposed](2, 3, 3, stride=2, padding=1).double()
    mapped = map_to_imc(conv, IDEAL).train()
    x = spikes((2, 2, 7, 8)[: 2 + axes])
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    weights = torch.rand(mapped(x).shape, dtype=x.dtype)
    (mapped(found) * weights).sum().backward()
    (as_held(conv, mapped)(expected) * weights).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-12, atol=1e-12)


def test_every_position_is_counted_and_zeros_between_pixels_drive_nothing() -> None:
    torch.manual_seed(0)
    mapped = map_to_imc(nn.Sequential(nn.Conv1d(2, 3, 5), nn.Hardtanh(0, 1), nn.Threshold(2.0, 1.0)), IDEAL)
    (shape,) = workload_of(mapped, torch.ones(4, 2, 12), steps=1, inferences=4, name="audio").layers
    assert (shape.rows, shape.positions_seen, shape.input) == (10, 8, (10, 1, 12))
    up = map_to_imc(nn.Sequential(nn.ConvTranspose2d(3, 2, 2, stride=2)), IDEAL)
    activity = observe(up, torch.ones(1, 3, 4, 5), inferences=1)["0"]
    # each of 2 x 2 outputs of a pixel hears one tap of four
    assert (activity.vectors, activity.active) == (80, 0.25)
    (shape,) = workload_of(up, torch.ones(1, 3, 4, 5), steps=1, inferences=1, name="up").layers
    assert (shape.rows, shape.positions_seen, shape.spike_rate) == (12, 80, 0.25)
