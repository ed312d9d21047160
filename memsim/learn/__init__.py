"""Training memristive networks: studies, data, networks, the training loop and checkpoints."""

from memsim.learn.checkpoint import EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import DATASETS, Dataset
from memsim.learn.evaluation import StepComparison, classify, compare_steps, evaluate, first, save_comparison
from memsim.learn.honesty import TrainingError, error_of_steps, save_error
from memsim.learn.logs import tensorboard_log
from memsim.learn.network import MemristiveNetwork
from memsim.learn.neurons import resting_neuron
from memsim.learn.nonidealities import realised
from memsim.learn.study import Study, load_study, make_study, save_study
from memsim.learn.trainer import Progress, Run, build, devices, load_run, train

__all__ = [
    "DATASETS",
    "Dataset",
    "EpochRecord",
    "MemristiveNetwork",
    "Progress",
    "Run",
    "StepComparison",
    "Study",
    "TrainingError",
    "build",
    "classify",
    "compare_steps",
    "devices",
    "error_of_steps",
    "evaluate",
    "first",
    "load_checkpoint",
    "load_run",
    "load_study",
    "make_study",
    "realised",
    "resting_neuron",
    "save_checkpoint",
    "save_comparison",
    "save_error",
    "save_study",
    "tensorboard_log",
    "train",
]
