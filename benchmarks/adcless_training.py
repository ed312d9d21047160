"""Networks whose columns are read by one bit: staged training, its short cuts, and what else the hardware does to them.

    python benchmarks/adcless_training.py --data-dir data stages mnist --seeds 0 1 2
    python benchmarks/adcless_training.py --data-dir data robustness mnist

`stages` trains a small convolutional spiking network in software, with quantised weights, with 5-bit partial sums of
each tile, with 1-bit ones, and with non-idealities, each stage from the last. Beside them: the software network put on
1-bit columns without training, before and after its decisions are calibrated; the HP-ADC network trained on for as long
as the 1-bit stage; and the jump from software straight to the last stage, for as many examples as all stages behind
software together. `robustness` takes the networks before and after the last stage through growing non-idealities.

Minutes of one core for each seed; what was interrupted resumes. Every seed is saved when it is done, into
benchmarks/results/adcless_training.json, with a figure.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import RESULTS, save_result
from staged import share_stages, told

from memsim.imc import calibrate, load_hardware, map_to_imc
from memsim.learn import Run, Study, evaluate, load_run, make_study, train
from memsim.learn.checkpoint import STUDY
from memsim.learn.data import Split
from memsim.learn.evaluation import first
from memsim.networks import Network

NAME = "adcless_training"
RUNS = Path("runs/benchmark-adcless")
IDEAL_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
REAL = {**IDEAL_WIRES, "converter.offset": 0.5, "converter.noise": 0.25, "cell.variation": 0.1}
ONE_BIT, HP_ADC = "adcless-differential", "hp-adc-differential"
DECISIONS = {"gradient": "impulse", "width": (4.0, 1.0)}
BATCH = 32
PLANS = ["staged", "hp-adc", "jump"]
SECOND = {"channels": 16, "kernel": 3, "stride": 2, "padding": 1}
IMAGES = ({"channels": 7, "kernel": 5, "stride": 3, "padding": 1}, SECOND)
LAYERS = {
    "mnist": IMAGES,
    "fashion-mnist": IMAGES,
    "nmnist": ({"channels": 8, "kernel": 5, "stride": 4, "padding": 1}, SECOND),
}
STEPS = {"mnist": 4, "fashion-mnist": 4, "nmnist": 5}
# examples of software, weights, partial sums, 1-bit and non-ideality stages
OF_IMAGES = (60_000, 5_000, 10_000, 80_000, 16_000)
EXAMPLES = {
    "mnist": OF_IMAGES,
    "fashion-mnist": OF_IMAGES,
    "nmnist": (24_000, 1_000, 2_000, 24_000, 4_000),
}
TEST = 2_000
SWEEPS: dict[str, tuple[float, ...]] = {
    "converter.offset": (0.0, 0.5, 1.0, 2.0, 4.0),
    "converter.noise": (0.0, 0.5, 1.0, 2.0),
    "cell.variation": (0.0, 0.1, 0.2, 0.4),
    "on/off ratio": (150.0, 20.0, 5.0, 2.0),
    "wires": (0.0, 0.3, 1.0, 3.0),
}
SIZES = (32, 64, 128)


def stage(name: str, examples: int, per_epoch: int, **values: Any) -> dict[str, Any]:
    """A stage of so many examples, in epochs of at most `per_epoch`."""
    epochs = -(-examples // per_epoch)
    return {"name": name, "epochs": epochs, "examples": examples // epochs, **values}


def study(data: str, seed: int, plan: str) -> Study:
    """`staged`, the same `hp-adc` for as long, or the `jump` from software to the last stage."""
    largest = 1_000 if data == "nmnist" else 20_000
    software, weights, sums, one_bit, real = EXAMPLES[data]
    begin = stage("software", software, largest, learning_rate=4e-3)
    quantised = [
        stage("weights", weights, largest, card="ideal", learning_rate=1e-3),
        stage("partial sums", sums, largest, card=HP_ADC, hardware=IDEAL_WIRES, learning_rate=1e-3),
    ]
    last = {"card": ONE_BIT, "hardware": REAL, **DECISIONS}
    plans = {
        "staged": [
            *quantised,
            stage(
                "one bit",
                one_bit,
                largest,
                card=ONE_BIT,
                hardware=IDEAL_WIRES,
                learning_rate=1e-2,
                **DECISIONS,
            ),
            stage("non-idealities", real, largest, learning_rate=2e-3, **last),
        ],
        "hp-adc": [
            *quantised,
            stage("trained on", one_bit, largest, card=HP_ADC, hardware=IDEAL_WIRES, learning_rate=1e-3),
        ],
        "jump": [stage("jump", weights + sums + one_bit + real, largest, learning_rate=1e-2, **last)],
    }
    return make_study(
        data=data,
        hidden=LAYERS[data],
        steps=STEPS[data],
        batch=BATCH,
        seed=seed,
        stages=(begin, *plans[plan]),
    )


def trained(data: str, seed: int, plan: str, data_dir: Path) -> Run:
    """A run, finished where it was interrupted; stages that plans share are copied."""
    chosen = study(data, seed, plan)
    folder = RUNS / f"{data}-{plan}-{seed}"
    share_stages(chosen, folder, RUNS / f"{data}-staged-{seed}")
    return train(
        chosen,
        folder,
        data_dir=data_dir,
        resume=(folder / STUDY).exists(),
        progress=told,
        tell=lambda text: print(f"{data} {plan} {seed}: {text}", flush=True),
    )


def cold(data: str, seed: int, data_dir: Path) -> dict[str, float]:
    """The software network on 1-bit columns without any training."""
    run = load_run(RUNS / f"{data}-staged-{seed}", data_dir, stages=1)
    mapped = map_to_imc(run.network, load_hardware(ONE_BIT, IDEAL_WIRES))
    assert isinstance(mapped, Network)
    found = {"cold": evaluate(mapped, run.data.test)}
    calibrate(mapped, first(run.data.train, 500).inputs())
    return {**found, "cold, calibrated": evaluate(mapped, run.data.test)}


def stages(data: str, seeds: list[int], plans: list[str], data_dir: Path) -> None:
    """Plans of each seed, saved one by one."""
    for seed in seeds:
        for plan in plans:
            run = trained(data, seed, plan, data_dir)
            found = {record.stage.name: record.accuracy for record in run.records}
            if plan == "staged":
                found |= cold(data, seed, data_dir)
            _record(data, str(seed), {plan: found})


def robustness(data: str, seed: int, data_dir: Path) -> None:
    """Accuracy over growing non-idealities, of the networks before and after the last stage."""
    folder = RUNS / f"{data}-staged-{seed}"
    networks = {
        "one bit": load_run(folder, data_dir, stages=4),
        "non-idealities": load_run(folder, data_dir, stages=5),
    }
    split = first(networks["one bit"].data.test, TEST)
    done = _results().get(data, {}).get(f"robustness-{seed}", {})
    for kind, levels in SWEEPS.items():
        for level in levels:
            if f"{level:g}" in done.get(kind, {}):
                continue
            found = {name: on_hardware(run, changes(kind, level), split) for name, run in networks.items()}
            print(data, kind, level, found, flush=True)
            _record(data, f"robustness-{seed}", {kind: {f"{level:g}": found}})
    for size in SIZES:
        if str(size) in done.get("array size", {}):
            continue
        change = {**IDEAL_WIRES, "array.rows": size, "array.columns": size}
        run = networks["one bit"]
        found = {"one bit": on_hardware(run, change, split)}
        found["non-idealities"] = trained_at(data, seed, size, data_dir, split)
        print(data, "array", size, found, flush=True)
        _record(data, f"robustness-{seed}", {"array size": {str(size): found}})


def trained_at(data: str, seed: int, size: int, data_dir: Path, split: Split) -> float:
    """The network after its 1-bit stage, trained on for arrays of another size."""
    folder = RUNS / f"{data}-size{size}-{seed}"
    begun = study(data, seed, "staged")
    *_, one_bit, _ = begun.stages
    hardware = {**IDEAL_WIRES, "array.rows": size, "array.columns": size}
    examples = EXAMPLES[data][4]
    again = one_bit.model_copy(
        update={
            "name": "size",
            "hardware": hardware,
            "epochs": -(-examples // (one_bit.examples or examples)),
        }
    )
    again = again.model_copy(update={"examples": min(examples, one_bit.examples or examples)})
    chosen = begun.model_copy(update={"stages": (*begun.stages[:-1], again)})
    share_stages(chosen, folder, RUNS / f"{data}-staged-{seed}")
    run = train(chosen, folder, data_dir=data_dir, resume=(folder / STUDY).exists())
    return evaluate(run.network, split)


def changes(kind: str, level: float) -> dict[str, object]:
    """Entries of a card with one non-ideality of this level, and no other."""
    if kind == "wires":
        return {"wires.word_line": level, "wires.bit_line": level}
    if kind == "on/off ratio":
        return {
            **IDEAL_WIRES,
            "cell.resistance_off": level * load_hardware(ONE_BIT).cell.resistance_on,
            "cell.variation": 0.1,
        }
    return {**IDEAL_WIRES, kind: level}


def on_hardware(run: Run, change: Mapping[str, object], split: Split) -> float:
    """Accuracy of a trained network on other hardware, on one chip."""
    import torch

    source = torch.Generator().manual_seed(0)
    mapped = map_to_imc(run.network, load_hardware(ONE_BIT, change), generator=source)
    assert isinstance(mapped, Network)
    return evaluate(mapped, split)


def _results() -> dict[str, Any]:
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def _record(data: str, key: str, found: dict[str, Any]) -> None:
    results = _results()
    _merge(results.setdefault(data, {}).setdefault(key, {}), found)
    save_result(
        NAME,
        "python benchmarks/adcless_training.py --data-dir data stages mnist --seeds 0 1 2",
        {"hardware": {"one bit": ONE_BIT, "hp-adc": HP_ADC, "non-idealities": REAL}, "results": results},
    )


def _merge(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            _merge(old[name], value)
        else:
            old[name] = value


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("MEMSIM_DATA", "data")))
    parser.add_argument("what", choices=["stages", "robustness"])
    parser.add_argument("data", choices=sorted(LAYERS))
    parser.add_argument("--plans", nargs="+", choices=PLANS, default=PLANS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    if given.what == "stages":
        stages(given.data, given.seeds, given.plans, given.data_dir)
    else:
        for seed in given.seeds:
            robustness(given.data, seed, given.data_dir)


if __name__ == "__main__":
    main()
