"""Kernels in C, for processors, where a C compiler is found."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from memsim.surrogate.fused.compiler import load
from memsim.surrogate.fused.kernel import Constant, Gradients, Kernel
from memsim.surrogate.fused.native_source import backward_source, forward_source
from memsim.surrogate.fused.program import StepProgram

GRAIN = 2**18
"""Neuron steps from which another thread is worth waking."""
_REAL = {torch.float32: ctypes.c_float, torch.float64: ctypes.c_double}


class NativeKernel(Kernel):
    """One call into C for a whole run; threads share the lanes."""

    name = "native"

    def __init__(self, program: StepProgram) -> None:
        super().__init__(program)
        self._libraries: dict[tuple[object, ...], ctypes.CDLL] = {}

    def forward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant]
    ) -> list[Tensor]:
        columns = [part.new_empty((len(u[0]), *part.shape)) for part in y]
        for column, part in zip(columns, y, strict=True):
            column[0] = part
        per_lane = tuple(isinstance(c, Tensor) for c in constants)
        key = u[0].dtype, per_lane
        if key not in self._libraries:
            self._libraries[key] = load(forward_source(self.program, *key))
        _call(self._libraries[key], u, constants, [columns, u, _lanes(constants)])
        return columns

    def backward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant], gradients: Gradients
    ) -> list[Tensor]:
        per_lane = tuple(isinstance(c, Tensor) for c in constants)
        kept = tuple(g is not None for g in gradients.kept)
        wanted = tuple(gradients.constants)
        key = u[0].dtype, per_lane, kept, bool(gradients.inputs), wanted
        if key not in self._libraries:
            adjoint = self.program.adjoint(inputs=bool(gradients.inputs), constants=wanted)
            source = backward_source(self.program, adjoint, u[0].dtype, per_lane, kept)
            self._libraries[key] = load(source)
        seeds = [seed.clone(memory_format=torch.contiguous_format) for seed in gradients.last]
        totals = list(gradients.constants.values())
        arrays = [y, u, _lanes(constants), gradients.kept, seeds, gradients.inputs, totals]
        _call(self._libraries[key], u, constants, arrays)
        return seeds


def _lanes(constants: Sequence[Constant]) -> list[Tensor]:
    return [c for c in constants if isinstance(c, Tensor)]


def _call(
    library: ctypes.CDLL,
    u: Sequence[Tensor],
    constants: Sequence[Constant],
    arrays: Sequence[Sequence[Tensor | None]],
) -> None:
    samples, lanes = u[0].shape
    numbers = (_REAL[u[0].dtype] * len(constants))(*(0.0 if isinstance(c, Tensor) else c for c in constants))
    pointers = [
        (ctypes.c_void_p * max(1, len(group)))(*(None if t is None else t.data_ptr() for t in group))
        for group in arrays
    ]
    threads = max(1, min(torch.get_num_threads(), lanes * samples // GRAIN))
    library.run(ctypes.c_long(lanes), ctypes.c_long(samples - 1), ctypes.c_int(threads), numbers, *pointers)
