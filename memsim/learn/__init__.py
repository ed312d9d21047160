"""Training networks: studies, data, the training loop and checkpoints."""

from memsim.learn.checkpoint import EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import DATASETS, Dataset, DataTable, load_dataset, make_dataset
from memsim.learn.evaluation import (
    StepComparison,
    classify,
    compare_steps,
    evaluate,
    first,
    respond,
    save_comparison,
)
from memsim.learn.honesty import TrainingError, error_of_steps, save_error
from memsim.learn.judging import UnseenChip, judge
from memsim.learn.logs import tensorboard_log
from memsim.learn.losses import LOSSES
from memsim.learn.metrics import METRICS, confusion
from memsim.learn.rules import BPTT, Batch, Rule
from memsim.learn.run import Run, build, load_run, network_of
from memsim.learn.stages import STAGES, Stage, StageRecord
from memsim.learn.study import Study, load_study, make_study, save_study
from memsim.learn.trainer import Progress
from memsim.learn.training import devices, train

__all__ = [
    "BPTT",
    "DATASETS",
    "LOSSES",
    "METRICS",
    "STAGES",
    "Batch",
    "DataTable",
    "Dataset",
    "EpochRecord",
    "Progress",
    "Rule",
    "Run",
    "Stage",
    "StageRecord",
    "StepComparison",
    "Study",
    "TrainingError",
    "UnseenChip",
    "build",
    "classify",
    "compare_steps",
    "confusion",
    "devices",
    "error_of_steps",
    "evaluate",
    "first",
    "judge",
    "load_checkpoint",
    "load_dataset",
    "load_run",
    "load_study",
    "make_dataset",
    "make_study",
    "network_of",
    "respond",
    "save_checkpoint",
    "save_comparison",
    "save_error",
    "save_study",
    "tensorboard_log",
    "train",
]
