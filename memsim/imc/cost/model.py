"""Energy, latency and area of a network on in-memory computing hardware."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memsim.errors import InputError
from memsim.imc.cost.accounting import COMPLETE, Accounting
from memsim.imc.cost.energy import digital_energy, energies, memory_bits, programming_energy, traffic
from memsim.imc.cost.floorplan import Floorplan, LayerPlan, floorplan
from memsim.imc.cost.latency import Stage, digital_seconds, programming_seconds, seconds
from memsim.imc.cost.remarks import currents, remarks
from memsim.imc.cost.results import Cost, LayerCost, PartCost, Programming
from memsim.imc.cost.technology import Technology, load_technology
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import LayerShape, Workload


def cost(
    workload: Workload,
    card: HardwareCard,
    *,
    technology: Technology | None = None,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
) -> Cost:
    """Energy, latency and area of a network on hardware.

    Args:
        workload: the network.
        card: the hardware.
        technology: constants; those that the card names where left out.
        accounting: what is charged.
        skip_events: whether arrays without any spike are not read, and spikes travel as addresses.

    Raises:
        InputError: the card names an unknown technology, or has too few tiles and does not say how cells are written,
            or has memory or a number of tiles that the accounting leaves out.
    """
    technology = load_technology(card.technology.card) if technology is None else technology
    if not accounting.surroundings:
        _refuse_surroundings(card, accounting)
    plan = floorplan(workload, card, technology.constants.at_supply(), accounting)
    flows = [
        traffic(plan, layer, workload.rate(layer.shape), skip_events=skip_events) for layer in plan.layers
    ]
    times = [seconds(plan, layer, flow) for layer, flow in zip(plan.layers, flows, strict=True)]
    parts = _parts(plan, workload)
    programming = _programming(plan)
    bits = memory_bits(plan, workload) if card.memory and accounting.surroundings else 0.0
    stages = _stages(plan, times, parts, bits)
    period, inference_time = _times(stages, programming)
    power = _leakage(plan)
    leaked = period * power if accounting.leakage else 0.0
    layers = [
        LayerCost(
            name=layer.shape.name,
            arrays=layer.row_tiles * layer.column_tiles * layer.copies,
            copies=layer.copies,
            utilisation=_utilisation(plan, layer),
            energy={**energies(plan, layer, flow), "leakage": leaked * plan.tile_share(layer)},
            latency=time,
        )
        for layer, flow, time in zip(plan.layers, flows, times, strict=True)
    ]
    rewritten = programming.energy if programming and programming.passes > 1 else 0.0
    area = _areas(plan)
    slowest = max(stages, key=lambda stage: stage.seconds)
    reads = currents(plan, [flow.rate for flow in flows])
    return Cost(
        workload=workload.name,
        card=card.name,
        technology=technology.name,
        accounting=accounting.name,
        layers=tuple(layers),
        parts=parts,
        shared={"memory": bits * card.memory.energy if card.memory else 0.0, "programming": rewritten},
        area=area,
        leakage_power=power,
        period=period,
        slowest=slowest.name,
        inference_time=inference_time,
        operations=_operations(plan, workload.layers),
        array_operations=_operations(plan, workload.on_arrays),
        utilisation=_cells_in_use(plan),
        programming=programming,
        currents=reads,
        plan=plan,
        remarks=remarks(plan, flows, reads, sum(area.values()), slowest),
    )


def _refuse_surroundings(card: HardwareCard, accounting: Accounting) -> None:
    given = [
        name
        for name, value in (("memory", card.memory), ("tiles.on_chip", card.tiles.on_chip))
        if value is not None
    ]
    if given:
        raise InputError(
            f"{card.name} gives {' and '.join(given)}, which the {accounting.name} accounting leaves out; take it out "
            f"of the card, or use the {COMPLETE.name} accounting"
        )


def _parts(plan: Floorplan, workload: Workload) -> tuple[PartCost, ...]:
    if not plan.digital:
        return ()
    return tuple(
        PartCost(part.name, part.does, digital_energy(plan, part), digital_seconds(plan, part))
        for part in workload.digital_parts()
    )


def _programming(plan: Floorplan) -> Programming | None:
    energy, time = programming_energy(plan), programming_seconds(plan)
    if energy is not None and time is not None:
        return Programming(energy, time, plan.passes)
    if plan.passes > 1:
        raise InputError(
            f"the network takes {plan.tiles_needed} tiles and {plan.card.name} has tiles.on_chip = {plan.tiles}, so "
            "that cells are written in each inference; give cell.write_voltage and cell.write_time, or more tiles"
        )
    return None


def _stages(plan: Floorplan, layers: Sequence[float], parts: Sequence[PartCost], bits: float) -> list[Stage]:
    """What works side by side in the pipeline."""
    stages = [Stage(layer.shape.name, time) for layer, time in zip(plan.layers, layers, strict=True)]
    memory = bits / plan.card.memory.bandwidth if plan.card.memory else 0.0
    return [
        *stages,
        Stage("digital unit", sum(part.latency for part in parts), "digital.lanes"),
        Stage("memory", memory, "memory.bandwidth"),
    ]


def _times(stages: Iterable[Stage], programming: Programming | None) -> tuple[float, float]:
    """Period of the pipeline, and time of one inference alone."""
    times = [stage.seconds for stage in stages]
    if programming is None or programming.passes == 1:
        return max(times), sum(times)
    alone = sum(times) + programming.passes * programming.time
    return alone, alone


def _operations(plan: Floorplan, layers: Iterable[LayerShape]) -> float:
    rule = plan.accounting.positions
    return 2 * sum((layer.steps or plan.steps) * layer.positions(rule) * layer.weights for layer in layers)


def _utilisation(plan: Floorplan, layer: LayerPlan) -> float:
    array = plan.card.array
    cells = layer.row_tiles * array.rows * layer.column_tiles * array.columns
    return layer.shape.weights * plan.card.lines / cells


def _cells_in_use(plan: Floorplan) -> float:
    """Share of the cells of the chip; of the part that it holds at a time, where it is programmed anew."""
    array = plan.card.array
    held = sum(layer.shape.weights * plan.card.lines * layer.copies for layer in plan.layers) / plan.passes
    return held / (plan.tiles * plan.side**2 * array.rows * array.columns)


def _neuron_circuits(plan: Floorplan) -> float:
    """One for each output of a copy of a layer."""
    return sum(layer.shape.neurons * layer.copies for layer in plan.layers) * plan.accounting.neurons


def _areas(plan: Floorplan) -> dict[str, float]:
    c = plan.constants
    parts = {name: area * plan.tiles for name, area in plan.tile_areas.items()}
    parts["buffers"] += plan.global_buffer_bits * plan.buffer_area
    parts["neurons"] = _neuron_circuits(plan) * c.neuron_area
    return {**parts, "digital": plan.lanes * c.lane_area}


def _leakage(plan: Floorplan) -> float:
    c = plan.constants
    bits = plan.tiles * (plan.flip_flops + plan.buffer_bits) + plan.global_buffer_bits
    neurons = _neuron_circuits(plan) * c.neuron_leakage
    return bits * c.flip_flop_leakage + neurons + plan.lanes * c.lane_leakage
