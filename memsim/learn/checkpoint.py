"""Checkpoints that cannot run code: tensors in safetensors, everything else in TOML beside them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from memsim.errors import CheckpointError
from memsim.files import write_bytes, write_text
from memsim.learn.rules import state_of
from memsim.learn.writing import FIGURES

STUDY, CHECKPOINT, HISTORY = "study.toml", "checkpoint.safetensors", "history.csv"
NUMBERS = ("epoch", "loss", "train_accuracy", "test_accuracy", "seconds", "validation_accuracy")
SPIKES = "spikes_"
"""Columns of a history with the activity of a layer begin with it."""
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave: mean training loss, accuracies, and seconds it took.

    The training accuracy is that of the first images, the validation accuracy that of held-out ones, if any are. Of
    numbers to predict, accuracies are R^2.

    Attributes:
        scores: further metrics on the test data, by name.
        activity: spikes of a neuron for one example, mean of each layer.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    validation_accuracy: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    activity: tuple[float, ...] = ()

    @property
    def numbers(self) -> dict[str, float | None]:
        """Everything that is one number, by name."""
        single = {one.name: getattr(self, one.name) for one in fields(self) if one.name in NUMBERS}
        spikes = {f"{SPIKES}{layer}": mean for layer, mean in enumerate(self.activity, start=1)}
        return {**single, **self.scores, **spikes}


def is_taken(name: str) -> bool:
    """Whether a column of each history has this name, so that no score can."""
    return name in (*NUMBERS, *FIGURES) or (name.startswith(SPIKES) and name.removeprefix(SPIKES).isdecimal())


def save_checkpoint(  # noqa: PLR0913 - the parts of a run
    folder: Path,
    network: nn.Module,
    optimizer: Optimizer,
    generator: torch.Generator,
    history: list[EpochRecord],
    *,
    best: Mapping[str, Tensor] | None = None,
    rule: object | None = None,
    arrays: object | None = None,
) -> None:
    """Write weights, optimiser, shuffling state and history; each file is replaced whole.

    Args:
        folder: of the run.
        network: as it is after the last epoch.
        optimizer: of its parameters.
        generator: of the order of the examples.
        history: of all epochs.
        best: the weights that are kept, where they are not the last ones.
        rule: of learning, whose state is kept if it has one.
        arrays: cells that are written in place, whose state is.
    """
    tensors = {f"network.{name}": _stored(value) for name, value in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": _stored(value) for name, value in state.items()}
    tensors |= {f"best.{name}": _stored(value) for name, value in (best or {}).items()}
    tensors |= {f"rule.{name}": _stored(value) for name, value in state_of(rule).items()}
    tensors |= {f"arrays.{name}": _stored(value) for name, value in state_of(arrays).items()}
    tensors["generator"] = generator.get_state()
    # the history travels inside, so that a kill between two writes cannot leave files that disagree
    tensors["history"] = torch.tensor([_numbers(record) for record in history], dtype=torch.float64)
    further = json.dumps([{"scores": record.scores, "activity": record.activity} for record in history])
    tensors["further"] = torch.tensor(list(further.encode()), dtype=torch.uint8)
    tensors["digest"] = _digest(tensors)
    write_bytes(folder / CHECKPOINT, save(tensors))
    table = io.StringIO()
    rows = [record.numbers for record in history]
    writer = csv.DictWriter(
        table, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / HISTORY, table.getvalue())


def _stored(value: Tensor) -> Tensor:
    """A copy, since tied parameters are one tensor of two names, and files hold each by itself."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def load_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: Optimizer | None = None,
    generator: torch.Generator | None = None,
    rule: object | None = None,
    *,
    arrays: object | None = None,
) -> list[EpochRecord]:
    """Restore what `save_checkpoint` wrote and return the history.

    To train on, with an optimiser, weights are the last ones; otherwise those that are kept.

    Raises:
        CheckpointError: no checkpoint, a damaged one, one of another network, or, to train on, one of discrete neurons
            of an earlier memsim.
    """
    tensors = _read(folder / CHECKPOINT)
    if optimizer is not None and _counts_otherwise(tensors):
        raise CheckpointError(
            f"{folder / CHECKPOINT} was left in the midst of a stage by an earlier memsim, whose optimiser counted "
            f"parameters in another order; start a new run from its weights with training.start = {str(folder)!r}"
        )
    kept = {} if optimizer is not None else _section(tensors, "best.")
    weights = kept or _section(tensors, "network.")
    _check_weights(folder / CHECKPOINT, weights)
    with _belonging(folder / CHECKPOINT):
        network.load_state_dict(weights)
        history = _history(tensors)
        if generator is not None:
            generator.set_state(tensors["generator"])
        if optimizer is not None:
            _restore_optimizer(optimizer, _section(tensors, "optimizer."))
        for part, name in ((rule, "rule."), (arrays, "arrays.")):
            if hasattr(part, "load_state_dict"):
                part.load_state_dict(_section(tensors, name))
    return history


@contextmanager
def _belonging(path: Path) -> Iterator[None]:
    """Turn what a part that lacks or does not fit raises into an error that names the checkpoint."""
    try:
        yield
    except (RuntimeError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} does not belong to this network: {reason}; train it anew") from None


def needs_no_optimizer(folder: Path) -> bool:
    """Whether a checkpoint can be a finished stage, but not trained on: see `load_checkpoint`."""
    return _counts_otherwise(_read(folder / CHECKPOINT))


def _counts_otherwise(tensors: Mapping[str, Tensor]) -> bool:
    """Whether parameters of an optimiser are in the order of networks that had synapses first, and neurons after."""
    return "network.neurons.0.leak" in tensors


def load_history(folder: Path) -> list[EpochRecord]:
    """What the epochs of a checkpoint gave."""
    with _belonging(folder / CHECKPOINT):
        return _history(_read(folder / CHECKPOINT))


def load_best(folder: Path) -> dict[str, Tensor] | None:
    """The weights that a run keeps so far; None where those are the last ones."""
    return _section(_read(folder / CHECKPOINT), "best.") or None


def _numbers(record: EpochRecord) -> list[float]:
    return [math.nan if (value := getattr(record, name)) is None else value for name in NUMBERS]


def _history(tensors: dict[str, Tensor]) -> list[EpochRecord]:
    rows = tensors["history"].tolist()
    if "further" in tensors:
        further = json.loads(bytes(tensors["further"].tolist()))
    else:  # of a checkpoint that has none
        further = [{"scores": {}, "activity": ()} for _ in rows]
    return [_record(row, **more) for row, more in zip(rows, further, strict=True)]


def _record(numbers: list[float], scores: dict[str, float], activity: Sequence[float]) -> EpochRecord:
    known = {name: None if math.isnan(value) else value for name, value in zip(NUMBERS, numbers, strict=True)}
    return EpochRecord(**{**known, "epoch": int(numbers[0]), "scores": scores, "activity": tuple(activity)})  # type: ignore[arg-type]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors = load(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist; train first with `memsim train --out {path.parent}`"
        ) from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and train again") from None
    digest = tensors.pop("digest", None)
    if digest is None or digest.tolist() != _digest(tensors).tolist():
        raise CheckpointError(f"{path} is damaged (its digest does not match); delete it and train again")
    return tensors


def _digest(tensors: dict[str, Tensor]) -> Tensor:
    """SHA-256 of names, types, shapes and values: safetensors itself does not notice a changed byte."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def _check_weights(path: Path, weights: dict[str, Tensor]) -> None:
    for name, value in weights.items():
        if name.endswith("crossbar.weight") and not bool(
            (value.double().abs() <= 1).all()
        ):  # also false for NaN
            raise CheckpointError(
                f"{path}: {name} leaves the range -1 to 1, so no conductances realise it; train it anew"
            )


def _section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    # a parameter that never had a gradient has no state
    if any(set(one) != set(ADAM_STATE) for one in state.values()):
        raise KeyError("the state of its optimiser is incomplete")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
