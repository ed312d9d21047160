"""Synapses: from the outputs of neurons, or an input, to currents into other neurons.

What they are made of and how they are laid out are two things: `Dense` and `Convolutional` put voltages on the word
lines of a crossbar, or of what it is mapped to; `Ideal` is plain arithmetic, or what that is mapped to. A bias is a
word line that is always on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.imc.layers import MappedLayer
from memsim.networks.geometry import Convolution, as_image, by_group, one_group, output_sides

Read = Callable[[Any, Tensor], Tensor]
"""What is asked of a crossbar, [..., columns], for voltages [..., rows] in V."""


def currents(crossbar: nn.Module, voltage: Tensor) -> Tensor:
    """Neuron currents of a crossbar [A]."""
    return crossbar(voltage)


class Synapse(ABC, nn.Module):
    """From the outputs of one layer to the currents into the next.

    Attributes:
        shape: of the neurons behind it: (neurons,) or (channels, height, width).
        reorders: whether it takes lines in another order than they come in, so that its groups get whole channels.
    """

    shape: tuple[int, ...]
    reorders: bool = False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Currents [..., neurons] for outputs [..., inputs]."""

    def driven(self, amplitude: Tensor, pulses: Tensor) -> Tensor:
        """Currents [time, batch, neurons] while inputs follow pulses, [time, slots], of amplitudes [batch, slots, in].

        A synapse is linear: one product for each amplitude instead of one for each time.

        On hardware that is a choice: arrays of the first layer are read once for each pulse, with its amplitude on the
        word lines, and what their converters give scales a pulse behind them. A converter that decides sees amplitudes,
        not the rise and fall of a pulse. Arrays of later layers are read anew at every sample of time.
        """
        return torch.einsum("tk,bkn->tbn", pulses, self(amplitude))

    def matrix(self) -> Tensor | None:
        """Currents over inputs, [inputs, neurons]; None where they are no product with one."""
        return None

    def transposed(self, y: Tensor) -> Tensor:
        """What its lines sense, [..., inputs], while neurons drive at [..., neurons]: the same arrays, the other way.

        Raises:
            InputError: no dense synapse.
        """
        raise InputError(
            f"{type(self).__name__} to {self.shape} neurons is no dense synapse, and is not read from its other side; "
            "give the layer neurons"
        )


class OnCrossbar(Synapse):
    """A synapse on one crossbar.

    Args:
        crossbar: the cells.
        bias: voltage of a last word line that is always on [V]; there is none where left out.
    """

    def __init__(self, crossbar: Crossbar, bias: float | None = None) -> None:
        super().__init__()
        self.crossbar, self.bias = crossbar, bias

    @abstractmethod
    def lay_out(self, voltage: Tensor) -> Tensor:
        """Voltages of the word lines but the bias, with an axis of its own for places where there are several."""

    @abstractmethod
    def collect(self, found: Tensor, leading: tuple[int, ...]) -> Tensor:
        """What was read as [..., neurons], where the shape of the leading axes is given."""

    def forward(self, voltage: Tensor, read: Read = currents) -> Tensor:
        """Currents [..., neurons] in A, or what else `read` gives, for voltages [..., inputs] in V."""
        return self._read(voltage, self.bias, read)

    def driven(self, amplitude: Tensor, pulses: Tensor) -> Tensor:
        if self.bias is None:
            return super().driven(amplitude, pulses)
        pulsed = torch.einsum("tk,bkn->tbn", pulses, self._read(amplitude, 0.0, currents))
        # at the amplitude of a pulse, so that converters that code inputs see the whole line
        return pulsed + self.bias * self._read(torch.zeros_like(amplitude[:1, :1]), 1.0, currents)

    def _read(self, voltage: Tensor, bias: float | None, read: Read) -> Tensor:
        lines = self.lay_out(voltage)
        if bias is not None:
            lines = torch.cat([lines, lines.new_full((*lines.shape[:-1], 1), bias)], dim=-1)
        return self.collect(read(self.crossbar, lines), tuple(voltage.shape[:-1]))


class Dense(OnCrossbar):
    """Every input meets every neuron: word lines are the inputs, columns the neurons."""

    def __init__(self, crossbar: Crossbar, bias: float | None = None) -> None:
        super().__init__(crossbar, bias)
        self.shape = (crossbar.weight.shape[1],)

    def lay_out(self, voltage: Tensor) -> Tensor:
        return voltage

    def collect(self, found: Tensor, leading: tuple[int, ...]) -> Tensor:
        return found

    def transposed(self, y: Tensor) -> Tensor:
        """Currents [..., inputs] in A out of word lines for [..., neurons] in V, before any mirror."""
        found: Tensor = self.crossbar.transposed(y)
        return found if self.bias is None else found[..., :-1]

    def matrix(self) -> Tensor | None:
        array: nn.Module = self.crossbar  # or what it is mapped to
        if not isinstance(array, Crossbar) or self.bias is not None:
            return None
        made_of = array.hardware
        if made_of.cell is not None or made_of.read_noise is not None:
            return None
        return array.weight * array.gain if made_of.ideal else array.matrix()


class Convolutional(OnCrossbar):
    """Patches of an image applied to one crossbar, each with neurons of its own.

    Args:
        shape: of the input: (channels, height, width).
        convolution: kernel, stride, padding.
        crossbar: its word lines are the pixels of a patch, channel by channel and row by row.
        bias: see `OnCrossbar`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        convolution: Convolution,
        crossbar: Crossbar,
        bias: float | None = None,
    ) -> None:
        super().__init__(crossbar, bias)
        self.convolution, self.input_shape = convolution, shape
        self.shape = (convolution.channels, *output_sides(shape, convolution))

    def lay_out(self, voltage: Tensor) -> Tensor:
        c = self.convolution
        images = voltage.reshape(-1, *self.input_shape)
        return unfold(images, c.kernel, padding=c.padding, stride=c.stride).transpose(1, 2)

    def collect(self, found: Tensor, leading: tuple[int, ...]) -> Tensor:
        return found.transpose(1, 2).reshape(*leading, -1)


class Grouped(Synapse):
    """Convolutions of equal shape side by side, each of channels of its own: a block diagonal without its zeros.

    Args:
        groups: in the order of the channels.
        rails: word lines of each channel that comes in; all those of the first rail come first.
    """

    def __init__(self, groups: Sequence[Convolutional], rails: int = 1) -> None:
        super().__init__()
        self.rails, self.reorders = rails, rails > 1
        self.groups = nn.ModuleList(groups)
        channels, *sides = groups[0].shape
        self.bias, self.shape = groups[0].bias, (len(groups) * channels, *sides)

    @property
    def each(self) -> list[Convolutional]:
        """The groups, with their type."""
        return cast("list[Convolutional]", list(self.groups))

    def forward(self, voltage: Tensor, read: Read = currents) -> Tensor:
        return torch.cat([group(share, read) for group, share in self._shares(voltage)], dim=-1)

    def driven(self, amplitude: Tensor, pulses: Tensor) -> Tensor:
        return torch.cat([group.driven(share, pulses) for group, share in self._shares(amplitude)], dim=-1)

    def _shares(self, voltage: Tensor) -> Iterator[tuple[Convolutional, Tensor]]:
        lines = by_group(voltage, len(self.groups), self.rails)
        return zip(self.each, lines.chunk(len(self.groups), dim=-1), strict=True)


OnCrossbars = OnCrossbar | Grouped


def grouped(
    shape: tuple[int, int, int],
    convolution: Convolution,
    made: Callable[[tuple[int, int, int], Convolution], Convolutional],
    rails: int = 1,
) -> Convolutional | Grouped:
    """A convolution, `made` once, or once for each of its groups.

    Raises:
        InputError: groups that do not divide the channels.
    """
    share, own = one_group(shape, convolution, rails)
    groups = [made(share, own) for _ in range(convolution.groups)]
    return groups[0] if len(groups) == 1 else Grouped(groups, rails)


class Ideal(Synapse):
    """Plain arithmetic without unit: nn.Linear or nn.Conv2d, or what `map_to_imc` puts in their place.

    Attributes:
        along: of a convolution, what each place hears of the currents of all, [places, places] and symmetric; its own
            where None.

    Args:
        shape: of the input: (features,), (height, width) or (channels, height, width).
        module: takes [n, features], or [n, channels, height, width].
        convolution: where it is one.
        rails: lines of each channel that comes in; all those of the first rail come first.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        module: nn.Linear | nn.Conv2d,
        convolution: Convolution | None = None,
        rails: int = 1,
    ) -> None:
        super().__init__()
        self.module: nn.Module = module
        self.along: Tensor | None
        self.register_buffer("along", None)
        self.groups, self.rails = 1 if convolution is None else convolution.groups, rails
        self.reorders = self.groups > 1 and rails > 1
        self.image = None if convolution is None else as_image(shape)
        self.shape = (
            (int(module.weight.shape[0]),)
            if self.image is None or convolution is None
            else (convolution.channels, *output_sides(self.image, convolution))
        )

    def forward(self, x: Tensor) -> Tensor:
        lines = by_group(x, self.groups, self.rails)
        given = lines.reshape(-1, *self.image) if self.image else lines.reshape(-1, x.shape[-1])
        current = self.module(given)
        if self.along is not None:
            current = (current.flatten(2) @ self.along).view_as(current)
        return current.reshape(*x.shape[:-1], -1)

    def transposed(self, y: Tensor) -> Tensor:
        if isinstance(self.module, nn.Linear):
            return y @ self.module.weight
        if isinstance(self.module, MappedLayer) and self.image is None:
            return self.module.transposed(y)
        return super().transposed(y)

    def matrix(self) -> Tensor | None:
        plain = isinstance(self.module, nn.Linear) and self.module.bias is None
        return self.module.weight.mT if plain and isinstance(self.module, nn.Linear) else None


class OfSpikes(Synapse):
    """A crossbar in front of discrete neurons: a spike is a read voltage, currents are counted in thresholds.

    Args:
        array: the synapse on a crossbar.
        voltage: of a spike on a word line [V].
        unit: current that counts as 1 [A].
    """

    def __init__(self, array: OnCrossbars, *, voltage: float, unit: float) -> None:
        super().__init__()
        self.array, self.voltage, self.unit, self.shape = array, voltage, unit, array.shape

    def forward(self, x: Tensor) -> Tensor:
        """Currents [..., neurons] for spikes [..., inputs]."""
        current = self.array(self.voltage * x.flatten(0, -2)) / self.unit
        return current.view(*x.shape[:-1], -1)

    def transposed(self, y: Tensor) -> Tensor:
        return self.array.transposed(self.voltage * y) / self.unit

    def matrix(self) -> Tensor | None:
        found = self.array.matrix()
        return None if found is None else self.voltage / self.unit * found
