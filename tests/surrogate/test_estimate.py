from __future__ import annotations

import numpy as np
import torch

from memsim.circuits import PulseTrain, device_bench
from memsim.devices import load_card
from memsim.surrogate import CompiledCircuit, estimate_error, reference


def test_an_edge_between_samples_is_seen_by_the_estimate():
    """Ten steps over a pulse whose edges are a hundredth of it: two samplings can agree, and both miss it."""
    card = load_card("mif-set1")
    stop = 1 / card.drive.frequency
    pulse = PulseTrain(-0.2, stop / 4, stop / 2, stop / 100, stop / 100)
    circuit = device_bench(card.device, series_resistance=card.drive.series_resistance)
    twin = CompiledCircuit(circuit, inputs=("vdrive",))
    found = estimate_error(twin, {"vdrive": pulse}, stop=stop, step=stop / 10)
    times = np.linspace(0, stop, 11)
    waves, _ = twin(torch.as_tensor(pulse(times)), dt=stop / 10)
    exact = reference.simulate(circuit, stimuli={"vdrive": pulse}, stop=stop, step=stop / 10)
    for name, wave in waves.items():
        error = np.abs(wave.numpy() - exact[name].values).max()
        assert error <= 3 * found.errors[name] + 1e-9
