"""Losses: how far what a network says is from what it should say.

Adding one is a line in LOSSES: a function of outputs [n, k] and of what is wanted, classes [n] or numbers [n, k]; with
a number at each time, both are [n, slots, k]. Numbers that are not known, as the flow where nothing is seen, are NaN in
what is wanted, and left out by all losses here; losses of the user's get them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, multi_margin_loss, one_hot, smooth_l1_loss

from memsim.errors import InputError
from memsim.own_code import blamed, load_object, names_code

LossFunction = Callable[[Tensor, Tensor], Tensor]
ClassWeights = str | tuple[float, ...]
BALANCED = "balanced"


def _of_numbers(loss: LossFunction) -> LossFunction:
    """A loss of numbers; classes count as 1 for the right one and 0 for the others."""

    def function(outputs: Tensor, wanted: Tensor) -> Tensor:
        if not wanted.is_floating_point():
            wanted = one_hot(wanted, outputs.shape[-1]).to(outputs.dtype)
        known = ~wanted.isnan()
        return loss(outputs[known], wanted[known]) if known.any() else 0.0 * outputs.sum()

    return function


def end_point_distance(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance between velocities that are found and known ones, in the unit of both.

    The end-point error of Baker et al., A database and evaluation methodology for optical flow, IJCV 92:1 (2011),
    section 4.1.

    Args:
        outputs: velocities [..., 2 * places], along columns at all places before along rows.
        wanted: the same, NaN where not known. Of none that is known, the distance is 0.
    """
    away = (outputs - wanted).unflatten(-1, (2, -1))
    known = ~away.isnan().any(dim=-2)
    distances = away.movedim(-2, -1)[known].norm(dim=-1)
    return distances.mean() if len(distances) else 0.0 * outputs.sum()


CROSS_ENTROPY, SQUARES, END_POINT = "cross-entropy", "mean-square-error", "end-point-error"
LOSSES: dict[str, LossFunction] = {
    CROSS_ENTROPY: cross_entropy,
    "margin": multi_margin_loss,
    SQUARES: _of_numbers(mse_loss),
    "mean-absolute-error": _of_numbers(l1_loss),
    "huber": _of_numbers(smooth_l1_loss),
    END_POINT: end_point_distance,
}
OF_CLASSES = {CROSS_ENTROPY, "margin"}
"""Losses of classes only; they take class weights."""


def loss_of(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy of classes, mean square error of numbers."""
    return LOSSES[default_loss(wanted)](outputs, wanted)


def default_loss(wanted: Tensor) -> str:
    """Name of the loss of such targets."""
    return SQUARES if wanted.is_floating_point() else CROSS_ENTROPY


def make_loss(
    labels: Tensor,
    outputs: int,
    *,
    loss: str | LossFunction | None = None,
    class_weights: ClassWeights | None = None,
    smoothing: float = 0.0,
) -> LossFunction:
    """The loss of a study.

    Args:
        labels: of the examples to train on.
        outputs: neurons of the last layer.
        loss: a name in LOSSES, or a function of outputs and what is wanted, itself or as `FILE.py:NAME`; by the labels
            where left out.
        class_weights: of each class, or `balanced`: in inverse proportion to its examples, on average 1 for an example.
        smoothing: share of the target that is spread over all classes, in cross entropy.

    Raises:
        InputError: an unknown loss, one that does not fit the labels, or weights that do not. What it gives raises it
            where a loss of the user's fails, or gives anything but one number.
    """
    check_loss(loss, class_weights, smoothing)
    if callable(loss) or names_code(loss):
        return _own(loss if callable(loss) else load_object(str(loss), "loss")[1])
    name = loss or default_loss(labels)
    if labels.is_floating_point() and (name in OF_CLASSES or class_weights is not None):
        raise InputError(
            f"loss {name!r}{' with class weights' if class_weights is not None else ''} is for classes, and labels "
            f"are numbers; allowed: {', '.join(sorted(set(LOSSES) - OF_CLASSES))}, without class_weights"
        )
    if name == END_POINT:
        check_velocities(labels)
    _check_options(name, class_weights, smoothing)
    options: dict[str, object] = {"label_smoothing": smoothing} if smoothing else {}
    if class_weights is not None:
        options["weight"] = weights_of(labels, outputs, class_weights)
    return partial(LOSSES[name], **options) if options else LOSSES[name]


def check_loss(loss: str | LossFunction | None, class_weights: ClassWeights | None, smoothing: float) -> None:
    """Look for what is wrong with a loss whatever the labels are; arguments as for `make_loss`.

    Raises:
        InputError: an unknown loss, or options that it does not have.
    """
    if isinstance(class_weights, str) and class_weights != BALANCED:
        raise InputError(
            f"class_weights = {class_weights!r}; allowed: {BALANCED!r}, or a number for each class"
        )
    if callable(loss) or names_code(loss):
        options = {"class_weights": class_weights, "label_smoothing": smoothing}
        if given := [name for name, value in options.items() if value]:
            raise InputError(
                f"{given[0]} is for losses of memsim and changes nothing in your own; leave it out"
            )
    elif loss is not None:
        if loss not in LOSSES:
            raise InputError(
                f"loss {loss!r} is unknown; known: {', '.join(LOSSES)}; or name one of yours: FILE.py:FUNCTION"
            )
        _check_options(loss, class_weights, smoothing)


def check_velocities(labels: Tensor) -> None:
    """Raise InputError unless labels are velocities, two numbers for each place."""
    if not labels.is_floating_point() or labels.shape[-1] % 2:
        what = f"{labels.shape[-1]} number(s) for each input" if labels.is_floating_point() else "classes"
        raise InputError(
            f"{END_POINT} is of velocities, and labels are {what}; allowed: two numbers for each place, all those "
            "along columns before those along rows"
        )


def _check_options(name: str, class_weights: ClassWeights | None, smoothing: float) -> None:
    if (class_weights is not None and name not in OF_CLASSES) or (smoothing and name != CROSS_ENTROPY):
        raise InputError(
            f"loss {name!r} takes no {'class_weights' if class_weights is not None else 'label_smoothing'}; "
            f"leave it out, or take loss {CROSS_ENTROPY!r}"
        )


def _own(loss: object) -> LossFunction:
    """A loss of the user's, which says what is wrong with it."""
    name = getattr(loss, "__name__", type(loss).__name__)
    if not callable(loss) or isinstance(loss, type):
        raise InputError(f"loss {name!r} is no function of outputs and of what is wanted; give one")

    def function(outputs: Tensor, wanted: Tensor) -> Tensor:
        with blamed(f"loss {name!r} failed"):
            found = loss(outputs, wanted)
        if not isinstance(found, Tensor) or found.numel() != 1:
            given = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"loss {name!r} gives {given}; it must give a tensor with one number")
        return found

    function.__name__ = name
    return function


def weights_of(labels: Tensor, classes: int, wanted: ClassWeights) -> Tensor:
    """Weights of classes, [classes]; see `make_loss`.

    Raises:
        InputError: not a weight for each class.
    """
    if isinstance(wanted, str):
        return len(labels) / (classes * torch.bincount(labels, minlength=classes).clamp(min=1)).float()
    if len(wanted) != classes:
        raise InputError(
            f"class_weights = {len(wanted)} numbers; allowed: {BALANCED!r}, or a number for each of {classes} classes"
        )
    return torch.tensor(wanted, dtype=torch.float32, device=labels.device)
