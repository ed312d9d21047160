"""Derivatives of crossbars with wires, against finite differences and against solving the array again."""

from __future__ import annotations

import pytest
import torch

from memsim.crossbar import Wires, column_currents, effective, effective_conductance, operating_point, solver

METHODS = ["iterative", "lines", "direct"]


def rand(*shape, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * (0.1 + torch.rand(shape, generator=generator, dtype=torch.float64))).requires_grad_()


def inputs(rows=4, columns=3, *, both=False, batch=(2,), device="cpu"):
    """Cells of ohms beside wires of tenths of an ohm, so that finite differences see everything."""
    given = {
        "conductance": rand(rows, columns, seed=1, scale=0.5),
        "voltage": rand(*batch, rows, seed=2),
        "word": rand(rows, columns + both, seed=3, scale=0.3),
        "bit": rand(rows, columns, seed=4, scale=0.3),
        "driver": rand(rows, seed=5),
        "sense": rand(columns, seed=6),
        "held": rand(columns, seed=7),
    }
    return {name: value.detach().to(device).requires_grad_() for name, value in given.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("both", "floating"), [(False, False), (True, False), (False, True), (True, True)])
def test_gradients_of_everything_are_those_of_finite_differences(method, both, floating, device):
    given = inputs(both=both, device=device)
    if floating:
        with torch.no_grad():
            given["sense"][1] = torch.inf
        given["sense"].requires_grad_(requires_grad=False)

    def outputs(conductance, voltage, word, bit, *ends):
        driver, sense, held = ends
        wires = Wires(word, bit, driver, sense, driven_from_both_sides=both)
        point = operating_point(
            conductance, voltage, wires, bit_line_voltage=held, method=method, tolerance=1e-14
        )
        return point.column_current, point.cell_voltage, point.bit_line_voltage, point.cell_power

    assert torch.autograd.gradcheck(outputs, tuple(given.values()))


@pytest.mark.parametrize("method", METHODS)
def test_one_number_for_all_wires_has_a_gradient_too(method):
    given = inputs()

    def currents(word, bit, driver, sense):
        wires = Wires(word, bit, driver=driver, sense=sense)
        return column_currents(given["conductance"], given["voltage"], wires, method=method, tolerance=1e-14)

    numbers = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.1, 0.2, 0.3, 0.4)]
    assert torch.autograd.gradcheck(currents, numbers)


def test_batches_of_arrays_have_the_gradients_of_their_members():
    conductance = rand(3, 1, 4, 5, seed=8, scale=0.5)
    voltage = rand(3, 20, 4, seed=9)
    word = rand(3, 1, 4, 5, seed=10, scale=0.3)
    found = torch.autograd.grad(
        column_currents(conductance, voltage, Wires(word, 0.2)).square().sum(), (conductance, voltage, word)
    )
    for number in range(3):
        parts = conductance[number, 0], voltage[number], word[number, 0]
        currents = column_currents(*parts[:2], Wires(parts[2], 0.2), method="iterative")
        expected = torch.autograd.grad(currents.square().sum(), parts)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[number].reshape(other.shape), other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_an_open_cell_has_the_gradient_of_opening_it_a_little(method):
    given = {name: value.detach() for name, value in inputs().items()}
    given["conductance"][2, 1] = 0.0
    wires = Wires(given["word"], given["bit"])

    def total(conductance):
        return (
            column_currents(conductance, given["voltage"], wires, method=method, tolerance=1e-14)
            .square()
            .sum()
        )

    closed = given["conductance"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(total(closed), closed)
    opened = given["conductance"].clone()
    opened[2, 1] = 1e-7
    slope = (total(opened) - total(given["conductance"])) / 1e-7
    assert float(gradient[2, 1]) == pytest.approx(float(slope), rel=1e-5)  # one-sided difference of step 1e-7
    assert abs(float(slope)) > 1e-3


@pytest.mark.parametrize("shape", [(3, 4), (4, 3)])
@pytest.mark.parametrize(("both", "floating"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_effective_matrix_has_gradients(shape, both, floating, device):
    given = inputs(*shape, both=both, device=device)
    if floating:
        with torch.no_grad():
            given["sense"][1] = torch.inf
        given["sense"].requires_grad_(requires_grad=False)

    def matrix(conductance, word, bit, driver, sense):
        wires = Wires(word, bit, driver, sense, driven_from_both_sides=both)
        return effective_conductance(conductance, wires, tolerance=1e-14)

    parts = [given[name] for name in ("conductance", "word", "bit", "driver", "sense")]
    assert torch.autograd.gradcheck(matrix, parts)


def test_a_matrix_too_large_to_keep_its_rows_has_the_same_gradients(monkeypatch):
    given = inputs(5, 4)
    wires = Wires(given["word"], given["bit"], given["driver"])
    wanted = given["conductance"], given["word"], given["bit"], given["driver"]
    expected = torch.autograd.grad(effective_conductance(given["conductance"], wires).square().sum(), wanted)
    monkeypatch.setattr(effective, "_KEPT_BYTES", 2 * 8 * 4 * (2 * 4 + 5))  # two rows at a time
    found = torch.autograd.grad(effective_conductance(given["conductance"], wires).square().sum(), wanted)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)  # the same operations


def test_solving_in_inference_mode_leaves_nothing_behind_that_cannot_be_differentiated():
    given = inputs(7, 6)
    with torch.inference_mode():
        column_currents(given["conductance"], given["voltage"], Wires(0.7, 0.6))
    column_currents(given["conductance"], given["voltage"], Wires(0.7, 0.6)).sum().backward()
    assert given["conductance"].grad.isfinite().all()


def test_arrays_with_wires_of_their_own_have_effective_matrices_with_gradients():
    conductance, word = rand(2, 3, 4, seed=11), rand(2, 3, 4, seed=12)
    driver = rand(2, 3, seed=13)
    tracked = effective_conductance(conductance, Wires(word, 0.1, driver=driver))
    with torch.no_grad():
        torch.testing.assert_close(
            tracked.detach(), effective_conductance(conductance, Wires(word, 0.1, driver=driver))
        )


def test_a_gradient_costs_one_more_solve(monkeypatch):
    solves = []
    solve = solver.conjugate_gradients
    monkeypatch.setattr(solver, "conjugate_gradients", lambda *a, **k: solves.append(1) or solve(*a, **k))
    given = inputs()
    wires = Wires(given["word"], given["bit"], given["driver"], given["sense"])
    currents = column_currents(given["conductance"], given["voltage"], wires, method="iterative")
    assert len(solves) == 1
    currents.square().sum().backward()
    assert len(solves) == 2
    assert all(given[name].grad is not None for name in given if name != "held")
