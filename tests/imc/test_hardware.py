from __future__ import annotations

from pathlib import Path

import pytest

from memsim.errors import InputError
from memsim.imc import hardware_names, load_hardware
from memsim.imc.hardware import _leaves

TEXT = {"name", "description", "source", "technology.card", "accumulation.kind", "converter.tie"}
UNITS = {"inputs.high"}
"""1, of which inputs are shares."""
NEUTRAL = {"cell.retained": 1.0}
"""Of what a card leaves as it is, which needs no source."""


@pytest.mark.parametrize("name", hardware_names())
def test_every_number_of_a_card_has_its_source(name: str) -> None:
    card = load_hardware(name)
    numbers = {
        leaf
        for leaf in _leaves(card.model_dump(exclude={"sources"}, exclude_none=True))
        if leaf not in TEXT | UNITS and _value(card, leaf) != NEUTRAL.get(leaf, 0)
    }
    assert numbers <= set(card.sources)


def _value(card: object, leaf: str) -> object:
    for part in leaf.split("."):
        card = getattr(card, part)
    return card


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_name_ends_in_the_side_of_its_arrays(size: int) -> None:
    card = load_hardware(f"adcless-{size}")
    assert (card.array.rows, card.array.columns) == (size, size)
    assert card.name == f"adcless-{size}"


def test_published_figures() -> None:
    adcless, hp = load_hardware("adcless"), load_hardware("hp-adc")
    assert (adcless.converter.bits, adcless.converter.columns, adcless.lines) == (1, 1, 4)
    assert (hp.converter.bits, hp.converter.columns, hp.lines) == (5, 8, 4)
    # one cell of 6 kohm against one of 900 kohm at 0.5 V, as the reference notes for the published cell
    assert adcless.cell.lsb == pytest.approx(82.8e-6, rel=1e-3, abs=0)
    # rho / (w^2 AR) over two cell features
    assert adcless.wires.word_line == pytest.approx(2.68e-8 / (105e-9**2 * 1.7) * 2 * 105e-9, rel=2e-3)


def test_cards_of_users_stand_on_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "adcless-32"\n[cell]\nresistance_on = 100e3\n')
    card = load_hardware(path)
    assert (card.name, card.array.rows, card.cell.resistance_on) == ("mine", 32, 100e3)
    assert load_hardware(str(path), {"cell.bits": 2}).slices == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"array.rows": "64"}, "whole number"),
        ({"array.height": 64}, "no such entry; known: columns, rows"),
        ({"nothing.rows": 64}, "no entry"),
        ({"array.rows": 0}, "at least 1"),
        ({"cell.resistance_off": 1e3}, "resistance_off"),
        ({"cell.bits": 3}, "multiple of cell.bits"),
        ({"converter.bits": 3}, "does not fit a sense-amplifier"),
        ({"converter.inl": 0.5}, "no meaning"),
        ({"inputs.bits": 3}, "binary inputs"),
        ({"array.columns": 3}, "too narrow"),
        ({"sources": {"array.height": "?"}}, "no entry of a card"),
    ],
)
def test_bad_entries_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_hardware("adcless", changes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('base = "nothing"', "unknown hardware card"),
        ("base = ", "not valid TOML"),
        ("[array]\nrows = 3", "array.columns: it is missing"),
    ],
)
def test_bad_files_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_hardware(path)


def test_cards_must_not_stand_on_each_other(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(f'base = "{other}"')
    other.write_text(f'base = "{one}"')
    with pytest.raises(InputError, match="stand on each other"):
        load_hardware(one)
    with pytest.raises(InputError, match="does not exist"):
        load_hardware(tmp_path / "missing.toml")
