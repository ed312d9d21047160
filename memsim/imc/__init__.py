"""In-memory computing: hardware cards, converters, networks mapped to tiles, and training for them."""

from memsim.imc.hardware import HardwareCard, hardware_names, load_hardware
from memsim.imc.layers import MappedLayer
from memsim.imc.mapping import Activity, calibrate, map_to_imc, mapped_layers, observe
from memsim.imc.network import SpikingNetwork
from memsim.imc.neurons import LeakyIntegrateAndFire
from memsim.imc.study import Stage, StagedStudy, is_staged, load_staged_study, make_staged_study
from memsim.imc.training import (
    STAGES,
    StagedRun,
    StageRecord,
    accuracy,
    load_staged_run,
    spikes_of,
    train_staged,
)

__all__ = [
    "STAGES",
    "Activity",
    "HardwareCard",
    "LeakyIntegrateAndFire",
    "MappedLayer",
    "SpikingNetwork",
    "Stage",
    "StageRecord",
    "StagedRun",
    "StagedStudy",
    "accuracy",
    "calibrate",
    "hardware_names",
    "is_staged",
    "load_hardware",
    "load_staged_run",
    "load_staged_study",
    "make_staged_study",
    "map_to_imc",
    "mapped_layers",
    "observe",
    "spikes_of",
    "train_staged",
]
