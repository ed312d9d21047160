"""Which of the training data are trained on, and which are held out to judge by."""

from __future__ import annotations

from memsim.errors import InputError
from memsim.learn.data import Dataset, Split
from memsim.learn.evaluation import hold_out
from memsim.learn.stages import Stage
from memsim.learn.study import Study


def shares_of(study: Study, data: Dataset) -> tuple[Split, Split | None]:
    """Examples to train on, and those that are held out: of each class the same share, where that is asked for.

    Of examples in the order of time, the last ones are.

    Raises:
        InputError: a share that leaves nothing on either side.
    """
    training = study.training
    stratified = data.digest is not None or training.keep == "best"
    return hold_out(data.train, training.validation, stratified=stratified, in_order=data.in_order)


def batch_of(study: Study, stage: Stage) -> int:
    """Examples an update is made from."""
    return stage.batch or study.batch


def check_shares(study: Study, data: Dataset, processes: int) -> None:
    """Raise InputError unless every share of the data, and of a batch for each process, has examples."""
    available = len(shares_of(study, data)[0])
    for stage in study.every_stage:
        count, batch = min(stage.examples or available, available), batch_of(study, stage)
        last = count % batch or batch
        if min(last, count) < processes:
            raise InputError(
                f"batch = {batch} of {count} examples leaves {min(last, count)} for the last update of an epoch, too "
                f"few for {processes} processes; choose another batch, or fewer --devices"
            )
