"""How gradients pass through many blocks, what numbers on word lines cost, and the picture of the former."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memsim.imc import calibrate_inputs, calibrate_steps, load_hardware, map_to_imc
from memsim.imc.cost import costs_of_cards
from memsim.imc.workloads import workload_of
from memsim.learn import Run, build, evaluate, load_run, load_study, make_study
from memsim.learn.evaluation import first
from memsim.methods import load_method
from memsim.methods.membrane_residuals import gradient_norms
from method_parts.drawing import SIZE, saved

METHOD = load_method("membrane-residuals")
DEEP = "membrane-residuals-deep"
BLOCKS = (5, 20, 50, 100)
NEURONS, STEPS, EXAMPLES = 128, 6, 64
SAMPLE, JUDGED, COSTED = 200, 2000, 20
"""Training images that ranges of inputs and steps of ADCs are found with; test images that are judged and costed."""
ADC = "hp-adc-differential-64"
ENTRIES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
NUMBERS = {**ENTRIES, "inputs.coding": "bit-serial", "inputs.bits": 8, "accumulation.bits": 32}
SPIKES = {"layer": "before", "of": "spike"}


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Of 100 blocks how gradients pass, and of images what stem and shortcuts need."""
    name = next((name for name, path in METHOD.studies.items() if folder.name.rpartition("-")[0] == name), "")
    if name.startswith(DEEP):
        skip = "before" if name == DEEP else SPIKES
        norms = {many: gradients(many, 0.1, skip) for many in BLOCKS}
        return {
            f"gradient, first over last of {many} blocks": float(norm[0] / norm[-1])
            for many, norm in norms.items()
        }
    if not run.study.discrete:
        return {}
    return with_numbers(load_run(folder, stages=1, data=run.data))


def gradients(blocks: int, weight: float, skip: object) -> Tensor:
    """Norms of the gradient by what goes into each block of an untrained network and out of the last, [blocks + 1]."""
    inner = {"neurons": NEURONS, "norm": {"kind": "batch", "initial_weight": 0.5}}
    last = {**inner, "norm": {"kind": "batch", "initial_weight": weight}, "from": skip, "join": "membrane"}
    study = make_study(
        data="digits",
        steps=STEPS,
        coding="direct",
        lif=load_study(METHOD.studies[DEEP]).lif.given,
        layers=(
            {"neurons": NEURONS, "norm": "batch"},
            {"repeat": blocks, "block": (inner, last)},
            {"lif": {"leak": 0.0}},
        ),
    )
    network, data = build(study)
    inputs, labels = data.train.batch(slice(EXAMPLES))
    return gradient_norms(network.train(), inputs, lambda scores: cross_entropy(scores, labels))[:-1:2]


def with_numbers(run: Run) -> dict[str, Any]:
    """A network in software on arrays that are read by ADCs, with numbers digit by digit where there are no spikes.

    Those are the pixels in front of the stem, and the currents in front of a shortcut that is not of spikes.
    """
    network, card, serial = run.network.eval(), load_hardware(ADC, ENTRIES), load_hardware(ADC, NUMBERS)
    shortcuts = [
        f"layers.{number}.joins.{index}"
        for number, layer in enumerate(network.chain)
        for index, join in enumerate(layer.connections)
        if join.synapse is not None and join.of == "current"
    ]
    numbers = ["layers.0", *shortcuts]
    mapped = map_to_imc(
        network,
        card,
        cards=dict.fromkeys(numbers, serial),
        generator=torch.Generator().manual_seed(0),
    )
    sample, shown = first(run.data.train, SAMPLE).inputs(), first(run.data.test, COSTED).inputs()
    ranges = calibrate_inputs(mapped, sample)
    calibrate_steps(mapped, sample)
    workload = workload_of(mapped, shown, steps=network.samples(), inferences=len(shown), name="images")
    own = {one.name: serial for one in workload.layers if one.name.startswith(tuple(numbers))}
    parts = costs_of_cards(workload, card, own)
    energy = [part.total_energy for part in parts]
    return {
        "numbers digit by digit": evaluate(mapped, first(run.data.test, JUDGED)),
        "layers that get numbers": list(own),
        "their ranges": {name: ranges[name] for name in own},
        "reads of an array for a vector of numbers": _reads(ranges, own),
        "energy, all read by ADCs [J]": sum(energy),
        "share of it in layers that get numbers": energy[1] / sum(energy),
    }


def _reads(ranges: Mapping[str, tuple[float, float]], own: Mapping[str, object]) -> int:
    """The most of any layer: one for each digit, and again where there are numbers below zero."""
    return NUMBERS["inputs.bits"] * max(2 if ranges[name][0] < 0 else 1 for name in own)  # type: ignore[operator]


def figure(path: Path) -> Path:
    """Gradients over the blocks of a network with a hundred, and first over last for networks of several depths."""
    kinds = (
        ("membrane residual, γ = 0", 0.0, "before", "C0:"),
        ("membrane residual, γ = 0.1", 0.1, "before", "C0o-"),
        ("spikes in front of neurons, γ = 0.1", 0.1, SPIKES, "C3s-"),
        ("spikes in front of neurons, γ = 0.5", 0.5, SPIKES, "C1^-"),
    )
    figure, (within, depths) = plt.subplots(1, 2, figsize=SIZE, layout="constrained", sharey=True)
    for words, weight, skip, style in kinds:
        found = {many: gradients(many, weight, skip) for many in BLOCKS}
        deepest = found[BLOCKS[-1]]
        within.semilogy(deepest / deepest[-1], style, label=words, markersize=3, markevery=10)
        ratios = [float(one[0] / one[-1]) for one in found.values()]
        depths.semilogy(BLOCKS, ratios, style, label=words, markersize=4)
    within.set(xlabel="block, of 100", ylabel="gradient over that of the last block", ylim=(1e-6, 10))
    depths.axhspan(0.5, 2.5, color="0.9", zorder=0)
    depths.set(xlabel="blocks", ylabel="the same in front of the first block")
    figure.legend(*depths.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return saved(figure, path)
