"""Checkpoints that cannot run code: tensors in safetensors, everything else in TOML beside them."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from memsim.errors import CheckpointError
from memsim.files import write_bytes, write_text

STUDY, CHECKPOINT, HISTORY = "study.toml", "checkpoint.safetensors", "history.csv"
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave: mean training loss, accuracies, and seconds it took.

    The training accuracy is that of the first images, the validation accuracy that of held-out ones, if any are.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    validation_accuracy: float | None = None


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: Optimizer,
    generator: torch.Generator,
    history: list[EpochRecord],
) -> None:
    """Write weights, optimiser, shuffling state and history; each file is replaced whole."""
    tensors = {f"network.{name}": value.cpu().contiguous() for name, value in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.cpu().contiguous() for name, value in state.items()}
    tensors["generator"] = generator.get_state()
    # the history travels inside, so that a kill between two writes cannot leave files that disagree
    tensors["history"] = torch.tensor([_numbers(record) for record in history], dtype=torch.float64)
    tensors["digest"] = _digest(tensors)
    write_bytes(folder / CHECKPOINT, save(tensors))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([field.name for field in fields(EpochRecord)])
    writer.writerows(astuple(record) for record in history)
    write_text(folder / HISTORY, table.getvalue())


def load_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> list[EpochRecord]:
    """Restore what `save_checkpoint` wrote and return the history.

    Raises:
        CheckpointError: no checkpoint, a damaged one, or one of another network.
    """
    tensors = _read(folder / CHECKPOINT)
    weights = _section(tensors, "network.")
    _check_weights(folder / CHECKPOINT, weights)
    try:
        network.load_state_dict(weights)
        history = [_record(row) for row in tensors["history"].tolist()]
        if generator is not None:
            generator.set_state(tensors["generator"])
        if optimizer is not None:
            _restore_optimizer(optimizer, _section(tensors, "optimizer."))
    except (RuntimeError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder / CHECKPOINT} does not belong to this network: {reason}; train it anew"
        ) from None
    return history


def _numbers(record: EpochRecord) -> list[float]:
    return [math.nan if value is None else value for value in astuple(record)]


def _record(numbers: list[float]) -> EpochRecord:
    epoch, *others = numbers
    return EpochRecord(int(epoch), *(None if math.isnan(value) else value for value in others))  # type: ignore[arg-type]


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
    parameters = range(sum(len(group["params"]) for group in optimizer.param_groups))
    if set(tensors) != {f"{index}.{name}" for index in parameters for name in ADAM_STATE}:
        raise KeyError("the state of its optimiser is incomplete")
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
