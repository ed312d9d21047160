"""Normalisation behind a layer becomes its weights and bias, where it is plain that nothing else meets either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from memsim.imc.plain import computes_as, hooked


def fold_normalisation(model: nn.Module, left: Container[nn.Module] = ()) -> None:
    """Fold running averages into layers of each nn.Sequential.

    Layers that are used elsewhere too, and those that are `left` as they are, keep theirs.
    """
    uses = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    for container in [m for m in model.modules() if computes_as(m, nn.Sequential)]:
        # the container itself may stand in several places
        own, children = uses[id(container)], container._modules
        for (name, layer), (following, norm) in pairwise(list(children.items())):
            fused = _fused(layer, norm) if uses[id(layer)] == own and layer not in left else None
            if fused is not None:
                setattr(container, name, fused.train(container.training))
                setattr(container, following, nn.Identity())


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """One layer for two; None where they do not fit, or where batches have averages of their own."""
    if hooked(norm):
        return None
    if isinstance(layer, nn.Conv2d) and computes_as(norm, nn.BatchNorm2d) and norm.track_running_stats:
        return fuse_conv_bn_eval(layer.eval(), norm.eval())
    if isinstance(layer, nn.Linear) and computes_as(norm, nn.BatchNorm1d) and norm.track_running_stats:
        return fuse_linear_bn_eval(layer.eval(), norm.eval())
    return None
