"""Every shipped study comes through all its stages, with random numbers in the place of files of data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memsim.learn import Study, load_study, make_dataset, train
from memsim.learn.data import Dataset, DataTable, Split, data_name, load_dataset
from memsim.methods import load_method, method_names

STUDIES = {name: path for one in method_names() for name, path in load_method(one).studies.items()}
SHAPES = {
    "mnist": ((28, 28), 10),
    "fashion-mnist": ((28, 28), 10),
    "digits": ((8, 8), 10),
    "yin-yang": ((4,), 3),
    "nmnist": ((2312,), 10),
    "cora": ((1433,), 7),
    "citeseer": ((3703,), 6),
    "tactile-objects": ((78,), 36),
    "tactile-containers": ((78,), 20),
}
LONG = {
    "bntt",
    "desire",
    "dimensional-attention",
    "dimensional-attention-circuits",
    "equilibrium",
    "equilibrium-circuits",
    "graph-pack",
    "graph-pack-diffusion",
    "hoyer-circuits",
    "membrane-residuals",
    "membrane-residuals-deep",
    "membrane-residuals-deep-plain",
    "space-kit",
    "space-kit-faults",
    "sparse-descent",
    "spike-residuals",
    "spike-residuals-saturating",
    "spiking-gcn-citeseer",
    "thresholds-circuits",
}
"""More than five seconds each."""
EXAMPLES = 40
"""More than one in a batch, for the statistics of a batch, and each class in training and test."""


def short_data(study: Study) -> Dataset:
    """A few examples of what is generated, else random ones, as many numbers and classes as the data set has."""
    name = data_name(study.data)
    if name not in SHAPES:
        data = load_dataset(study.data, bins=study.time_steps if study.discrete else study.drive.slots)
        few = slice(EXAMPLES)
        parts = [Split(one.stored[few], one.labels[few], one.full_scale) for one in (data.train, data.test)]
        return replace(data, **dict(zip(("train", "test"), parts, strict=True)))
    shape, classes = SHAPES[name]
    if isinstance(study.data, DataTable) and study.data.graph is not None and study.data.graph.links:
        shape, classes = (*shape, 1, 2), 2
    draw = np.random.default_rng(0)
    train, test = ((draw.random((EXAMPLES, *shape)), np.arange(EXAMPLES) % classes) for _ in range(2))
    return make_dataset(train, test, inputs="images" if len(shape) > 1 else "static", targets="classes")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in STUDIES]
)
def test_a_study_comes_through_all_its_stages(name: str, tmp_path: Path) -> None:
    study = load_study(STUDIES[name])
    short = {"epochs": 1, "batch": EXAMPLES // 2}
    stages = tuple(
        one.model_copy(update={"epochs": 1, "examples": None, "batch": None}) for one in study.stages
    )
    run = train(
        study.model_copy(update={**short, "stages": stages}),
        tmp_path,
        data=short_data(study),
    )
    assert np.isfinite([epoch.loss for epoch in run.history]).all()
    assert [record.stage.name for record in run.records] == [stage.name for stage in study.stages]
