"""Sums of spikes, and numbers of both signs, on the word lines of a card."""

from __future__ import annotations

import pytest

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.word_lines import largest_outputs

CARD = "adcless-differential-64"
INNER = {"channels": 4, "kernel": 3, "padding": 1}
COUNTED = {"inputs.coding": "pulse-count", "inputs.bits": 3, "inputs.high": 7.0}


def _study(*layers, hardware=None, **stage):
    entry = {"name": "bits", "card": CARD, "hardware": hardware or {}, **stage}
    return make_study(steps=2, layers=({"name": "stem", **INNER}, *layers, {}), stages=[entry])


def _added(blocks: int, skip: object = "before"):
    return {"repeat": blocks, "block": (INNER, {**INNER, "from": skip, "join": "spike"})}


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_values_grow_by_one_with_each_block(blocks: int) -> None:
    largest = largest_outputs(_study(_added(blocks), hardware={"inputs.saturates": True}))
    assert max(largest.values()) == blocks + 1


def test_sums_need_pulses_enough_or_lines_that_saturate() -> None:
    with pytest.raises(InputError, match="sums of up to 2 spikes"):
        _study(_added(1))
    with pytest.raises(InputError, match="sums of up to 8 spikes"):
        _study(_added(7), hardware=COUNTED)
    _study(_added(6), hardware=COUNTED)
    _study(_added(7), hardware={**COUNTED, "inputs.saturates": True})


def test_numbers_of_both_signs_are_refused_but_of_digital_layers() -> None:
    convolved = {"layer": "before", "kernel": 1, "norm": "batch"}
    with pytest.raises(InputError, match="numbers of both signs"):
        _study(_added(1, convolved), hardware=COUNTED)
    currents = {**INNER, "name": "b", "from": {"layer": "stem", "kernel": 1}, "join": "membrane"}
    with pytest.raises(InputError, match="numbers of both signs"):
        _study(currents)
    _study(currents, digital=["b"])
    _study({**currents, "from": {"layer": "stem", "kernel": 1, "of": "spike"}})
