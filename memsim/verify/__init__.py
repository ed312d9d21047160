"""A trained network as a circuit: test images in ngspice beside the torch twin."""

from memsim.verify.comparison import Evidence, LayerVerification, Verification
from memsim.verify.run import evidence_of, save_verification, verify

__all__ = ["Evidence", "LayerVerification", "Verification", "evidence_of", "save_verification", "verify"]
