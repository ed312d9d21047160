"""Training memristive networks: studies, data, networks, the training loop and checkpoints."""

from memsim.learn.checkpoint import EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import DATASETS, Dataset
from memsim.learn.evaluation import accuracy
from memsim.learn.network import MemristiveNetwork, resting_neuron
from memsim.learn.study import Study, load_study, make_study, save_study
from memsim.learn.trainer import Run, build, load_run, train

__all__ = [
    "DATASETS",
    "Dataset",
    "EpochRecord",
    "MemristiveNetwork",
    "Run",
    "Study",
    "accuracy",
    "build",
    "load_checkpoint",
    "load_run",
    "load_study",
    "make_study",
    "resting_neuron",
    "save_checkpoint",
    "save_study",
    "train",
]
