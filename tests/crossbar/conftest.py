from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve


def solve_resistors(held, resistors):
    """Node voltages and branch currents of resistors (name, node, node, ohm) between nodes, some held at a voltage.

    Sparse tableau analysis, v_a - v_b = R i for each resistor and no net current into each free node. Unlike nodal
    equations it needs no 1 / R, and loses no digits where a cell of 1 Mohm hangs on a wire of 0.1 ohm.
    """
    branches = {name: number for number, (name, *_) in enumerate(resistors)}
    free = sorted({node for _, *ends, _ in resistors for node in ends} - set(held), key=str)
    nodes = {node: len(branches) + number for number, node in enumerate(free)}
    entries, right = [], np.zeros(len(branches) + len(nodes))
    for name, start, end, resistance in resistors:
        branch = branches[name]
        entries.append((branch, branch, -resistance))
        for node, sign in ((start, 1.0), (end, -1.0)):
            if node in held:
                right[branch] -= sign * held[node]
            else:
                entries += [(branch, nodes[node], sign), (nodes[node], branch, sign)]
    row, column, value = zip(*entries, strict=True)
    unknowns = spsolve(coo_array((value, (row, column))).tocsc(), right)
    voltages = held | {node: unknowns[number] for node, number in nodes.items()}
    return voltages, {name: unknowns[number] for name, number in branches.items()}


def crossbar_resistors(conductance, lines):
    """The resistors of a crossbar one by one; `lines` has word [m, n (+ 1)], bit [m, n], driver [m], sense [n]."""
    m, n = conductance.shape
    word, bit, driver, sense = (lines[name] for name in ("word", "bit", "driver", "sense"))
    for i in range(m):
        yield ("word", i, 0), ("drive", i), ("w", i, 0), word[i, 0] + driver[i]
        for j in range(1, n):
            yield ("word", i, j), ("w", i, j - 1), ("w", i, j), word[i, j]
        # two ideal sources in parallel would be a loop without a unique current
        if word.shape[1] > n and word[i].sum() + 2 * driver[i] > 0:
            yield ("word", i, n), ("w", i, n - 1), ("drive", i), word[i, n] + driver[i]
    for j in range(n):
        for i in range(m - 1):
            yield ("bit", i, j), ("b", i, j), ("b", i + 1, j), bit[i, j]
        if np.isfinite(sense[j]):
            yield ("bit", m - 1, j), ("b", m - 1, j), ("sense", j), bit[m - 1, j] + sense[j]
    for i, j in zip(*np.nonzero(conductance), strict=True):
        yield ("cell", int(i), int(j)), ("w", int(i), int(j)), ("b", int(i), int(j)), 1 / conductance[i, j]


def crossbar_by_resistors(conductance, voltage, lines, bit_voltage=0.0):
    """Cell currents, word line voltages and bit line voltages, each [m, n]; `bit_voltage` is one or [n]."""
    m, n = conductance.shape
    ends = np.broadcast_to(bit_voltage, n)
    held = {("drive", i): voltage[i] for i in range(m)} | {("sense", j): ends[j] for j in range(n)}
    voltages, currents = solve_resistors(held, list(crossbar_resistors(conductance, lines)))
    places = [[(i, j) for j in range(n)] for i in range(m)]
    cell = np.array([[currents.get(("cell", *place), 0.0) for place in row] for row in places])
    word, bit = (np.array([[voltages[kind, *place] for place in row] for row in places]) for kind in "wb")
    return cell, word, bit


@pytest.fixture(scope="session")
def by_resistors():
    return crossbar_by_resistors


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return request.param
