"""A flow field from events: a spiking network of convolutions beside a plain one of the same layers.

    python benchmarks/event_flow.py

Both learn by the end-point error, on the same scenes, for as many passes and at one learning rate; the plain one gets
all bins at once, as the last slot of the spiking one does. Zero flow is what to be better than. Where a pixel had no
event, flow is not asked for. One seed. Saved in benchmarks/results/event_flow.json, with a picture of what the spiking
one says of the first scenes of the test.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from common import RESULTS, save_result
from torch import nn

from memsim.learn import Run, make_study, train
from memsim.learn.data import Dataset, SceneTable, event_scenes
from memsim.learn.losses import end_point_distance
from memsim.plots import motion, save
from memsim.report.run import motions

SCENES = SceneTable(side=16, train=1200, test=400, fastest=60.0, history=3)
STEPS, EPOCHS, BATCH, RATE = 4, 5, 32, 5e-3
CHANNELS, KERNEL = (16, 24), 5
SHOWN = 2


def spiking(data: Dataset) -> tuple[float, int]:
    """Its error on the test, in learned units, and its parameters."""
    run = trained(data)
    save(motion(motions(run, SHOWN)), RESULTS / "event_flow.png")
    return run.history[-1].scores["end-point-error"], sum(one.numel() for one in run.network.parameters())


def trained(data: Dataset) -> Run:
    """The spiking network."""
    hidden = [
        {"channels": number, "kernel": KERNEL, "padding": KERNEL // 2, "norm": "batch"} for number in CHANNELS
    ]
    last = {"channels": 2, "kernel": KERNEL, "padding": KERNEL // 2, "output": True}
    study = make_study(
        data={"name": "event-scenes", "targets": "flow", "scenes": SCENES.model_dump()},
        steps=STEPS,
        coding="direct",
        layers=(*hidden, last),
        epochs=EPOCHS,
        batch=BATCH,
        learning_rate=RATE,
        training={"loss": "end-point-error", "metrics": ["end-point-error"]},
    )
    with TemporaryDirectory() as folder:
        return train(study, Path(folder), data=data)


def plain(data: Dataset) -> tuple[float, int]:
    """The same of rectified convolutions."""
    torch.manual_seed(0)
    sizes = [data.shape[0], *CHANNELS]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [
            nn.Conv2d(before, after, KERNEL, padding="same", bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    network = nn.Sequential(*layers, nn.Conv2d(sizes[-1], 2, KERNEL, padding="same"))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    updates = EPOCHS * -(-len(data.train) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(data.train)).split(BATCH):
            inputs, wanted = data.train.batch(chosen)
            loss = end_point_distance(network(inputs[:, -1].view(-1, *data.shape)).flatten(1), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        inputs, wanted = data.test.batch(slice(None))
        found = network.eval()(inputs[:, -1].view(-1, *data.shape)).flatten(1)
        error = end_point_distance(found, wanted)
    return float(error), sum(one.numel() for one in network.parameters())


def main() -> None:
    """Train both, and save what came of them."""
    data = event_scenes(STEPS, "flow", SCENES)
    labels = data.test.labels
    found = {"zero flow": (float(end_point_distance(torch.zeros_like(labels), labels)), 0)}
    for kind in (plain, spiking):
        found[kind.__name__] = kind(data)
        print(kind.__name__, found[kind.__name__], flush=True)
    results = {
        name: {"end_point_error_pixels_per_second": SCENES.fastest * error, "parameters": size}
        for name, (error, size) in found.items()
    }
    save_result(
        "event_flow", "python benchmarks/event_flow.py", {"scenes": SCENES.model_dump(), "results": results}
    )


if __name__ == "__main__":
    main()
