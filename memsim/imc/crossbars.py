"""Memristive networks on tiles: crossbars whose word lines get voltages instead of spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.imc.hooks import Hook, run_hooked
from memsim.imc.layers import MappedLayer


class MappedCrossbar(nn.Module):
    """Currents of neurons from voltages of word lines, which the input coding of the hardware presents.

    Currents are held between samples of time; see `Synapse.driven` in memsim.networks for when arrays are read.

    Args:
        layer: what `layer_parts` made of the crossbar, on arrays; its weights are those of the crossbar, without unit.
        span: voltages that are presented as 0 and as 1; beyond them inputs are cut off [V].
        gain: current of a weight of 1 over the voltage of its word line [S].
    """

    def __init__(self, layer: MappedLayer, span: tuple[float, float], gain: float) -> None:
        super().__init__()
        self.layer, self.span, self.gain = layer, span, gain
        self.register_load_state_dict_pre_hook(_of_earlier_checkpoints)

    def get_extra_state(self) -> Tensor:
        """The span, [2] in V, as part of a state_dict."""
        return torch.tensor(self.span, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over the span of a state_dict."""
        low, high = state.tolist()
        self.span = (low, high)

    def forward(self, voltage: Tensor) -> Tensor:
        """Currents [..., neurons] in A for voltages [..., rows] in V."""
        low, high = self.span
        shares = ((voltage - low) / (high - low)).clamp(0, 1)
        # time before batch, which one axis leaves no doubt of
        sums = self.layer(shares.reshape(-1, shares.shape[-1])).view(*voltage.shape[:-1], -1)
        return sums * ((high - low) * self.gain)

    @torch.no_grad()
    def cut_below_rest(self) -> None:
        """Present voltages from zero on, and add what the layer adds for those: decisions need silence to be zero."""
        low, high = self.span
        share = low / (high - low)
        self.layer.bias.sub_(share * self.layer.weight.sum(1)).mul_((high - low) / high)
        self.span = (0.0, high)


def _of_earlier_checkpoints(module: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """Checkpoints once held no spans, which come from a sample again."""
    tensors.setdefault(f"{prefix}_extra_state", cast("MappedCrossbar", module).get_extra_state())


def layer_parts(crossbar: Crossbar, span: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Weights [neurons, rows] and biases [neurons] of a layer whose inputs are shares of a span of voltages."""
    low, high = span
    weight = crossbar.weight.detach().mT
    return weight, low / (high - low) * weight.sum(1)


def spans_of(
    model: nn.Module, sample: Tensor | None, *, above_rest: Callable[[str], bool]
) -> dict[str, tuple[float, float]]:
    """Lowest and highest word line voltage [V] that each crossbar of a network gets for a sample of inputs.

    Args:
        model: the network.
        sample: of its inputs.
        above_rest: whether that of a name begins at zero, whatever lies below.

    Raises:
        InputError: crossbars, but no sample; or one that drives a crossbar with nothing.
    """
    crossbars = {name: module for name, module in model.named_modules() if isinstance(module, Crossbar)}
    if not crossbars:
        return {}
    if sample is None:
        raise InputError(
            "sample = None, but the network has crossbars, whose voltages must be scaled to inputs; give some inputs"
        )
    # zero is always among them, as lines rest there
    seen = dict.fromkeys(crossbars, (0.0, 0.0))

    def watching(name: str) -> Hook:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            (low, high), (lowest, highest) = seen[name], torch.aminmax(given[0])
            seen[name] = min(low, float(lowest)), max(high, float(highest))

        return hook

    run_hooked(model, sample, [(module, watching(name)) for name, module in crossbars.items()])
    spans = {name: (0.0 if above_rest(name) else low, high) for name, (low, high) in seen.items()}
    idle = [name for name, (low, high) in spans.items() if not high > low]
    if idle:
        where = " above rest" if above_rest(idle[0]) else ""
        raise InputError(f"the sample drives {idle[0]} with no voltage{where}; give inputs that do")
    return spans
