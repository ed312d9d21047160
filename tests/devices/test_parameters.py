"""Bad parameters and cards end in an error that names the input, the value and what is allowed."""

from __future__ import annotations

import math

import pytest

from memsim.devices import MODELS, MetastableSwitch, Vteam, Yakopcic, card_names, load_card, load_device
from memsim.errors import InputError


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "ten"])
def test_resistance_must_be_positive_and_finite(value):
    with pytest.raises(InputError, match=r"metastable-switch\.r_on = .*ohm"):
        MetastableSwitch(r_on=value)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (Vteam, "k_on", 1.0),
        (Vteam, "alpha_on", 0.5),
        (Yakopcic, "x_p", 1.0),
        (MetastableSwitch, "temperature", 3000),
    ],
)
def test_message_states_the_allowed_range(model, name, value):
    with pytest.raises(
        InputError, match=rf"{name} = .* is out of range; allowed: (.*at (least|most)|.* to) "
    ):
        model(**{name: value})


def test_unknown_parameter_names_the_known_ones():
    with pytest.raises(InputError, match=r"no parameter 'ron'.*r_on"):
        MetastableSwitch(ron=1e3)


def test_unknown_state_names_the_known_ones():
    with pytest.raises(InputError, match=r"no state 'w'.*x"):
        MetastableSwitch(initial={"w": 0.5})


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_initial_state_must_be_in_its_range(value):
    with pytest.raises(InputError, match="allowed: 0 to 1 "):
        MetastableSwitch(initial={"x": value})


def test_devices_do_not_change():
    device = MetastableSwitch()
    with pytest.raises(TypeError):
        device.values["r_on"] = 5.0
    changed = device.with_values(r_on=2e3, initial={"x": 0.3})
    assert (device.values["r_on"], changed.values["r_on"], changed.initial["x"]) == (1e3, 2e3, 0.3)


@pytest.mark.parametrize("name", card_names())
def test_every_card_loads_and_cites_its_source(name):
    card = load_card(name)
    assert card.description
    assert card.source
    assert type(card.device) in MODELS.values()


def test_unknown_device_names_the_known_ones():
    with pytest.raises(InputError, match=r"unknown device 'flux-capacitor'.*mif-set1.*yakopcic-oblea"):
        load_device("flux-capacitor")


def test_missing_card_file():
    with pytest.raises(InputError, match=r"no-such\.toml' does not exist"):
        load_device("no-such.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = ", "not valid TOML"),
        ('model = "abacus"', "known models: metastable-switch"),
        ('model = "vteam"\ncolour = "red"', "unknown entry 'colour'"),
        ('model = "vteam"\n[parameters]\nr_on = -5', "r_on = -5 ohm is out of range"),
        ('model = "vteam"\n[initial]\nx = 2', "x = 2"),
        ('model = "vteam"\nparameters = 3', "parameters"),
        ('model = "vteam"\n[parameters]\nr_on = "5k"', "not a number"),
    ],
)
def test_broken_cards(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_card(path)


def test_card_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "vteam"\n[parameters]\nr_on = 70\n[initial]\nx = 0.25', encoding="utf-8")
    device = load_device(path)
    assert (device.values["r_on"], device.initial["x"]) == (70.0, 0.25)
