"""A checkpoint is data: it cannot run code, and damage or a wrong network end in one clear error."""

import pickle
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load, save

from memsim.errors import CheckpointError
from memsim.learn import Run, Study, build, load_checkpoint, load_run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT, _digest


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def folder(small_run: tuple[Run, Path], tmp_path: Path) -> Path:
    """A copy of the small run that a test may spoil."""
    return Path(shutil.copytree(small_run[1], tmp_path / "run"))


def test_weights_and_history_come_back(small_run: tuple[Run, Path]):
    run, folder = small_run
    again = load_run(folder)
    assert again.study == run.study
    assert again.history == run.history
    for mine, theirs in zip(run.network.crossbars, again.network.crossbars, strict=True):
        assert torch.equal(mine.weight, theirs.weight)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_is_refused_and_not_executed(write, folder: Path, tmp_path: Path):
    target = tmp_path / "pwned"
    with (folder / CHECKPOINT).open("wb") as file:
        write(Payload(target), file)
    with pytest.raises(CheckpointError, match="damaged"):
        load_run(folder)
    assert not target.exists()
    # the payload does work where unpickling is allowed, so its silence above means something
    pickle.loads(pickle.dumps(Payload(target)))  # noqa: S301
    assert target.exists()


@given(st.data())
def test_damage_anywhere_is_noticed(small_run: tuple[Run, Path], data: st.DataObject):
    content = (small_run[1] / CHECKPOINT).read_bytes()
    position = data.draw(st.integers(0, len(content) - 1), label="position")
    if data.draw(st.booleans(), label="cut"):
        damaged = content[:position]
    else:
        change = data.draw(st.integers(1, 255), label="change")
        damaged = content[:position] + bytes([content[position] ^ change]) + content[position + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / CHECKPOINT).write_bytes(damaged)
        # white space of the header may change without changing what it says
        with nullcontext() if _same(damaged, content) else pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(Path(folder), small_run[0].network)


def _same(one: bytes, other: bytes) -> bool:
    try:
        mine, theirs = load(one), load(other)
    except SafetensorError:
        return False
    return set(mine) == set(theirs) and all(
        mine[name].dtype == theirs[name].dtype and torch.equal(mine[name], theirs[name]) for name in mine
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / CHECKPOINT).write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(Path(folder), torch.nn.Linear(2, 2))


def test_a_checkpoint_of_another_network_is_refused(small_run: tuple[Run, Path]):
    network, _ = build(make_study(hidden=(5,)))
    with pytest.raises(CheckpointError, match="does not belong to this network"):
        load_checkpoint(small_run[1], network)


@pytest.mark.parametrize("value", [1.5, -1.5, float("nan"), float("inf")])
def test_weights_that_no_conductances_realise_are_refused(value: float, folder: Path):
    tensors = load((folder / CHECKPOINT).read_bytes())
    tensors["network.layers.0.synapse.crossbar.weight"][3, 2] = value
    del tensors["digest"]
    (folder / CHECKPOINT).write_bytes(save(tensors | {"digest": _digest(tensors)}))
    with pytest.raises(
        CheckpointError, match=r"layers\.0\.synapse\.crossbar\.weight leaves the range -1 to 1"
    ):
        load_run(folder)


@pytest.mark.parametrize(
    "name",
    [
        "network.layers.1.synapse.crossbar.weight",
        "history",
        "generator",
        "optimizer.0.step",
        "optimizer.1.exp_avg_sq",
    ],
)
def test_a_checkpoint_that_lacks_a_part_cannot_be_resumed(name: str, folder: Path, small_study: Study):
    tensors = load((folder / CHECKPOINT).read_bytes())
    del tensors["digest"], tensors[name]
    (folder / CHECKPOINT).write_bytes(save(tensors | {"digest": _digest(tensors)}))
    with pytest.raises(CheckpointError, match="does not belong to this network"):
        train(small_study, folder, resume=True)


def test_a_missing_checkpoint_is_named(folder: Path):
    (folder / CHECKPOINT).unlink()
    with pytest.raises(CheckpointError, match=rf"{CHECKPOINT} does not exist; train first"):
        load_run(folder)
