from pathlib import Path

import pytest

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
