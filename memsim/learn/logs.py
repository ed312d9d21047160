"""Logs of a training run beside its CSV history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memsim.errors import InputError
from memsim.learn.checkpoint import EpochRecord
from memsim.learn.trainer import Progress

TENSORBOARD = "tensorboard"


@contextmanager
def tensorboard_log(folder: Path) -> Iterator[Progress]:
    """Writes every epoch's record for TensorBoard into `folder`/tensorboard.

    Raises:
        InputError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "TensorBoard is not installed; install memsim[tensorboard], or read history.csv"
        ) from None
    with SummaryWriter(str(folder / TENSORBOARD)) as writer:

        def log(_done: int, _total: int, record: EpochRecord | None) -> None:
            if record is None:
                return
            writer.add_scalar("loss", record.loss, record.epoch)
            writer.add_scalar("accuracy/train", record.train_accuracy, record.epoch)
            writer.add_scalar("accuracy/test", record.test_accuracy, record.epoch)
            if record.validation_accuracy is not None:
                writer.add_scalar("accuracy/validation", record.validation_accuracy, record.epoch)
            for name, value in record.scores.items():
                writer.add_scalar(f"test/{name}", value, record.epoch)
            for layer, spikes in enumerate(record.activity, start=1):
                writer.add_scalar(f"spikes/layer {layer}", spikes, record.epoch)

        yield log
