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

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.accumulators import check_accumulator
from memsim.imc.converters import Converter, converter_of, decides
from memsim.imc.counts import check_shape
from memsim.imc.estimators import Estimator
from memsim.imc.grid import shared_out
from memsim.imc.hardware import HardwareCard
from memsim.imc.inputs import InputCoding, Shown
from memsim.imc.moments import Moment
from memsim.imc.order import InOrder, Memory, steps_of
from memsim.imc.patches import Cut, Patches, Rows
from memsim.imc.programmed import IDEAL, Made, ProgrammedLayer
from memsim.imc.reading import PIECE_ON_CPU, Arrays, Operands
from memsim.imc.tiles import powers

FIRST_WIDTH = 1.0
"""Of the gradient of decisions, where nothing else is asked for [LSB]."""


class MappedLayer(ProgrammedLayer):
    """A fully connected or convolutional layer on tiles.

    In training mode the hardware is made anew at each call, so that a network learns to live with any chip; in
    evaluation it is the one of `chip`.

    Args:
        weight: [neurons, ...] as of nn.Linear or nn.Conv2d.
        bias: [neurons].
        card: the hardware.
        patches: of a convolution; None for a fully connected layer.
        name: of the layer on its chip, and in messages.
        generator: source of all noise, and of the chips made while training.
        chip: which one it is: what is drawn once for a layer follows from its name and this number.

    Attributes:
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
        super().__init__(weight, bias, card, name=name, generator=generator, chip=chip)
        self.patches, like = patches, self.weight
        self.gain = nn.Parameter(like.new_ones(card.slices), requires_grad=self.decides)
        self.trim = nn.Parameter(like.new_zeros(self.row_tiles, self.neurons * card.slices))
        self.register_parameter("step_bias", None)
        self.memory: Memory | None = None
        self.coding, self._own_step = InputCoding.of(card.inputs), card.converter.step
        self.trains_with("exact", FIRST_WIDTH)
        self._check_accumulator()
        self.register_load_state_dict_pre_hook(_room_for_steps)
        self.register_load_state_dict_pre_hook(_of_earlier_checkpoints)

    @property
    def cut(self) -> Cut:
        """How inputs become vectors."""
        return self.patches or Rows()

    @property
    def decides(self) -> bool:
        """Whether columns are read by decisions instead of numbers."""
        return decides(self.card)

    @property
    def remembers(self) -> bool:
        """Whether its reads depend on the ones before, or on the step."""
        return self.converter.sequential or self.step_bias is not None

    @property
    def reads_per_vector(self) -> int:
        """Times that an array is read for one input vector."""
        return self.coding.reads

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
            self._check_accumulator()
        except InputError:
            self.coding = before
            raise

    def fit_step(self, step: float | None) -> None:
        """Read by ADCs of another step [LSB]; None is the one that follows from the card."""
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
        """Take over what was fitted; what was not is as the card has it."""
        low, high, step = state.tolist()
        if high > low:
            self.fit_inputs(low, high)
        else:
            self.coding = InputCoding.of(self.card.inputs)
        wanted = step or self._own_step
        if wanted != self.card.converter.step:
            self.fit_step(wanted)

    def trains_with(self, gradient: Estimator, width: float) -> None:
        """Choose the gradient of decisions, and its width [LSB]; `exact` adds noise of that width while training."""
        self.training_converter = converter_of(self.card, gradient, width)

    def with_step_bias(self, bias: Tensor | None) -> MappedLayer:
        """This layer with biases of single steps in its column references, or without them.

        They move what each tile decides; schedules of thresholds are those of neurons, behind the sums of tiles. Their
        words are kept on the chip, one for each column and step.

        Args:
            bias: [steps, neurons] in units of outputs, added to the bias; inferences of more steps are refused.

        Raises:
            InputError: another shape, or biases that are not finite.
        """
        if bias is not None and (bias.ndim != 2 or bias.shape[1] != self.neurons or not len(bias)):
            raise InputError(
                f"biases of steps have shape {list(bias.shape)}; {self.name} takes [steps, {self.neurons}]"
            )
        if bias is not None and not bool(bias.isfinite().all()):
            raise InputError(f"biases of steps of {self.name} are not all finite; give finite ones")
        self.step_bias = None if bias is None else nn.Parameter(bias.detach().to(self.bias).clone())
        return self

    def vectors(self, inputs: Tensor) -> Tensor:
        """What word lines get, [vectors, rows], from inputs as torch's layers take them."""
        return self.cut(self._batched(inputs))

    def _batched(self, inputs: Tensor) -> Tensor:
        """Inputs as vectors [vectors, rows], or as images [n, channels, height, width].

        Raises:
            InputError: they do not fit the word lines.
        """
        batch = self.cut.batch(inputs, self.name)
        self._check_kind(inputs, "inputs")
        self._check_rows(batch)
        return batch

    def _check_kind(self, given: Tensor, what: str) -> None:
        if given.dtype != self.weight.dtype:
            raise InputError(
                f"{self.name} gets {what} of {given.dtype}; allowed: {self.weight.dtype}, as its weights"
            )

    def _check_rows(self, batch: Tensor) -> None:
        rows = self.cut.rows(batch)
        if rows != self.fan_in:
            raise InputError(f"{self.name} has {self.fan_in} word lines; inputs have {rows} values")

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
        return self.cut.shaped(found[0] if len(found) == 1 else torch.cat(found), inputs)

    def _read_at(self, moment: Moment, made: Made, counts: Tensor) -> Tensor:
        references = {rail: self.reference(rail, moment.step) for rail in (1, -1)[: self.coding.rails]}

        def read(part: Tensor, rail: int) -> Tensor:
            given = Operands(part, made.lines.sums, references[rail], counts)
            return self._arrays(made, moment.order).read(given)

        return moment.read(self.coding.shown(moment.inputs), read)

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
        steps = steps_of(self.cut.leading(inputs, batch), memory.samples, self.name)
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

    @torch.no_grad()
    def transposed(
        self, errors: Tensor, *, shape: Sequence[int] | None = None, converter: Converter = IDEAL
    ) -> Tensor:
        """What word lines sense when bit lines are driven: the same cells of this chip, read the other way.

        See `ProgrammedLayer.word_lines`. A convolution drives bit lines position by position of its outputs; what a
        pixel has got from all positions that saw it is added in digital.

        Args:
            errors: of the outputs, [..., neurons] or images as the layer gives them.
            shape: of the inputs of a convolution, which that of its outputs does not tell; [..., rows] of others.
            converter: of word lines; ideal where left out. `SenseAmplifier()` gives signs, `TernaryAmplifier` signs
                with a dead zone. Its numbers are in units of weights times errors, and its offsets those of this chip.

        Returns:
            Of the shape of the inputs, in units of weights times errors or as sums of decisions, from which clipped and
            binary inputs take nothing away.

        Raises:
            InputError: errors of another shape or dtype, no shape of a convolution or another, amplifiers that
                remember, or a layer in training mode, whose chip is new at each call.
        """
        if self.training and self.meets_chips and self.generator is not None:
            raise InputError(f"{self.name} meets a new chip at each call in training mode; call eval() first")
        if shape is not None:
            check_shape(shape)
        self._check_kind(errors, "errors")
        given = self.cut.errors(errors, self.name)
        if given.shape[1] != self.neurons:
            raise InputError(f"{self.name} has {self.neurons} neurons; errors have {given.shape[1]} values")
        with torch.enable_grad():
            inputs = given.new_zeros(
                self.cut.shape(errors, self.fan_in, shape, self.name), requires_grad=True
            )
            framed = self.cut.batch(inputs, self.name)
        self._check_rows(framed)
        into = self.cut.vectors(framed.detach()).zeros()
        if given.shape != into.outputs(self.neurons):
            raise InputError(
                f"{self.name} gives {list(into.outputs(self.neurons))} for inputs {list(inputs.shape)}; errors have "
                f"shape {list(errors.shape)}"
            )
        for piece in into.pieces(1 + PIECE_ON_CPU // (self.rows + self.columns)):
            into.add(piece, self.word_lines(into.of_outputs(given, piece).flatten(1), converter))
        return torch.autograd.grad(framed, inputs, into.inputs)[0]

    def thresholds(self) -> Tensor:
        """What is added to partial sums before decisions of this chip, [tiles of rows, lines] in LSB."""
        with torch.no_grad():
            return self.reference() + self._made(self.seed()).converters.squeeze(1)

    @property
    def _reader(self) -> Converter:
        return self.training_converter if self.training else self.converter

    def _arrays(self, made: Made, order: InOrder | None = None) -> Arrays:
        """For one read of all vectors, with read noise of its own."""
        variance = made.lines.variance
        return Arrays(
            cut=self.cut,
            height=self.card.array.rows,
            variance=variance,
            noise_seed=0 if variance is None else self._drawn_seed(),
            converter=self._reader,
            converters=made.converters,
            generator=self.generator,
            order=order,
        )

    def _check_accumulator(self) -> None:
        check_accumulator(self.card, self.coding, rows=self.fan_in, name=self.name)


def _room_for_steps(module: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """Layers have biases of steps where a state_dict has some; an optimiser keeps those that fit."""
    layer, given = cast("MappedLayer", module), tensors.get(f"{prefix}step_bias")
    if given is None or layer.step_bias is None or layer.step_bias.shape != given.shape:
        layer.with_step_bias(given)


def _of_earlier_checkpoints(layer: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """In which nothing was fitted to data."""
    tensors.setdefault(f"{prefix}_extra_state", cast("MappedLayer", layer).get_extra_state())
