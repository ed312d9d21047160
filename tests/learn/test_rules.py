"""The learning rule is a part: another one fills the gradients in its own way."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from memsim.learn import BPTT, Batch, make_study, train

STUDY = make_study(hidden=(4,), epochs=1, batch=512)


def weights(rule: object, folder: Path) -> list[Tensor]:
    return [p.detach() for p in train(STUDY, folder, rule=rule).network.parameters()]


class SignOnly:
    """Backpropagation that keeps the signs."""

    def grads(self, batch: Batch) -> Tensor:
        loss = BPTT().grads(batch)
        for parameter in batch.network.parameters():
            assert parameter.grad is not None
            parameter.grad.sign_()
        return loss


class FirstOnly:
    """Backpropagation that moves one parameter."""

    def grads(self, batch: Batch) -> Tensor:
        loss = BPTT().grads(batch)
        _, *others = batch.network.parameters()
        for parameter in others:
            parameter.grad = None
        return loss


def test_a_rule_decides_what_is_learned(tmp_path: Path) -> None:
    default, named = weights(None, tmp_path / "a"), weights(BPTT(), tmp_path / "b")
    assert all(torch.equal(*pair) for pair in zip(default, named, strict=True))
    signs, one = weights(SignOnly(), tmp_path / "c"), weights(FirstOnly(), tmp_path / "d")
    assert all(not torch.equal(*pair) for pair in zip(default, signs, strict=True))
    start = [p.detach() for p in train_start()]
    moved = [not torch.equal(*pair) for pair in zip(one, start, strict=True)]
    assert moved == [True] + [False] * (len(start) - 1)


def train_start() -> list[Tensor]:
    from memsim.learn import build

    return list(build(STUDY)[0].parameters())
