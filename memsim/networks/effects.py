"""Entries of a study that would change nothing beside the others, and times that do not fit its window.

Each check raises ValueError, which names the entry and says what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memsim.networks.network import INPUT
from memsim.networks.scans import INDEX, LOCATION, TIME
from memsim.networks.skips import CURRENT, MEMBRANE, SPIKE, STEPS, SkipTable

if TYPE_CHECKING:
    from memsim.networks.layer_table import LayerTable
    from memsim.networks.tables import NetworkTable

MOST_WINDOWS = 10
"""A time constant may be as many windows long: then a tenth of what it delays is there at the end."""
LEAST_STEPS = 0.1
"""A pulse may be as many steps long, or it is over before anything is looked at."""
SPIKING = frozenset({"spike-count", "first-spike"})
"""Readouts that look at spikes."""
SAME = 1e-3
"""What is written by a run of another machine may differ by so much from what would be found here."""


def check_effects(study: NetworkTable, tau: float) -> None:
    """Raise where an entry has no effect, or a time does not fit; `tau` is that of pulses where it is left out [s]."""
    names = [layer.name or f"layer{number}" for number, layer in enumerate(study.every_layer, start=1)]
    for layer, name, before in zip(study.every_layer, names, [INPUT, *names], strict=False):
        _check_sources(layer, name, *layer.fed_by(before, study.inputs))
        for skip in layer.others(study.inputs):
            _check_skip(study, layer, name, skip)
        (_check_steps if study.discrete else _check_times)(study, layer, name)
    if study.discrete:
        return
    _check_drive(study, tau)
    _check_readout(study)
    _check_parameters(study)


def check_parts(study: NetworkTable) -> None:
    """Raise where the input has one part, or one reaches no layer, or its name none; `input` holds all parts."""
    if len(study.inputs) == 1:
        raise ValueError(
            f"inputs names one part, {next(iter(study.inputs))!r}, and changes nothing; leave it out: layers hear "
            "the input as 'input', and files of data have it as x"
        )
    named = {skip.layer for layer in study.every_layer for skip in layer.skips}
    named |= {layer.after for layer in study.every_layer if layer.after is not None}
    unnamed = [name for name in study.inputs if name not in named]
    hears_all = INPUT in named or study.every_layer[0].fed_by(INPUT, study.inputs)[0] == INPUT
    if unnamed and not hears_all:
        raise ValueError(
            f"no layer hears the input {unnamed[0]!r}; name it in `from` of a layer, or leave it out of the data"
        )
    if unnamed and len(unnamed) == len(study.inputs):
        raise ValueError(
            f"inputs: no `from` names {unnamed[0]!r} or another part, so that they change nothing beside the whole "
            "input; name one in `from` of a layer, or leave out inputs"
        )


def check_scan(layer: LayerTable) -> None:
    """Raise where a layer has an order of time, or is stepped over locations and has entries of time or of images."""
    if layer.over == TIME:
        if layer.order != INDEX:
            raise ValueError(f'order is of locations; give over = "{LOCATION}", or leave order out')
        return
    beside = {"channels": layer.channels, "pool": layer.pool, "delay": layer.delay}
    for name in [name for name, value in beside.items() if value is not None]:
        what = "of steps of time" if name == "delay" else "of images"
        raise ValueError(
            f'{name} is {what}, and a layer with over = "{LOCATION}" gets all steps of one location at once; leave one '
            "of them out"
        )


def check_branches(study: NetworkTable) -> None:
    """Raise where a branch begins where it would anyway, no layer hears one, or branches end together and cannot."""
    layers = study.every_layer
    names = [layer.name or f"layer{number}" for number, layer in enumerate(layers, start=1)]
    heard = {
        source
        for layer, before in zip(layers, [INPUT, *names], strict=False)
        for main, others in [layer.fed_by(before, study.inputs)]
        for source in (main, *others)
    }
    for layer, name, before in zip(layers, names, [INPUT, *names], strict=False):
        if layer.after == before:
            raise ValueError(f"layer {name!r}: after = {before!r} is what it follows anyway; leave it out")
        if layer.after is not None and {skip.layer for skip in layer.skips} & set(study.inputs):
            raise ValueError(
                f"layer {name!r}: after = {layer.after!r} changes nothing in a layer that gets a part of the input and "
                "nothing else; leave it out"
            )
        if layer is not layers[-1] and name not in heard:
            raise ValueError(
                f"no layer hears {name!r}, which changes nothing; name it in `from` of a later one"
            )
        if layer.over == LOCATION and not study.discrete:
            raise ValueError(
                f'layer {name!r}: over = "{LOCATION}" is of discrete neurons, and circuits such as {study.neuron!r} '
                "run in time alone; leave it out, or leave neuron out and give steps"
            )
        if layer.join == STEPS:
            _check_end(study, layer, name, last=layer is layers[-1])


def _check_end(study: NetworkTable, layer: LayerTable, name: str, *, last: bool) -> None:
    """Raise where outputs of branches cannot come one after the other."""
    if not last or not layer.fires:
        raise ValueError(
            f'layer {name!r}: join = "{STEPS}" puts spikes of branches one after the other for scores; allowed: the '
            "last layer of discrete neurons, with fires = true"
        )
    if any(isinstance(source, SkipTable) for source in layer.sources):
        raise ValueError(
            f'layer {name!r}: join = "{STEPS}" takes outputs as they are; give names in `from`, and no tables'
        )
    lines = [skip.layer for skip in layer.skips if skip.layer == INPUT or skip.layer in study.inputs]
    if lines:
        raise ValueError(
            f'layer {name!r}: join = "{STEPS}" is of outputs of layers, and {lines[0]!r} is none; name a layer'
        )


def _check_sources(layer: LayerTable, name: str, before: str, others: Sequence[str]) -> None:
    twice = [one for number, one in enumerate(layer.skips) if one in layer.skips[:number]]
    if twice:
        raise ValueError(
            f"layer {name!r}: from names {twice[0].layer!r} twice, which changes nothing; name it once"
        )
    if len(others) < len(layer.skips) and layer.skips[0] != SkipTable(layer=before):
        raise ValueError(
            f"layer {name!r}: from begins with a table of the input {before!r}, which leads to its synapse as it is; "
            "give the name alone"
        )
    plain = layer.join == CURRENT and layer.delay is None and layer.channels is None
    if plain and SkipTable(layer=before) in layer.skips[len(layer.skips) - len(others) :]:
        raise ValueError(
            f"layer {name!r}: from = {before!r} is what it gets anyway, and a second crossbar from there adds "
            'nothing; leave it out, or give a delay, or join = "spike"'
        )


def _check_skip(study: NetworkTable, layer: LayerTable, name: str, skip: SkipTable) -> None:
    """Raise where a table of `from` asks for what there is not."""
    where, kind = f"layer {name!r}: from {skip.layer!r}", skip.kind(layer.join)
    if kind == CURRENT and skip.layer in {INPUT, *study.inputs}:
        raise ValueError(f'{where} has no neurons, and no current into them; give of = "spike"')
    if skip.kernel is not None and layer.channels is None:
        raise ValueError(f"{where} has a kernel, and this layer is no convolution; leave it out")
    if skip.norm is not None and layer.join == CURRENT:
        raise ValueError(
            f'{where} has a norm, and join = "current" ends in front of that of the layer; give join = "membrane", or '
            "leave it out"
        )
    if study.discrete:
        return
    if skip.norm is not None:
        raise ValueError(f"{where} has a norm, which is of discrete neurons; leave it out")
    as_it_is = layer.join == MEMBRANE and skip.kernel is None
    if as_it_is and skip.pool is not None:
        raise ValueError(f"{where} has a pool, which is of potentials, and currents are copied; leave it out")
    if (kind == CURRENT) != as_it_is:
        needed = CURRENT if as_it_is else SPIKE
        raise ValueError(
            f"{where} is of its {kind}, and between circuits a current is copied to membranes, and potentials go to "
            f'word lines or outputs; give of = "{needed}"'
        )


def _check_steps(study: NetworkTable, layer: LayerTable, name: str) -> None:
    if layer.recurrent_tau is not None:
        raise ValueError(
            f"layer {name!r}: recurrent_tau is of lines between circuits and changes nothing for {study.neuron!r}, "
            "whose spikes arrive a step later; leave it out"
        )
    delay, steps = layer.delay, study.time_steps
    if delay is not None and not (delay.is_integer() and 1 <= delay < steps):
        raise ValueError(
            f"layer {name!r}: delay = {delay:g} is in steps for {study.neuron!r}; allowed: a whole number of at least "
            f"1, below the {steps} steps that there are"
        )


def _check_times(study: NetworkTable, layer: LayerTable, name: str) -> None:
    if layer.recurrent and layer.channels is not None:
        raise ValueError(
            f"layer {name!r}: a convolution of circuits cannot be recurrent; recurrent layers of circuits have neurons"
        )
    if layer.recurrent_norm is not None:
        raise ValueError(
            f"layer {name!r}: recurrent_norm is of plain weights, and circuits are behind crossbars; leave it out, and "
            "give synapses.initial_weight"
        )
    if layer.prediction_tau is not None:
        raise ValueError(
            f"layer {name!r}: prediction_tau is of discrete neurons, and {study.neuron!r} is a circuit; leave it out"
        )
    window, longest = study.window, MOST_WINDOWS * study.window
    if layer.delay is not None and not layer.delay < window:
        raise ValueError(
            f"layer {name!r}: delay = {layer.delay:g} s lets nothing arrive within the window; allowed: below "
            f"{window:g} s"
        )
    if layer.recurrent_tau is not None and layer.recurrent_tau > longest:
        raise ValueError(
            f"layer {name!r}: recurrent_tau = {layer.recurrent_tau:g} s lets nothing through within the window of "
            f"{window:g} s; allowed: at most {longest:g} s"
        )


def _check_drive(study: NetworkTable, tau: float) -> None:
    drive = study.drive
    if drive.pulse == "held":
        if not math.isclose(drive.tau, tau, rel_tol=SAME):
            raise ValueError(
                f"drive.tau = {drive.tau:g} s changes nothing for held pulses; leave it out, or give "
                'drive.pulse = "alpha" or "exponential"'
            )
        return
    shortest, longest = LEAST_STEPS * study.step, MOST_WINDOWS * study.window
    if not shortest <= drive.tau <= longest:
        raise ValueError(
            f"drive.tau = {drive.tau:g} s does not fit steps of {study.step:g} s and a window of {study.window:g} s; "
            f"allowed: {shortest:g} to {longest:g} s"
        )


def _check_readout(study: NetworkTable) -> None:
    readout = study.readout
    if not readout.start <= study.window - study.step:
        raise ValueError(
            f"readout.start = {readout.start:g} s leaves nothing to look at; allowed: at most a step of "
            f"{study.step:g} s before the end of the window of {study.window:g} s"
        )
    if readout.kind in SPIKING:
        return
    # mirrors that are found are found by the level
    of_spikes = {"width": readout.width, "level": readout.level}
    found = study.synapses.mirror_ratio == "auto" or isinstance(study.synapses.mirror_ratio, tuple)
    idle = [
        name for name, value in of_spikes.items() if value is not None and not (name == "level" and found)
    ]
    if idle:
        raise ValueError(
            f"readout.{idle[0]} changes nothing for kind = {readout.kind!r}; leave it out, or give kind = "
            '"spike-count" or "first-spike"'
        )


def _check_parameters(study: NetworkTable) -> None:
    for name, table in study.parameters.items():
        if not table.trainable and not table.spread:
            raise ValueError(
                f"parameters.{name} is neither trained nor spread, which changes nothing; leave it out, or give "
                "trainable = true or a spread"
            )
