"""What layers put on the word lines of a stage's card, and what these can show.

Spikes are 0 or 1. Where spikes are added to spikes, word lines behind get their sum; where a shortcut is a convolution
that is added to spikes, or is of currents, they get numbers of both signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from memsim.imc.hardware import HardwareCard
from memsim.learn.stages import Stage
from memsim.networks.layer_table import CROSSBAR, LayerTable
from memsim.networks.network import INPUT
from memsim.networks.parts import names_of
from memsim.networks.skips import CURRENT, SPIKE
from memsim.networks.tables import NetworkTable


def check_word_lines(study: NetworkTable, stages: Sequence[Stage]) -> None:
    """Raise ValueError where a layer of discrete neurons would get what the word lines of its card cannot show."""
    if not study.discrete:
        return
    names, largest = names_of(study.every_layer), largest_outputs(study)
    for stage in [stage for stage in stages if stage.card is not None]:
        for layer, name, before in zip(study.every_layer, names, [INPUT, *names], strict=False):
            # lines of crossbars show the range of voltages of the training data
            if name not in stage.digital and (layer.synapse or study.synapse) != CROSSBAR:
                where = f"stage {stage.name!r}: layer {name!r}"
                _check(_heard(layer, before, study, largest), stage.card_of(name), where)


def largest_outputs(study: NetworkTable) -> dict[str, float]:
    """The largest output that each layer can have, by name; infinite where outputs are numbers of both signs."""
    found = dict.fromkeys((INPUT, *study.inputs), 1.0)
    for name, layer in zip(names_of(study.every_layer), study.every_layer, strict=True):
        added = layer.others(study.inputs) if layer.join == SPIKE else ()
        whole = all(skip.kernel is None and skip.norm is None and skip.kind(SPIKE) == SPIKE for skip in added)
        found[name] = 1 + sum(found.get(skip.layer, 0) for skip in added) if whole else math.inf
    return found


def _heard(layer: LayerTable, before: str, study: NetworkTable, largest: dict[str, float]) -> float:
    """The largest number on the word lines of a layer."""
    main, _ = layer.fed_by(before, study.inputs)
    skips = [skip for skip in layer.others(study.inputs) if skip.kernel is not None or layer.join == CURRENT]
    of_skips = [
        math.inf if skip.kind(layer.join) == CURRENT else largest.get(skip.layer, 0.0) for skip in skips
    ]
    return max(largest.get(main, 0.0), *of_skips, 0.0)


def _check(heard: float, card: HardwareCard, where: str) -> None:
    inputs = card.inputs
    if heard == math.inf:
        raise ValueError(
            f"{where} gets numbers of both signs, from currents or from a convolution that is added to spikes, and "
            f"word lines of {card.name} show none below 0; put it into digital, or take the shortcut from spikes"
        )
    if heard > inputs.high and not inputs.saturates:
        raise ValueError(
            f"{where} gets sums of up to {heard:g} spikes, and word lines of {card.name} show up to {inputs.high:g}; "
            'give hardware inputs.saturates = true, or inputs.coding = "pulse-count" with bits and high for them'
        )
