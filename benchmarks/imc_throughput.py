"""Products per CPU-second of a 256 x 256 layer with 1-bit weights and 1-bit columns, beside plain torch and peers.

    python benchmarks/imc_throughput.py [--crosssim CHECKOUT]

One thread; the fastest of many repetitions, engines in turn within one run. Peers are measured where they are there:
CrossSim from a checkout, aihwkit-lightning from the environment, each with the coarsest outputs that it has, of 2 bits
(neither takes 1 bit), and fresh output noise only where said. Writes benchmarks/results/imc_throughput.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import save_result
from torch import Tensor, nn

from memsim.imc import load_hardware, map_to_imc

SIDE, VECTORS, ROUNDS = 256, 2_000, 15
ACTIVE, COARSEST = 0.2, 2
CARD = "adcless-256"
CHANGES = {"weights.bits": 1, "wires.word_line": 0.0, "wires.bit_line": 0.0}


def engines(layer: nn.Linear, checkout: Path | None) -> dict[str, Callable[[Tensor], Any]]:
    """What multiplies, by name."""
    card, source = load_hardware(CARD, CHANGES), torch.Generator().manual_seed(0)
    noisy = card.changed({"converter.noise": 1.0, "converter.offset": 1.0})
    found: dict[str, Callable[[Tensor], Any]] = {
        "torch": layer,
        "memsim, ideal amplifiers": map_to_imc(layer, card).eval(),
        "memsim, fresh noise": map_to_imc(layer, noisy, generator=source).eval(),
    }
    peers = {"CrossSim, 2 bits": _crosssim(layer, checkout), "aihwkit-lightning, 2 bits": _lightning(layer)}
    return found | {name: peer for name, peer in peers.items() if peer is not None}


def _crosssim(layer: nn.Linear, checkout: Path | None) -> Callable[[Tensor], Any] | None:
    """CrossSim's core with a 2-bit quantiser at its columns, and its default array without errors."""
    if checkout is None:
        return None
    sys.path.insert(0, str(checkout))
    import numpy as np
    from simulator import AnalogCore, CrossSimParameters

    parameters = CrossSimParameters()
    parameters.core.rows_max = parameters.core.cols_max = SIDE
    adc = parameters.xbar.adc.mvm
    adc.model, adc.bits = "QuantizerADC", COARSEST
    weights = layer.weight.detach().sign().numpy().astype(np.float64)
    core = AnalogCore(weights, params=parameters)
    return lambda x: core.matmat(x.numpy().T)


def _lightning(layer: nn.Linear) -> Callable[[Tensor], Any] | None:
    """aihwkit-lightning's layer with outputs of 2 bits, its 2^b - 2 steps."""
    try:
        from aihwkit_lightning.nn import AnalogLinear
        from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig
    except ImportError:
        return None
    config = TorchInferenceRPUConfig()
    config.forward.out_res, config.forward.out_bound = 2**COARSEST - 2, 1.0
    config.pre_post.input_range.enable = True  # without it, outputs cannot be rounded
    analog = AnalogLinear(SIDE, SIDE, bias=False, rpu_config=config)
    analog.set_weights(layer.weight.detach().sign())
    return analog.eval()


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crosssim", type=Path, help="checkout of sandialabs/cross-sim")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = nn.Linear(SIDE, SIDE, bias=False)
    x = (torch.rand(VECTORS, SIDE) < ACTIVE).float()
    run = engines(layer, given.crosssim)
    best = dict.fromkeys(run, float("inf"))
    with torch.no_grad():
        for engine in run.values():
            engine(x)
        for _ in range(ROUNDS):
            for name, engine in run.items():
                began = time.process_time()
                engine(x)
                best[name] = min(best[name], time.process_time() - began)
    rates = {name: VECTORS / seconds for name, seconds in best.items()}
    for name, rate in rates.items():
        print(
            f"{name:27s} {rate / 1e3:9.1f} k products per CPU-second, torch / this {rates['torch'] / rate:.2f}"
        )
    save_result(
        "imc_throughput",
        "python benchmarks/imc_throughput.py --crosssim cross-sim",
        {"side": SIDE, "vectors": VECTORS, "products_per_cpu_second": rates},
    )


if __name__ == "__main__":
    main()
