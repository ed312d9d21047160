"""Total column current of a crossbar and its derivatives in circulax; run by `crossbar_gradients.py` elsewhere.

    python circulax_gradient.py SIZE OHM BACKEND < arrays.npz

Needs circulax (Python 3.12 on), and nothing of memsim. Prints one line of JSON.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from circulax import compile_circuit
from circulax.components.electronic import Resistor, VoltageSource

jax.config.update("jax_enable_x64", True)

ROUNDS = 5


def netlist(g: Any, v: Any, ohm: float) -> dict[str, Any]:
    """Drivers at the left, virtual ground at the bottom, one segment before each cell and after the last."""
    size = len(v)
    instances: dict[str, Any] = {"GND": {"component": "ground"}}
    connections: dict[str, Any] = {}
    grounded = []
    for i in range(size):
        instances[f"V{i}"] = {"component": "source", "settings": {"V": float(v[i])}}
        grounded += [f"V{i},p2", f"B{size - 1}_{i},p2"]
        connections[f"V{i},p1"] = f"W{i}_0,p1"
    for i in range(size):
        for j in range(size):
            instances[f"W{i}_{j}"] = {"component": "wire", "settings": {"R": ohm}}
            instances[f"B{i}_{j}"] = {"component": "wire", "settings": {"R": ohm}}
            instances[f"C{i}_{j}"] = {"component": "cell", "settings": {"R": 1 / float(g[i, j])}}
            along = [f"C{i}_{j},p1"] + ([f"W{i}_{j + 1},p1"] if j + 1 < size else [])
            down = [f"C{i}_{j},p2"] + ([f"B{i - 1}_{j},p2"] if i else [])
            connections[f"W{i}_{j},p2"] = tuple(along)
            connections[f"B{i}_{j},p1"] = tuple(down)
    connections["GND,p1"] = tuple(grounded)
    return {"instances": instances, "connections": connections}


def main() -> None:
    """Compile, differentiate, time."""
    size, ohm, backend = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    arrays = np.load(io.BytesIO(sys.stdin.buffer.read()))
    g, v = arrays["g"], arrays["v"]
    models = {"wire": Resistor, "cell": Resistor, "source": VoltageSource, "ground": lambda: 0}
    circuit = compile_circuit(netlist(g, v, ohm), models, backend=backend)
    name = next(name for name, group in circuit.groups.items() if "C0_0" in group.index_map)
    cells = circuit.groups[name]
    place = np.array([cells.index_map[f"C{i}_{j}"] for i in range(size) for j in range(size)])
    resistances = np.asarray(cells.params.R)

    def total(conductance: Any) -> Any:
        values = jnp.asarray(resistances).at[place].set(1 / conductance.ravel())
        group = eqx.tree_at(lambda group: group.params.R, cells, values)
        nodes = circuit.with_groups({**circuit.groups, name: group}).dc()
        ends = [circuit.get_port_field(nodes, f"B{size - 1}_{j},p1") for j in range(size)]
        return jnp.stack(ends).sum() / ohm

    both = jax.jit(jax.value_and_grad(total))
    start = time.process_time()
    value, gradient = jax.block_until_ready(both(jnp.asarray(g)))
    first = time.process_time() - start
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        jax.block_until_ready(both(jnp.asarray(g)))
        times.append(time.process_time() - start)
    report = {
        "cpu_seconds": statistics.median(times),
        "first_call_cpu_seconds": first,
        "value": float(value),
        "gradient": np.asarray(gradient).tolist(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
