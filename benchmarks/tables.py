"""Write the measured figures of README.md from the saved results.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

from memprop_results import PUBLISHED, TITLES
from methods_table import overview

from memsim.devices import MODELS
from memsim.files import write_text
from memsim.methods import load_method, method_names

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
SOURCES = (
    "step_errors",
    "self_firing",
    "memprop-train-mnist",
    "memprop-train-fashion-mnist",
    "memprop-verify-mnist",
    "memprop-robust-mnist",
    "device_agreement",
    "variability",
    "fits",
    "adcless_ratios",
    "adcless_events",
    "adcless_recipe",
    "digits",
    "self_firing",
    "own_neuron",
    "bptt",
    "throughput",
    "crossbar_solver",
    "wires_in_training",
    "sweep_scaling",
    "overhead",
    "demo",
)
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
METHODS = "<!-- methods: begin -->", "<!-- methods: end -->"


def _result(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def _digits() -> list[str]:
    seeds = list(_result("digits")["seeds"].values())
    accuracies = [seed["test_accuracy"] for seed in seeds]
    checks = [seed["verification"] for seed in seeds]
    images = sum(check["images"] for check in checks)
    agreeing = sum(check["same_class"] * check["images"] for check in checks)
    return [
        (
            f"| digits, 64-32-10, test accuracy, mean of {len(seeds)} seeds (lowest); same class in ngspice "
            f"| {statistics.mean(accuracies):.1%} ({min(accuracies):.1%}); {agreeing:.0f} of {images} images |"
        ),
        f"| worst error of an output waveform | {max(c['worst_error'] for c in checks):.2%} of spike amplitude |",
        (
            "| the same, twin at its training step of 200 µs "
            f"| {max(c['worst_error_at_training_step'] for c in checks):.1%} |"
        ),
    ]


def _self_firing() -> list[str]:
    rows = _result("self_firing")["rows"]
    lines = []
    for kind, words in (("spike-count", "spike count"), ("first-spike", "first spike")):
        seeds = [row for name, row in rows.items() if name.startswith(kind)]
        accuracies = [row["test_accuracy"] for row in seeds]
        spikes = statistics.mean(row["spikes"]["all"] for row in seeds)
        checks = [row["whole"] for row in seeds]
        classes = sum(check["same_class"] * check["images"] for check in checks)
        lines += [
            (
                f"| digits by self-firing neurons, {words}: test accuracy, mean of {len(seeds)} seeds (lowest) "
                f"| {statistics.mean(accuracies):.1%} ({min(accuracies):.1%}), {spikes:.2f} spikes a neuron and image |"
            ),
            (
                "| the same by whole spikes alone, outputs that are equal sharing an image "
                f"| {statistics.mean(row['strict_accuracy'] for row in seeds):.1%} |"
            ),
            (
                "| the same in ngspice: images of the same class, outputs with as many spikes "
                f"| {classes:.0f} of {sum(check['images'] for check in checks)}, "
                f"{statistics.mean(check['same_spikes_at_training_step'] for check in checks):.1%} |"
            ),
        ]
    return lines


def _own_neuron() -> list[str]:
    result = _result("own_neuron")
    own, check = result["own"], result["own"]["verification"]
    shipped = ", ".join(f"{row['mean']:.1%}" for row in result["shipped"].values())
    return [
        (
            "| digits, 64-32-10, with nothing stated but the neuron: integrate-and-fire sets 1, 2, 3, mean of "
            f"{len(own['seeds'])} seeds | {shipped} |"
        ),
        (
            f"| the same with an after-hyperpolarising neuron from a file of {own['lines']} lines (lowest); same class "
            f"in ngspice | {own['mean']:.1%} ({min(own['seeds'].values()):.1%}); "
            f"{check['same_class'] * check['images']:.0f} of {check['images']} images |"
        ),
    ]


TOPOLOGIES = {
    "digits-deep": "digits, five hidden layers of 32, nothing else stated",
    "fsdd-recurrent": "spoken digits (600 / 300), 128 neurons that hear each other, batches of 16",
    "mnist-long": "MNIST, 784-512-10, 12 epochs",
    "fashion-mnist-convolutional": "Fashion-MNIST, a convolution of 16 channels and 128 neurons, 14 epochs",
}


def _topologies() -> list[str]:
    lines = []
    studies = _result("topologies")["studies"]
    for name, title in TOPOLOGIES.items():
        found = [row["test_accuracy"] for row in studies[name]["seeds"].values()]
        if len(found) == 1:
            lines.append(f"| {title}; one seed | {found[0]:.2%} |")
            continue
        lines.append(
            f"| {title}; mean of {len(found)} seeds (lowest) | {statistics.mean(found):.2%} ({min(found):.2%}) |"
        )
    return lines


def _circuits_on_tiles() -> list[str]:
    rows = _result("circuits_on_tiles")["results"]
    lines = []
    for data, seeds in rows.items():
        means = [
            statistics.mean(row[key] for row in seeds.values()) for key in ("software", "cold", "one bit")
        ]
        lines.append(
            f"| {data}, neurons are circuits: ideal columns; 1-bit columns, untrained; trained for them, "
            f"{len(seeds)} seed(s) | {means[0]:.1%}; {means[1]:.1%}; {means[2]:.1%} |"
        )
    return lines


def _memprop() -> list[str]:
    lines = []
    for data, title in TITLES.items():
        accuracies = [row["test_accuracy"] for row in _result(f"memprop-train-{data}")["rows"].values()]
        lines.append(
            f"| {title}, 784-512-10, test accuracy, mean of {len(accuracies)} seeds (lowest); published, same kind "
            f"| {statistics.mean(accuracies):.2%} ({min(accuracies):.2%}); {PUBLISHED[data]:.2%} |"
        )
    checks = _result("memprop-verify-mnist")["rows"].values()
    images = sum(check["images"] for check in checks)
    lines.append(
        "| the MNIST network in ngspice: same class as the torch twin; mean error of a waveform "
        f"| {sum(c['same_class'] * c['images'] for c in checks):.0f} of {images} images; "
        f"{max(c['mean_error'] for c in checks):.2%} of spike amplitude |"
    )
    return lines


def _wires() -> list[str]:
    means = _result("wires_in_training")["mean_test_accuracy"]
    return [
        (
            "| digits on wires of 5 Ω a segment: trained without wires; with wires "
            f"| {means['blind']:.1%}; {means['aware']:.1%} |"
        )
    ]


def _own_data() -> list[str]:
    found = _result("own_data")
    names = ("memristive", "memristive_chain", "leaky", "logistic")
    shares = [f"{found[name]['mean']:.1%}" for name in names]
    return [
        (
            "| an `.npz` of eight signed channels over time, nothing else said; the same without recurrence; snnTorch "
            "`Leaky` of the same size with bias, tuned; logistic regression "
            f"| {'; '.join(shares)} |"
        )
    ]


def _bptt() -> list[str]:
    rows = _result("bptt")["forward_and_backward"]
    own = [rows[f"batch {batch}"]["guarded, C"] for batch in (64, 128)]
    return [
        (
            "| 784-256-10, 50 steps, forward and backward, CPU time over `snntorch.Leaky`, batch 64; 128 "
            f"| {own[0]['over_leaky']:.2f} ×; {own[1]['over_leaky']:.2f} × |"
        ),
        (
            "| the same over its matrix products alone "
            f"| {own[0]['over_products']:.2f} ×; {own[1]['over_products']:.2f} × |"
        ),
        (
            "| its neurons alone over the unguarded step, `rosenbrock2` "
            f"| {own[0]['neurons_over_rosenbrock2']:.2f} ×; {own[1]['neurons_over_rosenbrock2']:.2f} × |"
        ),
    ]


def _throughput() -> list[str]:
    result = _result("throughput")
    default = result["forward_and_backward"]["memsim guarded"]
    seconds = result["ngspice_seconds_per_neuron_and_10000_points"]
    return [
        (
            "| neuron steps per CPU second, forward and backward, one thread, under noise that makes most steps divide "
            f"| {default['million_neuron_steps_per_cpu_second']:.1f} million |"
        ),
        f"| the same, CPU time over `snntorch.Leaky` in the same run | {default['cpu_time_over_leaky']:.1f} × |",
        f"| ngspice, one neuron, 10 000 points | {seconds:.2f} s |",
    ]


def _crossbar() -> list[str]:
    rows = {(r["contender"], r["size"], r["batch"], r["ohm"]): r for r in _result("crossbar_solver")["rows"]}

    def seconds(contender: str, size: int, batch: int = 1) -> float:
        return float(rows[contender, size, batch, 1.0]["cpu_seconds"])

    def memory(contender: str) -> float:
        return float(rows[contender, 1024, 1, 1.0]["extra_mebibytes"])

    return [
        (
            f"| crossbar with wires of 1 Ω, exact currents for one vector, {size} × {size} "
            f"| {seconds('memsim', size) * 1e3:.3g} ms; badcrossbar "
            f"{seconds('badcrossbar', size) / seconds('memsim', size):.0f} × |"
        )
        for size in (256, 1024)
    ] + [
        (
            "| the same, memory at 1024 × 1024 "
            f"| {memory('memsim'):.0f} MiB; badcrossbar {memory('badcrossbar'):.0f} MiB |"
        ),
        (
            "| 256 vectors, 128 × 128, effective matrix kept, over a plain product "
            f"| {seconds('memsim, matrix kept', 128, 256) / seconds('no wires (matmul)', 128, 256):.1f} × |"
        ),
    ]


def _sweeps() -> list[str]:
    faster, run = _result("sweep_scaling")["faster_with_two_workers"], _result("overhead")["run"]
    return [
        (
            "| a sweep on two local workers over one; what memsim adds to a run of ngspice of "
            f"{run['seconds_by_ngspice']:.1f} s | {faster:.2f} ×; {run['overhead']:.1%} |"
        )
    ]


def _robust() -> list[str]:
    rows = _result("memprop-robust-mnist")["rows"]

    def mean(training: str, condition: str) -> float:
        shares = [
            share for name, row in rows.items() if name.startswith(training) for share in row[condition]
        ]
        return statistics.mean(shares)

    return [
        (
            "| MNIST with 20 % device variation: trained without it; with it "
            f"| {mean('plain', 'variation 20%'):.2%}; {mean('aware', 'variation 20%'):.2%} |"
        )
    ]


def _step_errors() -> list[str]:
    rows = _result("step_errors")["data"].values()
    accuracies = "; ".join(f"{row['test_accuracy']:.2%}" for row in rows)
    errors = "; ".join(f"{row['error']['error']:.1%}" for row in rows)
    return [
        (
            "| MNIST; Fashion-MNIST, one seed, `--step auto`: test accuracy, and worst error of a potential at the "
            f"trained step | {accuracies}, and {errors} of a spike |"
        )
    ]


def _any_step() -> list[str]:
    cases = _result("any_step")["cases"]
    circuits = len({case["circuit"] for case in cases})
    broken = [c for c in cases if not c["refused"] and c["error"] > 3 * c["estimate"] + 1e-6]
    return [
        (
            f"| equal steps of 1/1000 to 10 fastest time constants, {circuits} cards and neurons under one drive: "
            "refused; in range and within three times the stated error "
            f"| {sum(bool(case['refused']) for case in cases)}; {len(cases) - len(broken)} of {len(cases)} runs |"
        )
    ]


def _fits() -> list[str]:
    result = _result("fits")
    joint = [min(m["error"] for m in one["models"].values()) for one in result["joint"].values()]
    left_out = [min(m["held_out"] for m in one.values()) for one in result["held_out"].values()]
    return [
        (
            f"| {result['summary']['loops']} measured loops of Knowm devices, each fitted, RMSE of peak, median; four "
            "frequencies at once; a frequency left out "
            f"| {result['summary']['best model']['median']:.1%}; {min(joint):.1%} to {max(joint):.1%}; "
            f"{min(left_out):.1%} to {max(left_out):.1%} |"
        )
    ]


def _devices() -> list[str]:
    result = _result("device_agreement")
    worst = result["worst"]
    return [
        (
            f"| {result['models']} of {len(MODELS)} device models, sine, triangle and pulses at three amplitudes: "
            "current in ngspice and torch within 0.5 % of peak; worst; edges apart, of the period "
            f"| {result['within_the_promise']} of {result['runs']} runs; {worst['error_within_a_step']:.2%}; "
            f"{worst['edge_shift']:.4%} |"
        )
    ]


def _variability() -> list[str]:
    whole = _result("variability")["worst"]["whole arrays"]
    return [
        (
            "| cells drawn as measured, beside measured cells they never saw, worst systematic error: quantiles of "
            "5 to 95 %; of 0.1 and 1 % "
            f"| {whole['quantiles']['systematic']['value']:.1%}; {whole['tails']['systematic']['value']:.1%} |"
        )
    ]


def _adcless() -> list[str]:
    ratios = _result("adcless_ratios")
    ours, decoupled = ratios["median"]["ours"], ratios["median"]["complete, decoupled clock"]
    return [
        (
            "| 5-bit flash ADCs over 1-bit sense amplifiers, energy; latency, median of 15 published cases; all "
            f"parts counted, clocks decoupled | {ours['energy']:.1f} ×; {ours['latency']:.1f} ×; "
            f"{decoupled['energy']:.1f} ×; {decoupled['latency']:.1f} × |"
        ),
        _events(),
    ]


def _events() -> str:
    """N-MNIST on columns of 1 bit beside those of 5, split by split."""
    found = _result("adcless_events")["results"]
    one, five = (
        {
            split: statistics.mean(chip["accuracy_averages_per_chip"] for chip in run["chips"])
            for split, run in found[columns].items()
        }
        for columns in ("one bit", "five bits")
    )
    lost = [five[split] - one[split] for split in one]
    return (
        f"| N-MNIST, {len(one)} splits of 1000 / 100, offset, noise and variation, 3 chips that training never saw, "
        "averages per chip: columns of 1 bit; of 5 bits, trained as long; difference, mean ± standard error | "
        f"{_mean_and_error(list(one.values()))}; {_mean_and_error(list(five.values()))}; "
        f"{100 * statistics.mean(lost):.1f} ± {100 * statistics.stdev(lost) / math.sqrt(len(lost)):.1f} points |"
    )


def _mean_and_error(values: list[float]) -> str:
    """Mean, and the standard error of the mean."""
    return f"{statistics.mean(values):.1%} ± {statistics.stdev(values) / math.sqrt(len(values)):.1%}"


def _columns(*kinds: str) -> list[str]:
    """Columns of 1 bit beside those of 5, without wires and with `, wires`."""
    rows = []
    titles = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
    for data, found in _result("adcless_recipe")["results"].items():
        for wires in kinds:
            judged = [found.get(f"{columns}{wires}", {}) for columns in ("one bit", "five bits")]
            if not judged[0]:
                continue
            parts = "offset, noise, variation" + (" and wires" if wires else "")
            rows.append(
                f"| {titles[data]}, 45 228 parameters, arrays of 64 rows with {parts}, on 3 chips that training never "
                "saw, averages per chip (of training): columns of 1 bit; of 5 bits, trained as long | "
                f"{'; '.join(_judged(seeds) for seeds in judged)} |"
            )
    return rows


def _judged(seeds: dict[str, Any]) -> str:
    if not seeds:
        return "not measured"
    chips = [chip for seed in seeds.values() for chip in seed["chips"]]
    means = (
        statistics.mean(chip[f"accuracy_averages_{of}"] for chip in chips)
        for of in ("per_chip", "of_training")
    )
    return "{:.2%} ({:.2%}), {}".format(*means, "1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds")


def _demo() -> list[str]:
    stages = _result("demo")["stages"]
    listed = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in stages.items())
    return [f"| `make demo` after set-up | {sum(stages.values()):.0f} s: {listed} |"]


def headline() -> list[str]:
    """Rows of README.md."""
    return [
        *(*_memprop(), *_robust(), *_bptt()[:1], *_crossbar()[1:2], *_devices(), *_fits(), *_variability()),
        *(*_adcless(), *_columns(", wires"), *_demo()),
    ]


def everything() -> list[str]:
    """Rows of the documentation."""
    return [
        *(
            *_memprop(),
            *_robust(),
            *_step_errors(),
            *_any_step(),
            *_digits(),
            *_self_firing(),
            *_own_neuron(),
            *_topologies(),
            *_circuits_on_tiles(),
            *_bptt(),
            *_throughput(),
            *_crossbar(),
            *_wires(),
            *_devices(),
        ),
        *(
            *_own_data(),
            *_fits(),
            *_variability(),
            *_adcless(),
            *_columns("", ", wires"),
            *_sweeps(),
            *_demo(),
        ),
    ]


def measured(rows: list[str]) -> str:
    """A table with the dates of its figures, between the markers of README.md."""
    dates = sorted({_result(name)["date"] for name in SOURCES})
    source = f"From `benchmarks/results/`, {', '.join(dates)}, {_result('digits')['machine']}."
    return "\n".join([BEGIN, "| measured | |", "|---|---|", *rows, "", source, END])


def methods() -> str:
    """A table of the methods of the literature, between their markers of README.md."""
    head = "| method, mean of seeds (lowest) | software | columns of 1 bit | circuits | expected |"
    rows = [
        f"| [{name}](docs/methods/{name}.md) | {' | '.join(overview(name))} | {load_method(name).expected} |"
        for name in method_names()
    ]
    begin, end = METHODS
    return "\n".join([begin, head, "|---|---|---|---|---|", *rows, end])


def main() -> None:
    """Replace the blocks in README.md."""
    text = README.read_text(encoding="utf-8")
    for block in (measured(headline()), methods()):
        begin, *_, end = block.splitlines()
        before, rest = text.split(begin)
        text = before + block + rest.split(end)[1]
    write_text(README, text)


if __name__ == "__main__":
    main()
