"""Data sets: splits of their own, values in [0, 1], and the published examples."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn.data import DATA_VARIABLE, DATASETS, Dataset, Split, load_dataset, load_graph
from memsim.learn.data.generated import GENERATED

REAL = os.environ.get(DATA_VARIABLE)
needs_data = pytest.mark.skipif(not REAL, reason=f"set {DATA_VARIABLE} to a folder with data sets")
SIZES = {
    "digits": (1347, 450),
    "mnist": (60_000, 10_000),
    "fashion-mnist": (60_000, 10_000),
    "yin-yang": (5000, 1000),
    "nmnist": (1000, 100),
    "fsdd": (600, 300),
    "cora": (140, 1000),
    "citeseer": (120, 1000),
    "karate-club": (2, 32),
    "early-late": (1000, 500),
    "early-late-both-ways": (1000, 500),
    "moving-dots": (4000, 1000),
    "tactile-objects": (576, 144),
    "tactile-containers": (240, 60),
}
COMPUTED = {"digits", "yin-yang", "karate-club", "early-late", "early-late-both-ways", "moving-dots"}
HERE = [
    pytest.param(name, marks=[] if name in COMPUTED else needs_data)
    for name in DATASETS
    if name not in GENERATED  # made as tables say; see test_scenes.py, test_recall.py and test_diffusion.py
]


@pytest.mark.parametrize("name", HERE)
def test_a_data_set_is_complete_scaled_and_the_same_every_time(name: str):
    data = load_dataset(name, bins=8)
    assert (len(data.train), len(data.test)) == SIZES[name]
    assert data.features == int(np.prod(data.shape))
    assert data.train.stored[0].numel() % int(np.prod(data.plane)) == 0
    for split in (data.train, data.test):
        inputs, labels = split.inputs(slice(0, 200)), split.labels
        assert inputs.dtype == torch.float32
        assert inputs.min() >= 0
        assert 0.9 < inputs.max() <= 1
        assert inputs.ndim == (3 if data.time_domain else 2)
        if data.regression:
            assert labels.shape[1] == data.classes
        else:
            assert set(labels.tolist()) == set(range(data.classes))
    assert torch.equal(load_dataset(name, bins=8).test.inputs(slice(20)), data.test.inputs(slice(20)))


@needs_data
@pytest.mark.parametrize(
    ("name", "first", "mean"),
    # mean and first labels as they are widely printed: MNIST 0.1307, Fashion-MNIST 0.2860 (four digits given)
    [("mnist", [7, 2, 1, 0, 4], 0.1307), ("fashion-mnist", [9, 2, 1, 1, 6], 0.2860)],
)
def test_images_are_the_published_ones(name: str, first: list[int], mean: float):
    data = load_dataset(name)
    assert data.test.labels[:5].tolist() == first
    assert data.train.stored.numpy().mean() / 255 == pytest.approx(mean, abs=0.5e-4)
    assert data.train.stored.dtype == torch.uint8


@needs_data
def test_yin_yang_is_computed_as_published():
    published = np.load(Path(str(REAL)) / "yinyang" / "yinyang.npz")
    data = load_dataset("yin-yang")
    for part, split in (("train", data.train), ("test", data.test)):
        np.testing.assert_array_equal(split.labels, published[f"{part}_labels"])
        # float32 of numbers below 1
        np.testing.assert_allclose(split.inputs(), published[f"{part}_samples"], atol=2**-24)


def test_yin_yang_lies_in_its_disc_and_mirrors_its_coordinates():
    inputs = load_dataset("yin-yang").train.inputs()
    assert ((inputs[:, :2] - 0.5).norm(dim=1) <= 0.5 + 1e-6).all()
    assert torch.allclose(inputs[:, :2] + inputs[:, 2:], torch.ones(5000, 2), atol=2**-23)


def test_batches_hold_every_example_once_in_order():
    stored = torch.arange(7, dtype=torch.uint8)[:, None]
    split = Split(stored, torch.arange(7), full_scale=7.0)
    inputs, labels = zip(*split.batches(3), strict=True)
    assert [len(part) for part in labels] == [3, 3, 1]
    assert torch.equal(torch.cat(labels), torch.arange(7))
    assert torch.equal(torch.cat(inputs), stored / 7.0)


def make(labels: list[int], inputs: int) -> Dataset:
    good = Split(torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64))
    return Dataset("toy", 3, (2, 2), good, Split(torch.zeros(inputs, 4), torch.tensor(labels)))


@pytest.mark.parametrize(
    ("labels", "inputs", "message"),
    [
        ([0, 3], 2, r"toy \(test\): label 1 is 3; allowed: 0 to 2"),
        ([-1], 1, "label 0 is -1"),
        ([0, 1], 3, "3 inputs and 2 labels"),
        ([], 0, "no examples"),
    ],
)
def test_labels_that_cannot_be_are_named(labels: list[int], inputs: int, message: str):
    with pytest.raises(InputError, match=message):
        make(labels, inputs)


@needs_data
@pytest.mark.parametrize(
    ("name", "nodes", "words", "edges"), [("cora", 2708, 1433, 5278), ("citeseer", 3327, 3703, 4552)]
)
def test_citation_graphs_are_the_published_ones(name: str, nodes: int, words: int, edges: int):
    graph = load_graph(name, Path(str(REAL)))
    assert (graph.features.shape, len(graph.edges)) == ((nodes, words), edges)
    parts = [set(part.tolist()) for part in (graph.train, graph.validation, graph.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]  # noqa: PT018
    assert graph.labels[graph.train].bincount().unique().tolist() == [20]  # 20 papers of each class


@needs_data
def test_tactile_events_are_all_counted_whatever_the_bins():
    few, many = (load_dataset("tactile-containers", bins=bins) for bins in (5, 65))
    assert few.duration == pytest.approx(6.5)
    # bins of 5 samples hold 65 / 5 of the others; neither saturates below its full scale
    total = few.train.stored.sum(dim=(1, 2), dtype=torch.int64)
    assert (total <= many.train.stored.sum(dim=(1, 2), dtype=torch.int64)).all()
    assert few.train.stored.shape == (240, 5, 78)


def test_what_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"'mnist-1d' is unknown; known: digits, mnist"):
        load_dataset("mnist-1d")
    with pytest.raises(InputError, match="missing"):
        load_dataset("mnist", tmp_path / "missing")
    with pytest.raises(InputError, match="bins = 0"):
        load_dataset("nmnist", tmp_path, bins=0)
    with pytest.raises(InputError, match=f"Train/ and Test/.*{DATA_VARIABLE}"):
        load_dataset("nmnist", tmp_path)
    with pytest.raises(InputError, match=f"recordings/.*{DATA_VARIABLE}"):
        load_dataset("fsdd", tmp_path)
