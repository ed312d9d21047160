"""What arrays would not compute, not find, or hold twice: refused by the name of the module, before it is mapped."""

from __future__ import annotations

from collections.abc import Container, Iterator

import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc.layers import MappedLayer
from memsim.imc.placement import LAYERS, UNMAPPED
from memsim.imc.plain import computes_as, hooked

_READ = (*LAYERS, MappedLayer)


def check_layers(model: nn.Module, left: Container[nn.Module]) -> None:
    """Raise InputError for layers that compute otherwise than their class, or whose weights are those of others.

    Those that are `left` digital may, among themselves.
    """
    owners: dict[int, tuple[str, nn.Module]] = {}
    known = set(model.modules())
    for name, module in model.named_modules():
        if module not in left:
            _check_computed(name, module, known)
        for key, parameter in module.named_parameters(recurse=False):
            first, owner = owners.setdefault(id(parameter), (name, module))
            if owner is module or (module in left and owner in left):
                continue
            if isinstance(module, _READ) or isinstance(owner, _READ):
                raise InputError(
                    f"{name} and {first} share their {key}, which would be on arrays twice and part in training; "
                    f"use one module in both places, or give each its own {key}"
                )


def check_nothing_left(model: nn.Module, left: Container[nn.Module]) -> None:
    """Raise InputError for layers with weights that are not on arrays, and not `left` digital on purpose."""
    for name, module in [(name, module) for name, module in model.named_modules() if module not in left]:
        title = name or "the network"
        compiled = isinstance(module, torch.jit.ScriptModule) and any(p.ndim > 1 for p in module.parameters())
        if compiled or type(module).__module__.startswith("torch.ao.nn.quantized"):
            raise InputError(
                f"{title} is a {type(module).__name__}, whose weights cannot be mapped; give the network as before "
                "it was compiled or quantised"
            )
        if isinstance(module, UNMAPPED):
            raise InputError(
                f"{title} is a {type(module).__name__}, which cannot be mapped; allowed: {known_layers()}; or leave "
                "it digital with skip"
            )


def known_layers() -> str:
    """Those of torch that go to arrays, for messages."""
    return ", ".join(f"nn.{layer.__name__}" for layer in LAYERS)


def _check_computed(name: str, module: nn.Module, known: Container[nn.Module]) -> None:
    title = name or "the layer"
    _check_lists(name or "the network", module, known)
    if not isinstance(module, _READ):
        return
    if hooked(module):
        raise InputError(
            f"{title} has forward hooks, which arrays do not call; remove them first (lazy layers: run them once)"
        )
    if isinstance(module, MappedLayer):
        return
    base = next(layer for layer in LAYERS if isinstance(module, layer))
    if not computes_as(module, base):
        raise InputError(
            f"{title} is a {type(module).__name__} with a forward of its own, which arrays do not compute; "
            f"make it an nn.{base.__name__}, and a module of the rest"
        )
    _check_weights(title, module)


def _check_weights(title: str, layer: nn.Module) -> None:
    for parameter in layer.parameters():
        if parameter.dtype not in {torch.float32, torch.float64}:
            raise InputError(
                f"{title} has weights of {parameter.dtype}; allowed: torch.float32 and torch.float64, so map "
                "network.float()"
            )
        if not bool(torch.isfinite(parameter).all()):
            raise InputError(f"{title} has weights that are not finite; train it anew")


def _in_lists(value: object) -> Iterator[nn.Module]:
    """Modules that stand in lists of Python, or in lists of these."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, list | tuple) or type(value) is dict:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _in_lists(part)


def _check_lists(title: str, module: nn.Module, known: Container[nn.Module]) -> None:
    """Raise InputError for layers in a list of Python, where torch does not look for parts of a module.

    Blocks of layers may stand there beside their place in the network, as their parts are replaced in both.
    """
    for attribute, value in vars(module).items():
        if attribute.startswith("_") or isinstance(value, nn.Module):
            continue
        hidden = (
            part
            for block in _in_lists(value)
            for part in block.modules()
            if part is block or part not in known
        )
        if any(isinstance(part, LAYERS) for part in hidden):
            raise InputError(
                f"{title} keeps layers in {attribute}, a {type(value).__name__}, where they would stay digital; "
                "make it an nn.ModuleList or nn.ModuleDict"
            )
