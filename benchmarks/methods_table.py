"""The table of a method's page, from its saved result."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "methods"
NOT_YET = "Not measured yet."
Row = tuple[str, str, Callable[[float], str]]
BLOCKS = (5, 20, 50, 100)
GRAPHS = ("AUC of links", "error of next values")
ROWS: tuple[Row, ...] = (
    ("software", "in software", "{:.2%}".format),
    ("ties wrong", "the same, ties of spike counts wrong", "{:.2%}".format),
    ("float twin", "a float twin", "{:.2%}".format),
    ("software, r", "correlation r in software", "{:.3f}".format),
    ("software, nRMSE", "error in software, over the range", "{:.3f}".format),
    ("counted events, r", "correlation r of a parabola through the number of events", "{:.3f}".format),
    ("counted events, nRMSE", "its error, over the range", "{:.3f}".format),
    (
        "columns of 1 bit, r",
        "correlation r, columns of one bit, chips never seen, without faults",
        "{:.3f}".format,
    ),
    ("columns of 1 bit, nRMSE", "error over the range, the same", "{:.3f}".format),
    (
        "growth of the error at 1e-3",
        "growth of that error, upsets and stuck cells of 0.1 % each",
        "{:+.1%}".format,
    ),
    ("linear twin", "a logistic regression of the same inputs", "{:.2%}".format),
    *(
        (f"software, {steps} steps", f"in software, {steps} steps", "{:.2%}".format)
        for steps in (1, 4, 16, 64)
    ),
    ("shares as numbers", "the same with shares as numbers in the place of 4 bits", "{:.2%}".format),
    ("shares of 4 bits", "the same with shares of 4 bits", "{:.2%}".format),
    *(
        (
            f"signal above noise, {gate}",
            f"chance that a frame of signal has a larger share than one of noise, {gate}",
            "{:.3f}".format,
        )
        for gate in ("first gate", "second gate")
    ),
    ("parameters of gates", "parameters of gates", "{:.0f}".format),
    ("cold", "columns of one bit, cold, decisions calibrated", "{:.2%}".format),
    ("before the last stage", "columns of one bit, before the last stage on its card", "{:.2%}".format),
    ("trained", "columns of one bit, trained for", "{:.2%}".format),
    ("unseen chips", "chips that training never saw", "{:.2%}".format),
    ("unseen chips, averages of each", "the same, normalised by averages of each chip", "{:.2%}".format),
    *(
        (f"{what}, {where}", f"{what}: {words}", "{:.4f}".format)
        for what in GRAPHS
        for where, words in (
            ("software", "in software"),
            ("float twin", "a float twin"),
            ("cold", "columns of one bit, cold"),
            ("trained", "columns of one bit, trained for"),
            ("unseen chips", "chips that training never saw"),
        )
    ),
    ("circuits", "circuits", "{:.2%}".format),
    ("slow devices that deviate by 20 %", "the same, each slow device deviates by 20 %", "{:.2%}".format),
    ("all slow devices 20 % off", "the same, all slow devices 20 % off, mean of four ways", "{:.2%}".format),
    ("slow devices as fast as the others", "the same, slow devices as fast as the others", "{:.2%}".format),
    ("ngspice, same class", "the same class in ngspice", "{:.0%}".format),
    ("worst error of a waveform", "worst error of a waveform, of a spike", "{:.2%}".format),
    ("in continuous time", "in continuous time", "{:.2%}".format),
    (
        "spike times, median difference [steps]",
        "spike times in ngspice, median difference",
        "{:.2g} steps".format,
    ),
    ("spike times, 99 % within [steps]", "of spike times in ngspice, 99 % within", "{:.2g} steps".format),
    (
        "spike times, worst difference [steps]",
        "spike times in ngspice, worst difference",
        "{:.2g} steps".format,
    ),
    (
        "entries that differ from other packages",
        "of 100 000 entries each, those in which nodes of other packages differ",
        "{:.0f}".format,
    ),
    (
        "f-I curve, largest error of those that fire by themselves",
        "f-I curves of neurons that fire by themselves, largest error of their twins",
        "{:.1%}".format,
    ),
    (
        "lowest pulse answered, largest error of those of graded spikes",
        "neurons of graded spikes, lowest pulse that is answered, largest error of their twins",
        "{:.0%}".format,
    ),
    ("spikes", "spikes of hidden neurons for an example", "{:.0f}".format),
    ("event buffer [bits]", "events that are kept for locations", "{:.0f} bit".format),
    ("words of the schedule", "numbers in gains and references of all steps", "{:.0f}".format),
    ("share of neurons in lists", "neurons in lists, share of all steps", "{:.2%}".format),
    ("cells written for an example", "cells that one example writes", "{:.1%}".format),
    (
        "cells written for an example, slopes everywhere",
        "the same with a slope at every potential",
        "{:.1%}".format,
    ),
    ("energy of errors, first", "energy of errors, labels held, before training", "{:.2f}".format),
    ("energy of errors, last", "the same after training", "{:.2f}".format),
    *(
        (f"five tasks, {way}, {key}", f"five tasks of two digits, {way}, {words}", "{:.1%}".format)
        for way in ("local updates", "backpropagation")
        for key, words in (
            ("as it was learned", "each as it was learned"),
            ("at the end", "at the end"),
            ("at the end, told which two", "at the end, among the two digits of the task"),
            ("forgotten", "forgotten of the first four"),
            ("forgotten, told which two", "forgotten of the first four, among the two digits of the task"),
        )
    ),
    ("pulses", "pulses in place, all cells", "{:.3g}".format),
    ("pulses of a cell", "pulses of a cell, mean", "{:.3g}".format),
    ("most pulses of a cell", "pulses of the cell that got most", "{:.0f}".format),
    ("energy of writing [J]", "energy of these pulses, without wires", "{:.2g} J".format),
    *(
        (
            f"gradient, first over last of {many} blocks",
            f"gradient, first over last of {many} blocks",
            "{:.2g}".format,
        )
        for many in BLOCKS
    ),
    *(
        (f"largest sum behind {many} blocks", f"largest sum behind {many} blocks, untrained", "{:.0f}".format)
        for many in BLOCKS
    ),
    *(
        (
            f"mean sum behind {many} blocks",
            f"pulses on a word line in a read behind {many} blocks, untrained",
            "{:.2g}".format,
        )
        for many in BLOCKS
    ),
    ("largest number on a word line", "largest number on a word line, in software", "{:.3g}".format),
    ("smallest number on a word line", "smallest number on a word line, in software", "{:.3g}".format),
    ("numbers digit by digit", "all read by ADCs, numbers digit by digit, cold", "{:.2%}".format),
    (
        "reads of an array for a vector of numbers",
        "reads of an array for a vector of numbers, in the place of one",
        "{:.0f}".format,
    ),
    ("energy, all read by ADCs [J]", "energy of an inference, all read by ADCs", "{:.2g} J".format),
    ("share of it in layers that get numbers", "share of it in layers that get numbers", "{:.0%}".format),
    ("energy [J]", "energy of an inference", "{:.2g} J".format),
    ("latency [s]", "latency of an inference", "{:.2g} s".format),
)


def table(name: str) -> str:
    """Mean and lowest of the seeds of each study of a method, as Markdown."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return NOT_YET
    result = json.loads(path.read_text(encoding="utf-8"))
    seeds: Mapping[str, Mapping[str, Mapping[str, Any]]] = result["seeds"]
    studies = dict.fromkeys(study for seed in seeds.values() for study in seed)
    lines = ["| study | measured | mean of seeds (lowest) | seeds |", "|---|---|---|---|"]
    for study in studies:
        found = [seed[study] for seed in seeds.values() if study in seed]
        lines += [
            f"| `{study}`, {found[0]['data']} | {words} | {_mean(values, said)} | {len(values)} |"
            for key, words, said in ROWS
            if (values := [_value(one[key]) for one in found if one.get(key) is not None])
        ]
    return "\n".join([*lines, "", f"`{result['command']}`, {result['date']}, {result['machine']}."])


MEMBERS = (
    ("convolutional", "spiking-gcn", "spiking-gcn", "classes of Cora", "", "linear twin"),
    ("recurrent", "graph-pack", "graph-pack", "sides in the karate club", "", "float twin"),
    (
        "auto-encoder",
        "graph-pack",
        "graph-pack-links",
        "AUC of links of Cora",
        "AUC of links, ",
        "float twin",
    ),
    (
        "spatio-temporal",
        "graph-pack",
        "graph-pack-diffusion",
        "error of next values, less is better",
        "error of next values, ",
        "float twin",
    ),
)
"""Of the pack of graphs: class of the survey, method, study, figure, what its keys begin with, and the twin."""


def members() -> str:
    """The pack of graphs in one table, as Markdown: means of seeds."""
    lines = [
        "| class | study | figure | software | float twin | columns of one bit | chips never seen |",
        "|---|---|---|---|---|---|---|",
    ]
    for member, method, study, what, begins, twin in MEMBERS:
        path = RESULTS / f"{method}.json"
        seeds = json.loads(path.read_text(encoding="utf-8"))["seeds"].values() if path.exists() else []
        found = [seed[study] for seed in seeds if study in seed]
        keys = [begins + where for where in ("software", twin, "trained", "unseen chips")]
        each = [[_value(one[key]) for one in found if key in one] for key in keys]
        figures = [_mean(values, "{:.3f}".format) if values else "" for values in each]
        lines.append(f"| {' | '.join([member, f'`{study}`', what, *figures])} |")
    return "\n".join(lines)


def overview(name: str) -> tuple[str, str, str]:
    """Of a method, mean of seeds (lowest): in software, on chips with columns of one bit, unseen, and as circuits."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return ("", "", "")
    seeds: list[Mapping[str, Mapping[str, Any]]] = list(
        json.loads(path.read_text(encoding="utf-8"))["seeds"].values()
    )
    own = [seed[name] for seed in seeds if name in seed]
    circuits = [one for seed in seeds for one in seed.values() if "ngspice, same class" in one]
    return (
        _over(own, "software", "in continuous time"),
        _over(own, "unseen chips, averages of each", "unseen chips"),
        _over(circuits, "circuits", "in continuous time") + _same(circuits),
    )


def _over(found: list[Mapping[str, Any]], *keys: str) -> str:
    """The first of some figures that there is."""
    for key in keys:
        values = [_value(one[key]) for one in found if one.get(key) is not None]
        if values:
            return _mean(values, "{:.1%}".format)
    return ""


def _same(circuits: list[Mapping[str, Any]]) -> str:
    if not circuits:
        return ""
    examples = sum(one["ngspice, examples"] for one in circuits)
    same = sum(round(one["ngspice, same class"] * one["ngspice, examples"]) for one in circuits)
    return f"; {same} of {examples} the same in ngspice"


def _value(found: Any) -> float:
    return statistics.mean(found) if isinstance(found, list) else float(found)


def _mean(values: list[float], said: Callable[[float], str]) -> str:
    mean = said(statistics.mean(values))
    return mean if len(values) == 1 else f"{mean} ({said(min(values))})"
