"""A trained network as a circuit, and single devices: ngspice beside the torch twin."""

from memsim.verify.comparison import Evidence, LayerVerification, Verification
from memsim.verify.devices import Agreement, compare_device
from memsim.verify.engines import network_deck
from memsim.verify.run import evidence_of, save_verification, verify

__all__ = [
    "Agreement",
    "Evidence",
    "LayerVerification",
    "Verification",
    "compare_device",
    "evidence_of",
    "network_deck",
    "save_verification",
    "verify",
]
