from __future__ import annotations

from memsim.learn.losses import check_loss
from memsim.learn.metrics import known_metrics
from memsim.learn.study import Study
from memsim.networks import check_network


def check_study(study: Study) -> None:
    """Look for what is wrong with a study whatever its data are, before they are read.

    Raises:
        InputError: a network that cannot be, or a loss or metrics that do not exist.
    """
    check_network(study)
    training = study.training
    check_loss(training.loss, training.class_weights, training.label_smoothing)
    known_metrics(training.metrics)
