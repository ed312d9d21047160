"""Fits of synthetic loops: what was put in comes out, with intervals that hold it."""

from dataclasses import replace

import numpy as np
import pytest

from memsim.devices import MODELS, MetastableSwitch, load_device
from memsim.errors import InputError
from memsim.fit import Settings, error, fit, predict, rank
from memsim.fit.results import write_card

# The model of the data needs few starts; the polarity is known.
QUICK = Settings(starts=6, iterations=25, polarity="as measured", capacitance=False)
NOISE = 0.005
GUESS = {"r_on": 3e3, "r_off": 60e3, "v_on": 0.3, "v_off": -0.1, "tau": 5e-4}


@pytest.fixture(scope="module")
def fitted(loop):
    return fit([loop(noise=NOISE)], MetastableSwitch, settings=QUICK, guesses=[GUESS])


def test_error_is_that_of_the_noise(fitted):
    # 100 samples of noise of 0.5 % of the peak, six parameters and a state
    assert fitted.error == pytest.approx(NOISE, rel=0.25, abs=0)


def test_intervals_hold_the_truth(fitted, true_device):
    inside = {
        name: low <= true_device.values[name] <= high
        for name, (low, high) in fitted.uncertainty.intervals.items()
        if name in true_device.values
    }
    # six intervals at 95 %: one miss is chance, two would be 3 %
    assert sum(inside.values()) >= len(inside) - 1, inside


def test_resistances_are_found(fitted, true_device):
    # r_on shows in most of the loop: about ten times the noise of its mean over 30 samples
    assert fitted.device.values["r_on"] == pytest.approx(true_device.values["r_on"], rel=0.02, abs=0)


def test_correlations_are_correlations(fitted):
    matrix = fitted.uncertainty.correlation
    np.testing.assert_allclose(np.diag(matrix), 1.0, rtol=1e-9)
    assert np.abs(matrix).max() <= 1 + 1e-9


def test_steps_are_fine_enough(fitted):
    assert fitted.numerical_error < 0.01


def test_the_same_seed_gives_the_same_fit(loop, fitted):
    again = fit([loop(noise=NOISE)], MetastableSwitch, settings=QUICK, guesses=[GUESS])
    assert again.device.values == fitted.device.values


def test_a_device_that_looks_the_same_from_both_ends_is_left_as_it_was_measured(loop, true_device):
    records = [loop(frequency, noise=NOISE) for frequency in (30.0, 300.0)]
    swapped = {"r_on": 80e3, "r_off": 2e3, "v_on": 0.15, "v_off": -0.25, "tau": 2e-4, "polarity": -1.0}
    settings = replace(QUICK, starts=4, polarity="auto")
    result = fit(records, MetastableSwitch, settings=settings, guesses=[swapped] * 4)
    assert result.polarity == 1
    # as above
    assert result.device.values["r_on"] == pytest.approx(true_device.values["r_on"], rel=0.02, abs=0)


def test_known_values_stay(loop):
    result = fit(
        [loop()], MetastableSwitch, settings=replace(QUICK, starts=2), fixed={"r_on": 2e3}, guesses=[GUESS]
    )
    assert result.device.values["r_on"] == 2e3
    assert "r_on" not in result.uncertainty.names


def test_what_the_data_does_not_show_is_said(loop):
    """A loop that never leaves the off state tells nothing about the resistance on."""
    quiet = loop(device=MetastableSwitch(r_on=2e3, r_off=80e3, v_on=3.0, v_off=-3.0, tau=1.0), noise=NOISE)
    result = fit([quiet], MetastableSwitch, settings=QUICK, guesses=[{**GUESS, "v_on": 3.0, "v_off": -3.0}])
    assert {"v_on", "v_off", "tau"} <= set(result.uncertainty.undetermined)


def test_a_robust_loss_spares_outliers(loop):
    record = loop(noise=NOISE)
    bad = record.current.copy()
    # where the device is on: at its edges, a step off the curve would pass for an earlier edge
    bad[25:31] += 0.3 * record.peak
    spoilt = replace(record, current=bad)
    results = [
        fit([spoilt], MetastableSwitch, settings=replace(QUICK, starts=2, robust=robust), guesses=[GUESS])
        for robust in (False, True)
    ]
    errors = [error(record, result.predicted[0]) for result in results]
    assert errors[1] < errors[0] / 2
    assert errors[1] < 2 * NOISE


def test_a_joint_fit_predicts_a_frequency_it_has_not_seen(loop):
    settings = replace(QUICK, starts=3)
    result = fit([loop(30.0), loop(300.0)], MetastableSwitch, settings=settings, guesses=[GUESS])
    unseen = loop(100.0)
    assert result.error < 0.01
    # the record starts from the device's own state, the prediction from that of a periodic drive
    assert error(unseen, predict(result, unseen)) < 0.03


def test_the_model_of_the_data_ranks_first(loop):
    from memsim.devices import Vteam

    settings = replace(QUICK, starts=4, polarity="auto")
    ranked = rank([loop(noise=NOISE)], [Vteam, MetastableSwitch], settings=settings, known=MODELS)
    assert [one.fit.device.model for one in ranked] == ["metastable-switch", "vteam"]
    assert ranked[0].fit.aic < ranked[1].fit.aic


def test_the_card_gives_the_device_back(fitted, tmp_path):
    path = tmp_path / "mine.toml"
    write_card(path, fitted.device, description="a loop", source="test", drive=fitted.records[0])
    device = load_device(path)
    assert device.model == fitted.device.model
    for name, value in fitted.device.values.items():
        assert device.values[name] == pytest.approx(value, rel=1e-5, abs=1e-12)


def test_bad_requests(loop):
    with pytest.raises(InputError, match="no records"):
        fit([], MetastableSwitch)
    with pytest.raises(InputError, match="no parameter 'r_up'"):
        fit([loop()], MetastableSwitch, fixed={"r_up": 1.0})
