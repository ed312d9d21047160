"""Networks of one's own on chips: programs of torch.export, and modules that Python files define."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export import load as load_program

from memsim.errors import InputError
from memsim.imc.calibration import calibrate, estimate_averages, normalisations
from memsim.imc.cost import COMPLETE, Accounting, Cost, cost
from memsim.imc.hardware import HardwareCard
from memsim.imc.inferences import inference, remembering
from memsim.imc.mapping import evaluating, map_to_imc
from memsim.imc.programs import network_of
from memsim.imc.ranges import calibrate_inputs, calibrate_steps
from memsim.imc.workloads import Workload, workload_of
from memsim.learn.chips import COSTED_IMAGES, Chip
from memsim.learn.data.as_given import Samples, samples_of
from memsim.learn.data.dataset import Split
from memsim.learn.evaluation import AT_ONCE, first
from memsim.learn.judging import AVERAGES_SAMPLE, NOISE_SEED, UnseenChip, check_chips
from memsim.learn.metrics import check_outputs, main_metric
from memsim.learn.run import CALIBRATION_SAMPLE, decides
from memsim.own_code import blamed, load_object, names_code

PROGRAM = ".pt2"
HOW = (
    "ONNX files are not read; where the network comes from torch, make one there by "
    "torch.export.save(torch.export.export(network.eval(), (inputs,), "
    'dynamic_shapes=({0: torch.export.Dim("batch", min=2)},)), "network.pt2")'
)


@dataclass(frozen=True)
class Foreign:
    """A network of one's own.

    Attributes:
        name: of its file.
        network: in evaluation.
        axes: of its inputs, where it says so.
    """

    name: str
    network: nn.Module
    axes: int | None = None


def load_foreign(name: str, *, trust: bool = False) -> Foreign:
    """A network from a file.

    Args:
        name: `FILE.pt2` as torch.export saves it, or `FILE.py:NAME` of a module, or of a class or function that makes
            one of nothing.
        trust: run the code that it is or may hold: a program is unpickled.

    Raises:
        InputError: no such network, no trust, or one whose batches have a fixed size.
    """
    path = Path(name)
    if names_code(name):
        made = load_object(name, "model", trust=trust)[1]
        if not isinstance(made, nn.Module):
            with blamed(f"model = {name!r} cannot be made"):
                made = made() if callable(made) else made
        if not isinstance(made, nn.Module):
            raise InputError(
                f"model = {name!r} is {type(made).__name__}; give an nn.Module, or what makes one"
            )
        return Foreign(path.name, made.eval())
    if path.suffix != PROGRAM:
        hint = f"; {HOW}" if path.suffix == ".onnx" else ""
        raise InputError(f"model = {name!r} is no network; allowed: FILE{PROGRAM}, FILE.py:NAME{hint}")
    if not path.is_file():
        raise InputError(f"model {name!r} was not found; give the path of a program of torch.export")
    if not trust:
        raise InputError(
            f"{name} may hold code that would run as it is unpickled; if you know where it comes from, let it with "
            "`--trust` (in Python trust=True)"
        )
    with blamed(f"model {name!r} cannot be read"):
        program = load_program(path)
    return Foreign(path.name, network_of(program), _axes(program, name))


def _axes(program: ExportedProgram, name: str) -> int:
    """Of the one input of a program, whose batches may have any size."""
    given = [
        node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs
    ]
    if len(given) != 1 or not isinstance(given[0], Tensor):
        raise InputError(f"model {name!r} has {len(given)} inputs; allowed: one tensor")
    batch: Any = given[0].shape[0]
    if isinstance(batch, int):
        raise InputError(
            f"model {name!r} takes batches of {batch} alone; export it with "
            'dynamic_shapes=({0: torch.export.Dim("batch", min=2)},)'
        )
    return given[0].ndim


def chips_of_model(  # noqa: PLR0913 - each is a choice of its own
    model: str,
    data: str,
    cards: Sequence[HardwareCard],
    *,
    data_dir: Path | None = None,
    images: int | None = None,
    unseen: int = 0,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
    trust: bool = False,
) -> list[Chip]:
    """What a network of one's own gets right on each chip, and what it costs there.

    It is mapped without training. Ranges of inputs, steps of ADCs and what decisions count are fitted to samples of the
    training data on each chip, without labels; so are averages of normalisation that could not be folded.

    Args:
        model: see `load_foreign`.
        data: see `samples_of`.
        cards: the hardware.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        images: test samples; all where left out.
        unseen: how many further chips of each card to judge by.
        accounting: what is charged.
        skip_events: whether arrays without any spike are not read.
        trust: run the code of the network.

    Raises:
        InputError: a network or data that cannot be used, or that do not fit each other or a card.
    """
    for card in cards if unseen else ():
        check_chips(card)
    foreign, samples = load_foreign(model, trust=trust), samples_of(data, data_dir)
    samples = _fitting(samples, foreign)
    test = samples.test if images is None else first(samples.test, images)
    with blamed(f"model {model!r} cannot compute inputs {list(test.inputs(slice(1)).shape)} of {data}"):
        software = _score(foreign.network, test)
    price = partial(cost, accounting=accounting, skip_events=skip_events)
    return [
        _chip(foreign, samples, test, card, software=software, unseen=unseen, price=price) for card in cards
    ]


def _chip(
    foreign: Foreign,
    samples: Samples,
    test: Split,
    card: HardwareCard,
    *,
    software: float,
    unseen: int,
    price: Callable[[Workload, HardwareCard], Cost],
) -> Chip:
    network, shown = _on_chip(foreign, samples, card, 0), first(test, COSTED_IMAGES).inputs()
    with _inferences(network, len(shown)):
        workload = workload_of(network, shown, steps=1, inferences=len(shown), name=foreign.name)
    with torch.no_grad():
        outputs = foreign.network(shown[:2]).shape[-1]
    priced = price(workload, card)
    return Chip(
        card,
        replace(priced, remarks=(*priced.remarks, *_of_no_class(outputs, samples))),
        accuracy=_score(network, test),
        trained=foreign.name,
        cold=True,
        unseen=tuple(_unseen(foreign, samples, test, card, chip) for chip in range(1, unseen + 1)),
        score="R²" if test.labels.is_floating_point() else "accuracy",
        software=software,
    )


def _of_no_class(outputs: int, samples: Samples) -> tuple[str, ...]:
    """A remark where outputs are of classes that the data do not have."""
    if samples.test.labels.is_floating_point():
        return ()
    classes = 1 + max(int(part.labels.max()) for part in (samples.train, samples.test))
    if outputs <= classes:
        return ()
    remark = (
        f"the network has {outputs} outputs and {samples.name} {classes} classes; an example for which one of the "
        "other outputs is largest counts as wrong"
    )
    return (remark,)


def _unseen(foreign: Foreign, samples: Samples, test: Split, card: HardwareCard, chip: int) -> UnseenChip:
    network = _on_chip(foreign, samples, card, chip)
    accuracy = _score(network, test)
    if not normalisations(network):
        return UnseenChip(chip, accuracy, None)
    some = first(samples.train, AVERAGES_SAMPLE)
    with _inferences(network, len(some)):
        estimate_averages(network, some.inputs())
    return UnseenChip(chip, accuracy, _score(network, test))


def _on_chip(foreign: Foreign, samples: Samples, card: HardwareCard, chip: int) -> nn.Module:
    """Mapped and fitted to samples."""
    source = torch.Generator().manual_seed(NOISE_SEED)
    network = map_to_imc(foreign.network, card, generator=source, chip=chip)
    shown = first(samples.train, CALIBRATION_SAMPLE).inputs()
    fits: list[Callable[[nn.Module, Tensor], object]] = [calibrate_inputs]
    fits += [calibrate_steps] if card.converter.adc else []
    fits += [calibrate] if decides(network) else []
    for fit in fits:
        with _inferences(network, len(shown)):
            fit(network, shown)
    return network


def _inferences(network: nn.Module, samples: int) -> AbstractContextManager[None]:
    """One inference of each sample, where layers remember."""
    return inference(network, samples) if remembering(network) else nullcontext()


def _score(network: nn.Module, test: Split) -> float:
    """Accuracy of classes, R^2 of numbers."""
    found = []
    with torch.no_grad(), evaluating(network):
        for inputs, _ in test.batches(AT_ONCE):
            with _inferences(network, len(inputs)):
                found.append(network(inputs))
    outputs, wanted = torch.cat(found), test.labels
    if wanted.is_floating_point():
        outputs = outputs.reshape(len(outputs), -1) if outputs.numel() == wanted.numel() else outputs
        fits, what = outputs.shape == wanted.shape, f"numbers of shape {list(wanted.shape)}"
    else:
        most = int(wanted.max()) + 1
        fits, what = outputs.ndim == 2 and outputs.shape[1] >= most, f"[{len(wanted)}, {most} classes]"
    if not fits:
        raise InputError(f"the network gives {list(outputs.shape)}, and the data ask for {what}")
    return main_metric(wanted)(check_outputs(outputs), wanted)


def _fitting(samples: Samples, foreign: Foreign) -> Samples:
    """Samples with as many axes as the network takes: those of vectors are flat."""
    if foreign.axes != 2:
        return samples
    train, test = (
        Split(part.stored.flatten(1), part.labels, part.full_scale) for part in (samples.train, samples.test)
    )
    return Samples(samples.name, train, test)
