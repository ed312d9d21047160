"""A layer as the hardware computes it: inputs on word lines, tile by tile, digit by digit.

With W = s W_int, where s is the scale of a neuron and W_int its weights on the grid of the card,

    p_gk = sum of lines over the rows of tile g + r_gk,   u = sum over g, k of L^k a_k C(p_gk),   y = s u

where C is the converter, a_k what a decision counts (1 of converters that give numbers) and r_gk the column reference.
The reference is the one place for everything that inputs do not change: bias and folded normalisation, biases of single
steps, as integers that are shared out to tiles and digits so that their sum is exact, and trims, which calibrate or are
trained.

Scale, reference and a_k are trained together with the weights. Rounding passes gradients straight through, with the
step sizes learned as in Esser et al., Learned step size quantization, ICLR 2020 (arXiv:1902.08153).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.converters import Converter, converter_of, noise_source, normal
from memsim.imc.estimators import Estimator
from memsim.imc.grid import first_scale, shared_out
from memsim.imc.hardware import HardwareCard
from memsim.imc.inputs import InputCoding, Shown
from memsim.imc.order import InOrder, Memory, steps_of
from memsim.imc.patches import Cut, Patches, Rows
from memsim.imc.reading import Arrays, Operands
from memsim.imc.tiles import Lines, cells_of, conductances, largest_weight, powers, programmed

FIRST_WIDTH = 1.0
"""Of the gradient of decisions, where nothing else is asked for [LSB]."""
IDEAL_CELLS = {
    "cell.variation": 0.0,
    "cell.stuck_rate": 0.0,
    "cell.read_noise": 0.0,
    "wires": {"word_line": 0.0, "bit_line": 0.0},
}


class Made(NamedTuple):
    """What a layer consists of once it is made: programmed arrays, and what each line is read by."""

    lines: Lines
    converters: Tensor


class Moment(NamedTuple):
    """Inputs that are read with the same references.

    Attributes:
        inputs: as integers, vectors [vectors, rows] or images [n, channels, height, width].
        step: of the inference, the first of those that are read together.
        order: of these reads, where they depend on the ones before.
    """

    inputs: Tensor
    step: int
    order: InOrder | None


def decides(card: HardwareCard) -> bool:
    """Whether columns of a chip are read as decisions."""
    return card.converter.kind in {"sense-amplifier", "ternary"}


def weighted(reads: list[Tensor], shown: list[Shown]) -> Tensor:
    """Reads of what was shown, added as they count."""
    if len(reads) == 1:
        return reads[0]
    return torch.stack([read * show.counts for read, show in zip(reads, shown, strict=True)]).sum(0)


class MappedLayer(nn.Module):
    """A fully connected or convolutional layer on tiles.

    In training mode the hardware is made anew at each call, so that a network learns to live with any chip; in
    evaluation it is the one of `chip`.

    Args:
        weight: [neurons, ...] as of nn.Linear or nn.Conv2d.
        bias: [neurons].
        card: the hardware.
        patches: of a convolution; None for a fully connected layer.
        name: of the layer, for messages.
        generator: source of all noise, and of the chips made while training.
        chip: which one it is: seed of what is drawn once.

    Attributes:
        log_scale: logarithm of what 1 LSB of a neuron's sum counts, [neurons]; its steps are shares of the scale.
        gain: what a decision of each slice counts, [slices] in LSB.
        coding: how inputs are shown.
        trim: of the column references, [tiles of rows, lines] in LSB.
        step_bias: what is added to the bias at each step of an inference, [steps, neurons]; see `with_step_bias`.
        memory: of the inference that the layer is in; see memsim.imc.inferences.

    Raises:
        InputError: an accumulator too narrow for this layer.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        card: HardwareCard,
        *,
        patches: Patches | None = None,
        name: str = "layer",
        generator: torch.Generator | None = None,
        chip: int = 0,
    ) -> None:
        super().__init__()
        flat = weight.detach().flatten(1)
        self.card, self.patches, self.name = card, patches, name
        self.generator, self.chip = generator, chip
        self.neurons, self.fan_in = flat.shape
        self.weight = nn.Parameter(flat.clone())
        self.bias = nn.Parameter(flat.new_zeros(self.neurons) if bias is None else bias.detach().clone())
        self.log_scale = nn.Parameter(first_scale(flat, self.bias.detach(), card).log())
        self.gain = nn.Parameter(flat.new_ones(card.slices), requires_grad=self.decides)
        self.trim = nn.Parameter(flat.new_zeros(self.row_tiles, self.neurons * card.slices))
        self.register_parameter("step_bias", None)
        self.memory: Memory | None = None
        self.coding = InputCoding(card.inputs)
        self.converter = converter_of(card)
        self.trains_with("exact", FIRST_WIDTH)
        self._kept: tuple[tuple[int, ...], Made] | None = None
        self._check_counter()
        self.register_load_state_dict_pre_hook(_room_for_steps)
        self.register_load_state_dict_pre_hook(_of_earlier_checkpoints)

    def train(self, mode: bool = True) -> MappedLayer:
        """Switch to training or evaluation; arrays are made anew, as fused optimisers change weights unseen."""
        self._kept = None
        super().train(mode)
        return self

    @property
    def decides(self) -> bool:
        """Whether columns are read by decisions instead of numbers."""
        return decides(self.card)

    @property
    def remembers(self) -> bool:
        """Whether its reads depend on the ones before, or on the step."""
        return self.converter.sequential or self.step_bias is not None

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
    def reads_per_vector(self) -> int:
        """Times that an array is read for one input vector."""
        return self.coding.reads

    @property
    def scale(self) -> Tensor:
        """What 1 LSB of a neuron's sum counts for inputs of 1, [neurons]."""
        return self.log_scale.exp()

    @property
    def _unit(self) -> Tensor:
        """What 1 LSB of a neuron's sum counts for the largest input that is shown, [neurons]."""
        return self.scale * self.coding.unit

    def fit_inputs(self, low: float, high: float) -> None:
        """Show inputs from low to high; beyond they are clipped.

        Raises:
            InputError: no range, or an accumulator too narrow for inputs of both signs.
        """
        before = self.coding
        self.coding = before.fit(low, high)
        try:
            self._check_counter()
        except InputError:
            self.coding = before
            raise

    def fit_step(self, step: float) -> None:
        """Read by ADCs of another step [LSB]."""
        self.card = self.card.changed({"converter.step": step})
        self.converter = converter_of(self.card)
        # an ADC is the same in training
        self.training_converter = self.converter
        self._kept = None

    def get_extra_state(self) -> Tensor:
        """What was fitted to data, [3]: the range of inputs, and the step of ADCs in LSB; zeros for what was not."""
        low, high = (self.coding.low, self.coding.high) if self.coding.fitted else (0.0, 0.0)
        return torch.tensor([low, high, self.card.converter.step or 0.0], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what was fitted."""
        low, high, step = state.tolist()
        if high > low:
            self.fit_inputs(low, high)
        if step and step != self.card.converter.step:
            self.fit_step(step)

    def trains_with(self, gradient: Estimator, width: float) -> None:
        """Choose the gradient of decisions, and its width [LSB]; `exact` adds noise of that width while training."""
        self.training_converter = converter_of(self.card, gradient, width)

    def with_step_bias(self, bias: Tensor | None) -> MappedLayer:
        """This layer with biases of single steps in its column references, or without them.

        Batch normalisation through time, biases that leak and thresholds that follow a schedule are such biases. Their
        words are kept on the chip, one for each column and step.

        Args:
            bias: [steps, neurons] in units of outputs, added to the bias; inferences of more steps are refused.

        Raises:
            InputError: another shape.
        """
        if bias is not None and (bias.ndim != 2 or bias.shape[1] != self.neurons or not len(bias)):
            raise InputError(
                f"biases of steps have shape {list(bias.shape)}; {self.name} takes [steps, {self.neurons}]"
            )
        self.step_bias = None if bias is None else nn.Parameter(bias.detach().to(self.bias).clone())
        return self

    def vectors(self, inputs: Tensor) -> Tensor:
        """What word lines get, [vectors, rows], from inputs as torch's layers take them."""
        batch = self._batched(inputs)
        return batch if self.patches is None else self.patches(batch)

    def _batched(self, inputs: Tensor) -> Tensor:
        """Inputs as vectors [vectors, rows], or as images [n, channels, height, width].

        Raises:
            InputError: they do not fit the word lines.
        """
        patches = self.patches
        batch = _as_vectors(inputs) if patches is None else patches.frame.images(inputs, self.name)
        if inputs.dtype != self.weight.dtype:
            raise InputError(
                f"{self.name} gets inputs of {inputs.dtype}; allowed: {self.weight.dtype}, as its weights"
            )
        rows = batch.shape[1] * (1 if patches is None else math.prod(patches.kernel))
        if rows != self.fan_in:
            raise InputError(f"{self.name} has {self.fan_in} word lines; inputs have {rows} values")
        return batch

    def shown(self, inputs: Tensor) -> list[Shown]:
        """What word lines get one after the other, [vectors, rows] each, for inputs as torch's layers take them.

        Raises:
            InputError: inputs that the coding cannot present, or a shape that does not fit.
        """
        return self.coding.shown(self.vectors(self.coding.coded(inputs, self.name)))

    def forward(self, inputs: Tensor) -> Tensor:
        """As the layer of torch, but as this hardware computes it.

        Raises:
            InputError: inputs that the coding cannot present, or a shape that does not fit.
        """
        made, memory = self._hardware(), self._ahead()
        digits = self.gain * self.gain.new_tensor(powers(self.card))
        counts = digits * (self._unit / self.coding.largest)[:, None]
        found = [self._read_at(moment, made, counts) for moment in self.moments(inputs, memory)]
        self.memory = memory
        return self._shaped(found[0] if len(found) == 1 else torch.cat(found), inputs)

    def _read_at(self, moment: Moment, made: Made, counts: Tensor) -> Tensor:
        shown, biased = self.coding.shown(moment.inputs), self.reference(step=moment.step)
        if moment.order is not None:
            # digits follow each other at each position, so that amplifiers that remember must see all of them
            parts = torch.cat([part for part, _ in shown])
            given = Operands(parts, made.lines.sums, biased, counts)
            return weighted(list(self._arrays(made, moment.order).read(given).chunk(len(shown))), shown)
        bare = self.reference(-1, moment.step)
        reads = [
            self._arrays(made).read(Operands(part, made.lines.sums, bare if sign < 0 else biased, counts))
            for part, sign in shown
        ]
        return weighted(reads, shown)

    def moments(self, inputs: Tensor, memory: Memory | None) -> Iterator[Moment]:
        """Inputs as integers with the step that they are read at, one step after the other where references change.

        Args:
            inputs: as torch's layers take them.
            memory: of the inference, whose steps are counted on; None for layers that do not remember.

        Raises:
            InputError: inputs that the coding cannot present, or that do not fit the inference.
        """
        batch = self._batched(self.coding.coded(inputs, self.name))
        if memory is None or not self.remembers:
            yield Moment(batch, 0, None)
            return
        if self.converter.sequential and self.coding.signed:
            raise InputError(
                f"{self.name} shows inputs of both signs in reads with references of their own, and its amplifiers "
                "remember across reads; give inputs of one sign, or converter.hysteresis = 0"
            )
        leading = inputs.shape[:-1] if self.patches is None else batch.shape[:1]
        steps = steps_of(leading, memory.samples, self.name)
        apart = self.step_bias is not None
        for part in batch.chunk(steps) if apart else [batch]:
            taken = 1 if apart else steps
            order = InOrder(memory, self.coding.reads, taken) if self.converter.sequential else None
            yield Moment(part, memory.steps, order)
            memory.steps += taken

    def _ahead(self) -> Memory | None:
        """A copy of the memory, which reads may change.

        Raises:
            InputError: a layer that remembers, and nobody said where its inferences begin.
        """
        if self.memory is None and self.remembers:
            why = (
                "amplifiers remember their last decision"
                if self.converter.sequential
                else "biases are of steps"
            )
            raise InputError(
                f"{self.name} is read outside an inference, and its {why}; say where inferences begin: "
                "`with memsim.imc.inference(model, samples=len(batch)):` around all of their steps"
            )
        return None if self.memory is None else self.memory.copy()

    def partial_sums(self, x: Tensor, made: Made | None = None, *, counts: int = 1, step: int = 0) -> Tensor:
        """Of each tile, as its converters see them, [tiles of rows, vectors, lines] in LSB.

        Args:
            x: inputs as integers, [vectors, rows].
            made: the hardware; that of this moment where left out.
            counts: what the read counts; below zero it is read without bias.
            step: of the inference; it changes nothing without biases of steps.
        """
        made = self._hardware() if made is None else made
        arrays = self._arrays(made)
        noise = arrays.cell_noise(x.device)
        tiles = arrays.tiles(made.lines.sums, self.reference(counts, step))
        return torch.cat([tile.sums(x.mT, noise) for tile in tiles])

    def reference(self, counts: int = 1, step: int = 0) -> Tensor:
        """Column references [tiles of rows, lines] in LSB: shares of the bias, and trims.

        They are on as long as inputs are: for each digit of bit-serial ones, for all pulses of counts. Of reads that
        count less than zero they are trims alone, so that the bias is there once.

        Args:
            counts: what the read counts.
            step: of the inference; it changes nothing without biases of steps.

        Raises:
            InputError: a step that has no bias.
        """
        if counts < 0:
            return self.coding.pulses * self.trim
        bias: Tensor = self.bias
        if self.step_bias is not None:
            if not 0 <= step < len(self.step_bias):
                raise InputError(
                    f"{self.name} is read at step {step}, and has biases of {len(self.step_bias)} steps; give biases "
                    "of more, or begin another inference"
                )
            bias = bias + self.step_bias[step]
        shares = shared_out(bias / self._unit, self.row_tiles, self.card)
        return self.coding.pulses * (shares + self.trim)

    def added(self, read: Tensor) -> Tensor:
        """Converted lines [tiles of rows, vectors, lines], added over tiles: [vectors, neurons, slices] in LSB."""
        total = read[0] if len(read) == 1 else read.sum(0)
        return total.unflatten(-1, (self.neurons, -1))

    def read(self, p: Tensor, made: Made | None = None, *, order: InOrder | None = None) -> Tensor:
        """What converters make of partial sums [tiles of rows, vectors, lines].

        Args:
            p: the sums; digits of serial inputs one after the other where there is an order.
            made: the hardware; that of this moment where left out.
            order: of these reads; where left out all of them follow each other.
        """
        made = self._hardware() if made is None else made
        if order is None:
            return self._reader(p, made.converters, self.generator)
        arrays = self._arrays(made, order)
        tiles = arrays.tiles(made.lines.sums, self.trim)
        reads = [arrays.converted(k, p[k][None], tile.converters) for k, tile in enumerate(tiles)]
        return torch.cat(reads)

    def transposed(self, errors: Tensor) -> Tensor:
        """What word lines sense when bit lines are driven: the same cells of this chip, read the other way.

            x_r = sum over n, k of s_n L^k line_rnk e_n,

        with the letters of this module. Bit lines show s_n L^k e_n, as the width of a pulse, and what they are read
        against shows the opposite. Resistors transfer the same currents either way, so that wires are those of reads,
        and cells have their read noise. What senses word lines is ideal, and sums of tiles are added in digital.

        Args:
            errors: of the outputs, [..., neurons].

        Returns:
            [..., rows] in units of weights times errors, from which clipped and binary inputs take nothing away.

        Raises:
            InputError: a convolution, errors of another shape, or a layer in training mode, whose chip is new at each
                call.
        """
        if self.patches is not None:
            raise InputError(f"{self.name} is a convolution; transposed reads are of fully connected layers")
        if errors.shape[-1] != self.neurons:
            raise InputError(f"{self.name} has {self.neurons} neurons; errors have {errors.shape[-1]} values")
        if self.training and self.generator is not None:
            raise InputError(f"{self.name} meets a new chip at each call in training mode; call eval() first")
        lines = self._hardware().lines
        shown = (errors * self.scale)[..., None] * self.gain.new_tensor(powers(self.card))
        driven = shown.flatten(-2)
        found = driven @ lines.sums.mT
        if lines.variance is None:
            return found
        return found + (driven.square() @ lines.variance.mT).sqrt() * normal(found, self.generator)

    def integers(self) -> Tensor:
        """The weights as ideal hardware holds them, [neurons, rows] in LSB."""
        with torch.no_grad():
            ideal = self.card.changed(IDEAL_CELLS)
            lines = programmed(self._normalised(), ideal, torch.Generator(self.weight.device)).sums
            return (lines.unflatten(-1, (self.neurons, -1)) @ lines.new_tensor(powers(self.card))).mT

    def conductances(self) -> Tensor:
        """What the bit lines of the chip multiply with, [rows, bit lines] in S."""
        with torch.no_grad():
            return conductances(self._normalised(), self.card, self._source(self.chip))

    def cells(self) -> list[Tensor]:
        """Conductances of this chip in S, [rows, bit lines] for each column of arrays; a reference column is last."""
        source = self._source(self.chip)
        with torch.no_grad():
            blocks = self._normalised().split(self.card.neurons, -1)
            return [cells_of(block, self.card, source) for block in blocks]

    def thresholds(self) -> Tensor:
        """What is added to partial sums before decisions of this chip, [tiles of rows, lines] in LSB."""
        with torch.no_grad():
            return self.reference() + self._made(self.chip).converters.squeeze(1)

    @property
    def _reader(self) -> Converter:
        return self.training_converter if self.training else self.converter

    def _arrays(self, made: Made, order: InOrder | None = None) -> Arrays:
        """For one read of all vectors, with read noise of its own."""
        variance = made.lines.variance
        return Arrays(
            cut=self._cut,
            height=self.card.array.rows,
            variance=variance,
            noise_seed=0 if variance is None else self._drawn_seed(),
            converter=self._reader,
            converters=made.converters,
            generator=self.generator,
            order=order,
        )

    @property
    def _cut(self) -> Cut:
        return self.patches or Rows()

    def _normalised(self) -> Tensor:
        """Weights between -1 and 1, [rows, neurons]."""
        span = largest_weight(self.card) * self.scale[:, None]
        return (self.weight / span).clamp(-1, 1).mT

    def _hardware(self) -> Made:
        """Arrays and converters: made anew where they are trained, else kept as long as nothing changes."""
        if self.training:
            return self._made(self._fresh_chip())
        tensors = (self.weight, self.log_scale)
        key = (self.chip, *(t.data_ptr() for t in tensors), *(t._version for t in tensors))
        if self._kept is None or self._kept[0] != key:
            with torch.no_grad():
                self._kept = key, self._made(self.chip)
        return self._kept[1]

    def _made(self, chip: int) -> Made:
        source = self._source(chip)
        lines = programmed(self._normalised(), self.card, source)
        return Made(lines, self.converter.made(self.row_tiles, lines.sums.shape[-1], source))

    def _source(self, chip: int) -> torch.Generator:
        """Of all that is drawn once for a chip, where its weights are."""
        return torch.Generator(self.weight.device).manual_seed(chip)

    def _fresh_chip(self) -> int:
        return self.chip if self.generator is None else self._drawn_seed()

    def _drawn_seed(self) -> int:
        source = noise_source(self.generator)
        return int(torch.randint(2**62, (), generator=source, device=source.device))

    def _shaped(self, y: Tensor, inputs: Tensor) -> Tensor:
        if self.patches is None:
            return y.reshape(*inputs.shape[:-1], self.neurons) if inputs.ndim != 2 else y
        return self.patches.frame.outputs(y, inputs)

    def _check_counter(self) -> None:
        """Raise InputError where sums could leave the accumulator."""
        table, converter = self.card.accumulation, self.card.converter
        if table.kind == "analog":
            return
        grid = self.card.step if converter.adc else 1 if self.decides else 0.5
        one = 2 ** (converter.bits - 1) * grid if converter.adc else 1.0
        if converter.kind == "ideal":
            one = min(self.fan_in, self.card.array.rows) * (self.card.cell.levels - 1)
        largest = one * self.row_tiles * sum(powers(self.card)) * self.coding.largest * self.coding.rails
        needed = math.ceil(math.log2(largest / grid + 1)) + 1
        if needed > table.width:
            raise InputError(
                f"accumulation.bits = {table.width} is too narrow for {self.name}, whose sums need {needed}; "
                "allowed: at least that"
            )


def _as_vectors(inputs: Tensor) -> Tensor:
    """Inputs [..., rows] of a fully connected layer, or a single vector, as [vectors, rows]."""
    return inputs[None] if inputs.ndim == 1 else inputs.flatten(0, -2)


def _room_for_steps(module: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """Layers have biases of steps where a state_dict has some; an optimiser keeps those that fit."""
    layer, given = cast("MappedLayer", module), tensors.get(f"{prefix}step_bias")
    if given is None or layer.step_bias is None or layer.step_bias.shape != given.shape:
        layer.with_step_bias(given)


def _of_earlier_checkpoints(layer: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """In which nothing was fitted to data."""
    tensors.setdefault(f"{prefix}_extra_state", cast("MappedLayer", layer).get_extra_state())
