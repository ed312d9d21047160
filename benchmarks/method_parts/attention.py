"""What both methods of attention measure: how many bits their shares need, and how many parameters they have."""

from __future__ import annotations

from typing import Any

from memsim.learn import Run, evaluate
from memsim.networks.attention import DimensionalAttention, JointAttention

BITS = 4
Attention = DimensionalAttention | JointAttention


def gates_of(run: Run) -> list[Attention]:
    """Of the layers of a run that have one."""
    return [layer.gate for layer in run.network.chain if isinstance(layer.gate, Attention)]


def of_bits(run: Run) -> dict[str, Any]:
    """Accuracy with shares of few bits where training had them as numbers, and the other way round."""
    gates = gates_of(run)
    trained = gates[0].bits
    for gate in gates:
        gate.bits = BITS if trained is None else None
    found = evaluate(run.network, run.data.test)
    for gate in gates:
        gate.bits = trained
    return {
        f"shares of {BITS} bits" if trained is None else "shares as numbers": found,
        "parameters of gates": sum(p.numel() for gate in gates for p in gate.parameters()),
    }
