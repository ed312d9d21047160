"""What the saved results of staged training show is what is claimed; each bound is the claim itself."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
SEEDS = 3


def runs(data: str) -> list[dict[str, Any]]:
    saved = json.loads((RESULTS / "adcless_training.json").read_text(encoding="utf-8"))["results"][data]
    return [run for name, run in sorted(saved.items()) if name.isdigit()]


def mean(data: str, plan: str, stage: str) -> float:
    return statistics.mean(run[plan][stage] for run in runs(data))


@pytest.mark.parametrize("data", ["mnist", "nmnist"])
def test_training_adapts_to_one_bit(data: str) -> None:
    assert len(runs(data)) == SEEDS
    assert mean(data, "staged", "partial sums") - mean(data, "staged", "one bit") <= 0.015


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("mnist", marks=pytest.mark.xfail(reason="1.75 points, mean of 3 seeds")),
        "nmnist",
    ],
)
def test_one_bit_stays_near_five_bits_that_are_trained_for_as_long(data: str) -> None:
    assert mean(data, "hp-adc", "trained on") - mean(data, "staged", "one bit") <= 0.015


@pytest.mark.parametrize("data", ["mnist", "nmnist"])
def test_without_training_one_bit_collapses(data: str) -> None:
    assert mean(data, "staged", "cold, calibrated") < mean(data, "staged", "one bit") - 0.3


def test_training_with_offsets_widens_what_is_tolerated() -> None:
    saved = json.loads((RESULTS / "adcless_training.json").read_text(encoding="utf-8"))["results"]["mnist"]
    at_one_cell = saved["robustness-0"]["converter.offset"]["1"]
    assert at_one_cell["non-idealities"] - at_one_cell["one bit"] > 0.2


def judged(columns: str, averages: str = "per_chip") -> float:
    """Mean over seeds and unseen chips of the network of the recipe on MNIST."""
    results = json.loads((RESULTS / "adcless_recipe.json").read_text(encoding="utf-8"))["results"]["mnist"]
    chips = [chip for seed in results[columns].values() for chip in seed["chips"]]
    assert len(chips) >= SEEDS
    return statistics.mean(chip[f"accuracy_averages_{averages}"] for chip in chips)


@pytest.mark.parametrize("parts", ["", ", wires"])
@pytest.mark.parametrize("averages", ["per_chip", "of_training"])
def test_one_bit_is_within_half_a_point_of_five_on_unseen_chips(parts: str, averages: str) -> None:
    assert judged(f"five bits{parts}", averages) - judged(f"one bit{parts}", averages) <= 0.005


def test_one_bit_is_within_a_point_of_five_on_events_of_five_splits() -> None:
    found = json.loads((RESULTS / "adcless_events.json").read_text(encoding="utf-8"))["results"]
    one, five = (
        [
            statistics.mean(chip["accuracy_averages_per_chip"] for chip in found[columns][split]["chips"])
            for split in sorted(found["one bit"])
        ]
        for columns in ("one bit", "five bits")
    )
    assert len(one) == 5
    assert statistics.mean(five) - statistics.mean(one) <= 0.01


@pytest.mark.xfail(reason="98.67 %, three seeds")
def test_one_bit_with_wires_reaches_what_was_asked_for() -> None:
    assert judged("one bit, wires") >= 0.987
