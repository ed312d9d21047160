"""Metrics: how good a network is, the higher the better unless their name says error.

Adding one is a line in METRICS: a function of outputs [n, k] and of what is wanted, classes [n] or numbers [n, k]; with
a number at each time, both are [n, slots, k]. Numbers that are not known, as the flow where nothing is seen, are NaN in
what is wanted, and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.checkpoint import NUMBERS, SPIKES, is_taken
from memsim.learn.losses import END_POINT, check_velocities, end_point_distance
from memsim.own_code import blamed, load_object, names_code

Metric = Callable[[Tensor, Tensor], float]


def accuracy(outputs: Tensor, wanted: Tensor) -> float:
    """Share of examples whose class is right."""
    return float((outputs.argmax(dim=1) == wanted).double().mean())


def strict_accuracy(outputs: Tensor, wanted: Tensor) -> float:
    """Share of examples whose class alone has the highest output: ties, as between counts of spikes, are wrong."""
    alone = (outputs == outputs.amax(dim=1, keepdim=True)).sum(dim=1) == 1
    return float(((outputs.argmax(dim=1) == wanted) & alone).double().mean())


def balanced_accuracy(outputs: Tensor, wanted: Tensor) -> float:
    """Mean over the classes of the share that is right: rare classes count as much as frequent ones."""
    counts = confusion(outputs, wanted)
    seen = counts.sum(dim=1) > 0
    return float((counts.diagonal()[seen] / counts.sum(dim=1)[seen]).mean())


def confusion(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Examples by class and by what the network says, [class, guess], float64."""
    classes = outputs.shape[1]
    pairs = wanted * classes + outputs.argmax(dim=1)
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()


def area_under_curve(outputs: Tensor, wanted: Tensor) -> float:
    """Of two classes, how often an example of class 1 looks more like it than one of class 0.

    Equal ones count half. It is the area under the curve of right over false alarms: Hanley and McNeil, Radiology
    143:29 (1982).

    Raises:
        InputError: another number of classes, or examples of one alone.
    """
    if outputs.shape[1] != 2 or len(wanted.unique()) != 2:
        raise InputError(
            f"metric {AREA!r} is of examples of two classes, and there are {len(wanted.unique())} of "
            f"{outputs.shape[1]}; allowed: 2 of 2"
        )
    likeness = outputs[:, 1] - outputs[:, 0]
    others, own = likeness[wanted == 0].sort().values, likeness[wanted == 1].contiguous()
    below = sum(torch.searchsorted(others, own, right=right).double().mean() for right in (False, True))
    return float(below) / (2 * len(others))


def r_squared(outputs: Tensor, wanted: Tensor) -> float:
    """R^2, the share of variance explained.

    R^2 = 1 - sum |found - wanted|^2 / sum |wanted - mean|^2 is at most 1, and 0 of a network that only knows the mean:
    that of each number over all examples, or that of the numbers of a single one.
    """
    mean = wanted.nanmean(dim=tuple(range(wanted.ndim - 1))) if len(wanted) > 1 else wanted.nanmean()
    return 1 - float((outputs - wanted).square().nansum() / (wanted - mean).square().nansum())


def correlation(outputs: Tensor, wanted: Tensor) -> float:
    """Pearson's r of what is found and what is known, the mean of that of each number; NaN where one is constant."""
    columns = zip(
        outputs.reshape(-1, outputs.shape[-1]).T, wanted.reshape(-1, wanted.shape[-1]).T, strict=True
    )
    pairs = [torch.stack([found[~own.isnan()], own[~own.isnan()]]) for found, own in columns]
    return float(torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).mean())


def root_mean_square_error(outputs: Tensor, wanted: Tensor) -> float:
    """Of numbers, in the unit that they are learned in."""
    return float((outputs - wanted).square().nanmean().sqrt())


def end_point_error(outputs: Tensor, wanted: Tensor) -> float:
    """Of velocities, in the unit that they are learned in; see `losses.end_point_distance`."""
    return float(end_point_distance(outputs, wanted))


ACCURACY, AREA, R_SQUARED = "accuracy", "area-under-curve", "r-squared"
METRICS: dict[str, Metric] = {
    ACCURACY: accuracy,
    "strict-accuracy": strict_accuracy,
    "balanced-accuracy": balanced_accuracy,
    AREA: area_under_curve,
    R_SQUARED: r_squared,
    "correlation": correlation,
    "root-mean-square-error": root_mean_square_error,
    END_POINT: end_point_error,
}
OF_CLASSES = {ACCURACY, "strict-accuracy", "balanced-accuracy", AREA}
OF_NUMBERS = set(METRICS) - OF_CLASSES


def check_outputs(outputs: Tensor) -> Tensor:
    """Outputs [n, ...] that can be judged, as they are.

    Raises:
        InputError: some that are NaN, which metrics would take for the first class, or leave out.
    """
    wrong = torch.nonzero(outputs.isnan().reshape(len(outputs), -1).any(dim=1))[:, 0]
    if len(wrong):
        raise InputError(
            f"the network gives NaN for {len(wrong)} of {len(outputs)} examples, the first is example {int(wrong[0])}, "
            "so that it cannot be judged; look for divisions by zero, roots and logarithms of 0, or lower learning_rate"
        )
    return outputs


def main_metric(wanted: Tensor) -> Metric:
    """Accuracy of classes, R^2 of numbers."""
    return METRICS[main_metric_name(wanted)]


def main_metric_name(wanted: Tensor) -> str:
    """Its name."""
    return R_SQUARED if wanted.is_floating_point() else ACCURACY


def chosen_metrics(names: Collection[str], wanted: Tensor) -> Mapping[str, Metric]:
    """Metrics by their names, those of files by what they are called there.

    Raises:
        InputError: an unknown one, two of one name, or one that does not fit what is wanted.
    """
    chosen, other = known_metrics(names), OF_CLASSES if wanted.is_floating_point() else OF_NUMBERS
    if END_POINT in names:
        check_velocities(wanted)
    for name in names:
        if name in other:
            known = ", ".join(one for one in METRICS if one not in other)
            raise InputError(
                f"metric {name!r} does not fit these labels; allowed: {known}; or name one of yours: FILE.py:FUNCTION"
            )
    return chosen


def known_metrics(names: Iterable[str]) -> dict[str, Metric]:
    """The same, whatever is wanted.

    Raises:
        InputError: an unknown one, or two of one name.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        short, metric = _of_file(name) if names_code(name) else (name, METRICS.get(name))
        if metric is None:
            raise InputError(
                f"metric {name!r} is unknown; known: {', '.join(METRICS)}; or name one of yours: FILE.py:FUNCTION"
            )
        if short in chosen:
            raise InputError(f"two metrics are called {short!r}; rename one")
        chosen[short] = metric
    return chosen


def given_metrics(given: Mapping[str, Metric], names: Iterable[str]) -> dict[str, Metric]:
    """Metrics that Python gives by name, besides those that a study names.

    Raises:
        InputError: a name that is taken, or what is no function. What it gives raises it where a metric fails, or gives
            anything but a number.
    """
    if twice := sorted(set(given) & set(known_metrics(names))):
        raise InputError(f"two metrics are called {twice[0]!r}; rename one")
    return {name: _own(name, metric) for name, metric in given.items()}


def _of_file(name: str) -> tuple[str, Metric]:
    """Short name and function of a metric in a file of the user's."""
    full, function = load_object(name, "metrics")
    short = full.rpartition(":")[2].partition("@")[0]
    return short, _own(short, function)


def _own(name: str, function: object) -> Metric:
    """A metric of the user's, which says what is wrong with it."""
    if is_taken(name):
        raise InputError(
            f"metric {name!r} has the name of a column of each history ({', '.join(NUMBERS)}, {SPIKES}1 and so on); "
            "rename it"
        )
    if not callable(function) or isinstance(function, type):
        raise InputError(f"metric {name!r} is no function of outputs and of what is wanted; give one")

    def metric(outputs: Tensor, wanted: Tensor) -> float:
        with blamed(f"metric {name!r} failed"):
            found = function(outputs, wanted)
        one = isinstance(found, Real) or (hasattr(found, "item") and math.prod(found.shape) == 1)
        value = float(found) if one else math.nan
        if math.isnan(value):
            raise InputError(f"metric {name!r} gives {found!r:.60}; it must give a number")
        return value

    return metric
