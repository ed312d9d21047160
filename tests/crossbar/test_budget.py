"""The error budget: what each effect adds, in turn, with draws that do not move."""

from __future__ import annotations

import pytest
import torch

from memsim.crossbar import (
    Crossbar,
    Hardware,
    LognormalVariation,
    PerArray,
    ReadNoise,
    SinhCell,
    StuckCells,
    Wires,
)
from memsim.errors import InputError

ALL = Hardware(
    levels=4,
    slices=2,
    nonidealities=(PerArray(StuckCells(0.01, 1e-6), 3), LognormalVariation(0.1), LognormalVariation(0.05)),
    read_noise=ReadNoise(0.02),
    cell=SinhCell(v_0=1.0),
    wires=Wires(5.0, 5.0),
)
EFFECTS = [
    "4 levels x 2 slices",
    "stuck cells per array",
    "lognormal variation 1",
    "lognormal variation 2",
    "law of the cells",
    "read noise",
    "wires",
]


def crossbar(hardware, rows=40, columns=6):
    source = torch.Generator().manual_seed(1)
    return Crossbar(rows, columns, g_min=4e-6, g_max=25e-6, generator=source, hardware=hardware).double()


VOLTAGE = torch.rand(50, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_effects_come_in_turn_and_repeat_with_the_seed():
    made = crossbar(ALL)
    budget = made.budget(VOLTAGE)
    assert [share.effect for share in budget.shares] == EFFECTS
    assert budget == made.budget(VOLTAGE.numpy())
    assert budget != made.budget(VOLTAGE, seed=1)
    assert all(share.added > 0 for share in budget.shares)
    assert budget.shares[0].added == budget.shares[0].total


def test_an_effect_draws_the_same_whatever_comes_after_it():
    few = Hardware(levels=4, slices=2, nonidealities=ALL.nonidealities[:2])
    parts = zip(crossbar(few).budget(VOLTAGE).shares, crossbar(ALL).budget(VOLTAGE).shares, strict=False)
    assert [(one.added, one.total) == (two.added, two.total) for one, two in parts] == [True] * 3


def test_a_single_effect_has_the_error_of_the_crossbar_itself():
    """Wires draw nothing: what the budget says is what the currents show."""
    made = crossbar(Hardware(wires=ALL.wires))
    ideal = VOLTAGE @ made.weight.detach() * made.gain
    expected = (made(VOLTAGE).detach() - ideal).norm() / ideal.norm()
    (share,) = made.budget(VOLTAGE).shares
    # from 40 sums of pairs that cancel to a few per cent: some hundred roundings
    assert share.total == pytest.approx(float(expected), rel=1e-12, abs=0)


def test_read_noise_adds_what_its_variance_says():
    """40 x 2 independent cells of 2 %: over 50 x 6 outputs within five standard errors of a root mean square."""
    made = crossbar(Hardware(read_noise=ALL.read_noise))
    plus, minus = (g.detach() for g in made.conductances())
    variance = VOLTAGE.square() @ (0.02**2 * (plus.square() + minus.square()))
    ideal = VOLTAGE @ (plus - minus)
    (share,) = made.budget(VOLTAGE).shares
    expected = float((variance.mean() / ideal.square().mean()).sqrt())
    assert share.added == pytest.approx(expected, rel=5 / (2 * 300) ** 0.5, abs=0)


def test_wires_add_the_same_with_read_noise_and_without():
    """Noise before and after has one draw, so that the wires are charged for themselves; 2 % noise on top of 5 %."""
    (alone,) = crossbar(Hardware(wires=ALL.wires)).budget(VOLTAGE).shares
    *_, last = crossbar(Hardware(read_noise=ALL.read_noise, wires=ALL.wires)).budget(VOLTAGE).shares
    assert last.added == pytest.approx(alone.added, rel=0.1, abs=0)


def test_it_prints_a_table_and_gives_a_dictionary():
    budget = crossbar(ALL).budget(VOLTAGE)
    head, *rows = str(budget).splitlines()
    assert head.split() == ["effect", "added", "total"]
    assert [row[: len(effect)] for row, effect in zip(rows, EFFECTS, strict=True)] == EFFECTS
    assert rows[-1].split()[-1] == f"{budget.shares[-1].total:.3%}"
    assert len({len(line) for line in (head, *rows)}) == 1
    assert list(budget.as_dict()) == EFFECTS
    assert budget.as_dict()["wires"] == {"added": budget.shares[-1].added, "total": budget.shares[-1].total}


def test_nothing_to_share_out():
    with pytest.raises(InputError, match="ideal and has no errors to share out"):
        crossbar(Hardware()).budget(VOLTAGE)
    with pytest.raises(InputError, match="give no current"):
        crossbar(ALL).budget(torch.zeros(40, dtype=torch.float64))
    with pytest.raises(InputError, match=r"voltage .* shape \[..., 40\]"):
        crossbar(ALL).budget(torch.zeros(4, dtype=torch.float64))
