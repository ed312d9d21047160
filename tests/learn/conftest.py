from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from memsim.learn import Run, Study, make_study, train


@pytest.fixture(scope="session")
def small_study() -> Study:
    """Two updates an epoch of a network of 14 neurons over ten time steps: the whole path in a tenth of a second."""
    return make_study(hidden=(4,), epochs=3, batch=700, step=1e-3, seed=5)


@pytest.fixture(scope="session")
def small_run(small_study: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The small study, trained without interruption, and its folder; tests leave the folder as it is."""
    folder = tmp_path_factory.mktemp("small") / "run"
    return train(small_study, folder), folder


@pytest.fixture(scope="session")
def assert_equal_runs() -> Callable[[Run, Run], None]:
    """Weights, neuron parameters and history bit for bit; seconds are those of the clock."""

    def check(one: Run, other: Run) -> None:
        mine, theirs = one.network.state_dict(), other.network.state_dict()
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name
        rows, others = ([replace(record, seconds=0.0) for record in run.history] for run in (one, other))
        assert rows == others

    return check
