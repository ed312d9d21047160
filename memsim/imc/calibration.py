"""A mapped network fitted to its chip by inputs without labels: what decisions count, and averages behind the sums."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.digital import run_watched
from memsim.imc.inputs import Shown
from memsim.imc.layers import MappedLayer
from memsim.imc.mapping import evaluating, mapped_layers
from memsim.imc.moments import Moment, weighted
from memsim.imc.tiles import powers

TIE_BREAK = 0.5
"""Half a cell of reference decides sums of zero one way in half of the columns, the other way in the others [LSB]."""


def calibrate(model: nn.Module, inputs: Tensor) -> None:
    """Set what decisions count, layer by layer as inputs pass, and break ties by the column references.

    What the decisions of each slice count is found by least squares, so that sums of decisions come closest to the
    sums that they replace, in all uses of a layer. Layers that get nothing but zeros keep what theirs count.

    Args:
        model: a mapped network; what decisions count and trims are changed alone, none if this fails.
        inputs: as it takes them, without labels.

    Raises:
        InputError: no inputs, or none but zeros for all layers; code of a module that multiplies with parameters
            itself.
    """
    found = {name: _Calibration(layer) for name, layer in mapped_layers(model).items() if layer.decides}
    with evaluating(model):
        try:
            run_watched(model, inputs, [(one.layer, one) for one in found.values()])
            if found and not any(one.driven for one in found.values()):
                raise InputError(
                    f"{next(iter(found)) or 'the layer'} gets no input but zero, nor does any layer that decides; give "
                    "inputs that reach them"
                )
        except BaseException:
            for one in found.values():
                one.undo()
            raise
    for one in found.values():
        if not one.driven:
            one.layer.gain.data.copy_(one.gain)


def normalisations(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Batch normalisation with running averages, which is digital."""
    found = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in found if norm.track_running_stats]


def estimate_averages(model: nn.Module, inputs: Tensor | Sequence[Tensor]) -> None:
    """Replace the running averages of batch normalisation by those of inputs, as the chip in hand computes them.

    A network that was trained with a new chip for each batch has averages of all chips, and of none. Where a
    normalisation is called several times, as for each step of time, its averages are the plain mean over the calls.

    Args:
        model: a mapped network whose normalisation is digital; its averages alone are changed, none if this fails.
        inputs: as it takes them, without labels; some thousand are enough. Or batches of them, for less memory:
            averages are then the plain mean over the batches.

    Raises:
        InputError: no normalisation with averages, no inputs, or code of a module that multiplies with parameters
            itself.
    """
    batches = [inputs] if isinstance(inputs, Tensor) else inputs
    if not len(batches):
        raise InputError("inputs = [] holds no batch; give at least one")
    norms = normalisations(model)
    if not norms:
        raise InputError(
            "the network has no batch normalisation with running averages; map it with fold = False to keep it digital"
        )
    before = [(deepcopy(norm.state_dict()), norm.momentum) for norm in norms]
    with evaluating(model):
        try:
            for norm in norms:
                norm.reset_running_stats()
                # of torch: the plain mean
                norm.momentum = None
                norm.train()
            for batch in batches:
                run_watched(model, batch, [])
        except BaseException:
            for norm, (state, _) in zip(norms, before, strict=True):
                norm.load_state_dict(state)
            raise
        finally:
            for norm, (_, momentum) in zip(norms, before, strict=True):
                norm.momentum = momentum


class _Calibration:
    """Of one layer, over all of its uses so far."""

    def __init__(self, layer: MappedLayer) -> None:
        self.layer = layer
        self.gain, self.trim = layer.gain.detach().clone(), layer.trim.detach().clone()
        self.seen: Tensor | None = None
        self.driven = False

    @torch.no_grad()
    def undo(self) -> None:
        """Let decisions count as before, and trims be those of before."""
        self.layer.gain.copy_(self.gain)
        self.layer.trim.copy_(self.trim)

    def __call__(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        layer = self.layer
        self.driven = self.driven or bool(given[0].any())
        # a reference is on for every pulse of a read, and half a cell is of all of them
        layer.trim.copy_(_tie_breaks(layer) / layer.coding.pulses)
        rows = _decided_and_wanted(layer, given[0])
        rows = rows if self.seen is None else torch.cat([self.seen, rows])
        layer.gain.copy_(torch.linalg.lstsq(rows[:, :-1], rows[:, -1:], driver="gelsd").solution[:, 0])
        # the triangle of a QR decomposition has the least squares of all rows
        self.seen = torch.linalg.qr(rows, mode="r").R


def _decided_and_wanted(layer: MappedLayer, inputs: Tensor) -> Tensor:
    """What each slice decides, and in the last column the sum that they replace, [vectors * neurons, slices + 1]."""
    memory = layer.memory and layer.memory.copy()
    return torch.cat([_at(layer, moment) for moment in layer.moments(inputs, memory)])


def _at(layer: MappedLayer, moment: Moment) -> Tensor:
    shown = layer.coding.shown(layer.cut(moment.inputs))
    sums = [
        Shown(layer.partial_sums(part, counts=counts, step=moment.step), counts) for part, counts in shown
    ]
    weights = layer.gain.new_tensor(powers(layer.card))
    trims = layer.coding.pulses * layer.trim[:, None]
    wanted = weighted([layer.added(p - trims) for p, _ in sums], shown) @ weights
    read = moment.read(sums, lambda p, _: layer.read(p, order=moment.order), axis=1)
    return torch.cat([(layer.added(read) * weights).flatten(0, -2), wanted.flatten()[:, None]], 1)


def _tie_breaks(layer: MappedLayer) -> Tensor:
    """Plus and minus half a cell, so that ties of the slices of a neuron almost cancel, and those of its tiles do."""
    neurons, slices = layer.neurons, layer.card.slices
    place = layer.trim.device
    tile = torch.arange(layer.row_tiles, device=place)[:, None]
    up = (tile + torch.arange(neurons, device=place)) % 2 == 0
    top = torch.where(up, TIE_BREAK, -TIE_BREAK)
    return torch.stack([top if k == slices - 1 else -top for k in range(slices)], -1).flatten(-2)
