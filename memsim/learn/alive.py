"""Whether a network hears its inputs, and its weights their gradients, before work is lost on one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from memsim.errors import ConvergenceError
from memsim.learn.data import Split
from memsim.networks import MemristiveNetwork, Network

REST = 1e-4
"""Peaks of potentials, over the level of a spike, that are as good as rest: rests are found to a part of that."""
EXAMPLES = 32


def check_heard(network: Network, split: Split, seed: int) -> None:
    """Run some examples through circuits, to see that every layer moves.

    Args:
        network: as its training begins.
        split: examples.
        seed: of the events of a drive that draws some.

    Raises:
        ConvergenceError: potentials of a layer that stay at rest.
    """
    if not isinstance(network, MemristiveNetwork):
        return
    inputs, events = split.inputs(slice(EXAMPLES)), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        waves = network.waveforms(inputs, generator=events)
    for name, peak in at_rest(network, waves).items():
        raise ConvergenceError(
            f"layer {name!r} hears nothing: its potentials stay within {peak:.2g} V of rest for each of {len(inputs)} "
            "inputs",
            remedy="look at what leads there: inputs that are all zero, drive.voltage and drive.tau, mirror_ratio, "
            "wire_resistance, delays, and layers before it that do not spike.",
        )


def at_rest(network: MemristiveNetwork, waves: Sequence[Tensor]) -> dict[str, float]:
    """Layers whose potentials, [time, batch, neurons] each, are as good as rest, with their peaks [V]."""
    found = {}
    for layer, cell, wave in zip(network.chain, network.cells, waves, strict=True):
        peak = float(wave.abs().amax())
        if peak < REST * abs(cell.regime.level):
            found[layer.name] = peak
    return found


def check_gradients(network: nn.Module, before: Mapping[str, Tensor], rule: str) -> None:
    """See that the first batch moves something: its gradients, or a rule that changes weights itself.

    Args:
        network: after the rule has seen the batch.
        before: its parameters before that, by name.
        rule: its name, for messages.

    Raises:
        ConvergenceError: a gradient that is no number, or nothing that is learned.
    """
    gradients = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
    for name, gradient in gradients.items():
        if not bool(gradient.isfinite().all()):
            raise ConvergenceError(
                f"rule {rule!r} gives {name!r} a gradient that is no number in the first batch",
                remedy="look in the rule, the loss and the neurons for divisions by zero, roots and logarithms of 0.",
            )
    changed = any(not torch.equal(one, before[name]) for name, one in network.named_parameters())
    if changed or any(bool((gradient != 0).any()) for gradient in gradients.values()):
        return
    if gradients:
        raise ConvergenceError(
            "all gradients of the first batch are zero, so that nothing is learned",
            remedy="see that outputs depend on the weights: look at the loss, the readout, mirror_ratio and delays.",
        )
    raise ConvergenceError(
        f"rule {rule!r} gives no parameter a gradient and changes none in the first batch, so that nothing is learned",
        remedy="call batch.backward(loss), set the grad of parameters, or change the parameters, in grads.",
    )


def check_weights(network: nn.Module, rule: str, epoch: int) -> None:
    """See that parameters still are numbers after an epoch.

    Raises:
        ConvergenceError: the first that is not.
    """
    for name, one in network.named_parameters():
        if bool(one.isnan().any()):
            raise ConvergenceError(
                f"{name!r} is no number any more after epoch {epoch} with rule {rule!r}",
                remedy="lower learning_rate, or look in the rule and the loss for divisions by zero.",
            )
