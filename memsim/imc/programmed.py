"""Weights of a layer on the cells of a chip: how many arrays they fill, and what each chip makes of them."""

from __future__ import annotations

from typing import NamedTuple, Self, cast
from zlib import crc32

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.converters import Converter, IdealConverter, converter_of, noise_source, normal
from memsim.imc.grid import first_scale
from memsim.imc.hardware import HardwareCard
from memsim.imc.tiles import Lines, cells_of, conductances, largest_weight, powers, programmed

IDEAL_CELLS = {
    "cell.variation": 0.0,
    "cell.stuck_rate": 0.0,
    "cell.upset_rate": 0.0,
    "cell.retained": 1.0,
    "cell.read_noise": 0.0,
    "wires": {"word_line": 0.0, "bit_line": 0.0},
}


IDEAL = IdealConverter()


class Made(NamedTuple):
    """What a layer consists of once it is made: programmed arrays, and what each line is read by."""

    lines: Lines
    converters: Tensor


class _Kept(NamedTuple):
    """A chip, and what it was made of: by value, as fused optimisers and `data` change weights without a trace."""

    seed: int
    weight: Tensor
    log_scale: Tensor
    made: Made

    def holds(self, weight: Tensor, log_scale: Tensor) -> bool:
        return _equal(self.weight, weight) and _equal(self.log_scale, log_scale)


class ProgrammedLayer(nn.Module):
    """The cells of a layer, whatever reads them.

    In training mode they are made anew at each call, or once for each inference (memsim.imc.inference), unless one chip
    is all that they meet; in evaluation they are those of `chip`.

    Args:
        weight: [neurons, ...] as of nn.Linear or nn.Conv2d.
        bias: [neurons], which scales of neurons without weights follow.
        card: the hardware.
        name: of the layer on its chip.
        generator: source of all noise, and of the chips made while training.
        chip: which one it is: what is drawn once for a layer follows from its name and this number.

    Attributes:
        in_inference: whether reads in training are of one chip until the inference ends.
        meets_chips: whether training meets a new chip at each call, where there is a generator; else `chip` alone.
        log_scale: logarithm of what 1 LSB of a neuron's sum counts, [neurons]; its steps are shares of the scale.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        card: HardwareCard,
        *,
        name: str,
        generator: torch.Generator | None,
        chip: int,
    ) -> None:
        super().__init__()
        flat = weight.detach().flatten(1)
        self.card, self.name, self.generator, self.chip = card, name, generator, chip
        self.meets_chips = True
        self.neurons, self.fan_in = flat.shape
        self.weight = nn.Parameter(flat.clone())
        offset = flat.new_zeros(self.neurons) if bias is None else bias.detach().clone()
        self.log_scale = nn.Parameter(first_scale(flat, offset, card).log())
        self.bias = nn.Parameter(offset)
        self.converter = converter_of(card)
        self._kept: _Kept | None = None
        self.in_inference, self._of_inference = False, cast("Made | None", None)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; arrays are made anew."""
        self._kept = None
        super().train(mode)
        return self

    def begin_inference(self) -> None:
        """From here on all reads in training are of one chip, which the first of them makes."""
        self.in_inference, self._of_inference = True, None

    def end_inference(self) -> None:
        """From here on each read in training is of a chip of its own."""
        self.in_inference, self._of_inference = False, None

    @property
    def rows(self) -> int:
        """Word lines that the layer needs."""
        return self.fan_in

    @property
    def columns(self) -> int:
        """Bit lines that the layer needs, without reference columns."""
        return self.neurons * self.card.lines

    @property
    def row_tiles(self) -> int:
        """Arrays one below the other, whose sums are added."""
        return -(-self.fan_in // self.card.array.rows)

    @property
    def column_tiles(self) -> int:
        """Arrays side by side."""
        return -(-self.neurons // self.card.neurons)

    @property
    def tiles(self) -> int:
        """Arrays in all."""
        return self.row_tiles * self.column_tiles

    @property
    def utilisation(self) -> float:
        """Share of the cells of these arrays that hold weights."""
        return self.rows * self.columns / (self.tiles * self.card.array.rows * self.card.array.columns)

    @property
    def scale(self) -> Tensor:
        """What 1 LSB of a neuron's sum counts for inputs of 1, [neurons]."""
        return self.log_scale.exp()

    def seed(self, part: str = "bit lines") -> int:
        """Of what is drawn once for a part of this layer of this chip: 32 bits, as many as generators look at."""
        return crc32(f"{self.name}/{part}/{self.chip}".encode())

    def word_lines(self, errors: Tensor, converter: Converter = IDEAL) -> Tensor:
        """What word lines of this chip sense when its bit lines are driven.

            x_r = sum over h of C(sum over n of h, k of s_n L^k line_rnk e_n),

        with the letters of memsim.imc.layers and h the arrays side by side. Bit lines show s_n L^k e_n, as the width of
        a pulse, and what they are read against shows the opposite. Resistors transfer the same currents either way, so
        that wires are those of reads, and cells have their read noise. Each word line of each array has a part of the
        converter, and what these give is added in digital.

        Args:
            errors: of the outputs, [neurons, vectors].
            converter: of the sums of an array, in units of weights times errors; ideal where left out.

        Returns:
            [rows, vectors] in units of weights times errors, or sums of decisions.

        Raises:
            InputError: amplifiers that remember, as reads backwards have no order.
        """
        if converter.sequential:
            raise InputError(
                "hysteresis of amplifiers of word lines is of their last read, and reads backwards have no order; give "
                "a converter with hysteresis = 0"
            )
        counts = errors.new_tensor(powers(self.card))[:, None]
        driven = (errors * self.scale[:, None])[:, None] * counts
        source = self._source(self.seed("word lines"))
        parts = converter.made(self.column_tiles, self.rows, source).to(errors)
        arrays, total = self.card.neurons, torch.zeros(())
        for tile, own in enumerate(driven.split(arrays)):
            first = tile * arrays * self.card.slices
            p = self._sensed(own.flatten(0, 1), first)
            total = total + converter.reads(p, parts[tile % len(parts)][None], self.generator)[0].mT
        return total

    def _sensed(self, driven: Tensor, first: int) -> Tensor:
        """Of word lines, [1, vectors, rows], when lines from the first on are driven, [lines, vectors]."""
        lines, own = self._hardware().lines, slice(first, first + len(driven))
        p = (lines.sums[:, own] @ driven).mT
        if lines.variance is not None:
            spread = (lines.variance[:, own] @ driven.square()).sqrt().mT
            p = p + spread * normal(p, self.generator)
        return p[None]

    def integers(self) -> Tensor:
        """The weights as ideal hardware holds them, [neurons, rows] in LSB."""
        with torch.no_grad():
            ideal = self.card.changed(IDEAL_CELLS)
            lines = programmed(self._normalised(), ideal, torch.Generator(self.weight.device)).sums
            return (lines.unflatten(-1, (self.neurons, -1)) @ lines.new_tensor(powers(self.card))).mT

    def conductances(self) -> Tensor:
        """What the bit lines of the chip multiply with, [rows, bit lines] in S."""
        with torch.no_grad():
            return conductances(self._normalised(), self.card, self._source(self.seed()))

    def cells(self) -> list[Tensor]:
        """Conductances of this chip in S, [rows, bit lines] for each column of arrays; a reference column is last."""
        source = self._source(self.seed())
        with torch.no_grad():
            blocks = self._normalised().split(self.card.neurons, -1)
            return [cells_of(block, self.card, source) for block in blocks]

    def _normalised(self) -> Tensor:
        """Weights between -1 and 1, [rows, neurons]."""
        span = largest_weight(self.card) * self.scale[:, None]
        return (self.weight / span).clamp(-1, 1).mT

    def _hardware(self) -> Made:
        """Arrays and converters: made anew for each call or inference in training, else kept while nothing changes."""
        if self.training:
            made = self._of_inference or self._made(self._fresh_seed())
            self._of_inference = made if self.in_inference else None
            return made
        seed, kept = self.seed(), self._kept
        if kept is None or kept.seed != seed or not kept.holds(self.weight, self.log_scale):
            with torch.no_grad():
                made = self._made(seed)
            self._kept = kept = _Kept(
                seed, self.weight.detach().clone(), self.log_scale.detach().clone(), made
            )
        return kept.made

    def _made(self, seed: int) -> Made:
        self._check_finite()
        source = self._source(seed)
        lines = programmed(self._normalised(), self.card, source)
        return Made(lines, self.converter.made(self.row_tiles, lines.sums.shape[-1], source))

    def _check_finite(self) -> None:
        for key, parameter in self.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise InputError(
                    f"{self.name} has a {key} that is not finite, which converters would hide; train it anew, with "
                    "smaller steps"
                )

    def _source(self, seed: int) -> torch.Generator:
        """Of all that is drawn once for a chip, where its weights are."""
        return torch.Generator(self.weight.device).manual_seed(seed)

    def _fresh_seed(self) -> int:
        return self._drawn_seed() if self.meets_chips and self.generator is not None else self.seed()

    def _drawn_seed(self) -> int:
        source = noise_source(self.generator)
        return int(torch.randint(2**62, (), generator=source, device=source.device))


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)
