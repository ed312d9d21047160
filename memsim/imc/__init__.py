"""In-memory computing: hardware cards, converters, and networks mapped to tiles."""

from memsim.imc.calibration import calibrate, estimate_averages
from memsim.imc.digital import digital_parts
from memsim.imc.hardware import HardwareCard, hardware_names, load_hardware
from memsim.imc.inferences import inference
from memsim.imc.layers import MappedLayer
from memsim.imc.mapping import Activity, map_to_imc, mapped_layers, observe
from memsim.imc.programs import network_of
from memsim.imc.ranges import calibrate_inputs, calibrate_steps

__all__ = [
    "Activity",
    "HardwareCard",
    "MappedLayer",
    "calibrate",
    "calibrate_inputs",
    "calibrate_steps",
    "digital_parts",
    "estimate_averages",
    "hardware_names",
    "inference",
    "load_hardware",
    "map_to_imc",
    "mapped_layers",
    "network_of",
    "observe",
]
