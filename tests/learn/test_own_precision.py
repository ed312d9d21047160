"""Inputs on an offset that single precision cannot hold: what varies is kept, whatever it stands on."""

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_dataset
from memsim.learn.data.precision import working_type

RANDOM = np.random.default_rng(0)
# thousandths of 2 that every number type adds to offsets of 1e9 and 2^36 exactly
X = np.round(RANDOM.standard_normal((40, 12, 3)) * 512) / 512
LABELS = np.arange(40) % 2
FLAT = X.reshape(40, -1)


@pytest.mark.parametrize("offset", [2.0**17, 1e9, 1.7e9, 2.0**36])
@pytest.mark.parametrize("options", [{"rails": False}, {"centre": True}])
@pytest.mark.parametrize("layout", ["static", "images", "series"])
def test_an_offset_changes_nothing(offset: float, options: dict, layout: str):
    x = FLAT if layout == "static" else X
    slots = 5 if layout == "series" else None
    found, plain = (
        make_dataset((one, LABELS), inputs=layout, slots=slots, **options) for one in (x + offset, x)
    )
    assert found.rails == plain.rails
    for part in ("train", "test"):
        one, other = (getattr(data, part).inputs() for data in (found, plain))
        # means, averages and quantiles are rounded as numbers of that size are
        assert torch.allclose(one, other, atol=1e-6 + 8 * float(np.spacing(offset)))


def test_whole_numbers_beyond_2_to_24_keep_their_differences():
    seconds = 1_700_000_000 + RANDOM.permutation(40)[:, None]
    inputs = make_dataset((seconds, LABELS), quantile=1.0).train.inputs()
    assert len(inputs.unique()) == len(inputs)
    many = np.concatenate([[[0]], 1_700_000_000 + RANDOM.permutation(4000)[:, None]])
    found = make_dataset((many, np.arange(4001) % 2), (seconds + 0.5, LABELS))
    assert len(found.test.inputs().unique()) > 36  # but for a thousandth that is clipped


def test_what_double_precision_cannot_hold_is_named():
    nanoseconds = 2**60 + RANDOM.permutation(40)[:, None]
    with pytest.raises(
        InputError, match=r"channel 0 of the inputs reaches 1\.153e\+18 .* take an offset off"
    ):
        make_dataset((nanoseconds, LABELS))
    assert len(make_dataset((nanoseconds - nanoseconds[0], LABELS)).train.inputs().unique()) > 1


def test_single_precision_is_left_only_where_it_loses_something():
    constant = np.full((40, 1), 0.1)
    assert working_type(np.concatenate([FLAT + 100, constant], axis=1), 1) is np.float32
    assert working_type(FLAT.astype(np.float32) + np.float32(1e9), 1) is np.float32
    assert working_type(np.concatenate([FLAT, FLAT + 1e9], axis=1), 1) is np.float64
    assert working_type(list(X + 1e9), 2) is np.float64


def test_a_constant_channel_stays_0_when_its_mean_is_taken_off():
    x = np.concatenate([FLAT + 1e9, np.full((40, 1), 0.1)], axis=1)
    inputs = make_dataset((x, LABELS), centre=True).train.inputs()
    assert (inputs.view(len(inputs), 2, -1)[..., -1] == 0).all()


def test_an_offset_beside_signed_channels_is_told():
    pressure = 101325 + RANDOM.standard_normal((40, 1))
    notes = make_dataset((np.concatenate([FLAT, pressure], axis=1), LABELS)).notes
    assert any("1 channel(s) vary by less than 1% of their range, the first is number 36" in n for n in notes)
    centred = make_dataset((np.concatenate([FLAT, pressure], axis=1), LABELS), centre=True).notes
    assert not any("warning" in note for note in centred)


def test_numbers_to_predict_come_back_from_an_offset():
    y = 1e9 + RANDOM.standard_normal(40)
    data = make_dataset((FLAT, y), (FLAT[:9] + 1, y[:9]))
    # labels are float32 in units of their spread
    np.testing.assert_allclose(data.in_units(data.test.labels)[:, 0], y[:9], rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="number 0 to predict is the same in all training data"):
        make_dataset((FLAT, np.full(40, 0.1)))
