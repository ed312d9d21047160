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
from memsim.learn.logs import tensorboard_log
from memsim.learn.losses import LOSSES
from memsim.learn.metrics import METRICS, confusion
from memsim.learn.staged import (
    STAGES,
    StagedRun,
    StageRecord,
    accuracy,
    load_staged_run,
    spikes_of,
    train_staged,
)
from memsim.learn.staged_study import Stage, StagedStudy, is_staged, load_staged_study, make_staged_study
from memsim.learn.study import Study, load_study, make_study, save_study
from memsim.learn.trainer import Progress, Run, build, devices, load_run, network_of, train

__all__ = [
    "DATASETS",
    "LOSSES",
    "METRICS",
    "STAGES",
    "DataTable",
    "Dataset",
    "EpochRecord",
    "Progress",
    "Run",
    "Stage",
    "StageRecord",
    "StagedRun",
    "StagedStudy",
    "StepComparison",
    "Study",
    "TrainingError",
    "accuracy",
    "build",
    "classify",
    "compare_steps",
    "confusion",
    "devices",
    "error_of_steps",
    "evaluate",
    "first",
    "is_staged",
    "load_checkpoint",
    "load_dataset",
    "load_run",
    "load_staged_run",
    "load_staged_study",
    "load_study",
    "make_dataset",
    "make_staged_study",
    "make_study",
    "network_of",
    "respond",
    "save_checkpoint",
    "save_comparison",
    "save_error",
    "save_study",
    "spikes_of",
    "tensorboard_log",
    "train",
    "train_staged",
]
