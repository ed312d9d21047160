"""A synapse layer: signed weights in a memristive crossbar, from word-line voltages to neuron currents."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from memsim.crossbar.budget import Budget, budget
from memsim.crossbar.grid import Grid, programmed
from memsim.crossbar.hardware import Hardware
from memsim.crossbar.kept import Programming
from memsim.crossbar.mapping import Mapping
from memsim.errors import InputError
from memsim.transforms import transformed

Floats = NDArray[np.floating]


class Crossbar(nn.Module):
    """A crossbar of signed weights, from word-line voltages to neuron currents.

    Cells are programmed when weights have changed, and what is random in that is drawn then. As long as they stay,
    and nothing asks for their gradient, a read is one product with a matrix that is kept, wires included. Changes
    behind autograd's back (`weight.data.mul_()`) are not seen: call `reprogram()` after those.

    Rounding to levels is the same in training and in inference; gradients pass straight through it.

    Args:
        rows: word lines.
        columns: neurons, each with the bit lines that its weights need.
        g_min: lowest conductance of a cell [S].
        g_max: highest conductance of a cell [S].
        mirror_ratio: current into the neuron over that of its bit lines.
        generator: source of the initial weights, uniform in +-1/2, and of all noise.
        hardware: what the arrays are made of; ideal where left out.

    Attributes:
        weight: [rows, columns], between -1 and 1.

    Raises:
        InputError: sizes or conductances out of range, hardware that changes nothing, or noise without generator.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        *,
        g_min: float,
        g_max: float,
        mirror_ratio: float = 1.0,
        generator: torch.Generator | None = None,
        hardware: Hardware | None = None,
    ) -> None:
        super().__init__()
        if rows < 1 or columns < 1:
            raise InputError(
                f"a crossbar of {rows} word lines and {columns} neurons is empty; allowed: at least 1 of each"
            )
        if not 0 < mirror_ratio < math.inf:
            raise InputError(f"mirror_ratio = {mirror_ratio!r} is out of range; allowed: above 0 and finite")
        self.hardware = Hardware() if hardware is None else hardware
        self.hardware.check(g_min, g_max, generator)
        self.g_min, self.g_max, self.mirror_ratio, self.generator = g_min, g_max, mirror_ratio, generator
        place = None if generator is None else generator.device
        self.weight = nn.Parameter(torch.rand(rows, columns, generator=generator, device=place) - 0.5)
        self._programming: Programming | None = None
        self._reads: torch.Generator | None = None

    @classmethod
    def from_weights(
        cls,
        weights: ArrayLike | Tensor,
        *,
        g_min: float,
        g_max: float,
        mirror_ratio: float = 1.0,
        generator: torch.Generator | None = None,
        hardware: Hardware | None = None,
    ) -> Crossbar:
        """A crossbar that holds a matrix [rows, columns] of weights between -1 and 1, in its precision.

        Raises:
            InputError: not a matrix of numbers between -1 and 1; else as the class.
        """
        matrix = torch.as_tensor(weights)
        matrix = matrix if matrix.is_floating_point() else matrix.double()
        if matrix.ndim != 2:
            raise InputError(f"weights have shape {list(matrix.shape)}; give [word lines, neurons]")
        wrong = ~(matrix.abs() <= 1)
        if bool(wrong.any()):
            place = wrong.nonzero()[0].tolist()
            raise InputError(
                f"weights{place} = {matrix[tuple(place)].item()!r} is out of range; allowed: -1 to 1, "
                "so divide them by the largest"
            )
        rows, columns = matrix.shape
        made = cls(
            rows,
            columns,
            g_min=g_min,
            g_max=g_max,
            mirror_ratio=mirror_ratio,
            generator=generator,
            hardware=hardware,
        )
        made.weight = nn.Parameter(matrix.detach().clone())
        return made

    @property
    def mapping(self) -> Mapping:
        """How the weights are held by cells."""
        return self.hardware.mapping(self.g_min, self.g_max)

    @property
    def gain(self) -> float:
        """Neuron current per word line voltage at a weight of 1, with ideal hardware [S]."""
        return self.mirror_ratio * self.mapping.gain

    @overload
    def forward(self, voltage: Tensor, bit_line_voltage: Tensor | None = None) -> Tensor: ...

    @overload
    def forward(self, voltage: ArrayLike, bit_line_voltage: ArrayLike | None = None) -> Floats: ...

    def forward(
        self, voltage: Tensor | ArrayLike, bit_line_voltage: Tensor | ArrayLike | None = None
    ) -> Tensor | Floats:
        """Currents [..., columns] into the neurons in A. Arrays give an array, tensors a tensor.

        Args:
            voltage: of each word line, [..., rows] in V.
            bit_line_voltage: at which each neuron holds its bit lines, [..., columns] in V, such as its membrane
                voltage; virtual ground where left out. A reference column stays at virtual ground.

        Raises:
            InputError: a shape that does not fit.
            ConvergenceError: wires could not be solved.
        """
        return self._in_kind(self._read, voltage, bit_line_voltage)

    @overload
    def transposed(self, voltage: Tensor) -> Tensor: ...

    @overload
    def transposed(self, voltage: ArrayLike) -> Floats: ...

    def transposed(self, voltage: Tensor | ArrayLike) -> Tensor | Floats:
        """Currents [..., rows] in A out of the word lines at virtual ground, the product with the transposed matrix.

        Each bit line is driven through its sense end at the voltage of its neuron times the coefficient by which
        `forward` counts its current, a reference column at minus the sum of all. Word lines are sensed through their
        drivers. No mirrors take part. With wires this is exact, as resistor networks are reciprocal.

        Args:
            voltage: of each neuron, [..., columns] in V.

        Raises:
            InputError, ConvergenceError: as `forward`.
        """
        return self._in_kind(self._read_transposed, voltage)

    def matrix(self) -> Tensor:
        """Neuron currents per word line voltage, wires included, [rows, columns] in S; of ohmic cells."""
        return self.mirror_ratio * self._programmed().matrix

    def bit_line_matrix(self) -> Tensor:
        """Neuron currents per voltage at which neurons hold their bit lines, [columns, columns] in S; ohmic cells."""
        return self.mirror_ratio * self._programmed().membrane_matrix

    def power(self, voltage: Tensor) -> Tensor:
        """Power that word line drivers deliver, [...] in W, while bit lines are held at virtual ground.

        Args:
            voltage: of each word line, [..., rows] in V.

        Raises:
            InputError, ConvergenceError: as `forward`.
        """
        self._check("voltage", voltage, self.weight.shape[0])
        return self._programmed().power(voltage)

    def conductances(self) -> tuple[Tensor, ...]:
        """As programmed, [rows, columns] in S for each bit line of a neuron; G+ and G- of pairs without slices."""
        return self._programmed().conductances

    def budget(self, voltage: Tensor | ArrayLike, *, seed: int = 0) -> Budget:
        """The error that each effect of the hardware adds to the currents; print it.

        In this order: levels, each non-ideality, the law of the cells, read noise, wires. The draws are those of
        `seed`, not those that this crossbar was programmed with.

        Args:
            voltage: of each word line, [..., rows] in V.
            seed: of all draws.

        Raises:
            InputError: ideal hardware, a shape that does not fit, or voltages without any current.
        """
        like = self.weight.detach()
        given = torch.as_tensor(voltage, dtype=like.dtype, device=like.device)
        self._check("voltage", given, len(like))
        return budget(like, given, hardware=self.hardware, conductances=(self.g_min, self.g_max), seed=seed)

    def keep_in_range(self) -> None:
        """Put every weight back between -1 and 1; call after each optimiser step."""
        with torch.no_grad():
            self.weight.clamp_(-1, 1)

    def use(self, hardware: Hardware, generator: torch.Generator | None) -> None:
        """Hold the same weights in other hardware: cells are programmed anew, and all noise is drawn anew.

        Args:
            hardware: what the arrays are made of from now on.
            generator: source of all noise from now on.

        Raises:
            InputError: hardware that does not fit, or noise without generator.
        """
        hardware.check(self.g_min, self.g_max, generator)
        self.hardware, self.generator = hardware, generator
        self._programming = self._reads = None

    def reprogram(self) -> None:
        """Program the cells anew, with a new draw of what is random in that."""
        self._program()

    def _read(self, voltage: Tensor, held: Tensor | None) -> Tensor:
        self._check("voltage", voltage, self.weight.shape[0])
        if held is not None:
            self._check("bit_line_voltage", held, self.weight.shape[1])
        if self.hardware.ideal and held is None:
            return voltage @ self.weight * self.gain
        return self.mirror_ratio * self._programmed().read(voltage, held, self._read_source())

    def _read_transposed(self, voltage: Tensor) -> Tensor:
        self._check("voltage", voltage, self.weight.shape[1])
        return self._programmed().read_rows(voltage, self._read_source())

    def _programmed(self) -> Grid:
        """The arrays: with a graph where gradients are asked for, else those kept."""
        tensors = (self.weight, *self.hardware.wire_tensors)
        if transformed(*tensors):
            raise InputError(
                "torch.func cannot follow how cells are programmed and wires are solved; use torch.autograd, such as "
                "torch.autograd.functional.jacobian, or a crossbar of ideal hardware"
            )
        programming = self._programming
        if programming is None or not programming.is_of(tensors, self.hardware):
            programming = self._program()
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return programmed(self.weight, self.mapping, self.hardware, programming.seed)
        # autograd takes no tensors made in inference mode
        mode = torch.is_inference_mode_enabled()
        if mode not in programming.grids:
            programming.grids[mode] = programmed(
                self.weight.detach(), self.mapping, self.hardware, programming.seed
            )
        return programming.grids[mode]

    def _program(self) -> Programming:
        tensors = (self.weight, *self.hardware.wire_tensors)
        seed = self._draw_seed() if self.hardware.nonidealities else None
        self._programming = Programming.of(tensors, self.hardware, seed)
        return self._programming

    def _read_source(self) -> torch.Generator | None:
        """Of read noise, on the device of the weights; None where there is none."""
        if self.hardware.read_noise is None:
            return None
        if self._reads is None or self._reads.device != self.weight.device:
            self._reads = torch.Generator(self.weight.device).manual_seed(self._draw_seed())
        return self._reads

    def _draw_seed(self) -> int:
        source = self.generator
        if source is None:
            raise InputError(
                "generator = None, but this hardware is random; give `generator` a torch.Generator"
            )
        return int(torch.randint(2**63 - 1, (), generator=source, device=source.device))

    def _check(self, name: str, voltage: Tensor, lines: int) -> None:
        like = self.weight
        if voltage.ndim == 0 or voltage.shape[-1] != lines or voltage.dtype != like.dtype:
            raise InputError(
                f"{name} is {voltage.dtype} of shape {list(voltage.shape)}; this crossbar needs {like.dtype} of "
                f"shape [..., {lines}]"
            )

    def _in_kind(self, read: Callable[..., Tensor], *inputs: Tensor | ArrayLike | None) -> Tensor | Floats:
        """A read of tensors as a tensor; one of arrays as an array, in the precision of the weights."""
        like = self.weight
        tensors = [
            one
            if one is None or isinstance(one, Tensor)
            else torch.as_tensor(one, dtype=like.dtype, device=like.device)
            for one in inputs
        ]
        if isinstance(inputs[0], Tensor):
            return read(*tensors)
        with torch.no_grad():
            return read(*tensors).cpu().numpy()
