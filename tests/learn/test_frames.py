"""Frames of events, some of which are noise: what can be counted is the same, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_dataset
from memsim.learn.data import DataTable, FrameTable, in_frames, load_dataset
from memsim.learn.evaluation import part

STEPS = 10


def test_frames_of_signal_are_of_the_image_and_those_of_noise_are_not() -> None:
    table = {"noise": 0.4, "rate": 0.5, "train": 200, "test": 100}
    data = load_dataset(DataTable(name="digits", frames=table), bins=STEPS)
    plain = load_dataset("digits")
    assert data.train.stored.shape == (200, STEPS, 64)
    assert len(data.test) == 100
    for split, images in ((data.train, plain.train), (data.test, plain.test)):
        assert split.signal is not None
        assert torch.equal(split.labels, images.labels[: len(split)])
        assert set(split.signal.sum(1).tolist()) == {6}
        black = images.stored[: len(split), None].expand_as(split.stored) == 0
        assert not split.stored[split.signal][black[split.signal]].any()
        scattered = split.stored[~split.signal].double()
        # means of 400 or 800 frames of 19 events among 64 pixels: five standard deviations are below 0.12
        assert float((scattered.mean(0) - scattered.mean()).abs().max()) < 0.12
        white = images.inputs(slice(len(split)))[:, None].expand_as(split.stored)
        seen = split.stored.double()
        wanted = 0.5 * float(white[split.signal].double().mean())
        assert float(seen[split.signal].mean()) == pytest.approx(wanted, abs=0.01)
        assert float(scattered.mean()) == pytest.approx(float(seen[split.signal].mean()), abs=0.01)


def test_recordings_keep_their_events_and_noise_moves_them() -> None:
    draw = np.random.default_rng(0)
    series = [(draw.random((12, STEPS, 9)) < 0.3).astype(np.float32) for _ in range(2)]
    given = make_dataset(*((one, np.arange(12) % 3) for one in series), inputs="series", targets="classes")
    framed = in_frames(given, FrameTable(stretch=True), 99)
    for split, whole in ((framed.train, given.train), (framed.test, given.test)):
        assert split.signal is not None
        assert torch.equal(split.stored[split.signal], whole.stored[split.signal])
        assert torch.equal(split.stored.sort(-1).values, whole.stored.sort(-1).values)
        assert not torch.equal(split.stored, whole.stored)
        # one stretch of five frames: it begins once and ends once
        edges = torch.nn.functional.pad(split.signal.int(), (1, 1)).diff(dim=1)
        assert edges.abs().sum(1).tolist() == [2] * 12
        assert split.signal.sum(1).tolist() == [5] * 12
    again = in_frames(given, FrameTable(stretch=True), 99)
    assert torch.equal(again.train.stored, framed.train.stored)
    chosen = part(framed.train, torch.tensor([3, 1]))
    assert chosen.signal is not None
    assert torch.equal(chosen.signal, framed.train.signal[[3, 1]])


def test_frames_of_one_kind_alone_are_refused() -> None:
    for noise, steps in ((0.5, 1), (0.01, 10), (0.99, 10)):
        with pytest.raises(InputError, match=f"frames.noise = {noise:g} of {steps} frames"):
            load_dataset(DataTable(name="digits", frames={"noise": noise}), bins=steps)
