"""A circuit around the state that it starts in: what small currents do to it.

    M dy'/dt = J y' + b i,    v' = c y'        J = dF/dy, b = dF/di at the start

R = c (-J)^-1 b and the delay D = c J^-1 M J^-1 b / R, the mean time of the response to a pulse, are those of the
potentials, with all states held; the times -1/lambda, lambda M y = J y, those of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvals

from memsim.errors import InputError
from memsim.surrogate.compiled import CompiledCircuit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmallSignal:
    """What small currents do.

    Attributes:
        resistance: potential of the output over current, states held [ohm].
        delay: mean time of the response, states held [s]; 0 where there is none.
        times: in which the circuit relaxes, from the shortest to the longest that is finite [s].
    """

    resistance: float
    delay: float
    times: tuple[float, ...]


def small_signal(twin: CompiledCircuit, output: str) -> SmallSignal:
    """What small currents through the one input of a circuit do to the waveform `output`.

    Raises:
        InputError: a node that nothing conducts to ground while states are held.
    """
    system = twin.on_numbers()
    y = system.settle(system.initial([0.0]), [0.0])
    point, size = system.linearise(y, [0.0], [1.0]), len(y)
    jacobian, mass = _dense(point.jacobian, size), _dense(system.mass, size)
    slope = np.array([float(value) for value in point.input_slope])
    here = system.waveforms(y, [0.0])[output]
    moved = np.array(
        [
            float(system.waveforms([v + (k == column) for k, v in enumerate(y)], [0.0])[output] - here)
            for column in range(size)
        ]
    )
    free = slice(system.states, size)
    try:
        inverse = np.linalg.inv(jacobian[free, free])
    except np.linalg.LinAlgError:
        raise InputError(
            f"a constant current moves {output} without end: nothing conducts it to ground; add a resistor or device"
        ) from None
    resistance = float(-moved[free] @ inverse @ slope[free])
    moment = float(moved[free] @ inverse @ mass[free, free] @ inverse @ slope[free])
    with np.errstate(divide="ignore", invalid="ignore"):
        times = -1 / eigvals(jacobian, mass).real
    delay = moment / resistance if resistance else 0.0
    return SmallSignal(resistance, delay, tuple(sorted(times[np.isfinite(times) & (times > 0)].tolist())))


def _dense(entries: dict[tuple[int, int], float], size: int) -> Array:
    matrix = np.zeros((size, size))
    for key, value in entries.items():
        matrix[key] = value
    return matrix
