"""Kernels in C, for processors, where a C compiler is found."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from memsim.surrogate.fused.compiler import load
from memsim.surrogate.fused.kernel import Course, Drive, Gradients, Kernel
from memsim.surrogate.fused.native_source import WIDTH, backward_source, forward_source
from memsim.surrogate.fused.program import StepProgram

GRAIN = 2**18
"""Neuron steps from which another thread is worth waking."""
_LEVELS = 3
_REAL = {torch.float32: ctypes.c_float, torch.float64: ctypes.c_double}


class NativeKernel(Kernel):
    """One call into C for a whole run and a range of lanes; threads share the lanes."""

    name = "native"

    def __init__(self, program: StepProgram) -> None:
        super().__init__(program)
        self._libraries: dict[tuple[object, ...], ctypes.CDLL] = {}

    def forward(self, y: Sequence[Tensor], drive: Drive) -> Course:
        u = drive.u
        columns = [part.new_empty((len(u[0]), *part.shape)) for part in y]
        levels = torch.zeros((len(drive.h), *y[0].shape), dtype=torch.uint8)
        for column, part in zip(columns, y, strict=True):
            column[0] = part
        self._fill(columns, levels, drive)
        return Course(columns, levels)

    def advance(self, course: Course, k: int, drive: Drive) -> None:
        self._fill([column[k : k + 2] for column in course.y], course.levels[k : k + 1], drive)

    def _fill(self, columns: Sequence[Tensor], levels: Tensor, drive: Drive) -> None:
        """All samples but the first."""
        u = drive.u
        per_lane = tuple(isinstance(c, Tensor) for c in drive.constants)
        key = u[0].dtype, per_lane
        if key not in self._libraries:
            self._libraries[key] = load(forward_source(self.program, *key))
        _call(self._libraries[key], drive, [columns, u, _lanes(drive), [levels]])

    def backward(self, course: Course, drive: Drive, gradients: Gradients) -> list[Tensor]:
        per_lane = tuple(isinstance(c, Tensor) for c in drive.constants)
        kept = tuple(g is not None for g in gradients.kept)
        wanted = tuple(gradients.constants)
        dtype = drive.u[0].dtype
        key = dtype, per_lane, kept, bool(gradients.inputs), wanted
        if key not in self._libraries:
            adjoint = self.program.adjoint(inputs=bool(gradients.inputs), constants=wanted)
            self._libraries[key] = load(backward_source(self.program, adjoint, dtype, per_lane, kept))
        seeds = [seed.clone(memory_format=torch.contiguous_format) for seed in gradients.last]
        totals = list(gradients.constants.values())
        arrays = [
            course.y,
            drive.u,
            _lanes(drive),
            [course.levels],
            gradients.kept,
            seeds,
            gradients.inputs,
            totals,
        ]
        _call(self._libraries[key], drive, arrays)
        return seeds


def _lanes(drive: Drive) -> list[Tensor]:
    return [c for c in drive.constants if isinstance(c, Tensor)]


def _call(library: ctypes.CDLL, drive: Drive, arrays: Sequence[Sequence[Tensor | None]]) -> None:
    """Run a kernel over all lanes. The fourth of `arrays` is one array, the others are arrays of arrays."""
    samples, lanes = drive.u[0].shape
    real = _REAL[drive.u[0].dtype]
    numbers = (real * max(1, len(drive.constants)))(
        *(0.0 if isinstance(c, Tensor) else c for c in drive.constants)
    )
    sizes = (real * max(1, len(drive.h)))(*drive.h)
    pointers: list[object] = [
        (ctypes.c_void_p * max(1, len(group)))(*(None if t is None else t.data_ptr() for t in group))
        for group in arrays
    ]
    (levels,) = arrays[_LEVELS]
    assert levels is not None  # noqa: S101 - both passes have them
    pointers[_LEVELS] = ctypes.c_void_p(levels.data_ptr())
    threads = max(1, min(torch.get_num_threads(), lanes // WIDTH, lanes * samples // GRAIN))
    edges = [
        WIDTH * (blocks * part // threads) for blocks in [-(-lanes // WIDTH)] for part in range(threads)
    ] + [lanes]

    def run(begin: int, end: int) -> int:
        return int(
            library.run(*map(ctypes.c_long, (begin, end, lanes, samples - 1)), sizes, numbers, *pointers)
        )

    if threads == 1:
        failed = bool(run(0, lanes))
    else:
        with ThreadPoolExecutor(threads) as pool:
            failed = any(list(pool.map(run, edges, edges[1:])))
    if failed:
        raise MemoryError("there is no memory for the steps of a run")
