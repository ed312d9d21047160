"""Accuracy of a trained network over non-idealities, on several draws of the hardware."""

from pathlib import Path

import numpy as np
import pytest

from memsim.errors import CheckpointError, InputError
from memsim.learn import evaluate, load_run, make_study, train
from memsim.learn.evaluation import first
from memsim.networks.tables import NonidealityTable
from memsim.sweep import make_sweep, run_sweep

ACCURACY = {"accuracy": {"of": "accuracy", "what": "value"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(make_study(hidden=(8,), epochs=3, batch=200, step=1e-3, seed=1), folder)
    return folder


def test_each_point_is_an_evaluation_of_its_own(trained: Path, tmp_path: Path, scheduler: str):
    study = make_sweep(
        network="run",
        images=100,
        grid={"variation": [0, 0.3, 1.0], "levels": [4, 256]},
        samples={"count": 3, "method": "random", "parameters": {"chip": {"from": 0, "to": 1e6}}},
        measure=ACCURACY,
    )
    data = run_sweep(study, tmp_path / "out.nc", folder=trained.parent, scheduler=scheduler)
    assert (data["status"] == 1).all()
    run = load_run(trained)
    for place in ((0, 0, 0), (1, 1, 2), (2, 0, 1)):
        row = data.isel(dict(zip(("variation", "levels", "sample"), place, strict=True)))
        table = NonidealityTable(variation=float(row["variation"]), levels=int(row["levels"]))
        expected = evaluate(run.network, first(run.data.test, 100), table, seed=round(float(row["chip"])))
        assert float(row["accuracy"]) == expected
    means = data["accuracy"].sel(levels=256).mean("sample").values
    assert means[2] < means[0]  # cells that vary by a factor of e forget what they were taught
    assert np.ptp(data["accuracy"].sel(levels=256, variation=1.0).values) > 0  # chips differ


def test_what_a_network_refuses(trained: Path, tmp_path: Path, scheduler: str):
    study = make_sweep(network="run", grid={"stuck_rate": [2.0]}, images=10, measure=ACCURACY)
    data = run_sweep(study, tmp_path / "out.nc", folder=trained.parent, scheduler=scheduler)
    assert "stuck_rate" in str(data["error"].values[0])
    with pytest.raises(InputError, match=r"no parameter 'cmem'.*variation.*chip"):
        run_sweep(
            make_sweep(network="run", grid={"cmem": [1]}, measure=ACCURACY),
            tmp_path / "o.nc",
            folder=trained.parent,
        )
    with pytest.raises((InputError, CheckpointError), match="does not exist"):
        run_sweep(make_sweep(network="none", measure=ACCURACY), tmp_path / "o.nc", folder=tmp_path)
